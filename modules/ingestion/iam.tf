module "names" {
  source = "../names"

  roles     = { rules = "${var.name_prefix}FailedFirmwareUpdateRule" }
  role_path = var.role_path
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
      values   = [module.names.account_id]
    }

    # Built from its parts: the rules themselves wait for this role.
    condition {
      test     = "ArnLike"
      variable = "aws:SourceArn"
      values   = [for name in values(local.rule_names) : format(module.names.arn, "iot", "rule/${name}")]
    }
  }
}

resource "aws_iam_role" "rules" {
  name                 = module.names.role_names["rules"]
  description          = "What the rules on failed firmware updates may do."
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  tags                 = var.tags

  lifecycle {
    create_before_destroy = true # another path makes another name: modules/names
  }
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
  role   = aws_iam_role.rules.id
  policy = data.aws_iam_policy_document.rules.json

  lifecycle {
    create_before_destroy = true # with its role
  }
}
