output "firmware_retry" {
  description = "All outputs of the module."
  value       = module.firmware_retry
}
