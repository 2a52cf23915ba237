output "intake_state_machine_arn" {
  description = "ARN of the Express state machine that handles one message a run."
  value       = aws_sfn_state_machine.intake.arn
}

output "planned_intake_state_machine_arn" {
  description = "The same ARN, known before the state machine exists, for a policy that is written first."
  value       = local.machine_arns["intake"]
}

output "intake_state_machine_name" {
  description = "Name of the Express state machine that handles one message a run."
  value       = aws_sfn_state_machine.intake.name
}

output "kms_key_arn" {
  description = "The customer key, once the intake may use it. The dead-letter queue takes it from here."
  value       = var.kms_key_arn
  depends_on  = [aws_iam_role_policy.intake]
}

output "recovery_state_machine_names" {
  description = "Names of the two Standard state machines, cool_down and escalation; known before they exist."
  value       = { for machine in local.recoveries : machine => local.machine_names[machine] }
}

output "cool_down_state_machine_arn" {
  description = "ARN of the Standard state machine that takes a device out for a while."
  value       = aws_sfn_state_machine.recovery["cool_down"].arn
}

output "escalation_state_machine_arn" {
  description = "ARN of the Standard state machine that gives a device to the operators."
  value       = aws_sfn_state_machine.recovery["escalation"].arn
}
