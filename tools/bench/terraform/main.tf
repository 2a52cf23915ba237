# The module with its defaults and somebody to be mailed: what most fleets deploy, and the dearest.

module "firmware_retry" {
  source = "../../.."

  alert_emails        = ["operators@example.com"]
  cool_down_jitter    = 0
  deletion_protection = false
}
