# Two fleets in one account, apart by their prefix. What an account team has set up before is in
# account.tf; replace what is there by your own.
locals {
  fleets = {
    washers  = { topic_filter = "washers/+/data", job_id_patterns = ["washers-*"] }
    gateways = { topic_filter = "gateways/+/data", job_id_patterns = ["gateways-*"] }
  }
}

module "firmware_retry" {
  source   = "../../"
  for_each = local.fleets

  name_prefix = "${each.key}-"
  tags        = { fleet = each.key, owner = "device-platform" }

  topic_filter     = each.value.topic_filter
  device_id_source = "topic:2" # a device speaks for itself only

  # AWS IoT Jobs' events are one setting of the region: both fleets share it.
  job_events_enabled = true
  job_id_patterns    = each.value.job_id_patterns
  fatal_reasons      = ["*signature invalid*"]

  # What the account has already. Fleets may share topics and group: each mails of its own devices.
  kms_key_arn                 = aws_kms_key.fleets.arn
  role_path                   = "/fleets/"
  permissions_boundary_arn    = aws_iam_policy.boundary.arn
  existing_alerts_topic       = { arn = aws_sns_topic.incidents.arn }
  existing_operator_topic     = { arn = aws_sns_topic.on_call.arn }
  existing_failed_thing_group = { arn = aws_iot_thing_group.to_be_looked_at.arn }

  # Tables cannot be shared: each fleet has its own.
  existing_tables = module.tables[each.key].tables
}
