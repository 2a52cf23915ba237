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

  roles     = local.machine_names
  role_path = var.role_path
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
      values   = [local.machine_arns[each.key]]
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

  lifecycle {
    create_before_destroy = true # another path makes another name: modules/names
  }
}

data "aws_iam_policy_document" "machine" {
  for_each = local.steps

  statement {
    sid       = "Steps"
    actions   = ["lambda:InvokeFunction"]
    resources = [for step in each.value : var.planned_function_arns[step]]
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
  role   = aws_iam_role.machine[each.key].id
  policy = data.aws_iam_policy_document.machine[each.key].json

  lifecycle {
    create_before_destroy = true # with its role
  }
}

# The intake alone starts recoveries and keeps dead letters.
data "aws_iam_policy_document" "intake" {
  statement {
    sid       = "Recoveries"
    actions   = ["states:StartExecution"]
    resources = [for machine in local.recoveries : local.machine_arns[machine]]
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
  role   = aws_iam_role.machine["intake"].id
  policy = data.aws_iam_policy_document.intake.json

  lifecycle {
    create_before_destroy = true # with its role
  }
}
