locals {
  # The steps that each definition calls, read from it, so that a policy cannot fall behind.
  steps = {
    for machine in keys(local.machine_names) : machine => distinct(flatten(
      regexall("functions\\[\"(\\w+)\"\\]", file("${local.definitions}/${machine}.asl.json.tftpl"))
    ))
  }

  # X-Ray has no resources to name.
  tracing_actions = [
    "xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments",
  ]
  tracing_statements = [
    for actions in var.tracing_enabled ? [local.tracing_actions] : [] :
    { Sid = "Tracing", Effect = "Allow", Action = actions, Resource = "*" }
  ]

  # An encrypted queue asks them of a sender.
  key_statements = [
    for key in var.kms_key_arn[*] :
    { Sid = "CustomerKey", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = key }
  ]
}

module "names" {
  source = "../names"

  roles     = local.machine_names
  role_path = var.role_path
}

resource "aws_iam_role" "machine" {
  for_each = local.machine_names

  name                 = module.names.role_names[each.key]
  description          = "What the state machine ${each.value} may do."
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags

  # The ARN is built from its parts: the state machine itself waits for this role.
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "states.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = module.names.account_id }
        ArnLike      = { "aws:SourceArn" = local.machine_arns[each.key] }
      }
    }]
  })

  lifecycle {
    create_before_destroy = true # another path makes another name: modules/names
  }
}

resource "aws_iam_role_policy" "machine" {
  for_each = local.machine_names

  name = "calls"
  role = aws_iam_role.machine[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "Steps"
          Effect   = "Allow"
          Action   = "lambda:InvokeFunction"
          Resource = [for step in local.steps[each.key] : var.planned_function_arns[step]]
        },
        # Log delivery has no resources to name: AWS documents all of these with "*".
        {
          Sid    = "LogDelivery"
          Effect = "Allow"
          Action = [
            "logs:CreateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:DescribeLogGroups",
            "logs:DescribeResourcePolicies",
            "logs:GetLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:UpdateLogDelivery",
          ]
          Resource = "*"
        },
      ],
      local.tracing_statements,
    )
  })

  lifecycle {
    create_before_destroy = true # with its role
  }
}

# Replaces the policies that allow the key when the key changes: each new one, of another name, is there
# before anything uses the new key, and each old one goes when nothing uses the old key any more.
resource "terraform_data" "key" {
  triggers_replace = [var.kms_key_arn]
}

# The intake alone starts recoveries and keeps dead letters.
resource "aws_iam_role_policy" "intake" {
  name_prefix = "recoveries-and-dead-letters-"
  role        = aws_iam_role.machine["intake"].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        {
          Sid      = "Recoveries"
          Effect   = "Allow"
          Action   = "states:StartExecution"
          Resource = [for machine in local.recoveries : local.machine_arns[machine]]
        },
        { Sid = "DeadLetters", Effect = "Allow", Action = "sqs:SendMessage", Resource = var.dead_letter_queue_arn },
      ],
      local.key_statements,
    )
  })

  lifecycle {
    create_before_destroy = true # with its role, or its key
    replace_triggered_by  = [terraform_data.key]
  }
}
