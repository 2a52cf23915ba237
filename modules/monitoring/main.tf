module "names" {
  source = "../names"
}

# Values that alarms.tf, dashboard.tf and metrics.tf share.
locals {
  namespace = "${var.name_prefix}FirmwareRetry"

  # How often the schedules run.
  seconds = {
    for name, interval in { reconcile = var.reconcile_interval, alert = var.alert_interval } :
    name => tonumber(split(" ", interval)[0]) * { minute = 60, hour = 3600, day = 86400 }[trimsuffix(split(" ", interval)[1], "s")]
  }
}
