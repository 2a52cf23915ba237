output "alerts_topic_arn" {
  description = "ARN of the FIFO topic that gets one message when a device failed and one when it healed."
  value       = aws_sns_topic.devices.arn
}

output "operator_topic_arn" {
  description = "ARN of the standard topic that mails people, null without alert_emails."
  value       = one(aws_sns_topic.operators[*].arn)
}
