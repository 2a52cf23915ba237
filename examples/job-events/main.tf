# No device has to change: what failed and what succeeded, AWS IoT Jobs says.
module "firmware_retry" {
  source = "../../"

  name_prefix = var.name_prefix

  job_events_enabled = true
  job_id_patterns    = ["firmware-*"]

  # No device is believed about itself.
  failure_statuses = []
  success_statuses = []

  # An example must be removable. Leave this out for a fleet: the tables then refuse to be deleted.
  deletion_protection = false
}
