output "rule_names" {
  description = "Names of the IoT rules, by the kind of message that each handles."
  value       = { for key, rule in aws_iot_topic_rule.this : key => rule.name }
}

output "message_rule_name" {
  description = "Name of a rule that reads what devices report; null where none does."
  value       = try(aws_iot_topic_rule.this["devices"].name, null)
}

output "failed_thing_group_name" {
  description = "Name of the static thing group for failed devices."
  value       = local.failed_group_name
}

output "failed_thing_group_arn" {
  description = "ARN of the static thing group for failed devices."
  value       = local.failed_group_arn

  precondition {
    condition     = try(startswith(var.existing_failed_thing_group.arn, format(module.names.arn, "iot", "thinggroup/")), var.existing_failed_thing_group == null)
    error_message = "Give existing_failed_thing_group a group of this account and region, ${format(module.names.arn, "iot", "thinggroup/<name>")}: devices can be in no other."
  }
}

output "failure_log_group_name" {
  description = "Name of the log group that keeps each failure message."
  value       = aws_cloudwatch_log_group.failures.name
}

output "dead_letter_queue_name" {
  description = "Name of the queue that keeps messages which could not be counted."
  value       = aws_sqs_queue.dead_letters.name
}

output "dead_letter_queue_url" {
  description = "URL of the queue that keeps messages which could not be counted."
  value       = aws_sqs_queue.dead_letters.url
}

output "dead_letter_queue_arn" {
  description = "ARN of the queue that keeps messages which could not be counted, known before the queue exists."
  value       = local.dead_letter_queue_arn
}
