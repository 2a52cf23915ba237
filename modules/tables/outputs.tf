output "retries_table_name" {
  description = "Name of the table that holds one record a tracked device."
  value       = local.names["retries"]
}

output "retries_table_arn" {
  description = "ARN of the table that holds one record a tracked device."
  value       = local.arns["retries"]
}

output "backup_table_name" {
  description = "Name of the table that keeps the attributes which get overwritten."
  value       = local.names["backup"]
}

output "backup_table_arn" {
  description = "ARN of the table that keeps the attributes which get overwritten."
  value       = local.arns["backup"]
}

output "history_table_name" {
  description = "Name of the table that keeps what happened to each device."
  value       = local.names["history"]
}

output "history_table_arn" {
  description = "ARN of the table that keeps what happened to each device."
  value       = local.arns["history"]
}

output "campaigns_table_name" {
  description = "Name of the table that says which campaigns are paused, and why."
  value       = local.names["campaigns"]
}

output "campaigns_table_arn" {
  description = "ARN of the table that says which campaigns are paused, and why."
  value       = local.arns["campaigns"]
}
