output "function_arns" {
  description = "ARN of each step's function; the keys are the step names."
  value       = { for step, function in aws_lambda_function.step : step => function.arn }
}

output "function_names" {
  description = "Name of each step's function; the keys are the step names."
  value       = { for step, function in aws_lambda_function.step : step => function.function_name }
}
