output "retries_table_name" {
  description = "Name of the table that holds one record a tracked device."
  value       = aws_dynamodb_table.this["retries"].name
}

output "retries_table_arn" {
  description = "ARN of the table that holds one record a tracked device."
  value       = aws_dynamodb_table.this["retries"].arn
}

output "backup_table_name" {
  description = "Name of the table that keeps the attributes which get overwritten."
  value       = aws_dynamodb_table.this["backup"].name
}

output "backup_table_arn" {
  description = "ARN of the table that keeps the attributes which get overwritten."
  value       = aws_dynamodb_table.this["backup"].arn
}

output "history_table_name" {
  description = "Name of the table that keeps what happened to each device."
  value       = aws_dynamodb_table.history.name
}

output "history_table_arn" {
  description = "ARN of the table that keeps what happened to each device."
  value       = aws_dynamodb_table.history.arn
}
