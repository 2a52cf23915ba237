locals {
  # An ARN has the region as its fourth part; a widget needs it by name.
  region = element(split(":", var.state_machine_arns["intake"]), 3)

  bad_ends = toset(["ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"])

  # Without those that raise as they should, which must wake nobody: the steps that a device's
  # message comes to first (a bad message, an unknown thing) and RestoreDeviceAttributes (a device
  # that has not left its groups yet). Where they fail for good, their execution fails minutes
  # later, and that alarm is here too. ReconcileDevices has an alarm of its own.
  watched_functions = {
    for step, name in var.function_names : step => name
    if !contains([
      "IncrementRetryCounter", "ClearDeviceRecord", "ReleaseDevice", "CheckIfDeviceExists",
      "StoreDeviceAttributes", "RestoreDeviceAttributes", "ReconcileDevices",
    ], step)
  }

  alarm_actions = var.operator_topic_arn == null ? [] : [var.operator_topic_arn]
}

resource "aws_cloudwatch_metric_alarm" "executions" {
  for_each = var.state_machine_arns

  alarm_name          = "${var.name_prefix}FirmwareRetry-${each.key}-failed"
  alarm_description   = "An execution of ${each.value} failed, timed out or was aborted."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  tags                = var.tags

  metric_query {
    id          = "ended_badly"
    label       = "Executions that ended badly"
    expression  = "SUM(METRICS())"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.bad_ends

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

resource "aws_cloudwatch_metric_alarm" "dead_letters" {
  alarm_name          = "${var.name_prefix}FirmwareRetry-dead-letters"
  alarm_description   = "Messages that could not be counted wait in ${var.dead_letter_queue_name}; they are kept for 14 days."
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
  tags                = var.tags
}

# A recovery tries for hours before it fails; this says so earlier. A single error is tried again
# and means nothing, errors that keep coming do; the backoff leaves up to 15 minutes between them.
resource "aws_cloudwatch_metric_alarm" "handlers" {
  alarm_name          = "${var.name_prefix}FirmwareRetry-handlers-failing"
  alarm_description   = "Handlers have been failing again and again within an hour: their log groups say why."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 12
  datapoints_to_alarm = 3
  treat_missing_data  = "notBreaching"
  alarm_actions       = local.alarm_actions
  tags                = var.tags

  metric_query {
    id          = "errors"
    label       = "Errors of the handlers"
    expression  = "SUM(METRICS())"
    return_data = true
  }

  dynamic "metric_query" {
    for_each = local.watched_functions

    content {
      id = lower(metric_query.key)

      metric {
        namespace   = "AWS/Lambda"
        metric_name = "Errors"
        dimensions  = { FunctionName = metric_query.value }
        period      = 300
        stat        = "Sum"
      }
    }
  }
}

# It raises when it had to leave a device behind, and it runs too seldom for the alarm above.
resource "aws_cloudwatch_metric_alarm" "reconcile" {
  alarm_name          = "${var.name_prefix}FirmwareRetry-reconcile-failing"
  alarm_description   = "Devices could not be reconciled: the log group of ReconcileDevices says which and why."
  comparison_operator = "GreaterThanThreshold"
  threshold           = 0
  evaluation_periods  = 1
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = var.function_names["ReconcileDevices"] }
  period              = 300
  statistic           = "Sum"
  treat_missing_data  = "ignore" # between two passes it stays as the last one left it
  alarm_actions       = local.alarm_actions
  tags                = var.tags
}

locals {
  widgets = [
    {
      title = "Executions started"
      metrics = [
        for machine, arn in var.state_machine_arns :
        ["AWS/States", "ExecutionsStarted", "StateMachineArn", arn, { label = machine }]
      ]
    },
    {
      title = "Executions that ended badly"
      metrics = [
        for pair in setproduct(keys(var.state_machine_arns), local.bad_ends) : [
          "AWS/States", pair[1], "StateMachineArn", var.state_machine_arns[pair[0]],
          { label = "${pair[0]} ${pair[1]}" }
        ]
      ]
    },
    {
      title = "Errors of the handlers"
      metrics = [
        for step, name in var.function_names :
        ["AWS/Lambda", "Errors", "FunctionName", name, { label = step }]
      ]
    },
    {
      title = "Dead letters waiting"
      metrics = [
        [
          "AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", var.dead_letter_queue_name,
          { label = "messages", stat = "Maximum" }
        ]
      ]
    },
  ]
}

resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = "${var.name_prefix}FirmwareRetry"

  dashboard_body = jsonencode({
    widgets = [
      for place, widget in local.widgets : {
        type   = "metric"
        x      = place % 2 * 12
        y      = floor(place / 2) * 6
        width  = 12
        height = 6
        properties = {
          title   = widget.title
          metrics = widget.metrics
          region  = local.region
          stat    = "Sum"
          period  = 300
          view    = "timeSeries"
          stacked = false
        }
      }
    ]
  })
}
