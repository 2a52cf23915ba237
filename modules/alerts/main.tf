module "names" {
  source = "../names"
}

locals {
  # The caller's own, or else the one made here; at most one of each.
  alerts_topic_arn   = one(concat(aws_sns_topic.devices[*].arn, var.existing_alerts_topic[*].arn))
  operator_topic_arn = one(concat(aws_sns_topic.operators[*].arn, var.existing_operator_topic[*].arn))

  mails_operators = length(var.alert_emails) > 0 || var.existing_operator_topic != null
}

# One message an event, for machines. FIFO, so that a repeated publish is one message.
resource "aws_sns_topic" "devices" {
  count = var.existing_alerts_topic == null ? 1 : 0

  name                        = "${var.name_prefix}FailedFirmwareUpdate.fifo"
  fifo_topic                  = true
  content_based_deduplication = false # the handler names the episode, which outlasts a changed text
  fifo_throughput_scope       = "MessageGroup"
  # Only a customer key: the AWS-managed one silently drops what AWS services publish.
  kms_master_key_id = var.kms_key_arn
  tags              = var.tags
}

# A FIFO topic cannot send e-mail, hence a standard topic for people.
resource "aws_sns_topic" "operators" {
  count = length(var.alert_emails) > 0 ? 1 : 0

  name              = "${var.name_prefix}FailedFirmwareUpdateOperators"
  kms_master_key_id = var.kms_key_arn
  tags              = var.tags
}

resource "aws_sns_topic_subscription" "email" {
  for_each = toset(var.alert_emails)

  topic_arn = aws_sns_topic.operators[0].arn
  protocol  = "email"
  endpoint  = each.value
}

resource "aws_sns_topic_policy" "devices" {
  count = length(aws_sns_topic.devices)

  arn    = aws_sns_topic.devices[0].arn
  policy = jsonencode({ Version = "2012-10-17", Statement = [local.tls_only["devices"]] })
}

resource "aws_sns_topic_policy" "operators" {
  count = length(aws_sns_topic.operators)

  arn = aws_sns_topic.operators[0].arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      local.tls_only["operators"],
      # Alarms publish as a service, not as a role of this account.
      {
        Sid       = "Alarms"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.operators[0].arn
        Condition = { StringEquals = { "aws:SourceAccount" = module.names.account_id } }
      },
    ]
  })
}
