output "fleets" {
  description = "All outputs of the module, by fleet."
  value       = local.fleets
}

output "alert_queue_urls" {
  description = "URL of the queue that hears of failed devices, by fleet."
  value       = { for fleet, queue in aws_sqs_queue.alerts : fleet => queue.url }
}
