output "firmware_retry" {
  description = "All outputs of the module, by fleet."
  value       = module.firmware_retry
}

output "incidents_topic_arn" {
  description = "ARN of the FIFO topic that both fleets tell on."
  value       = aws_sns_topic.incidents.arn
}
