output "quickstart" {
  description = "All outputs of the module, and the queue of its alerts."
  value = {
    firmware_retry  = module.quickstart.firmware_retry
    alert_queue_url = aws_sqs_queue.alerts.url
  }
}

output "second" {
  description = "All outputs of the module, and the queue of its alerts."
  value       = module.second
}
