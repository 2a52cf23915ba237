# Every validation of the root module refuses what it should. A run collects one kind of mistake: each
# variable that it sets must be refused. Run on the variables alone: no provider, so it takes a second.

run "refuses_empty_values" {
  command = plan

  variables {
    topic_filter            = ""
    failure_statuses        = []
    move_out_attributes     = {}
    failed_attributes       = {}
    failed_thing_group_name = ""
    lambda_package_s3       = { bucket = "", key = "firmware_retry.zip", object_version = null }
  }

  expect_failures = [
    var.topic_filter,
    var.failure_statuses,
    var.move_out_attributes,
    var.failed_attributes,
    var.failed_thing_group_name,
    var.lambda_package_s3,
  ]
}

run "refuses_empty_elements" {
  command = plan

  variables {
    failure_statuses    = [""]
    move_out_attributes = { model = "" }
    failed_attributes   = { model = "" }
    foreign_marks       = [{ model = "" }]
    alert_emails        = [""]
    lambda_package_s3   = { bucket = "fleet-packages", key = "", object_version = null }
  }

  expect_failures = [
    var.failure_statuses,
    var.move_out_attributes,
    var.failed_attributes,
    var.foreign_marks,
    var.alert_emails,
    var.lambda_package_s3,
  ]
}

run "refuses_no_rate" {
  command = plan

  variables {
    reconcile_interval = "15"
  }

  expect_failures = [var.reconcile_interval]
}

run "refuses_mails_at_no_rate" {
  command = plan

  variables {
    alert_interval         = "1 minutes"
    alert_digest_threshold = 9
  }

  expect_failures = [var.alert_interval, var.alert_digest_threshold]
}

run "refuses_half_a_device" {
  command = plan

  variables {
    alert_interval         = "5"
    alert_digest_threshold = 0.5
  }

  expect_failures = [var.alert_interval, var.alert_digest_threshold]
}

run "refuses_mails_later_than_the_queue_keeps_alerts" {
  command = plan

  variables {
    alert_interval = "7 days"
  }

  expect_failures = [var.alert_interval]
}

run "refuses_as_many_days_in_hours" {
  command = plan

  variables {
    alert_interval = "145 hours"
  }

  expect_failures = [var.alert_interval]
}

run "refuses_a_negative_number_of_devices" {
  command = plan

  variables {
    alert_digest_threshold = -1
  }

  expect_failures = [var.alert_digest_threshold]
}

run "refuses_one_of_many" {
  command = plan

  variables {
    reconcile_interval = "1 minutes"
  }

  expect_failures = [var.reconcile_interval]
}

run "refuses_passes_that_compete_with_each_other" {
  command = plan

  variables {
    reconcile_interval = "4 minutes"
  }

  expect_failures = [var.reconcile_interval]
}

run "refuses_more_actions_than_an_alarm_takes" {
  command = plan

  variables {
    alarm_actions = [for number in range(5) : "arn:aws:sns:eu-west-1:123456789012:pager-${number}"]
    ok_actions    = [for number in range(6) : "arn:aws:sns:eu-west-1:123456789012:pager-${number}"]
  }

  expect_failures = [var.alarm_actions, var.ok_actions]
}

run "refuses_actions_that_are_no_arns" {
  command = plan

  variables {
    alarm_actions = ["pager"]
    ok_actions    = ["https://example.com/pager"]
  }

  expect_failures = [var.alarm_actions, var.ok_actions]
}

run "refuses_passes_too_rare_to_be_missed" {
  command = plan

  variables {
    reconcile_interval = "73 hours"
  }

  expect_failures = [var.reconcile_interval]
}

run "refuses_a_share_of_nothing" {
  command = plan

  variables {
    breaker = { share = 0, window_seconds = 86400, min_devices = 20, pauses = false }
  }

  expect_failures = [var.breaker]
}

run "refuses_a_share_above_one" {
  command = plan

  variables {
    breaker = { share = 50, window_seconds = 86400, min_devices = 20, pauses = false }
  }

  expect_failures = [var.breaker]
}

run "refuses_a_window_that_no_pass_sees" {
  command = plan

  variables {
    reconcile_interval = "5 minutes"
    breaker            = { share = 0.5, window_seconds = 299, min_devices = 20, pauses = false }
  }

  expect_failures = [var.breaker]
}

run "refuses_a_window_that_is_over_between_two_passes" {
  command = plan

  variables {
    breaker = { share = 0.5, window_seconds = 899, min_devices = 20, pauses = false }
  }

  expect_failures = [var.breaker]
}

run "refuses_a_day_for_passes_that_are_two_days_apart" {
  command = plan

  variables {
    reconcile_interval = "2 days"
    breaker            = { share = 0.5, window_seconds = 86400, min_devices = 20, pauses = false }
  }

  expect_failures = [var.breaker]
}

run "refuses_a_window_of_parts_of_seconds" {
  command = plan

  variables {
    breaker = { share = 0.5, window_seconds = 90.5, min_devices = 20, pauses = false }
  }

  expect_failures = [var.breaker]
}

run "refuses_a_breaker_of_no_devices" {
  command = plan

  variables {
    breaker = { share = 0.5, window_seconds = 86400, min_devices = 0, pauses = false }
  }

  expect_failures = [var.breaker]
}

run "refuses_too_little" {
  command = plan

  variables {
    device_id_source   = "topic:0"
    retry_limit        = 0
    cool_down_seconds  = [86400, 0]
    cool_down_jitter   = -0.1
    settle_seconds     = -1
    log_retention_days = 0
    lambda_memory_mb   = 127
  }

  expect_failures = [
    var.device_id_source,
    var.retry_limit,
    var.cool_down_seconds,
    var.cool_down_jitter,
    var.settle_seconds,
    var.log_retention_days,
    var.lambda_memory_mb,
  ]
}

run "refuses_too_much" {
  command = plan

  variables {
    device_id_source  = "topic:9"
    retry_limit       = 11
    cool_down_seconds = [12960001]
    cool_down_jitter  = 1.1
    settle_seconds    = 604801
    lambda_memory_mb  = 10241
  }

  expect_failures = [
    var.device_id_source,
    var.retry_limit,
    var.cool_down_seconds,
    var.cool_down_jitter,
    var.settle_seconds,
    var.lambda_memory_mb,
  ]
}

run "refuses_too_many" {
  command = plan

  variables {
    tags                = { for number in range(51) : "tag${number}" => "a" }
    topic_filter        = "1/2/3/4/5/6/7/8/9"
    failure_statuses    = [for number in range(21) : "status${number}"]
    cool_down_seconds   = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    move_out_attributes = { a = "1", b = "2", c = "3", d = "4" }
    failed_attributes   = { a = "1", b = "2", c = "3", d = "4" }
  }

  expect_failures = [
    var.tags,
    var.topic_filter,
    var.failure_statuses,
    var.cool_down_seconds,
    var.move_out_attributes,
    var.failed_attributes,
  ]
}

run "refuses_too_long" {
  command = plan

  variables {
    name_prefix             = "a12345678901234567890123456789012"
    tags                    = { (join("", range(100))) = "a" }
    topic_filter            = join("", [for number in range(257) : "x"])
    failure_statuses        = [join("", [for number in range(65) : "x"])]
    move_out_attributes     = { model = join("", [for number in range(801) : "x"]) }
    failed_attributes       = { (join("", [for number in range(129) : "x"])) = "failed" }
    failed_thing_group_name = join("", [for number in range(97) : "x"])
    role_path               = join("", [for number in range(257) : "/x"])
  }

  expect_failures = [
    var.name_prefix,
    var.tags,
    var.topic_filter,
    var.failure_statuses,
    var.move_out_attributes,
    var.failed_attributes,
    var.failed_thing_group_name,
    var.role_path,
  ]
}

run "refuses_fractions" {
  command = plan

  variables {
    retry_limit       = 2.5
    cool_down_seconds = [86400.5]
    settle_seconds    = 0.5
    lambda_memory_mb  = 128.5
  }

  expect_failures = [
    var.retry_limit,
    var.cool_down_seconds,
    var.settle_seconds,
    var.lambda_memory_mb,
  ]
}

# These become part of an SQL statement.
run "refuses_what_would_break_the_sql" {
  command = plan

  variables {
    topic_filter     = "iot/data' WHERE true --"
    failure_statuses = ["failed' OR '1' = '1"]
  }

  expect_failures = [
    var.topic_filter,
    var.failure_statuses,
  ]
}

run "refuses_a_device_id_that_would_break_the_sql" {
  command = plan

  variables {
    device_id_source = "topic:2) AS deviceId, topic(3"
  }

  expect_failures = [var.device_id_source]
}

run "refuses_other_characters" {
  command = plan

  variables {
    name_prefix             = "fleet a-"
    topic_filter            = "iot/device data"
    move_out_attributes     = { model = "moved out" }
    failed_attributes       = { "model[0]" = "failed" }
    failed_thing_group_name = "Failed To Update"
    alert_emails            = ["a@example.com, b@example.com"]
    role_path               = "/fleet a/"
  }

  expect_failures = [
    var.name_prefix,
    var.topic_filter,
    var.move_out_attributes,
    var.failed_attributes,
    var.failed_thing_group_name,
    var.alert_emails,
    var.role_path,
  ]
}

# "a-" and "a_" would give the same names of rules.
run "refuses_an_underscore_in_the_prefix" {
  command = plan

  variables {
    name_prefix = "fleet_a_"
  }

  expect_failures = [var.name_prefix]
}

run "refuses_other_forms" {
  command = plan

  variables {
    name_prefix              = "1-fleet-"
    tags                     = { "aws:fleet" = "a" }
    device_id_source         = "certificate"
    alert_emails             = ["operators"]
    kms_key_arn              = "alias/fleet"
    log_retention_days       = 31
    role_path                = "/fleet"
    permissions_boundary_arn = "fleet-boundary"
    lambda_architecture      = "aarch64"
  }

  expect_failures = [
    var.name_prefix,
    var.tags,
    var.device_id_source,
    var.alert_emails,
    var.kms_key_arn,
    var.log_retention_days,
    var.role_path,
    var.permissions_boundary_arn,
    var.lambda_architecture,
  ]
}

run "refuses_near_misses" {
  command = plan

  variables {
    kms_key_arn              = "1234abcd-12ab-34cd-56ef-1234567890ab"
    role_path                = "fleet/"
    permissions_boundary_arn = "arn:aws:iam::123456789012:role/fleet"
    lambda_package_s3        = { bucket = "Fleet_Packages", key = "firmware_retry.zip", object_version = null }
  }

  expect_failures = [
    var.kms_key_arn,
    var.role_path,
    var.permissions_boundary_arn,
    var.lambda_package_s3,
  ]
}

run "refuses_repeats" {
  command = plan

  variables {
    failure_statuses = ["failed", "failed"]
    alert_emails     = ["a@example.com", "a@example.com"]
  }

  expect_failures = [
    var.failure_statuses,
    var.alert_emails,
  ]
}

run "refuses_a_wildcard_within_a_level" {
  command = plan

  variables {
    topic_filter = "iot/device+/data"
  }

  expect_failures = [var.topic_filter]
}

run "refuses_a_hash_within_a_level" {
  command = plan

  variables {
    topic_filter = "iot/data#"
  }

  expect_failures = [var.topic_filter]
}

run "refuses_a_hash_before_the_end" {
  command = plan

  variables {
    topic_filter = "iot/#/data"
  }

  expect_failures = [var.topic_filter]
}

# It would make one device of the whole fleet.
run "refuses_a_device_id_from_a_fixed_level" {
  command = plan

  variables {
    topic_filter     = "iot/+/data"
    device_id_source = "topic:1"
  }

  expect_failures = [var.device_id_source]
}

run "refuses_a_device_id_from_beyond_the_topic" {
  command = plan

  variables {
    topic_filter     = "iot/device/+"
    device_id_source = "topic:4"
  }

  expect_failures = [var.device_id_source]
}

run "refuses_reasons_that_fit_everything" {
  command = plan

  variables {
    ignored_reasons = ["*"]
  }

  expect_failures = [var.ignored_reasons]
}

run "refuses_an_alarm_on_no_refused_message" {
  command = plan

  variables {
    refused_messages_alarm = 0
  }

  expect_failures = [var.refused_messages_alarm]
}

run "refuses_a_reason_key_that_no_job_can_have" {
  command = plan

  variables {
    reason_keys = ["reason", "it's"]
  }

  expect_failures = [var.reason_keys]
}

run "refuses_reason_keys_that_rules_cannot_tell_apart" {
  command = plan

  variables {
    reason_keys = ["exit-code", "exit_code"]
  }

  expect_failures = [var.reason_keys]
}

run "refuses_too_many_reason_keys" {
  command = plan

  variables {
    reason_keys = [for number in range(21) : "key${number}"]
  }

  expect_failures = [var.reason_keys]
}

run "refuses_fatal_reasons_that_fit_everything" {
  command = plan

  variables {
    fatal_reasons = ["?* "]
  }

  expect_failures = [var.fatal_reasons]
}

run "refuses_reasons_that_no_message_can_have" {
  command = plan

  variables {
    ignored_reasons = ["batterie schwächelt"]
  }

  expect_failures = [var.ignored_reasons]
}

run "refuses_fatal_reasons_that_no_message_can_have" {
  command = plan

  variables {
    fatal_reasons = ["sig[0-9]"]
  }

  expect_failures = [var.fatal_reasons]
}

run "refuses_too_many_reasons" {
  command = plan

  variables {
    ignored_reasons = [for number in range(100) : "a reason ${number}"]
  }

  expect_failures = [var.ignored_reasons]
}

run "refuses_too_many_fatal_reasons" {
  command = plan

  variables {
    fatal_reasons = [for number in range(100) : "another reason ${number}"]
  }

  expect_failures = [var.fatal_reasons]
}

run "refuses_a_reason_that_is_both" {
  command = plan

  variables {
    ignored_reasons = ["*battery*", "*signature*"]
    fatal_reasons   = ["*signature*"]
  }

  expect_failures = [var.fatal_reasons]
}

run "refuses_a_status_that_is_both" {
  command = plan

  variables {
    failure_statuses = ["failed", "done"]
    success_statuses = ["done"]
  }

  expect_failures = [var.success_statuses]
}

run "refuses_statuses_of_success_that_end_the_sql" {
  command = plan

  variables {
    success_statuses = ["it's done"]
    job_id_patterns  = ["firmware'"]
  }

  expect_failures = [var.success_statuses, var.job_id_patterns]
}

run "refuses_a_table_that_there_is_not" {
  command = plan

  variables {
    existing_tables = { retry = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/Retries" } }
  }

  expect_failures = [var.existing_tables]
}

run "refuses_one_table_for_two_purposes" {
  command = plan

  variables {
    existing_tables = {
      retries = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/Retries" }
      backup  = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/Retries" }
      history = null
    }
  }

  expect_failures = [var.existing_tables]
}

run "refuses_names_of_tags_that_aws_does_not_take" {
  command = plan

  variables {
    tags = { "✓" = "fleet" }
  }

  expect_failures = [var.tags]
}

run "refuses_values_of_tags_that_aws_does_not_take" {
  command = plan

  variables {
    tags = { fleet = "mittel – ü" }
  }

  expect_failures = [var.tags]
}

run "refuses_values_of_tags_that_are_too_long" {
  command = plan

  variables {
    tags = { fleet = join("", [for number in range(257) : "x"]) }
  }

  expect_failures = [var.tags]
}

run "takes_tags_in_any_script" {
  command = plan

  variables {
    tags = { "größe" = "日本 + @", empty = "" }
  }
}

run "refuses_no_job_at_all_and_no_history" {
  command = plan

  variables {
    success_statuses       = [for number in range(21) : "status${number}"]
    job_id_patterns        = []
    history_retention_days = 30
  }

  expect_failures = [var.success_statuses, var.job_id_patterns, var.history_retention_days]
}
