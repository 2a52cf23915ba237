locals {
  # The caller's own, or else the one made here.
  failed_group_arn = one(concat(aws_iot_thing_group.failed[*].arn, var.existing_failed_thing_group[*].arn))
  failed_group_name = (
    var.existing_failed_thing_group == null
    ? "${var.name_prefix}${var.failed_thing_group_name}"
    : element(split("/", var.existing_failed_thing_group.arn), 1)
  )
  rule_prefix = replace(var.name_prefix, "-", "_") # the name of a rule takes no hyphen
  rule_names  = { for rule in keys(local.rules) : rule => "${local.rule_prefix}${local.rules[rule].name}" }

  # What each rule takes notice of. All but the unreadable go to the intake, which is told by "kind"
  # what it is. One rule for failures and successes: AWS bills each rule on a topic for each message
  # there, telemetry included. Statuses may be unknown or secret; whether there are any is not.
  rules = merge(
    {
      removed = {
        name        = "FailedFirmwareRemovedRule"
        description = "Releases a device that an operator removed from the failed group."
        sql         = local.removed_sql
        is_logged   = false
      }
    },
    nonsensitive(length(concat(var.failure_statuses, var.success_statuses)) == 0) ? {} : {
      devices = {
        name        = "FailedFirmwareUpdateRule"
        description = "Counts each failed firmware update that a device reports, and ends the counting when one succeeds."
        sql         = local.message_sql
        is_logged   = true
      }
    },
    var.unreadable_messages_enabled ? {
      unreadable = {
        name        = "FailedFirmwareUnreadableRule"
        description = "Logs that a payload on the topic of firmware updates cannot be read."
        sql         = local.unreadable_sql
        is_logged   = true
      }
    } : {},
    { for event, rule in var.job_events_enabled ? local.job_rules : {} : "job_${event}" => rule },
  )
}

resource "aws_iot_topic_rule" "this" {
  for_each = local.rules

  name        = local.rule_names[each.key]
  description = each.value.description
  enabled     = true
  sql         = each.value.sql
  sql_version = "2016-03-23"
  tags        = var.tags

  # What is no message at all leaves one line in the log and nothing else.
  dynamic "step_functions" {
    for_each = each.key == "unreadable" ? [] : [var.intake_state_machine_name]

    content {
      state_machine_name    = step_functions.value
      execution_name_prefix = "message-"
      role_arn              = aws_iam_role.rules.arn
    }
  }

  dynamic "cloudwatch_logs" {
    for_each = each.value.is_logged ? [aws_cloudwatch_log_group.failures.name] : []

    content {
      log_group_name = cloudwatch_logs.value
      role_arn       = aws_iam_role.rules.arn
    }
  }

  error_action {
    sqs {
      queue_url  = aws_sqs_queue.dead_letters.url
      role_arn   = aws_iam_role.rules.arn
      use_base64 = false
    }
  }

  # A message that comes before the role may act would be a dead letter.
  depends_on = [aws_iam_role_policy.rules]
}

# One setting a region, whoever uses it: this switches on what is needed and never anything off.
resource "aws_iot_event_configurations" "jobs" {
  count = var.job_events_enabled ? 1 : 0

  event_configurations = { JOB_EXECUTION = true }

  # AWS answers with all kinds of events; the others are not this module's.
  lifecycle {
    ignore_changes = [event_configurations]
  }
}

resource "aws_cloudwatch_log_group" "failures" {
  name              = "${var.name_prefix}iot_failed_updates"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

# Where a device ends that failed its last cycle, until a person is done with it.
resource "aws_iot_thing_group" "failed" {
  count = nonsensitive(var.existing_failed_thing_group == null) ? 1 : 0

  name = local.failed_group_name
  tags = var.tags

  properties {
    description = "Devices whose firmware update failed in every cycle: look at them, then release them."
  }

  # AWS refuses a log group that exists; it does not document whether it refuses a group that exists
  # alike. So a second fleet of this name fails before it owns this one.
  depends_on = [aws_cloudwatch_log_group.failures]
}
