# Each alarm is for something that a person has to do, or to know before it gets worse;
# docs/operations/runbook.md has a section for each, of the name that follows "FirmwareRetry-".
locals {
  alarm_prefix  = "${var.name_prefix}FirmwareRetry-"
  alarm_actions = concat(var.operator_topic_arn[*], var.alarm_actions)
  runbook       = "What to do: docs/operations/runbook.md#"

  alerts_topic_name = element(split(":", var.alerts_topic_arn), 5)

  # A step may be late by a quarter of an hour in which its device leaves its groups, and by two
  # passes of ReconcileDevices that finish it otherwise.
  overdue_seconds = 2 * local.seconds.reconcile + 1800

  # Two passes of ReconcileDevices, and the quarter of an hour that one may take: Lambda publishes an
  # invocation when it is over, with the time when it began. An alarm looks back a day at most, and
  # seven with periods of an hour.
  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
  stopped_seconds = 2 * local.seconds.reconcile + 900
  stopped_period  = local.stopped_seconds > 86400 ? 3600 : 300

  # The gauges that a pass of ReconcileDevices sets, by the name of their alarm.
  gauge_alarms = {
    devices-overdue = {
      metric      = "OldestOverdueSeconds"
      threshold   = local.overdue_seconds
      description = "Something has been due for a device for more than ${local.overdue_seconds} seconds, and neither its recovery nor ReconcileDevices did it."
    }
    devices-not-away = {
      metric      = "NotAway"
      threshold   = 0
      description = "Devices used up a cycle, and their attributes could not be overwritten: they stay in their dynamic thing groups."
    }
    things-left-marked = {
      metric      = "ThingsLeftMarked"
      threshold   = 0
      description = "Things hold attributes that this module writes, without an episode that restores them."
    }
  }

  # Two passes of MailOperators, and some minutes for SQS and CloudWatch.
  queued_alert_seconds = 2 * local.seconds.alert + 600

  # An Express execution that runs out of time has no time for a dead letter either: that is another
  # alarm, because there is other work to do.
  bad_ends = {
    for machine in keys(var.state_machine_arns) : machine => toset(concat(
      ["ExecutionsFailed", "ExecutionsAborted"], machine == "intake" ? [] : ["ExecutionsTimedOut"]
    ))
  }

  # What shows that the account's quotas are too small, at most ten: an alarm takes no more. The
  # functions share one quota, so the busiest ones tell for all.
  throttles = merge(
    { calls = { namespace = local.namespace, name = "CallsThrottled", dimensions = null } },
    {
      for step in ["IncrementRetryCounter", "ResetRetryCounterAndMoveOut", "RestoreDeviceAttributes"] :
      lower(step) => {
        namespace  = "AWS/Lambda"
        name       = "Throttles"
        dimensions = { FunctionName = var.function_names[step] }
      }
    },
    {
      for machine, arn in var.state_machine_arns : machine => {
        namespace  = "AWS/States"
        name       = "ExecutionThrottled"
        dimensions = { StateMachineArn = arn }
      }
    },
  )

  # In an alarm of their own, since alarms on this namespace ignore missing data, whatever
  # treat_missing_data is: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
  table_throttles = {
    for kind in ["Read", "Write"] : lower(kind) => {
      namespace  = "AWS/DynamoDB"
      name       = "${kind}ThrottleEvents"
      dimensions = { TableName = var.table_names["retries"] }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "executions" {
  for_each = var.state_machine_arns

  alarm_name          = "${local.alarm_prefix}${each.key}-failed"
  alarm_description   = "An execution of ${each.value} ended badly. ${local.runbook}${each.key}-failed"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = var.ok_actions
  tags                = var.tags

  metric_query {
    id          = "ended_badly"
    label       = "Executions that ended badly"
    expression  = "SUM(METRICS())"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.bad_ends[each.key]

    content {
      id = lower(metric_query.value)

      metric {
        namespace   = "AWS/States"
        metric_name = metric_query.value
        dimensions  = { StateMachineArn = each.value }
        period      = 300
        stat        = "Sum"
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "intake_timed_out" {
  alarm_name          = "${local.alarm_prefix}intake-timed-out"
  alarm_description   = "Messages took the intake longer than the five minutes that it has, and may not be counted. ${local.runbook}intake-timed-out"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 1
  namespace           = "AWS/States"
  metric_name         = "ExecutionsTimedOut"
  dimensions          = { StateMachineArn = var.state_machine_arns["intake"] }
  period              = 300
  statistic           = "Sum"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = var.ok_actions
  tags                = var.tags
}

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  alarm_name          = "${local.alarm_prefix}dead-letters"
  alarm_description   = "Messages that could not be counted wait in ${var.dead_letter_queue_name}; they are kept for 14 days. ${local.runbook}dead-letters"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 1
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = var.dead_letter_queue_name }
  period              = 300
  statistic           = "Maximum"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = var.ok_actions
  tags                = var.tags
}

# A rule's action that fails makes a dead letter. Where that fails, too, the message is in no queue.
# AWS's page does not say how the types of actions are spelt, hence a query, which needs none; it
# takes one rule, since it knows no OR.
resource "aws_cloudwatch_metric_alarm" "messages_lost" {
  for_each = var.rule_names

  alarm_name          = "${local.alarm_prefix}messages-lost-${replace(each.key, "_", "-")}"
  alarm_description   = "The rule ${each.value} could neither hand on a message nor keep it as a dead letter. ${local.runbook}messages-lost"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = var.ok_actions
  tags                = var.tags

  metric_query {
    id          = "lost"
    label       = "Messages lost"
    expression  = "SELECT SUM(ErrorActionFailure) FROM SCHEMA(\"AWS/IoT\", ActionType, RuleName) WHERE RuleName = '${each.value}'"
    period      = 300
    return_data = true
  }
}

# One device with a bug is one message per attempt; a slip of a whole fleet is many. AWS IoT counts what
# is not JSON, which also is a MessagesRefused unless it has braces around: hence the larger of the two.
# https://docs.aws.amazon.com/iot/latest/developerguide/metrics_dimensions.html
resource "aws_cloudwatch_metric_alarm" "messages_refused" {
  count = var.refused_messages_alarm == null ? 0 : 1

  alarm_name          = "${local.alarm_prefix}messages-refused"
  alarm_description   = "Messages name no device or an unknown one, or cannot be read: the failures in them are not counted. ${local.runbook}messages-refused"
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = var.refused_messages_alarm
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = var.ok_actions
  tags                = var.tags

  metric_query {
    id          = "most"
    label       = "Messages refused"
    expression  = "MAX(METRICS())"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = merge(
      { refused = { namespace = local.namespace, name = "MessagesRefused", dimensions = null } },
      {
        for rule in var.message_rule_name[*] :
        "unparsed" => { namespace = "AWS/IoT", name = "ParseError", dimensions = { RuleName = rule } }
      },
    )

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.name
        dimensions  = metric_query.value.dimensions
        period      = 300
        stat        = "Sum"
      }
    }
  }
}

# A process that dies is started anew for hours before its execution fails; this says so earlier. A
# single error means nothing, errors that keep coming do; the backoff leaves up to 15 minutes between
# them.
resource "aws_cloudwatch_metric_alarm" "handlers" {
  alarm_name          = "${local.alarm_prefix}handlers-failing"
  alarm_description   = "Handlers have been failing again and again within an hour: their log groups say why. ${local.runbook}handlers-failing"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 12
  datapoints_to_alarm = 3
  namespace           = local.namespace
  metric_name         = "UnexpectedErrors"
  period              = 300
  statistic           = "Sum"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = var.ok_actions
  tags                = var.tags
}

# It raises when a device needs a person, and it runs too seldom for the alarm above. Lambda dates an
# error to the start of the invocation, and a pass may take a quarter of an hour: the datum is that
# old when it comes, hence two periods of that length.
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics.html
resource "aws_cloudwatch_metric_alarm" "reconcile" {
  alarm_name          = "${local.alarm_prefix}reconcile-failing"
  alarm_description   = "Devices could not be reconciled: the log group of ReconcileDevices says which and why. ${local.runbook}reconcile-failing"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 2
  datapoints_to_alarm = 1
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = var.function_names["ReconcileDevices"] }
  period              = 900
  statistic           = "Sum"
  treat_missing_data  = "ignore" # between two passes it stays as the last one left it
  alarm_actions       = local.alarm_actions
  ok_actions          = var.ok_actions
  tags                = var.tags
}

# Everything else that is known of a pass is known from the pass. Missing data means that there was
# none, so the alarm is on from the first apply until the first pass.
resource "aws_cloudwatch_metric_alarm" "reconcile_stopped" {
  alarm_name          = "${local.alarm_prefix}reconcile-stopped"
  alarm_description   = "${var.function_names["ReconcileDevices"]} has not run for more than ${local.stopped_seconds} seconds: nobody finishes lost, stopped or failed recoveries. ${local.runbook}reconcile-stopped"
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  evaluation_periods  = ceil(local.stopped_seconds / local.stopped_period)
  namespace           = "AWS/Lambda"
  metric_name         = "Invocations"
  dimensions          = { FunctionName = var.function_names["ReconcileDevices"] }
  period              = local.stopped_period
  statistic           = "Sum"
  treat_missing_data  = "breaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = var.ok_actions
  tags                = var.tags
}

# A function that could not be started has neither a log line nor a metric.
resource "aws_cloudwatch_metric_alarm" "schedules" {
  alarm_name          = "${local.alarm_prefix}schedules-failing"
  alarm_description   = "EventBridge Scheduler could not start ReconcileDevices or MailOperators. ${local.runbook}schedules-failing"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = var.ok_actions
  tags                = var.tags

  metric_query {
    id          = "failed"
    label       = "Invocations that failed"
    expression  = "SUM(METRICS())"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = ["TargetErrorCount", "InvocationDroppedCount"]

    content {
      id = lower(metric_query.value)

      metric {
        namespace   = "AWS/Scheduler"
        metric_name = metric_query.value
        dimensions  = { ScheduleGroup = var.schedule_group_name }
        period      = 300
        stat        = "Sum"
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "gauges" {
  for_each = local.gauge_alarms

  alarm_name          = "${local.alarm_prefix}${each.key}"
  alarm_description   = "${each.value.description} ${local.runbook}${each.key}"
  comparison_operator = "GreaterThanThreshold"
  threshold           = each.value.threshold
  evaluation_periods  = 1
  namespace           = local.namespace
  metric_name         = each.value.metric
  period              = 300
  statistic           = "Maximum"
  treat_missing_data  = "ignore" # between two passes it stays as the last one left it
  alarm_actions       = local.alarm_actions
  ok_actions          = var.ok_actions
  tags                = var.tags
}

moved {
  from = aws_cloudwatch_metric_alarm.overdue
  to   = aws_cloudwatch_metric_alarm.gauges["devices-overdue"]
}

moved {
  from = aws_cloudwatch_metric_alarm.things_left_marked
  to   = aws_cloudwatch_metric_alarm.gauges["things-left-marked"]
}

moved {
  from = aws_cloudwatch_metric_alarm.not_away
  to   = aws_cloudwatch_metric_alarm.gauges["devices-not-away"]
}

# Throttling is what backoff is for; when it does not end within an hour, a quota is too small.
resource "aws_cloudwatch_metric_alarm" "throttled" {
  alarm_name          = "${local.alarm_prefix}calls-throttled"
  alarm_description   = "Calls have been throttled for an hour without a break: recoveries are late. ${local.runbook}calls-throttled"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 12
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = var.ok_actions
  tags                = var.tags

  metric_query {
    id          = "throttled"
    label       = "Calls and executions that were throttled"
    expression  = "SUM(METRICS())"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.throttles

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.name
        dimensions  = metric_query.value.dimensions
        period      = 300
        stat        = "Sum"
      }
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "tables_throttled" {
  alarm_name          = "${local.alarm_prefix}tables-throttled"
  alarm_description   = "DynamoDB has throttled the retries table for an hour without a break: recoveries are late. CloudWatch leaves this alarm on when the throttling ends. ${local.runbook}tables-throttled"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 12
  treat_missing_data  = "ignore" # so it is anyway, see table_throttles
  alarm_actions       = local.alarm_actions
  ok_actions          = var.ok_actions
  tags                = var.tags

  metric_query {
    id          = "throttled"
    label       = "Reads and writes that were throttled"
    expression  = "SUM(METRICS())"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.table_throttles

    content {
      id = metric_query.key

      metric {
        namespace   = metric_query.value.namespace
        metric_name = metric_query.value.name
        dimensions  = metric_query.value.dimensions
        period      = 300
        stat        = "Sum"
      }
    }
  }
}

# SNS does not try an alert again that a queue refuses, because its policy or key was changed or it is
# gone. It keeps those of the operators' queue; the alarm is on until they are redriven.
resource "aws_cloudwatch_metric_alarm" "alerts_lost" {
  alarm_name          = "${local.alarm_prefix}alerts-lost"
  alarm_description   = "A queue that is subscribed to the topic ${local.alerts_topic_name} did not take what became of devices. ${local.runbook}alerts-lost"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = var.ok_actions
  tags                = var.tags

  metric_query {
    id          = "lost"
    label       = "Alerts that were not delivered"
    expression  = "SUM(METRICS())"
    return_data = true
  }

  metric_query {
    id = "failed"

    metric {
      namespace   = "AWS/SNS"
      metric_name = "NumberOfNotificationsFailed"
      dimensions  = { TopicName = local.alerts_topic_name }
      period      = 300
      stat        = "Sum"
    }
  }

  dynamic "metric_query" {
    for_each = var.undelivered_queue_name[*]

    content {
      id = "kept"

      metric {
        namespace   = "AWS/SQS"
        metric_name = "ApproximateNumberOfMessagesVisible"
        dimensions  = { QueueName = metric_query.value }
        period      = 300
        stat        = "Maximum"
      }
    }
  }
}

# As the alarm on ReconcileDevices: a pass may take five minutes, and after one that failed the alarm
# stays on until one succeeds. The age of the queue below does not suffice, since SQS leaves out what
# was received three times:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html
resource "aws_cloudwatch_metric_alarm" "mail" {
  count = var.operator_queue_name == null ? 0 : 1

  alarm_name          = "${local.alarm_prefix}mail-failing"
  alarm_description   = "${var.function_names["MailOperators"]} could not send e-mail to operators; its log group has the error. ${local.runbook}mail-failing"
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 2
  datapoints_to_alarm = 1
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = var.function_names["MailOperators"] }
  period              = 300
  statistic           = "Sum"
  treat_missing_data  = "ignore" # between two passes it stays as the last one left it
  alarm_actions       = local.alarm_actions
  ok_actions          = var.ok_actions
  tags                = var.tags
}

# Covers what the alarm above cannot see: passes that do not run, or leave alerts behind.
resource "aws_cloudwatch_metric_alarm" "queued_alerts" {
  count = var.operator_queue_name == null ? 0 : 1

  alarm_name          = "${local.alarm_prefix}alerts-waiting"
  alarm_description   = "Operator e-mail has been delayed for more than ${local.queued_alert_seconds} seconds. See the log group of ${var.function_names["MailOperators"]}. ${local.runbook}alerts-waiting"
  comparison_operator = "GreaterThanThreshold"
  threshold           = local.queued_alert_seconds
  evaluation_periods  = 1
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateAgeOfOldestMessage"
  dimensions          = { QueueName = var.operator_queue_name }
  period              = 300
  statistic           = "Maximum"
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  ok_actions          = var.ok_actions
  tags                = var.tags
}
