# Alerts that operators are still to be mailed: MailOperators reads them now and then, and mails many
# devices together. FIFO, as the topic, so that the last alert of a device comes last. The queue stays where
# no operator is mailed any more: alerts that wait are mailed when one is again.
resource "aws_sqs_queue" "operators" {
  name                       = "${var.name_prefix}FailedFirmwareUpdateOperators.fifo"
  fifo_queue                 = true
  deduplication_scope        = "messageGroup"
  fifo_throughput_limit      = "perMessageGroupId"
  message_retention_seconds  = 1209600 # 14 days, the longest there is
  visibility_timeout_seconds = 360     # longer than MailOperators may take
  receive_wait_time_seconds  = 1       # asks all of SQS's servers: a storm is to be one digest
  kms_master_key_id          = var.kms_key_arn
  sqs_managed_sse_enabled    = var.kms_key_arn == null ? true : null
  tags                       = var.tags
}

resource "aws_sns_topic_subscription" "operators" {
  count = local.mails_operators ? 1 : 0

  topic_arn            = local.alerts_topic_arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.operators.arn
  raw_message_delivery = true

  # Fleets may share the topic: each mails of its own devices. SNS takes no empty attribute, so the
  # one without a prefix has none.
  filter_policy = (
    var.name_prefix == ""
    ? jsonencode({ fleet = [{ exists = false }] })
    : jsonencode({ fleet = [var.name_prefix] })
  )

  # SNS would discard alerts that the queue refuses, without another try.
  # https://docs.aws.amazon.com/sns/latest/dg/sns-dead-letter-queues.html
  redrive_policy = jsonencode({ deadLetterTargetArn = aws_sqs_queue.undelivered.arn })

  # A message that comes before the queue takes it is lost.
  depends_on = [aws_sqs_queue_policy.operators]
}

# Alerts that SNS could not deliver to the queue above. Encrypted by SQS, not with the customer key: a
# key policy that locks SNS out of the other queue must not lock it out of this one.
resource "aws_sqs_queue" "undelivered" {
  name                      = "${var.name_prefix}FailedFirmwareUpdateUndelivered.fifo"
  fifo_queue                = true
  deduplication_scope       = "messageGroup"
  fifo_throughput_limit     = "perMessageGroupId"
  message_retention_seconds = 1209600 # 14 days, the longest there is
  sqs_managed_sse_enabled   = true
  tags                      = var.tags
}

# Only the topic sends to the queues.
locals {
  queue_policies = {
    for name, arn in local.queue_arns : name => jsonencode({
      Version = "2012-10-17"
      Statement = [
        local.tls_only[name],
        {
          Sid       = "Topic"
          Effect    = "Allow"
          Principal = { Service = "sns.amazonaws.com" }
          Action    = "sqs:SendMessage"
          Resource  = arn
          Condition = { ArnEquals = { "aws:SourceArn" = local.alerts_topic_arn } }
        },
      ]
    })
  }
}

resource "aws_sqs_queue_policy" "operators" {
  queue_url = aws_sqs_queue.operators.url
  policy    = local.queue_policies["operator_queue"]
}

resource "aws_sqs_queue_policy" "undelivered" {
  queue_url = aws_sqs_queue.undelivered.url
  policy    = local.queue_policies["undelivered_queue"]
}
