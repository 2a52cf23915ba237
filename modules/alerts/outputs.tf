output "alerts_topic_arn" {
  description = "ARN of the FIFO topic that gets one message when a device failed, one when it healed, and one when a campaign is bad."
  value       = local.alerts_topic_arn
}

output "operator_topic_arn" {
  description = "ARN of the standard topic that mails people, null where nobody is mailed."
  value       = local.operator_topic_arn
}

output "operator_queue_url" {
  description = "URL of the FIFO queue that holds what people are still to be mailed, null where nobody is mailed."
  value       = one(aws_sqs_queue.operators[*].url)
}

output "operator_queue_arn" {
  description = "ARN of the FIFO queue that holds what people are still to be mailed, null where nobody is mailed."
  value       = one(aws_sqs_queue.operators[*].arn)
}

output "operator_queue_name" {
  description = "Name of the FIFO queue that holds what people are still to be mailed, null where nobody is mailed."
  value       = one(aws_sqs_queue.operators[*].name)
}

output "mails_operators" {
  description = "Whether people are mailed; known at plan."
  value       = local.mails_operators
}
