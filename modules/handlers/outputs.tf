output "function_arns" {
  description = "ARN of each step's function; the keys are the step names."
  value       = { for step, function in aws_lambda_function.step : step => function.arn }
}

output "planned_function_arns" {
  description = "The same ARNs, known before the functions exist, for policies that are written first."
  value       = local.function_arns
}

output "function_names" {
  description = "Name of each step's function; the keys are the step names."
  value       = { for step, function in aws_lambda_function.step : step => function.function_name }
}

output "kms_key_arn" {
  description = "The customer key, once every function may use it. Tables, topics and queues take it from here."
  value       = var.kms_key_arn
  depends_on  = [aws_iam_role_policy.log]
}

output "schedule_group_name" {
  description = "Name of the EventBridge Scheduler group that holds the schedules."
  value       = aws_scheduler_schedule_group.this.name
}
