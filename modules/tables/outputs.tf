output "tables" {
  description = "Name and ARN of each table, as modules/handlers takes them."
  value       = { for table, name in local.names : table => { name = name, arn = local.arns[table] } }

  precondition {
    condition     = length(local.elsewhere) == 0
    error_message = "Give existing_tables tables of this account and region, ${format(module.names.arn, "dynamodb", "table/<name>")}: functions know them by name. Not so: ${jsonencode(local.elsewhere)}."
  }

  precondition {
    condition     = try(split(":", var.kms_key_arn)[3] == module.names.region, var.kms_key_arn == null)
    error_message = "Give kms_key_arn a key in ${module.names.region}: AWS encrypts with keys of the same region."
  }
}
