locals {
  # Roles are global in an account, functions are not: the region keeps two regions apart. What is
  # too long for IAM's 64 characters is cut, and a hash of the whole keeps it unique.
  full_role_names = {
    for name in concat(keys(local.steps), ["Schedule"]) :
    name => "${var.name_prefix}${name}-${data.aws_service.iot.region}"
  }
  role_names = {
    for key, name in local.full_role_names :
    key => length(name) <= 64 ? name : "${substr(name, 0, 55)}-${substr(md5(name), 0, 8)}"
  }
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "step" {
  for_each = local.steps

  name                 = local.role_names[each.key]
  description          = "What the firmware retry step ${each.key} may do."
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  assume_role_policy   = data.aws_iam_policy_document.trust.json
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
