# Values at the edges of the validations pass, and the module can be planned with them.

mock_provider "aws" {
  source = "./tests/terraform/mocks"
}

run "lowest_values_pass" {
  command = plan

  variables {
    name_prefix        = "f"
    topic_filter       = "#"
    failure_statuses   = ["f"]
    device_id_source   = "topic:8"
    retry_limit        = 1
    cool_down_seconds  = []
    cool_down_jitter   = 0
    settle_seconds     = 0
    reconcile_interval = "5 minutes"
    breaker            = { share = 0.01, window_seconds = 300, min_devices = 1 }
    alert_interval     = "1 minute"
    failed_attributes  = { a = "1" }
    lambda_memory_mb   = 128

    alert_digest_threshold = 0
  }
}

run "longest_interval_passes" {
  command = plan

  variables {
    reconcile_interval = "3 days"
  }
}

run "highest_values_pass" {
  command = plan

  variables {
    name_prefix         = "A2345678-012345678901234567890-2"
    topic_filter        = "$aws/events/+/a.b:c@d=e,f~g/5/6/7/#"
    failure_statuses    = ["failed", "timed out", "NOT_STARTED", "err:7", "v1.2-b"]
    device_id_source    = "topic:3"
    retry_limit         = 10
    cool_down_seconds   = [12960000, 1, 3600, 86400, 259200, 6, 7, 8, 9, 10]
    cool_down_jitter    = 1
    settle_seconds      = 604800
    reconcile_interval  = "999 minutes"
    breaker             = { share = 1, window_seconds = 2592000, min_devices = 1000000, pauses = true }
    alert_interval      = "6 days"
    alarm_actions       = [for number in range(4) : "arn:aws-cn:lambda:cn-north-1:123456789012:function:pager-${number}"]
    ok_actions          = [for number in range(5) : "arn:aws:ssm:eu-west-1:123456789012:opsitem:${number}#CATEGORY=fleet"]
    move_out_attributes = { "a_.,@/:#-" = "a_.,@/:#=[]-", firmwareRetry = "coolingDown", FW = "moveOut" }
    alert_emails        = ["fleet+iot@example.co.uk", "a@example.com"]
    kms_key_arn         = "arn:aws:kms:eu-west-1:123456789012:key/mrk-1234abcd12ab34cd56ef1234567890ab"
    log_retention_days  = 3653
    role_path           = "/fleet/iot/"

    permissions_boundary_arn = "arn:aws-cn:iam::123456789012:policy/fleet/boundary"
    alert_digest_threshold   = 8

    lambda_memory_mb    = 10240
    lambda_architecture = "x86_64"
    lambda_package_s3   = { bucket = "fleet-packages", key = "firmware_retry.zip", object_version = "3" }
  }
}

run "edges_of_a_devices_life_pass" {
  command = plan

  variables {
    success_statuses       = []
    job_events_enabled     = true
    job_id_patterns        = ["*", "firmware-*", "a_B"]
    ignored_reasons        = ["*battery*", "E?42", "server busy", "a|b^c\\d"]
    fatal_reasons          = ["*signature invalid*"]
    history_retention_days = 3650
  }
}

run "job_events_alone_pass" {
  command = plan

  variables {
    job_events_enabled     = true
    failure_statuses       = []
    success_statuses       = []
    history_retention_days = 31
  }
}
