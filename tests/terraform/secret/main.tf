# A call with values that Terraform must not print, as those of an SSM parameter.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

module "firmware_retry" {
  source = "../../../"

  name_prefix                 = sensitive("fleet-b-")
  existing_alerts_topic       = { arn = sensitive("arn:aws:sns:eu-west-1:123456789012:incidents.fifo") }
  existing_operator_topic     = { arn = sensitive("arn:aws:sns:eu-west-1:123456789012:on-call") }
  existing_failed_thing_group = { arn = sensitive("arn:aws:iot:eu-west-1:123456789012:thinggroup/Broken") }
  existing_tables = {
    for table in ["retries", "backup", "history", "campaigns"] :
    table => { arn = sensitive("arn:aws:dynamodb:eu-west-1:123456789012:table/${table}") }
  }
  kms_key_arn              = sensitive("arn:aws:kms:eu-west-1:123456789012:key/fleet")
  role_path                = sensitive("/fleet/")
  permissions_boundary_arn = sensitive("arn:aws:iam::123456789012:policy/boundary")
  lambda_package_s3        = { bucket = sensitive("code"), key = "firmware_retry.zip", object_version = null }
  tags                     = { fleet = sensitive("b") }
  failure_statuses         = [sensitive("failed")]
  retry_limit              = sensitive(3)
  alarm_actions            = [sensitive("arn:aws:sns:eu-west-1:123456789012:pager")]
}

module "that_mails" {
  source   = "../../../"
  for_each = { list = sensitive(["fleet@example.com", "on-call@example.com"]), elements = [sensitive("fleet@example.com")] }

  name_prefix             = each.key
  alert_emails            = each.value
  failed_thing_group_name = sensitive("Broken")
  topic_filter            = sensitive("fleet/data")
  reconcile_interval      = sensitive("15 minutes")
  job_id_patterns         = [sensitive("fleet-*")]
  breaker                 = sensitive({ share = 0.5, window_seconds = 86400, min_devices = 3, pauses = false })
  failure_statuses        = sensitive(["failed"])
  success_statuses        = sensitive(["succeeded"])
  deletion_protection     = sensitive(false)
  lambda_package_s3       = sensitive({ bucket = "code", key = "firmware_retry.zip", object_version = null })
  existing_alerts_topic   = sensitive({ arn = "arn:aws:sns:eu-west-1:123456789012:incidents.fifo" })
  alarm_actions           = sensitive(["arn:aws:sns:eu-west-1:123456789012:pager"])
  tags                    = sensitive({ fleet = "b" })
  existing_operator_topic = sensitive(null)
  existing_tables         = sensitive({})
}
