# What the handlers' logs say, as metrics. None has a dimension: neither the number of devices nor
# that of campaigns makes more of them. What a campaign did is a query on the dashboard.
locals {
  # Of each metric: the steps whose log lines count, and which lines. What ReconcileDevices does in
  # place of a step that was lost, counts as if the step had done it.
  events = {
    # The failure that uses up a cycle counts when its recovery has the device: until then, each
    # further message, copies too, is answered that the recovery is due.
    FailuresCounted = {
      IncrementRetryCounter         = "{ $.message = \"failure message handled\" && $.outcome = \"counted\" }"
      ResetRetryCounterAndMoveOut   = "{ $.message = \"device moved out\" }"
      ResetRetryCountToFailedUpdate = "{ $.message = \"device marked as failed\" }"
      ReconcileDevices              = "{ $.message = \"device reconciled\" && ($.done = \"moved_out\" || $.done = \"marked_failed\") }"
    }
    DuplicatesRefused = {
      IncrementRetryCounter = "{ $.message = \"failure message handled\" && $.outcome = \"duplicate\" }"
    }
    # The failure log has the payloads that cannot be read.
    MessagesRefused = {
      IncrementRetryCounter = "{ $.errorType = \"InvalidMessageError\" }"
      ClearDeviceRecord     = "{ $.errorType = \"InvalidMessageError\" }"
      CheckIfDeviceExists   = "{ $.errorType = \"ThingNotFoundError\" }"
      FailureLog            = "{ $.refused = \"*\" }"
    }
    # Late messages, or those of a device whose clock was set back.
    MessagesStale = {
      IncrementRetryCounter = "{ $.message = \"failure message handled\" && $.outcome = \"stale\" }"
      CheckIfDeviceExists   = "{ $.errorType = \"StaleMessageError\" }"
      ClearDeviceRecord     = "{ $.message = \"success is stale\" }"
    }
    DevicesMovedOut = {
      ResetRetryCounterAndMoveOut = "{ $.message = \"device moved out\" }"
      ReconcileDevices            = "{ $.message = \"device reconciled\" && $.done = \"moved_out\" }"
    }
    DevicesRestored = {
      RestoreDeviceAttributes = "{ $.message = \"device restored\" }"
      ReconcileDevices        = "{ $.message = \"device reconciled\" && $.done = \"restored\" }"
    }
    DevicesFailed = {
      SendSNSNotification = "{ $.message = \"failed device reported\" }"
      ReconcileDevices    = "{ $.message = \"device reconciled\" && $.done = \"told\" }"
    }
    UpdatesSucceeded = {
      ClearDeviceRecord = "{ $.message = \"episode end*\" && $.cause = \"update succeeded\" }"
    }
    DevicesHealed = {
      ClearDeviceRecord = "{ $.message = \"episode end*\" && $.cause = \"update succeeded\" && $.state = \"failed\" }"
    }
    # What AWS IoT or DynamoDB throttled, after botocore's own second try.
    CallsThrottled = {
      for step in keys(var.function_names) : step => "{ $.errorType = \"TransientError\" && (${local.throttled}) }"
    }
    # What runs by the clock is left out: it has alarms of its own.
    UnexpectedErrors = {
      for step in setsubtract(keys(var.function_names), ["ReconcileDevices", "MailOperators"]) :
      step => "{ (${local.unexpected}) || (${local.crashed}) }"
    }
  }

  # What a step raises as it should: the state machine tries again, or ends the run quietly, or
  # refuses the message. Where that is not the end of it, the execution fails, and its alarm tells.
  ordinary_errors = [
    "TransientError", "StillInGroupError", "CampaignPausedError", "RecoverySupersededError",
    "ThingNotFoundError", "InvalidMessageError", "StaleMessageError", "EpisodeContendedError",
  ]

  # The line that Lambda's runtime writes of what a handler raised. No field says everywhere that it
  # is one: the name of that for the level has changed.
  unexpected = join(" && ", concat(
    ["$.errorType = \"*\""], [for error in local.ordinary_errors : "$.errorType != \"${error}\""],
  ))

  # Of a process that died, or whose time was over, only the platform can tell. That a handler raised
  # is a success to it. https://docs.aws.amazon.com/lambda/latest/dg/telemetry-schema-reference.html
  crashed = "$.type = \"platform.report\" && $.record.status != \"success\""

  throttled = join(" || ", [
    for code in ["Throttl", "TooManyRequests", "LimitExceeded", "ThroughputExceeded"] :
    "$.errorMessage = \"*${code}*\""
  ])

  # The fleet as ReconcileDevices counts it: the field of its log line, by metric.
  gauges = {
    Tracking             = "tracking"
    CoolingDown          = "cooling_down"
    Failed               = "failed"
    Held                 = "held"
    NotAway              = "notAway"
    Overdue              = "overdue"
    OldestOverdueSeconds = "oldestOverdueSeconds"
  }

  event_filters = merge([
    for metric, patterns in local.events : {
      for step, pattern in patterns :
      "${metric}-${step}" => { metric = metric, step = step, pattern = pattern, value = "1" }
    }
  ]...)

  gauge_filters = merge({
    for metric, field in local.gauges : metric => {
      metric  = metric
      step    = "ReconcileDevices"
      pattern = "{ $.message = \"fleet counted\" }"
      value   = "$.${field}"
    }
    }, {
    ThingsLeftMarked = {
      metric  = "ThingsLeftMarked"
      step    = "ReconcileDevices"
      pattern = "{ $.message = \"strays counted\" }"
      value   = "$.strays"
    }
  })
}

resource "aws_cloudwatch_log_metric_filter" "this" {
  for_each = merge(local.event_filters, local.gauge_filters)

  name           = each.key
  log_group_name = each.value.step == "FailureLog" ? var.failure_log_group_name : "/aws/lambda/${var.function_names[each.value.step]}"
  pattern        = each.value.pattern

  metric_transformation {
    namespace = local.namespace
    name      = each.value.metric
    value     = each.value.value
  }
}
