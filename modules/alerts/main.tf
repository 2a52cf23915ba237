module "names" {
  source = "../names"
}

locals {
  # The caller's own, or else the one made here; at most one of each.
  alerts_topic_arn   = one(concat(aws_sns_topic.devices[*].arn, var.existing_alerts_topic[*].arn))
  operator_topic_arn = one(concat(aws_sns_topic.operators[*].arn, var.existing_operator_topic[*].arn))

  # Addresses and ARNs may be secret, as those of SSM parameters are; whether there are any is not.
  has_addresses   = nonsensitive(length(var.alert_emails) > 0)
  mails_operators = local.has_addresses || nonsensitive(var.existing_operator_topic != null)

  # Where each address is in the list, by the address, or by its hash where it is secret: Terraform
  # prints keys. Not by its place, or else the removal of one would subscribe those behind it again.
  addresses = {
    for number, address in nonsensitive(var.alert_emails) :
    nonsensitive(issensitive(var.alert_emails) || issensitive(address) ? substr(sha256(address), 0, 8) : address) => number
  }
}

# One message an event, for machines. FIFO, so that a repeated publish is one message.
resource "aws_sns_topic" "devices" {
  count = nonsensitive(var.existing_alerts_topic == null) ? 1 : 0

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
  count = local.has_addresses ? 1 : 0

  name              = "${var.name_prefix}FailedFirmwareUpdateOperators"
  kms_master_key_id = var.kms_key_arn
  tags              = var.tags
}

resource "aws_sns_topic_subscription" "email" {
  for_each = local.addresses

  topic_arn = aws_sns_topic.operators[0].arn
  protocol  = "email"
  endpoint  = var.alert_emails[each.value]
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
