locals {
  partition   = module.names.partition
  definitions = "${path.module}/../../stepfunctions"

  machine_names = {
    intake     = "${var.name_prefix}FirmwareUpdateStateMachine"
    cool_down  = "${var.name_prefix}FirmwareCoolDownStateMachine"
    escalation = "${var.name_prefix}FirmwareEscalationStateMachine"
  }

  # What a later attempt may well get right. Besides our own error these are Lambda's: throttling,
  # 5xx, and a function that timed out, ran out of memory or died. Every step may run again, so
  # retrying is always safe.
  transient_errors = [
    "TransientError",
    "Lambda.TooManyRequestsException",
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.KMSThrottlingException",
    "Lambda.ResourceConflictException",
    "Lambda.Unknown",
    "Sandbox.Timedout",
    "Runtime.ExitError",
    "States.Timeout",
  ]

  # An Express run ends after 5 minutes, whatever it is doing, and no Catch sees that: a state that
  # times out at each of its six attempts takes 151 seconds; the rest is for the other states and
  # the dead letter.
  quick_backoff = {
    IntervalSeconds = 1
    BackoffRate     = 2
    MaxDelaySeconds = 20
    MaxAttempts     = 5
    JitterStrategy  = "FULL"
  }

  # The dead letter is the last that an intake does: it has what is left of the time.
  last_backoff = merge(local.quick_backoff, { MaxAttempts = 8 })

  # A recovery has time: it outlasts a day of trouble. Its waits grow quickly and far, since AWS lets
  # 100 things a second be changed: of a million devices the last has to wait three hours, and each
  # attempt before its turn is a billed transition (docs/fleet.md tells how they were chosen).
  patient_backoff = {
    IntervalSeconds = 30
    BackoffRate     = 4
    MaxDelaySeconds = 3600
    MaxAttempts     = 50
    JitterStrategy  = "FULL"
  }

  intake_retry   = [merge({ ErrorEquals = local.transient_errors }, local.quick_backoff)]
  recovery_retry = [merge({ ErrorEquals = local.transient_errors }, local.patient_backoff)]

  # A device that has not left its groups is looked at again; after the fourth time it is restored
  # all the same (recovery.MOST_CHECKS), so that this never ends a run.
  still_in_group_retry = [{
    ErrorEquals     = ["StillInGroupError"]
    IntervalSeconds = 300
    BackoffRate     = 1
    MaxAttempts     = 10
  }]

  # The service integrations name their errors after the service, so all are worth another try...
  integration_errors = { ErrorEquals = ["States.TaskFailed", "States.Timeout"] }
  dead_letter_retry  = [merge(local.integration_errors, local.last_backoff)]
  # ...but this one, which says that the recovery is under way already.
  start_retry = concat(
    [{ ErrorEquals = ["StepFunctions.ExecutionAlreadyExistsException"], MaxAttempts = 0 }],
    [merge(local.integration_errors, local.quick_backoff)],
  )
}

# Express: handles one message a run.
resource "aws_sfn_state_machine" "intake" {
  # checkov:skip=CKV_AWS_285:the input is a device's word, not yet validated, and stays out of the log
  name     = local.machine_names["intake"]
  type     = "EXPRESS"
  role_arn = aws_iam_role.machine["intake"].arn
  tags     = var.tags

  definition = templatefile("${local.definitions}/intake.asl.json.tftpl", {
    partition                    = local.partition
    functions                    = var.function_arns
    cool_down_state_machine_arn  = aws_sfn_state_machine.recovery["cool_down"].arn
    escalation_state_machine_arn = aws_sfn_state_machine.recovery["escalation"].arn
    dead_letter_queue_url        = var.dead_letter_queue_url
    retry                        = jsonencode(local.intake_retry)
    start_retry                  = jsonencode(local.start_retry)
    dead_letter_retry            = jsonencode(local.dead_letter_retry)
  })

  logging_configuration {
    log_destination        = "${aws_cloudwatch_log_group.machine["intake"].arn}:*"
    level                  = "ERROR"
    include_execution_data = false
  }

  tracing_configuration {
    enabled = var.tracing_enabled
  }

  # Creating a state machine checks that its role may write the log.
  depends_on = [aws_iam_role_policy.machine, aws_iam_role_policy.intake]
}

# Standard: sleep through a cool-down, and can be looked at and redriven.
resource "aws_sfn_state_machine" "recovery" {
  for_each = toset(["cool_down", "escalation"])

  name     = local.machine_names[each.key]
  type     = "STANDARD"
  role_arn = aws_iam_role.machine[each.key].arn
  tags     = var.tags

  definition = templatefile("${local.definitions}/${each.key}.asl.json.tftpl", {
    functions     = var.function_arns
    retry         = jsonencode(local.recovery_retry)
    restore_retry = jsonencode(concat(local.still_in_group_retry, local.recovery_retry))
  })

  logging_configuration {
    log_destination        = "${aws_cloudwatch_log_group.machine[each.key].arn}:*"
    level                  = "ERROR"
    include_execution_data = true
  }

  tracing_configuration {
    enabled = var.tracing_enabled
  }

  depends_on = [aws_iam_role_policy.machine]
}

# Log delivery writes the groups it may use into a resource policy of at most 5,120 characters, but
# not those under /aws/vendedlogs/.
resource "aws_cloudwatch_log_group" "machine" {
  for_each = local.machine_names

  name              = "/aws/vendedlogs/states/${each.value}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}
