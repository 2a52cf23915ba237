output "complete" {
  description = "Outputs of the example."
  value       = module.complete
}

output "landing_zone" {
  description = "Outputs of the example."
  value       = module.landing_zone
}

output "job_events" {
  description = "Outputs of the example."
  value       = module.job_events
}

output "marker_attribute" {
  description = "Outputs of the example."
  value       = module.marker_attribute
}
