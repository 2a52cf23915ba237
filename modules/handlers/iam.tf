module "names" {
  source = "../names"

  roles = merge(local.function_names, { Schedule = "${var.name_prefix}Schedule" })
}

data "aws_iam_policy_document" "trust" {
  for_each = local.function_names

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [module.names.account_id]
    }

    # Built from its parts: the function itself waits for this role. IfExists, because no page of AWS
    # says that Lambda sends this key; where it does, the role is for this very function.
    condition {
      test     = "ArnLikeIfExists"
      variable = "aws:SourceArn"
      values   = [format(module.names.arn, "lambda", "function:${each.value}")]
    }
  }
}

resource "aws_iam_role" "step" {
  for_each = local.steps

  name                 = module.names.role_names[each.key]
  description          = "What the firmware retry step ${each.key} may do."
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy   = data.aws_iam_policy_document.trust[each.key].json
  tags                 = var.tags
}

data "aws_iam_policy_document" "step" {
  for_each = local.steps

  dynamic "statement" {
    for_each = each.value

    content {
      sid       = statement.key
      actions   = statement.value
      resources = local.resources[statement.key]
    }
  }

  statement {
    sid       = "Logs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.step[each.key].arn}:*"]
  }

  dynamic "statement" {
    for_each = var.tracing_enabled ? ["Tracing"] : []

    content {
      sid       = statement.value
      actions   = ["xray:PutTraceSegments", "xray:PutTelemetryRecords"]
      resources = ["*"] # X-Ray has no resources to name
    }
  }

  # A statement, not a policy with a count: whether there is a key may be unknown at plan.
  dynamic "statement" {
    for_each = var.kms_key_arn == null ? [] : ["CustomerKey"]

    content {
      sid       = statement.value
      actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
      resources = [var.kms_key_arn]
    }
  }
}

resource "aws_iam_role_policy" "step" {
  for_each = local.steps

  name   = "calls"
  role   = aws_iam_role.step[each.key].name
  policy = data.aws_iam_policy_document.step[each.key].json
}
