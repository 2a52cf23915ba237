locals {
  rule_arn_prefix = join(":", [
    "arn", data.aws_partition.current.partition, "iot", data.aws_service.iot.region,
    data.aws_caller_identity.current.account_id, "rule/",
  ])

  # Roles are global in an account, rules are not: the region keeps two regions apart. What is too
  # long for IAM's 64 characters is cut, and a hash of the whole keeps it unique.
  full_role_name = "${var.name_prefix}FailedFirmwareUpdateRule-${data.aws_service.iot.region}"
  role_name = (
    length(local.full_role_name) <= 64 ? local.full_role_name
    : "${substr(local.full_role_name, 0, 55)}-${substr(md5(local.full_role_name), 0, 8)}"
  )
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["iot.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }

    # Built from its parts: the rules themselves wait for this role.
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [for name in values(local.rule_names) : "${local.rule_arn_prefix}${name}"]
    }
  }
}

resource "aws_iam_role" "rules" {
  name                 = local.role_name
  description          = "What the rules on failed firmware updates may do."
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  tags                 = var.tags
}

data "aws_iam_policy_document" "rules" {
  statement {
    sid       = "Intake"
    actions   = ["states:StartExecution"]
    resources = [var.intake_state_machine_arn]
  }

  statement {
    sid       = "FailureLog"
    actions   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.failures.arn}:*"]
  }

  statement {
    sid       = "DeadLetters"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.dead_letters.arn]
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

resource "aws_iam_role_policy" "rules" {
  name   = "actions"
  role   = aws_iam_role.rules.name
  policy = data.aws_iam_policy_document.rules.json
}
