locals {
  dead_letter_queue_name = "${var.name_prefix}FailedFirmwareUpdateDeadLetters"

  # For policies, which come before the queue.
  dead_letter_queue_arn = format(module.names.arn, "sqs", local.dead_letter_queue_name)
}

# Messages that could not be counted. Standard, not FIFO: rules cannot send to a FIFO queue, and
# order means nothing here.
resource "aws_sqs_queue" "dead_letters" {
  name                      = local.dead_letter_queue_name
  message_retention_seconds = 1209600 # 14 days, the longest there is
  kms_master_key_id         = var.kms_key_arn
  sqs_managed_sse_enabled   = var.kms_key_arn == null ? true : null
  tags                      = var.tags

  # Rules write into it with the key, and their role needs the failure log, which no two fleets share.
  depends_on = [aws_iam_role_policy.rules]
}

resource "aws_sqs_queue_policy" "dead_letters" {
  queue_url = aws_sqs_queue.dead_letters.url

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "RefusePlainHttp"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.dead_letters.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
}
