locals {
  recovery_arns = {
    for machine, name in var.recovery_state_machine_names :
    machine => format(module.names.arn, "states", "stateMachine:${name}")
  }

  function_names = { for step in keys(local.steps) : step => "${var.name_prefix}${step}" }

  # For policies, which come before whatever their roles are for.
  function_arns = {
    for step, name in local.function_names : step => format(module.names.arn, "lambda", "function:${name}")
  }

  # Seconds. The state machines give a step a little longer than the 15 that it has. A pass of
  # ReconcileDevices lasts as long as there is something to do, as Lambda lets it, and until the next
  # one: two passes at the same time would only compete for the account's quotas.
  timeouts = { ReconcileDevices = min(900, local.reconcile_seconds), ReleaseDevice = 300, MailOperators = 300 }

  reconcile_seconds = tonumber(split(" ", var.reconcile_interval)[0]) * {
    minute = 60, hour = 3600, day = 86400
  }[trimsuffix(split(" ", var.reconcile_interval)[1], "s")]

  # MB, at least. ReconcileDevices holds the names of up to 100,000 devices and acts on several at a
  # time, and Lambda gives processor time by memory.
  memories = { ReconcileDevices = 1024 }

  # SendSNSNotification => send_sns_notification, the module of that name in the package.
  module_names = {
    for step in keys(local.steps) : step => lower(replace(replace(step,
      "/([A-Z]+)([A-Z][a-z])/", "$${1}_$${2}"),
      "/([a-z])([A-Z])/", "$${1}_$${2}",
    ))
  }

  environment = {
    RETRIES_TABLE           = var.tables.retries.name
    BACKUP_TABLE            = var.tables.backup.name
    HISTORY_TABLE           = var.tables.history.name
    HISTORY_DAYS            = var.history_retention_days
    CAMPAIGNS_TABLE         = var.tables.campaigns.name
    RETRY_LIMIT             = var.retry_limit
    COOL_DOWN_SECONDS       = jsonencode(var.cool_down_seconds)
    COOL_DOWN_JITTER        = var.cool_down_jitter
    SETTLE_SECONDS          = var.settle_seconds
    MOVE_OUT_ATTRIBUTES     = jsonencode(var.move_out_attributes)
    FAILED_ATTRIBUTES       = jsonencode(var.failed_attributes)
    FOREIGN_MARKS           = jsonencode(var.foreign_marks)
    IGNORED_REASONS         = jsonencode(var.ignored_reasons)
    FATAL_REASONS           = jsonencode(var.fatal_reasons)
    JOB_EVENTS_ENABLED      = var.job_events_enabled
    BREAKER                 = jsonencode(var.breaker)
    FAILED_THING_GROUP_NAME = var.failed_thing_group_name
    ALERTS_TOPIC_ARN        = var.alerts_topic_arn
    OPERATOR_TOPIC_ARN      = var.operator == null ? "" : var.operator.topic_arn
    OPERATOR_QUEUE_URL      = var.operator == null ? "" : var.operator.queue_url
    ALERT_DIGEST_THRESHOLD  = var.alert_digest_threshold
    NAME_PREFIX             = var.name_prefix

    COOL_DOWN_STATE_MACHINE_ARN  = local.recovery_arns.cool_down
    ESCALATION_STATE_MACHINE_ARN = local.recovery_arns.escalation
  }

  package = "${path.module}/../../lambda_src/dist/firmware_retry.zip"
}

resource "aws_lambda_function" "step" {
  for_each = local.steps

  function_name = local.function_names[each.key]
  description   = "Firmware retry: the step ${each.key}."
  role          = aws_iam_role.step[each.key].arn
  handler       = "firmware_retry.handlers.${local.module_names[each.key]}.handler"
  runtime       = "python3.13"
  architectures = [var.lambda_architecture]
  memory_size   = max(var.lambda_memory_mb, lookup(local.memories, each.key, 0))
  timeout       = lookup(local.timeouts, each.key, 15)
  kms_key_arn   = var.kms_key_arn
  tags          = var.tags

  filename          = var.lambda_package_s3 == null ? local.package : null
  source_code_hash  = var.lambda_package_s3 == null ? filebase64sha256(local.package) : null
  s3_bucket         = try(var.lambda_package_s3.bucket, null)
  s3_key            = try(var.lambda_package_s3.key, null)
  s3_object_version = try(var.lambda_package_s3.object_version, null)

  environment {
    variables = local.environment
  }

  logging_config {
    log_group             = aws_cloudwatch_log_group.step[each.key].name
    log_format            = "JSON"
    application_log_level = "INFO"
    system_log_level      = "WARN"
  }

  tracing_config {
    mode = var.tracing_enabled ? "Active" : "PassThrough"
  }

  # A function that runs before it may write its log loses its first lines.
  depends_on = [aws_iam_role_policy.log, aws_iam_role_policy.step]

  lifecycle {
    # Lambda takes 4,096 characters of environment. Less than 900 of them are known after the apply only.
    # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    precondition {
      condition = 3196 >= length(join("", concat(keys(local.environment), [
        for name, value in local.environment : value
        if !contains(["ALERTS_TOPIC_ARN", "OPERATOR_TOPIC_ARN", "OPERATOR_QUEUE_URL"], name)
      ])))
      error_message = "These settings do not fit into the environment of a Lambda function (4 KB). Shorten move_out_attributes, failed_attributes, foreign_marks, ignored_reasons or fatal_reasons."
    }
  }
}

resource "aws_cloudwatch_log_group" "step" {
  for_each = local.steps

  name              = "/aws/lambda/${local.function_names[each.key]}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}
