locals {
  # The steps that each definition calls, read from it, so that a policy cannot fall behind.
  steps = {
    for machine in keys(local.machine_names) : machine => distinct(flatten(
      regexall("functions\\[\"(\\w+)\"\\]", file("${local.definitions}/${machine}.asl.json.tftpl"))
    ))
  }
}

module "names" {
  source = "../names"

  roles = local.machine_names
}

data "aws_iam_policy_document" "trust" {
  for_each = local.machine_names

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["states.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [module.names.account_id]
    }

    # Built from its parts: the state machine itself waits for this role.
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [format(module.names.arn, "states", "stateMachine:${each.value}")]
    }
  }
}

resource "aws_iam_role" "machine" {
  for_each = local.machine_names

  name                 = module.names.role_names[each.key]
  description          = "What the state machine ${each.value} may do."
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy   = data.aws_iam_policy_document.trust[each.key].json
  tags                 = var.tags
}

data "aws_iam_policy_document" "machine" {
  for_each = local.steps

  statement {
    sid       = "Steps"
    actions   = ["lambda:InvokeFunction"]
    resources = [for step in each.value : var.function_arns[step]]
  }

  # Log delivery has no resources to name: AWS documents all of these with "*".
  statement {
    sid = "LogDelivery"
    actions = [
      "logs:CreateLogDelivery",
      "logs:DeleteLogDelivery",
      "logs:DescribeLogGroups",
      "logs:DescribeResourcePolicies",
      "logs:GetLogDelivery",
      "logs:ListLogDeliveries",
      "logs:PutResourcePolicy",
      "logs:UpdateLogDelivery",
    ]
    resources = ["*"]
  }

  dynamic "statement" {
    for_each = var.tracing_enabled ? ["Tracing"] : []

    content {
      sid = statement.value
      actions = [
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
      ]
      resources = ["*"] # X-Ray has no resources to name
    }
  }
}

resource "aws_iam_role_policy" "machine" {
  for_each = local.machine_names

  name   = "calls"
  role   = aws_iam_role.machine[each.key].name
  policy = data.aws_iam_policy_document.machine[each.key].json
}

# What only the intake does, apart from the above because the recoveries it starts come first.
data "aws_iam_policy_document" "intake" {
  statement {
    sid       = "Recoveries"
    actions   = ["states:StartExecution"]
    resources = [for machine in aws_sfn_state_machine.recovery : machine.arn]
  }

  statement {
    sid       = "DeadLetters"
    actions   = ["sqs:SendMessage"]
    resources = [var.dead_letter_queue_arn]
  }

  # A statement, not a policy with a count: whether there is a key may be unknown at plan.
  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : ["CustomerKey"]

    content {
      sid       = statement.value
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"] # what the queue needs of a sender
      resources = [var.kms_key_arn]
    }
  }
}

resource "aws_iam_role_policy" "intake" {
  name   = "recoveries-and-dead-letters"
  role   = aws_iam_role.machine["intake"].name
  policy = data.aws_iam_policy_document.intake.json
}
