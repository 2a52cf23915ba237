# A fleet that differs from the quickstart in everything a caller may choose. Tests change its inputs.

module "firmware_retry" {
  source = "../../../.."

  name_prefix      = "second-"
  topic_filter     = try(var.changes.topic_filter, "second/+/data")
  device_id_source = try(var.changes.device_id_source, "topic:2")
  failure_statuses = try(var.changes.failure_statuses, ["FAILED", "TIMED_OUT"])
  success_statuses = try(var.changes.success_statuses, ["SUCCEEDED"])

  job_events_enabled          = try(var.changes.job_events_enabled, true)
  unreadable_messages_enabled = try(var.changes.unreadable_messages_enabled, true)
  job_id_patterns             = try(var.changes.job_id_patterns, ["second-*"])
  reason_keys                 = try(var.changes.reason_keys, null)
  ignored_reasons             = try(var.changes.ignored_reasons, ["*battery low*", "E_BUSY"])
  fatal_reasons               = try(var.changes.fatal_reasons, ["*signature invalid*"])
  refused_messages_alarm      = try(var.changes.refused_messages_alarm, 5)

  # Out of reach, and what test_breaker brings into it.
  breaker = try(var.changes.breaker, { share = 0.3, window_seconds = 900, min_devices = 1000, pauses = true })

  retry_limit        = try(var.changes.retry_limit, 2)
  cool_down_seconds  = try(var.changes.cool_down_seconds, [36000])
  cool_down_jitter   = try(var.changes.cool_down_jitter, 0)
  settle_seconds     = try(var.changes.settle_seconds, 0)
  reconcile_interval = try(var.changes.reconcile_interval, null)

  failed_thing_group_name     = try(var.changes.failed_thing_group_name, null)
  existing_failed_thing_group = try(var.changes.existing_failed_thing_group, null)

  # A marker, so that no attribute of the fleet's own is touched.
  move_out_attributes = try(var.changes.move_out_attributes, { firmwareRetry = "coolingDown" })
  failed_attributes   = try(var.changes.failed_attributes, { firmwareRetry = "failed" })
  foreign_marks       = try(var.changes.foreign_marks, null)

  alert_emails            = try(var.changes.alert_emails, ["operators@example.com"])
  alert_interval          = try(var.changes.alert_interval, null)
  alert_digest_threshold  = try(var.changes.alert_digest_threshold, null)
  existing_alerts_topic   = try(var.changes.existing_alerts_topic, null)
  existing_operator_topic = try(var.changes.existing_operator_topic, null)
  alarm_actions           = try(var.changes.alarm_actions, null)
  ok_actions              = try(var.changes.ok_actions, null)

  tags                     = try(var.changes.tags, { fleet = "second" })
  deletion_protection      = try(var.changes.deletion_protection, false)
  role_path                = try(var.changes.role_path, null)
  permissions_boundary_arn = try(var.changes.permissions_boundary_arn, null)
  kms_key_arn              = try(var.changes.kms_key_arn, null)
  log_retention_days       = try(var.changes.log_retention_days, null)
  history_retention_days   = try(var.changes.history_retention_days, null)
  lambda_memory_mb         = try(var.changes.lambda_memory_mb, null)
  lambda_architecture      = try(var.changes.lambda_architecture, null)
  tracing_enabled          = try(var.changes.tracing_enabled, null)
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
