output "alerts_topic_arn" {
  description = "ARN of the FIFO topic that gets one message when a device failed, one when it healed, and one when a campaign is bad."
  value       = local.alerts_topic_arn

  precondition {
    condition     = try(split(":", var.existing_alerts_topic.arn)[3] == module.names.region, var.existing_alerts_topic == null)
    error_message = "Give existing_alerts_topic a topic in ${module.names.region}: functions publish in their own region."
  }
}

output "operator_topic_arn" {
  description = "ARN of the standard topic that mails people, null where nobody is mailed."
  value       = local.operator_topic_arn

  precondition {
    condition     = try(split(":", var.existing_operator_topic.arn)[3] == module.names.region, var.existing_operator_topic == null)
    error_message = "Give existing_operator_topic a topic in ${module.names.region}: functions and alarms publish in their own region."
  }
}

output "operator" {
  description = "Topic and queue of the operators' e-mail, as modules/handlers takes them. null, known at plan, if no e-mail is sent."
  value = local.mails_operators ? {
    topic_arn = local.operator_topic_arn
    queue_url = aws_sqs_queue.operators.url
    queue_arn = aws_sqs_queue.operators.arn
  } : null
}

output "operator_queue_name" {
  description = "Name of the FIFO queue that holds what people are still to be mailed, null where nobody is mailed."
  value       = local.mails_operators ? aws_sqs_queue.operators.name : null
}

output "undelivered_queue_name" {
  description = "Name of the FIFO queue that holds alerts which SNS could not deliver to the operators' queue, null where nobody is mailed."
  value       = local.mails_operators ? aws_sqs_queue.undelivered.name : null
}
