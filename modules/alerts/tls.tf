# Topics and queues reject calls that do not come over TLS: the whole policy of one of them, and the
# first statement of the others.
locals {
  tls_only = merge(
    { for arn in aws_sns_topic.devices[*].arn : "devices" => { arn = arn, actions = ["sns:Publish"] } },
    { for arn in aws_sns_topic.operators[*].arn : "operators" => { arn = arn, actions = ["sns:Publish"] } },
    { for name, arn in local.queue_arns : name => { arn = arn, actions = ["sqs:*"] } },
  )

  queue_arns = merge(
    { for arn in aws_sqs_queue.operators[*].arn : "operator_queue" => arn },
    { for arn in aws_sqs_queue.undelivered[*].arn : "undelivered_queue" => arn },
  )
}

data "aws_iam_policy_document" "tls_only" {
  for_each = local.tls_only

  statement {
    sid       = "RefusePlainHttp"
    effect    = "Deny"
    actions   = each.value.actions
    resources = [each.value.arn]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Bool"
      variable = "aws:SecureTransport"
      values   = ["false"]
    }
  }
}
