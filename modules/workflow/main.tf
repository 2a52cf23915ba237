locals {
  partition   = module.names.partition
  definitions = "${path.module}/../../stepfunctions"

  machine_names = {
    intake     = "${var.name_prefix}FirmwareUpdateStateMachine"
    cool_down  = "${var.name_prefix}FirmwareCoolDownStateMachine"
    escalation = "${var.name_prefix}FirmwareEscalationStateMachine"
  }
  recoveries = ["cool_down", "escalation"]

  # For policies, which come before whatever their roles are for.
  machine_arns = {
    for machine, name in local.machine_names : machine => format(module.names.arn, "states", "stateMachine:${name}")
  }

  # AWS deletes a state machine after its last run has ended; the provider waits for five minutes otherwise.
  # That is too short to notice and to stop the runs that sleep: docs/operations/runbook.md#before-destroy.
  # https://docs.aws.amazon.com/step-functions/latest/apireference/API_DeleteStateMachine.html
  delete_timeout = "30m"

  # Which errors a state retries and how, by the names that the definitions use. Every step may run
  # again, so retrying is always safe.
  #
  # Errors:
  # - transient: a later attempt may succeed. Besides our own TransientError these are Lambda's:
  #   throttling, 5xx, and a function that timed out, ran out of memory or crashed.
  # - integration: the service integrations name their errors after the service, so all are retried,
  #   except already_started: the recovery is running.
  # - start_throttled: AWS starts no more runs now, or has too many open. The failure is counted, and
  #   ReconcileDevices starts what nobody started, so this is no dead letter. AWS documents the second
  #   under both names: https://docs.aws.amazon.com/step-functions/latest/dg/connect-stepfunctions.html
  # - still_in_group: the device has not left its groups. The step gives up after its fourth check and
  #   restores the device (recovery.MOST_CHECKS), so this never ends an execution.
  #
  # Backoffs:
  # - quick: an Express execution ends after 5 minutes, whatever it is doing, and no Catch sees that. A
  #   state that times out at each of its six attempts takes 151 seconds; the rest is for the other
  #   states and the dead letter.
  # - last: the dead letter is the last state of an intake and has the remaining time.
  # - patient: a recovery outlasts a day of trouble. Its waits grow quickly and far, since AWS allows
  #   100 changes of things per second: of a million devices the last waits three hours, and each
  #   attempt before its turn is a billed transition (docs/internals/fleet-model.md has the
  #   comparison).
  retry_policies = jsondecode(file("${local.definitions}/retry_policies.json"))
  retries = {
    for name, retriers in local.retry_policies.policies : name => jsonencode([
      for retrier in retriers : merge(
        { ErrorEquals = local.retry_policies.errors[retrier.errors] },
        local.retry_policies.backoffs[retrier.backoff],
      )
    ])
  }
}

# Express: handles one message a run.
resource "aws_sfn_state_machine" "intake" {
  # checkov:skip=CKV_AWS_285:the input is a device's word, not yet validated, and stays out of the log
  name     = local.machine_names["intake"]
  type     = "EXPRESS"
  role_arn = aws_iam_role.machine["intake"].arn
  tags     = var.tags

  definition = templatefile("${local.definitions}/intake.asl.json.tftpl", merge(local.retries, {
    partition                    = local.partition
    functions                    = var.function_arns
    cool_down_state_machine_arn  = aws_sfn_state_machine.recovery["cool_down"].arn
    escalation_state_machine_arn = aws_sfn_state_machine.recovery["escalation"].arn
    dead_letter_queue_url        = var.dead_letter_queue_url
    start_throttled              = jsonencode(local.retry_policies.errors["start_throttled"])
  }))

  logging_configuration {
    log_destination        = "${aws_cloudwatch_log_group.machine["intake"].arn}:*"
    level                  = "ERROR"
    include_execution_data = false
  }

  tracing_configuration {
    enabled = var.tracing_enabled
  }

  timeouts {
    delete = local.delete_timeout
  }

  # Creating a state machine checks that its role may write the log.
  depends_on = [aws_iam_role_policy.machine, aws_iam_role_policy.intake]
}

# Standard: sleep through a cool-down, and can be looked at and redriven.
resource "aws_sfn_state_machine" "recovery" {
  for_each = toset(local.recoveries)

  name     = local.machine_names[each.key]
  type     = "STANDARD"
  role_arn = aws_iam_role.machine[each.key].arn
  tags     = var.tags

  definition = templatefile("${local.definitions}/${each.key}.asl.json.tftpl", merge(local.retries, {
    functions = var.function_arns
  }))

  logging_configuration {
    log_destination        = "${aws_cloudwatch_log_group.machine[each.key].arn}:*"
    level                  = "ERROR"
    include_execution_data = true
  }

  tracing_configuration {
    enabled = var.tracing_enabled
  }

  timeouts {
    delete = local.delete_timeout
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
