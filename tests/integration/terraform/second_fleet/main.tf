# A fleet that differs from the quickstart in everything a caller may choose.

module "firmware_retry" {
  source = "../../../.."

  name_prefix      = "second-"
  topic_filter     = "second/+/data"
  device_id_source = "topic:2"
  failure_statuses = ["FAILED", "TIMED_OUT"]
  success_statuses = ["SUCCEEDED"]

  job_events_enabled          = true
  unreadable_messages_enabled = true
  job_id_patterns             = ["second-*"]
  ignored_reasons             = ["*battery low*", "E_BUSY"]
  fatal_reasons               = ["*signature invalid*"]

  # Out of reach, and what test_breaker brings into it.
  breaker = { share = 0.3, window_seconds = 900, min_devices = 1000, pauses = true }

  retry_limit       = 2
  cool_down_seconds = [36000]
  cool_down_jitter  = 0
  settle_seconds    = 0

  failed_thing_group_name = var.failed_thing_group_name

  # A marker, so that no attribute of the fleet's own is touched.
  move_out_attributes = { firmwareRetry = "coolingDown" }
  failed_attributes   = { firmwareRetry = "failed" }

  alert_emails        = ["operators@example.com"]
  tags                = { fleet = "second" }
  deletion_protection = false
  role_path           = var.role_path
  kms_key_arn         = var.kms_key_arn
}

# Receives the alerts of failed devices, as a queue of a caller does.
resource "aws_sqs_queue" "alerts" {
  name       = "second-alerts.fifo"
  fifo_queue = true
}

resource "aws_sns_topic_subscription" "alerts" {
  topic_arn            = module.firmware_retry.alerts_topic_arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.alerts.arn
  raw_message_delivery = true
}
