# A call with values that are unknown at plan, since what they come from is made in the same apply.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

resource "terraform_data" "made_here" {
  input = {
    prefix   = "fleet-b-"
    topic    = "arn:aws:sns:eu-west-1:123456789012:incidents.fifo"
    operator = "arn:aws:sns:eu-west-1:123456789012:on-call"
    group    = "arn:aws:iot:eu-west-1:123456789012:thinggroup/Broken"
    table    = "arn:aws:dynamodb:eu-west-1:123456789012:table/"
    key      = "arn:aws:kms:eu-west-1:123456789012:key/fleet"
    path     = "/fleet/"
    boundary = "arn:aws:iam::123456789012:policy/boundary"
    bucket   = "code"
    status   = "failed"
    limit    = 3
  }
}

locals {
  unknown = terraform_data.made_here.output
}

module "firmware_retry" {
  source = "../../../"

  name_prefix                 = local.unknown.prefix
  existing_alerts_topic       = { arn = local.unknown.topic }
  existing_operator_topic     = { arn = local.unknown.operator }
  existing_failed_thing_group = { arn = local.unknown.group }
  existing_tables = {
    for table in ["retries", "backup", "history", "campaigns"] : table => { arn = "${local.unknown.table}${table}" }
  }
  kms_key_arn              = local.unknown.key
  role_path                = local.unknown.path
  permissions_boundary_arn = local.unknown.boundary
  lambda_package_s3        = { bucket = local.unknown.bucket, key = "firmware_retry.zip", object_version = null }
  tags                     = { fleet = local.unknown.prefix }
  failure_statuses         = [local.unknown.status]
  retry_limit              = local.unknown.limit
  alarm_actions            = [local.unknown.operator]
}

module "that_mails" {
  source = "../../../"

  name_prefix             = local.unknown.prefix
  alert_emails            = ["fleet@example.com"]
  failed_thing_group_name = local.unknown.status
  topic_filter            = local.unknown.status
  reconcile_interval      = "${local.unknown.limit * 5} minutes"
  job_id_patterns         = [local.unknown.status]
  breaker                 = { share = 0.5, window_seconds = 86400, min_devices = local.unknown.limit, pauses = false }
}
