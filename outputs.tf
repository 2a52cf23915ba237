################################################################################
# State machines
################################################################################

output "intake_state_machine_arn" {
  description = "ARN of the Express state machine that handles one message a run."
  value       = module.workflow.intake_state_machine_arn
}

output "cool_down_state_machine_arn" {
  description = "ARN of the Standard state machine that takes a device out of its dynamic group for a while."
  value       = module.workflow.cool_down_state_machine_arn
}

output "escalation_state_machine_arn" {
  description = "ARN of the Standard state machine that moves a device to the failed group and tells people."
  value       = module.workflow.escalation_state_machine_arn
}

output "handler_function_names" {
  description = "Names of the Lambda functions; the keys are the step names, such as IncrementRetryCounter."
  value       = module.handlers.function_names
}

################################################################################
# Tables
################################################################################

output "retries_table_name" {
  description = "Name of the DynamoDB table that holds one record a tracked device."
  value       = module.tables.tables.retries.name
}

output "history_table_name" {
  description = "Name of the DynamoDB table that keeps what happened to each device, when and why."
  value       = module.tables.tables.history.name
}

output "backup_table_name" {
  description = "Name of the DynamoDB table that keeps the original values of overwritten thing attributes."
  value       = module.tables.tables.backup.name
}

output "campaigns_table_name" {
  description = "Name of the DynamoDB table that says which campaigns are paused: fleet-retry pause and resume write it."
  value       = module.tables.tables.campaigns.name
}

################################################################################
# Alerts
################################################################################

output "alerts_topic_arn" {
  description = "ARN of the FIFO topic that gets one message when a device failed, one when it healed, and one when a campaign is bad: subscribe SQS queues to it."
  value       = module.alerts.alerts_topic_arn
}

output "operator_topic_arn" {
  description = "ARN of the standard topic that mails people and that alarms publish on; null where nobody is mailed."
  value       = module.alerts.operator_topic_arn
}

################################################################################
# Ingestion
################################################################################

output "rule_names" {
  description = "Names of the IoT rules."
  value       = values(module.ingestion.rule_names)
}

output "failed_thing_group_name" {
  description = "Name of the static thing group that holds the devices which failed every cycle."
  value       = module.ingestion.failed_thing_group_name
}

output "dead_letter_queue_url" {
  description = "URL of the SQS queue that keeps, for 14 days, messages which could not be counted."
  value       = module.ingestion.dead_letter_queue_url
}

output "failure_log_group_name" {
  description = "Name of the CloudWatch log group that gets each failure message."
  value       = module.ingestion.failure_log_group_name
}

################################################################################
# Monitoring
################################################################################

output "dashboard_name" {
  description = "Name of the CloudWatch dashboard."
  value       = module.monitoring.dashboard_name
}
