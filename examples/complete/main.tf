# Every option of the module, with what a fleet has around it (fleet.tf).
module "firmware_retry" {
  source = "../../"

  name_prefix = var.name_prefix
  tags        = { fleet = "washers", environment = "test" }

  # Which messages count.
  topic_filter                = "${var.name_prefix}washers/+/data"
  device_id_source            = "topic:2"
  failure_statuses            = ["failed", "timed_out"]
  success_statuses            = ["succeeded"]
  unreadable_messages_enabled = true
  job_events_enabled          = true
  job_id_patterns             = ["${var.name_prefix}firmware-*"]
  reason_keys                 = ["errorCode", "reason", "stderr"]
  ignored_reasons             = ["*battery low*", "E_BUSY"]
  fatal_reasons               = ["*signature invalid*"]

  # How often it is tried, and how long it waits.
  retry_limit        = 3
  cool_down_seconds  = [86400, 259200]
  cool_down_jitter   = 0.2
  settle_seconds     = 600
  reconcile_interval = "10 minutes"

  # When it is the firmware that is bad, not the devices.
  breaker = {
    share          = 0.3
    window_seconds = 43200
    min_devices    = 50
    pauses         = true
  }

  # What takes a device out of its dynamic thing group.
  move_out_attributes     = { model = "moveOut", FW = "moveOut" }
  failed_attributes       = { model = "failedtoupdate", FW = "failedtoupdate" }
  foreign_marks           = [] # those of another instance over the same things
  failed_thing_group_name = "FailedWashers"

  # Who is told.
  alert_emails           = ["fleet-operators@example.com"]
  alert_interval         = "10 minutes"
  alert_digest_threshold = 3
  refused_messages_alarm = 20 # within five minutes
  alarm_actions          = [] # what alarms notify besides, such as the topic of a pager
  ok_actions             = [] # what alarms notify when they end

  # How it is kept.
  kms_key_arn              = var.kms_key_arn
  log_retention_days       = 90
  history_retention_days   = 730
  deletion_protection      = false # an example must be removable; leave this out for a fleet
  role_path                = "/fleet/"
  permissions_boundary_arn = var.permissions_boundary_arn

  # How it runs.
  lambda_memory_mb    = 256
  lambda_architecture = "arm64"
  lambda_package_s3   = var.lambda_package_s3
  tracing_enabled     = true

  # What is there already and is to be used. null has the module make it; ../landing-zone has its own.
  existing_alerts_topic       = null
  existing_operator_topic     = null # instead of alert_emails
  existing_failed_thing_group = null # instead of failed_thing_group_name
  existing_tables             = { retries = null, backup = null, history = null, campaigns = null }
}
