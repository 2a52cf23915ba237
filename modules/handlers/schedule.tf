# What runs by the clock; everything else runs because a device failed.
locals {
  by_the_clock = {
    ReconcileDevices = {
      interval    = var.reconcile_interval
      description = "Finishes what lost, stopped or failed recoveries left behind."
    }
    MailOperators = {
      interval    = var.alert_interval
      description = "Mails what became of devices since the last time."
    }
  }

  # The ARNs of the operator may be secret; whether there is one is not.
  schedules = concat(["ReconcileDevices"], nonsensitive(var.operator == null) ? [] : ["MailOperators"])

  schedule_group_name = "${var.name_prefix}FirmwareRetry"
}

# A group of the module's own: EventBridge Scheduler names only the group in its metrics and to the role.
# https://docs.aws.amazon.com/scheduler/latest/UserGuide/monitoring-cloudwatch.html
resource "aws_scheduler_schedule_group" "this" {
  name = local.schedule_group_name
  tags = var.tags
}

resource "aws_scheduler_schedule" "step" {
  for_each = toset(local.schedules)

  name                = "${var.name_prefix}${each.key}"
  group_name          = aws_scheduler_schedule_group.this.name
  description         = local.by_the_clock[each.key].description
  schedule_expression = "rate(${local.by_the_clock[each.key].interval})"
  kms_key_arn         = var.kms_key_arn

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = aws_lambda_function.step[each.key].arn
    role_arn = aws_iam_role.schedule.arn
    input    = jsonencode({})

    # The next pass does what this one did not.
    retry_policy {
      maximum_retry_attempts = 0
    }
  }

  depends_on = [aws_iam_role_policy.schedule]
}

resource "aws_lambda_function_event_invoke_config" "scheduled" {
  for_each = toset(keys(local.by_the_clock))

  function_name                = aws_lambda_function.step[each.key].function_name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 900
}

resource "aws_iam_role" "schedule" {
  name                 = module.names.role_names["Schedule"]
  description          = "Lets the schedules run ReconcileDevices and MailOperators."
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags

  # For the group that the schedules are in: EventBridge Scheduler names no single schedule here. Built
  # from its name, so that the policy is known at plan.
  # https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "scheduler.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = module.names.account_id }
        ArnEquals    = { "aws:SourceArn" = format(module.names.arn, "scheduler", "schedule-group/${local.schedule_group_name}") }
      }
    }]
  })

  lifecycle {
    create_before_destroy = true # another path makes another name: modules/names
  }
}

resource "aws_iam_role_policy" "schedule" {
  name_prefix = "calls-"
  role        = aws_iam_role.schedule.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid      = "Scheduled"
        Effect   = "Allow"
        Action   = "lambda:InvokeFunction"
        Resource = [for step in local.schedules : local.function_arns[step]]
      }],
      # The input of the schedule.
      [for key in var.kms_key_arn[*] : { Sid = "CustomerKey", Effect = "Allow", Action = "kms:Decrypt", Resource = key }],
    )
  })

  lifecycle {
    create_before_destroy = true # with its role, or its key
    replace_triggered_by  = [terraform_data.key]
  }
}
