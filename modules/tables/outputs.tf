output "tables" {
  description = "Name and ARN of each table, as modules/handlers takes them."
  value       = { for table, name in local.names : table => { name = name, arn = local.arns[table] } }
}
