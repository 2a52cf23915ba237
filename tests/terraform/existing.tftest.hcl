# What people have already is used, and nothing of its kind is made.

mock_provider "aws" {
  source = "./tests/terraform/mocks"
}

variables {
  name_prefix                 = "fleet-b-"
  existing_alerts_topic       = { arn = "arn:aws:sns:eu-west-1:123456789012:incidents.fifo" }
  existing_operator_topic     = { arn = "arn:aws:sns:eu-west-1:123456789012:on-call" }
  existing_failed_thing_group = { arn = "arn:aws:iot:eu-west-1:123456789012:thinggroup/Broken" }
  existing_tables = {
    retries   = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/retries" }
    backup    = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/backup" }
    history   = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/history" }
    campaigns = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/campaigns" }
  }
}

# At plan, where nothing of the module's own has an ARN yet: what is answered is what was given.
run "answers_with_what_was_given" {
  command = plan

  assert {
    condition = (
      output.alerts_topic_arn == var.existing_alerts_topic.arn
      && output.operator_topic_arn == var.existing_operator_topic.arn
      && output.failed_thing_group_name == "Broken"
      && output.retries_table_name == "retries"
      && output.backup_table_name == "backup"
      && output.history_table_name == "history"
      && output.campaigns_table_name == "campaigns"
    )
    error_message = "The outputs name the caller's own."
  }
}

run "makes_no_table" {
  module {
    source = "./modules/tables"
  }

  assert {
    condition     = length(aws_dynamodb_table.this) + length(aws_dynamodb_table.history) == 0
    error_message = "No table is made."
  }

  assert {
    condition     = output.tables.history.arn == var.existing_tables.history.arn && output.tables.campaigns.arn == var.existing_tables.campaigns.arn
    error_message = "The ARNs are those that were given."
  }
}

run "makes_the_other_tables" {
  module {
    source = "./modules/tables"
  }

  variables {
    existing_tables = { history = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/history" } }
  }

  assert {
    condition     = toset(keys(aws_dynamodb_table.this)) == toset(["retries", "backup", "campaigns"]) && length(aws_dynamodb_table.history) == 0
    error_message = "What is not given is made."
  }

  assert {
    condition     = output.tables.retries.name == "fleet-b-DeviceFirmwareRetries" && output.tables.history.name == "history"
    error_message = "The outputs name both."
  }
}

run "makes_no_topic" {
  module {
    source = "./modules/alerts"
  }

  assert {
    condition     = length(aws_sns_topic.devices) + length(aws_sns_topic.operators) == 0
    error_message = "No topic is made."
  }

  assert {
    condition     = length(aws_sns_topic_policy.devices) + length(aws_sns_topic_policy.operators) == 0
    error_message = "The policy of a topic that is not the module's stays as it is."
  }

  assert {
    condition = (
      aws_sns_topic_subscription.operators[0].topic_arn == var.existing_alerts_topic.arn
      && aws_sqs_queue.operators.name == "fleet-b-FailedFirmwareUpdateOperators.fifo"
    )
    error_message = "People are mailed of what comes over the caller's topic."
  }

  assert {
    condition     = aws_sns_topic_subscription.operators[0].filter_policy == jsonencode({ fleet = ["fleet-b-"] })
    error_message = "They are mailed of their own fleet only, whoever else tells over that topic."
  }
}

run "mails_nobody" {
  module {
    source = "./modules/alerts"
  }

  variables {
    existing_operator_topic = null
  }

  assert {
    condition     = output.operator == null && output.operator_topic_arn == null && length(aws_sns_topic_subscription.operators) == 0
    error_message = "Without addresses and without a topic there is nobody to mail."
  }
}

run "makes_no_thing_group" {
  module {
    source = "./modules/ingestion"
  }

  variables {
    intake_state_machine_name = "FirmwareUpdateStateMachine"
    intake_state_machine_arn  = "arn:aws:states:eu-west-1:123456789012:stateMachine:FirmwareUpdateStateMachine"
    topic_filter              = "iot/device/data"
    failure_statuses          = ["failed"]
    device_id_source          = "payload"
    failed_thing_group_name   = "FailedToUpdate"
  }

  assert {
    condition     = length(aws_iot_thing_group.failed) == 0 && output.failed_thing_group_arn == var.existing_failed_thing_group.arn
    error_message = "No thing group is made."
  }

  assert {
    condition     = strcontains(aws_iot_topic_rule.this["removed"].sql, "/thingGroup/Broken/thing/+/removed")
    error_message = "A removal from the caller's group releases a device."
  }
}

run "refuses_what_is_no_arn_of_its_kind" {
  command = plan

  variables {
    existing_alerts_topic       = { arn = "arn:aws:sns:eu-west-1:123456789012:incidents" }
    existing_operator_topic     = { arn = "arn:aws:sns:eu-west-1:123456789012:on-call.fifo" }
    existing_failed_thing_group = { arn = "Broken" }
    existing_tables             = { retries = { arn = "retries" } }
  }

  expect_failures = [
    var.existing_alerts_topic,
    var.existing_operator_topic,
    var.existing_failed_thing_group,
    var.existing_tables,
  ]
}

run "refuses_addresses_for_a_topic_that_is_not_its_own" {
  command = plan

  variables {
    alert_emails = ["fleet@example.com"]
  }

  expect_failures = [var.existing_operator_topic]
}

run "refuses_tables_of_another_region_or_account" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    existing_tables = {
      retries = { arn = "arn:aws:dynamodb:eu-central-1:123456789012:table/retries" }
      backup  = { arn = "arn:aws:dynamodb:eu-west-1:210987654321:table/backup" }
      history = { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/history" }
    }
  }

  assert {
    condition     = local.elsewhere == ["backup", "retries"]
    error_message = "The refusal names the tables."
  }

  expect_failures = [output.tables]
}

run "refuses_a_key_of_another_region" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    kms_key_arn = "arn:aws:kms:eu-central-1:123456789012:key/fleet"
  }

  expect_failures = [output.tables]
}

run "refuses_topics_of_another_region" {
  command = plan

  module {
    source = "./modules/alerts"
  }

  variables {
    existing_alerts_topic   = { arn = "arn:aws:sns:eu-central-1:123456789012:incidents.fifo" }
    existing_operator_topic = { arn = "arn:aws:sns:eu-central-1:123456789012:on-call" }
  }

  expect_failures = [output.alerts_topic_arn, output.operator_topic_arn]
}

run "refuses_a_group_of_another_account" {
  command = plan

  module {
    source = "./modules/ingestion"
  }

  variables {
    existing_failed_thing_group = { arn = "arn:aws:iot:eu-west-1:210987654321:thinggroup/Broken" }
    intake_state_machine_name   = "FirmwareUpdateStateMachine"
    intake_state_machine_arn    = "arn:aws:states:eu-west-1:123456789012:stateMachine:FirmwareUpdateStateMachine"
    topic_filter                = "iot/device/data"
    failure_statuses            = ["failed"]
    device_id_source            = "payload"
    failed_thing_group_name     = "FailedToUpdate"
  }

  expect_failures = [output.failed_thing_group_arn]
}
