locals {
  alarms = concat(
    values(aws_cloudwatch_metric_alarm.executions)[*].arn,
    [
      aws_cloudwatch_metric_alarm.intake_timed_out.arn,
      aws_cloudwatch_metric_alarm.dead_letters.arn,
      aws_cloudwatch_metric_alarm.handlers.arn,
      aws_cloudwatch_metric_alarm.reconcile.arn,
      aws_cloudwatch_metric_alarm.reconcile_stopped.arn,
      aws_cloudwatch_metric_alarm.schedules.arn,
      aws_cloudwatch_metric_alarm.throttled.arn,
      aws_cloudwatch_metric_alarm.tables_throttled.arn,
      aws_cloudwatch_metric_alarm.alerts_lost.arn,
    ],
    aws_cloudwatch_metric_alarm.mail[*].arn,
    aws_cloudwatch_metric_alarm.queued_alerts[*].arn,
    aws_cloudwatch_metric_alarm.messages_refused[*].arn,
    values(aws_cloudwatch_metric_alarm.messages_lost)[*].arn,
    values(aws_cloudwatch_metric_alarm.gauges)[*].arn,
  )

  campaign_steps = [
    "IncrementRetryCounter", "ResetRetryCounterAndMoveOut", "RestoreDeviceAttributes", "SendSNSNotification",
    "ReconcileDevices",
  ]

  # What a step's message says, or ReconcileDevices did in its place; none is part of another.
  campaign_columns = [
    { name = "failures", says = ["failure message handled"] },
    { name = "moved_out", says = ["device moved out", "moved_out"] },
    { name = "restored", says = ["restored"] },
    { name = "failed", says = ["failed device reported", "told"] },
  ]

  # Logs Insights has no conditional sum; strcontains is 1 or 0.
  campaigns = join(" | ", concat(
    [for step in local.campaign_steps : "SOURCE '/aws/lambda/${var.function_names[step]}'"],
    [
      join(" or ", [
        "filter outcome = \"counted\"",
        "message in [\"device moved out\", \"device restored\", \"failed device reported\"]",
        "done in [\"moved_out\", \"restored\", \"told\"]",
      ]),
      "fields coalesce(done, message) as did",
      "stats ${join(", ", [
        for column in local.campaign_columns :
        "sum(${join(" + ", [for text in column.says : "strcontains(did, \"${text}\")"])}) as ${column.name}"
      ])} by campaign",
      "sort failures desc",
      "limit 20",
    ],
  ))

  rule_search = join(" ", [
    "{AWS/IoT,ActionType,RuleName}",
    "MetricName=(\"Failure\" OR \"ErrorActionFailure\")",
    "RuleName=(${join(" OR ", [for name in values(var.rule_names) : "\"${name}\""])})",
  ])

  # From top to bottom, from left to right; 24 columns.
  rows = [
    [{ text = "## Devices\nWhere the fleet is, as ReconcileDevices counts it every ${var.reconcile_interval}, and what happens to it." }],
    [
      {
        title = "Devices by state"
        view  = { stacked = true, stat = "Average" }
        metrics = [
          for metric in ["Tracking", "CoolingDown", "Failed"] : [local.namespace, metric]
        ]
      },
      {
        title = "Failures, recoveries, escalations"
        metrics = [
          for metric, label in {
            FailuresCounted  = "failures counted"
            DevicesMovedOut  = "moved out"
            DevicesRestored  = "restored"
            UpdatesSucceeded = "updates succeeded"
            DevicesFailed    = "failed for good"
            DevicesHealed    = "of those, healed"
          } : [local.namespace, metric, { label = label }]
        ]
      },
      {
        title   = "Age of what is longest overdue, seconds"
        view    = { stat = "Maximum" }
        lines   = [{ label = "alarm", value = local.overdue_seconds }]
        metrics = [[local.namespace, "OldestOverdueSeconds", { label = "oldest" }]]
      },
    ],
    [
      { title = "Campaigns in the time shown (failures without the last of a cycle)", query = local.campaigns, width = 16 },
      {
        title = "Overdue, held back by a paused campaign, not away though due, things left marked"
        view  = { stat = "Maximum" }
        metrics = [
          for metric in ["Overdue", "Held", "NotAway", "ThingsLeftMarked"] : [local.namespace, metric]
        ]
      },
    ],
    [{ text = "## What needs a person\nEach alarm has a section in docs/operations/runbook.md." }],
    [{ title = "Alarms", alarms = local.alarms, width = 24, height = 4 }],
    [
      {
        title = "Alerts waiting, alerts lost, and messages refused"
        view  = { stat = "Maximum" }
        metrics = concat(
          [
            for label, queue in merge(
              { "dead letters" = var.dead_letter_queue_name },
              var.operator_queue_name == null ? {} : { "mails to operators" = var.operator_queue_name },
              var.undelivered_queue_name == null ? {} : { "undelivered alerts" = var.undelivered_queue_name },
            ) : ["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName", queue, { label = label }]
          ],
          [[local.namespace, "MessagesRefused", { label = "messages refused", stat = "Sum" }]],
          [[local.namespace, "MessagesStale", { label = "messages stale", stat = "Sum" }]],
          [["AWS/SNS", "NumberOfNotificationsFailed", "TopicName", local.alerts_topic_name, { label = "alerts lost", stat = "Sum" }]],
        )
      },
      {
        title = "Executions that ended badly"
        metrics = flatten([
          for machine, arn in var.state_machine_arns : [
            for end in ["ExecutionsFailed", "ExecutionsTimedOut", "ExecutionsAborted"] : {
              metric = ["AWS/States", end, "StateMachineArn", arn, { label = "${machine} ${end}" }]
            }
          ]
        ])[*].metric
      },
      {
        title = "Errors of the handlers"
        metrics = concat(
          [[local.namespace, "UnexpectedErrors", { label = "unexpected, of all" }]],
          [
            for step, name in var.function_names :
            ["AWS/Lambda", "Errors", "FunctionName", name, { label = step }]
          ],
        )
      },
    ],
    [{ text = "## Limits\nWhat slows recoveries down when many devices fail at once." }],
    [
      {
        title = "Throttled"
        metrics = [
          for key, of in merge(local.throttles, local.table_throttles) : concat(
            [of.namespace, of.name], flatten([for name, value in coalesce(of.dimensions, {}) : [name, value]]),
            [{ label = "${key} ${of.name}" }],
          )
        ]
      },
      {
        title = "Rules: throttled and failing"
        metrics = concat(
          [[{ expression = "SEARCH('${local.rule_search}', 'Sum', 300)", id = "failures" }]],
          [
            for name in values(var.rule_names) :
            ["AWS/IoT", "RuleMessageThrottled", "RuleName", name, { label = "${name} throttled" }]
          ],
        )
      },
      {
        title = "Longest intake, milliseconds"
        view  = { stat = "Maximum" }
        lines = [{ label = "ends here", value = 300000 }]
        metrics = [
          ["AWS/States", "ExecutionTime", "StateMachineArn", var.state_machine_arns["intake"], { label = "longest" }],
          ["AWS/States", "ExecutionTime", "StateMachineArn", var.state_machine_arns["intake"], { label = "p99", stat = "p99" }],
        ]
      },
    ],
    [{ text = "## What it costs\nEach failure is one intake and one invocation; a recovery is one execution a cycle." }],
    [
      {
        title = "Executions started"
        metrics = concat(
          [
            for machine, arn in var.state_machine_arns :
            ["AWS/States", "ExecutionsStarted", "StateMachineArn", arn, { label = machine }]
          ],
          [[local.namespace, "DuplicatesRefused", { label = "intake, for a copy" }]],
        )
      },
      {
        title = "Invocations"
        view  = { stacked = true }
        metrics = [
          for step, name in var.function_names :
          ["AWS/Lambda", "Invocations", "FunctionName", name, { label = step }]
        ]
      },
      {
        title = "Units that the tables took"
        metrics = flatten([
          for table, name in var.table_names : [
            for kind in ["Read", "Write"] : {
              metric = ["AWS/DynamoDB", "Consumed${kind}CapacityUnits", "TableName", name, { label = "${table} ${lower(kind)}" }]
            }
          ]
        ])[*].metric
      },
    ],
  ]

  # A heading is as high as its two lines.
  heights = [for row in local.rows : try(row[0].height, can(row[0].text) ? 2 : 6)]
}

# Dashboards are global in an account, and one of the same name is overwritten:
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutDashboard.html
resource "aws_cloudwatch_dashboard" "this" {
  dashboard_name = "${var.name_prefix}FirmwareRetry-${module.names.region}"

  dashboard_body = jsonencode({
    widgets = flatten([
      for number, row in local.rows : [
        for place, widget in row : {
          type   = can(widget.text) ? "text" : can(widget.query) ? "log" : can(widget.alarms) ? "alarm" : "metric"
          x      = sum(concat([0], [for left in slice(row, 0, place) : try(left.width, 8)]))
          y      = sum(concat([0], slice(local.heights, 0, number)))
          width  = can(widget.text) ? 24 : try(widget.width, 8)
          height = local.heights[number]

          # A widget has what its kind has.
          properties = merge(
            try({ markdown = widget.text }, { title = widget.title }),
            try({ query = widget.query, region = module.names.region, view = "table" }, {}),
            try({ alarms = widget.alarms }, {}),
            try({ annotations = { horizontal = widget.lines } }, {}),
            try({
              metrics = widget.metrics
              region  = module.names.region
              view    = "timeSeries"
              stat    = "Sum"
              period  = 300
              stacked = false
            }, {}),
            try(widget.view, {}),
          )
        }
      ]
    ])
  })
}
