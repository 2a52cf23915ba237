output "firmware_retry" {
  description = "All outputs of the module."
  value       = module.firmware_retry
}

output "thing_group_name" {
  description = "Name of the dynamic thing group that a firmware job targets."
  value       = local.group

  depends_on = [aws_cloudformation_stack.group]
}
