module "names" {
  source = "../names"

  roles     = { rules = "${var.name_prefix}FailedFirmwareUpdateRule" }
  role_path = var.role_path
}

resource "aws_iam_role" "rules" {
  name                 = module.names.role_names["rules"]
  description          = "What the rules on failed firmware updates may do."
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags

  # The ARNs are built from their parts: the rules themselves wait for this role.
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "iot.amazonaws.com" }
      Condition = {
        StringEquals = { "aws:SourceAccount" = module.names.account_id }
        ArnLike = {
          "aws:SourceArn" = [for name in values(local.rule_names) : format(module.names.arn, "iot", "rule/${name}")]
        }
      }
    }]
  })

  lifecycle {
    create_before_destroy = true # another path makes another name: modules/names
  }
}

locals {
  # An encrypted queue asks them of a sender.
  key_statements = [
    for key in var.kms_key_arn[*] :
    { Sid = "CustomerKey", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = key }
  ]
}

# Replaces the policies that allow the key when the key changes: each new one, of another name, is there
# before anything uses the new key, and each old one goes when nothing uses the old key any more.
resource "terraform_data" "key" {
  triggers_replace = [var.kms_key_arn]
}

resource "aws_iam_role_policy" "rules" {
  name_prefix = "actions-"
  role        = aws_iam_role.rules.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [
        { Sid = "Intake", Effect = "Allow", Action = "states:StartExecution", Resource = var.intake_state_machine_arn },
        {
          Sid      = "FailureLog"
          Effect   = "Allow"
          Action   = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
          Resource = "${aws_cloudwatch_log_group.failures.arn}:*"
        },
        { Sid = "DeadLetters", Effect = "Allow", Action = "sqs:SendMessage", Resource = local.dead_letter_queue_arn },
      ],
      local.key_statements,
    )
  })

  lifecycle {
    create_before_destroy = true # with its role, or its key
    replace_triggered_by  = [terraform_data.key]
  }
}
