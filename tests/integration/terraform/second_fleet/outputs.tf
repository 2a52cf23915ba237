output "firmware_retry" {
  description = "All outputs of the module."
  value       = module.firmware_retry
}

output "alert_queue_url" {
  description = "URL of the queue that receives the alerts of failed devices."
  value       = aws_sqs_queue.alerts.url
}
