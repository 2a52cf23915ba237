output "firmware_retry" {
  description = "All outputs of the module."
  value       = module.firmware_retry
}

output "thing_group_name" {
  description = "Name of the dynamic thing group that a firmware job targets."
  value       = local.group

  depends_on = [aws_cloudformation_stack.update]
}

output "job_template_id" {
  description = "Id of the job template that brings the firmware."
  value       = local.template

  depends_on = [aws_cloudformation_stack.update]
}
