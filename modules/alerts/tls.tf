# Topics and queues reject calls that do not come over TLS: the whole policy of one of them, and the
# first statement of the others.
locals {
  sent_to = merge(
    { for arn in aws_sns_topic.devices[*].arn : "devices" => { arn = arn, action = "sns:Publish" } },
    { for arn in aws_sns_topic.operators[*].arn : "operators" => { arn = arn, action = "sns:Publish" } },
    { for name, arn in local.queue_arns : name => { arn = arn, action = "sqs:*" } },
  )

  queue_arns = {
    operator_queue    = aws_sqs_queue.operators.arn
    undelivered_queue = aws_sqs_queue.undelivered.arn
  }

  tls_only = {
    for name, of in local.sent_to : name => {
      Sid       = "RefusePlainHttp"
      Effect    = "Deny"
      Principal = "*"
      Action    = of.action
      Resource  = of.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }
  }
}
