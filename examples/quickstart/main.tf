module "firmware_retry" {
  source = "../../"

  # An example must be removable. Leave this out for a fleet: the tables then refuse to be deleted.
  deletion_protection = false
}
