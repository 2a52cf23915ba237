# The resources that the module makes of its inputs, applied with a mock provider.

mock_provider "aws" {
  source = "./tests/terraform/mocks"
}

run "needs_no_variable" {
  assert {
    condition = (
      output.retries_table_name == "DeviceFirmwareRetries"
      && output.backup_table_name == "DeviceAttributeBackup"
      && output.history_table_name == "DeviceFirmwareHistory"
      && output.campaigns_table_name == "FirmwareCampaigns"
      && output.failed_thing_group_name == "FailedToUpdate"
      && output.failure_log_group_name == "iot_failed_updates"
      && output.dashboard_name == "FirmwareRetry-eu-west-1"
      && toset(output.rule_names) == toset(["FailedFirmwareUpdateRule", "FailedFirmwareRemovedRule"])
    )
    error_message = "The names by default are the original's."
  }

  assert {
    condition     = alltrue([for step, name in output.handler_function_names : step == name]) && length(output.handler_function_names) == 13
    error_message = "There is a function for each of the nine steps and for each of the four that were added, named as the step."
  }

  assert {
    condition     = output.operator_topic_arn == null
    error_message = "Without alert_emails there is no topic for people."
  }
}

run "prefix_reaches_every_name" {
  variables {
    name_prefix         = "fleet-b-"
    alert_emails        = ["fleet@example.com"]
    deletion_protection = false # or else the state of the run before refuses another prefix
  }

  assert {
    condition = (
      output.retries_table_name == "fleet-b-DeviceFirmwareRetries"
      && output.backup_table_name == "fleet-b-DeviceAttributeBackup"
      && output.failed_thing_group_name == "fleet-b-FailedToUpdate"
      && output.failure_log_group_name == "fleet-b-iot_failed_updates"
      && output.dashboard_name == "fleet-b-FirmwareRetry-eu-west-1"
      && alltrue([for step, name in output.handler_function_names : name == "fleet-b-${step}"])
    )
    error_message = "Each name begins with the prefix."
  }

  assert {
    condition     = alltrue([for name in output.rule_names : startswith(name, "fleet_b_")])
    error_message = "In the names of rules a hyphen becomes an underscore."
  }

  assert {
    condition     = output.operator_topic_arn != null
    error_message = "With alert_emails there is a topic for people."
  }
}

run "names_of_roles_under_another_path" {
  module {
    source = "./modules/names"
  }

  variables {
    roles = {
      short = "ReconcileDevices"
      long  = "a-prefix-of-32-characters-length-MoveDeviceToFailedGroup"
    }
    role_path = "/fleet/"
  }

  assert {
    condition     = output.role_names["short"] == "ReconcileDevices-eu-west-1-${substr(md5("/fleet/"), 0, 8)}"
    error_message = "Another path makes another name: a role with the new path exists before the old one goes."
  }

  assert {
    condition     = alltrue([for name in output.role_names : length(name) <= 64])
    error_message = "With a path what is too long for IAM's 64 characters is cut."
  }
}

run "names" {
  module {
    source = "./modules/names"
  }

  variables {
    roles = {
      short  = "ReconcileDevices"
      long   = "a-prefix-of-32-characters-length-MoveDeviceToFailedGroup"
      longer = "a-prefix-of-32-characters-length-MoveDeviceToFailedGroups"
    }
  }

  assert {
    condition     = output.role_names["short"] == "ReconcileDevices-eu-west-1"
    error_message = "The region keeps the roles of two regions apart."
  }

  assert {
    condition     = alltrue([for name in output.role_names : length(name) <= 64]) && length(distinct(values(output.role_names))) == 3
    error_message = "What is too long for IAM's 64 characters is cut, and stays unique."
  }

  assert {
    condition     = format(output.arn, "iot", "thing/*") == "arn:aws:iot:eu-west-1:123456789012:thing/*"
    error_message = "ARNs are of the partition, region and account at hand."
  }
}

run "tables" {
  module {
    source = "./modules/tables"
  }

  variables {
    name_prefix = "fleet-b-"
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/fleet"
    tags        = { fleet = "b" }
  }

  assert {
    condition = { for table, of in local.made : table => compact([of.hash_key, of.range_key]) } == {
      retries   = tolist(["deviceId"])
      backup    = tolist(["deviceId"])
      history   = tolist(["deviceId", "at"])
      campaigns = tolist(["campaign"])
    }
    error_message = "Each table has the key that the package reads it by."
  }

  assert {
    condition = alltrue([
      for table in local.made :
      table.billing_mode == "PAY_PER_REQUEST"
      && table.deletion_protection_enabled
      && table.point_in_time_recovery[0].enabled
      && table.server_side_encryption[0].enabled
      && table.server_side_encryption[0].kms_key_arn == var.kms_key_arn
      && table.tags == tomap({ fleet = "b" })
    ])
    error_message = "All tables are on demand, recoverable, encrypted with the given key, protected and tagged."
  }
}

run "alerts" {
  module {
    source = "./modules/alerts"
  }

  variables {
    alert_emails = ["a@example.com", "b@example.com"]
  }

  assert {
    condition = (
      aws_sns_topic.devices[0].name == "FailedFirmwareUpdate.fifo"
      && aws_sns_topic.devices[0].fifo_topic
      && !aws_sns_topic.devices[0].content_based_deduplication
      && aws_sns_topic.devices[0].fifo_throughput_scope == "MessageGroup"
    )
    error_message = "The topic for machines is FIFO; the publisher names what is a duplicate."
  }

  assert {
    condition     = alltrue([for topic in concat(aws_sns_topic.devices, aws_sns_topic.operators) : topic.kms_master_key_id == null])
    error_message = "Without a customer key a topic has none: the AWS-managed one drops what services publish."
  }

  assert {
    condition = (
      toset([for mail in aws_sns_topic_subscription.email : mail.endpoint]) == toset(var.alert_emails)
      && alltrue([for mail in aws_sns_topic_subscription.email : mail.protocol == "email"])
    )
    error_message = "Each address is subscribed."
  }
}

run "handlers" {
  module {
    source = "./modules/handlers"
  }

  variables {
    tables = {
      for table in ["retries", "backup", "history", "campaigns"] :
      table => { name = table, arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/${table}" }
    }
    breaker                 = { share = 0.5, window_seconds = 3600, min_devices = 20, pauses = true }
    history_retention_days  = 30
    ignored_reasons         = ["*battery*"]
    fatal_reasons           = ["*signature*"]
    failed_thing_group_name = "FailedToUpdate"
    failed_thing_group_arn  = "arn:aws:iot:eu-west-1:123456789012:thinggroup/FailedToUpdate"
    alerts_topic_arn        = "arn:aws:sns:eu-west-1:123456789012:FailedFirmwareUpdate.fifo"
    retry_limit             = 3
    cool_down_seconds       = [3600, 86400]
    cool_down_jitter        = 0.5
    settle_seconds          = 0
    move_out_attributes     = { firmwareRetry = "coolingDown" }
    failed_attributes       = { firmwareRetry = "failed" }
    reconcile_interval      = "10 minutes"
    name_prefix             = "a-prefix-of-32-characters-length"
    tracing_enabled         = true
    kms_key_arn             = "arn:aws:kms:eu-west-1:123456789012:key/fleet"

    recovery_state_machine_names = { cool_down = "CoolDown", escalation = "Escalation" }
  }

  assert {
    condition = { for step, function in aws_lambda_function.step : step => function.handler } == {
      CheckIfDeviceExists           = "firmware_retry.handlers.check_if_device_exists.handler"
      StoreDeviceAttributes         = "firmware_retry.handlers.store_device_attributes.handler"
      CreateDeviceRecord            = "firmware_retry.handlers.create_device_record.handler"
      IncrementRetryCounter         = "firmware_retry.handlers.increment_retry_counter.handler"
      ResetRetryCounterAndMoveOut   = "firmware_retry.handlers.reset_retry_counter_and_move_out.handler"
      RestoreDeviceAttributes       = "firmware_retry.handlers.restore_device_attributes.handler"
      ResetRetryCountToFailedUpdate = "firmware_retry.handlers.reset_retry_count_to_failed_update.handler"
      MoveDeviceToFailedGroup       = "firmware_retry.handlers.move_device_to_failed_group.handler"
      SendSNSNotification           = "firmware_retry.handlers.send_sns_notification.handler"
      ClearDeviceRecord             = "firmware_retry.handlers.clear_device_record.handler"
      ReleaseDevice                 = "firmware_retry.handlers.release_device.handler"
      ReconcileDevices              = "firmware_retry.handlers.reconcile_devices.handler"
      MailOperators                 = "firmware_retry.handlers.mail_operators.handler"
    }
    error_message = "Each step runs the handler module of its own name."
  }

  assert {
    condition = alltrue([for function in aws_lambda_function.step : function.environment[0].variables == tomap({
      RETRIES_TABLE           = "retries"
      BACKUP_TABLE            = "backup"
      HISTORY_TABLE           = "history"
      HISTORY_DAYS            = "30"
      CAMPAIGNS_TABLE         = "campaigns"
      BREAKER                 = "{\"min_devices\":20,\"pauses\":true,\"share\":0.5,\"window_seconds\":3600}"
      IGNORED_REASONS         = "[\"*battery*\"]"
      FATAL_REASONS           = "[\"*signature*\"]"
      JOB_EVENTS_ENABLED      = "false"
      RETRY_LIMIT             = "3"
      COOL_DOWN_SECONDS       = "[3600,86400]"
      COOL_DOWN_JITTER        = "0.5"
      SETTLE_SECONDS          = "0"
      MOVE_OUT_ATTRIBUTES     = "{\"firmwareRetry\":\"coolingDown\"}"
      FAILED_ATTRIBUTES       = "{\"firmwareRetry\":\"failed\"}"
      FOREIGN_MARKS           = "[]"
      FAILED_THING_GROUP_NAME = "FailedToUpdate"
      ALERTS_TOPIC_ARN        = "arn:aws:sns:eu-west-1:123456789012:FailedFirmwareUpdate.fifo"
      OPERATOR_TOPIC_ARN      = ""
      OPERATOR_QUEUE_URL      = ""
      ALERT_DIGEST_THRESHOLD  = "5"
      NAME_PREFIX             = "a-prefix-of-32-characters-length"

      COOL_DOWN_STATE_MACHINE_ARN  = "arn:aws:states:eu-west-1:123456789012:stateMachine:CoolDown"
      ESCALATION_STATE_MACHINE_ARN = "arn:aws:states:eu-west-1:123456789012:stateMachine:Escalation"
    })])
    error_message = "Each function has the settings of the package."
  }

  assert {
    condition     = alltrue([for function in aws_lambda_function.step : length(function.function_name) <= 64])
    error_message = "With the longest prefix a function's name is within Lambda's 64 characters."
  }

  assert {
    condition     = alltrue([for role in aws_iam_role.step : length(role.name) <= 64]) && length(distinct([for role in aws_iam_role.step : role.name])) == 13
    error_message = "With the longest prefix the roles' names are within IAM's 64 characters and differ."
  }

  assert {
    condition = alltrue([
      for step, function in aws_lambda_function.step :
      function.runtime == "python3.13"
      && function.timeout == lookup({ ReconcileDevices = 600, ReleaseDevice = 300, MailOperators = 300 }, step, 15)
      && function.memory_size == (step == "ReconcileDevices" ? 1024 : 128)
      && function.logging_config[0].log_format == "JSON"
      && function.logging_config[0].log_group == "/aws/lambda/${function.function_name}"
    ])
    error_message = "Each function logs JSON to its own group, and a pass of ReconcileDevices ends before the next."
  }

  assert {
    condition = alltrue(flatten([
      for policy in concat(values(aws_iam_role_policy.log), values(aws_iam_role_policy.step)) : [
        for statement in jsondecode(policy.policy).Statement : [
          for resource in flatten([statement.Resource]) : startswith(resource, "arn:aws:")
        ] if !contains(["Tracing", "Lists"], statement.Sid)
      ]
    ]))
    error_message = "Each statement but those on X-Ray and on lists, which have none, names its resources, in the partition at hand."
  }

  assert {
    condition = alltrue([
      for policy in concat(values(aws_iam_role_policy.log), values(aws_iam_role_policy.step)) : alltrue([
        for statement in jsondecode(policy.policy).Statement : statement.Resource == var.kms_key_arn
        if anytrue([for action in flatten([statement.Action]) : startswith(action, "kms:")])
      ])
    ])
    error_message = "Of keys, a role may use the fleet's own."
  }

  assert {
    condition     = alltrue([for policy in aws_iam_role_policy.log : strcontains(policy.policy, var.kms_key_arn)]) && output.kms_key_arn == var.kms_key_arn
    error_message = "Each may use it by the policy that needs nothing but role and log group, and for which the encrypted things wait."
  }

  assert {
    condition = alltrue([
      for step, role in aws_iam_role.step :
      jsondecode(role.assume_role_policy).Statement[0].Condition == {
        StringEqualsIfExists = { "aws:SourceAccount" = "123456789012" }
        ArnLikeIfExists      = { "aws:SourceArn" = "arn:aws:lambda:eu-west-1:123456789012:function:a-prefix-of-32-characters-length${step}" }
      }
    ])
    error_message = "Each role trusts Lambda only on behalf of its own function."
  }

  assert {
    condition = (
      alltrue([for step, policy in aws_iam_role_policy.log : policy.role == aws_iam_role.step[step].id])
      && alltrue([for step, policy in aws_iam_role_policy.step : policy.role == aws_iam_role.step[step].id])
      && aws_iam_role_policy.schedule.role == aws_iam_role.schedule.id
    )
    error_message = "Each policy is bound to the id of its role, which changes when the role is replaced; its name need not."
  }

  assert {
    condition = jsondecode(aws_iam_role.schedule.assume_role_policy).Statement[0].Condition == {
      StringEquals = { "aws:SourceAccount" = "123456789012" }
      ArnEquals    = { "aws:SourceArn" = "arn:aws:scheduler:eu-west-1:123456789012:schedule-group/a-prefix-of-32-characters-lengthFirmwareRetry" }
    }
    error_message = "The role of the schedule trusts EventBridge Scheduler only on behalf of this fleet's schedules."
  }

  assert {
    condition = (
      alltrue([for schedule in aws_scheduler_schedule.step : schedule.group_name == aws_scheduler_schedule_group.this.name])
      && output.schedule_group_name == aws_scheduler_schedule_group.this.name
      && length(aws_scheduler_schedule_group.this.name) <= 64
    )
    error_message = "The schedules are in a group of their own, which their metrics name."
  }

  assert {
    condition = (
      aws_scheduler_schedule.step["ReconcileDevices"].schedule_expression == "rate(10 minutes)"
      && aws_scheduler_schedule.step["ReconcileDevices"].target[0].arn == aws_lambda_function.step["ReconcileDevices"].arn
    )
    error_message = "ReconcileDevices runs by the clock."
  }

  assert {
    condition     = !contains(keys(aws_scheduler_schedule.step), "MailOperators") && !contains(keys(aws_iam_role_policy.step), "MailOperators")
    error_message = "Where there is nobody to mail, MailOperators does not run, and may only write its log and traces and use the key."
  }
}

run "settings_that_lambda_does_not_take" {
  command = plan

  module {
    source = "./modules/handlers"
  }

  variables {
    tables = {
      for table in ["retries", "backup", "history", "campaigns"] :
      table => { name = table, arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/${table}" }
    }
    history_retention_days  = 30
    failed_thing_group_name = "FailedToUpdate"
    failed_thing_group_arn  = "arn:aws:iot:eu-west-1:123456789012:thinggroup/FailedToUpdate"
    alerts_topic_arn        = "arn:aws:sns:eu-west-1:123456789012:FailedFirmwareUpdate.fifo"
    retry_limit             = 10
    cool_down_seconds       = [86400]
    cool_down_jitter        = 0.1
    settle_seconds          = 900
    reconcile_interval      = "15 minutes"
    move_out_attributes     = { for name in ["model", "FW", "site"] : name => join("", [for _ in range(800) : "o"]) }
    failed_attributes       = { model = join("", [for _ in range(800) : "f"]) }

    recovery_state_machine_names = { cool_down = "CoolDown", escalation = "Escalation" }
  }

  expect_failures = [aws_lambda_function.step]
}

run "handlers_that_mail" {
  module {
    source = "./modules/handlers"
  }

  variables {
    tables = {
      for table in ["retries", "backup", "history", "campaigns"] :
      table => { name = table, arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/${table}" }
    }
    history_retention_days  = 30
    failed_thing_group_name = "FailedToUpdate"
    failed_thing_group_arn  = "arn:aws:iot:eu-west-1:123456789012:thinggroup/FailedToUpdate"
    alerts_topic_arn        = "arn:aws:sns:eu-west-1:123456789012:FailedFirmwareUpdate.fifo"
    operator = {
      topic_arn = "arn:aws:sns:eu-west-1:123456789012:Operators"
      queue_url = "https://sqs.eu-west-1.amazonaws.com/123456789012/Operators.fifo"
      queue_arn = "arn:aws:sqs:eu-west-1:123456789012:Operators.fifo"
    }
    alert_interval         = "1 hour"
    alert_digest_threshold = 0
    retry_limit            = 3
    cool_down_seconds      = []
    cool_down_jitter       = 0
    settle_seconds         = 0
    move_out_attributes    = { FW = "moveOut" }
    failed_attributes      = { FW = "failed" }
    reconcile_interval     = "1 hour"

    recovery_state_machine_names = { cool_down = "CoolDown", escalation = "Escalation" }
  }

  assert {
    condition = (
      aws_scheduler_schedule.step["MailOperators"].schedule_expression == "rate(1 hour)"
      && aws_scheduler_schedule.step["MailOperators"].target[0].arn == aws_lambda_function.step["MailOperators"].arn
    )
    error_message = "Where there is somebody to mail, MailOperators runs by the clock."
  }

  assert {
    condition = {
      for statement in jsondecode(aws_iam_role_policy.step["MailOperators"].policy).Statement :
      statement.Sid => [statement.Action, statement.Resource]
      } == {
      OperatorQueue = [["sqs:ReceiveMessage", "sqs:DeleteMessage"], [var.operator.queue_arn]]
      Operators     = [["sns:Publish", "sns:GetTopicAttributes"], [var.operator.topic_arn]]
    }
    error_message = "It takes letters out of its queue, asks whether anybody gets mail, and publishes on the topic for people, and no more."
  }

  assert {
    condition = alltrue([
      for step, policy in aws_iam_role_policy.step : !strcontains(policy.policy, var.operator.topic_arn) if step != "MailOperators"
    ])
    error_message = "Nobody else mails people."
  }

  assert {
    condition = (
      aws_lambda_function.step["MailOperators"].environment[0].variables["OPERATOR_QUEUE_URL"] == var.operator.queue_url
      && aws_lambda_function.step["MailOperators"].environment[0].variables["ALERT_DIGEST_THRESHOLD"] == "0"
    )
    error_message = "It knows its queue, and when to write a digest."
  }
}

run "alerts_that_are_mailed" {
  module {
    source = "./modules/alerts"
  }

  variables {
    name_prefix  = "fleet-b-"
    alert_emails = ["fleet@example.com"]
  }

  assert {
    condition = (
      aws_sqs_queue.operators.name == "fleet-b-FailedFirmwareUpdateOperators.fifo"
      && aws_sqs_queue.operators.fifo_queue
      && aws_sqs_queue.operators.message_retention_seconds == 14 * 86400
      && aws_sqs_queue.operators.visibility_timeout_seconds > 300
    )
    error_message = "The queue keeps as long as SQS can, and gives a letter to nobody else while MailOperators may be at it."
  }

  assert {
    condition     = aws_sns_topic_subscription.operators[0].raw_message_delivery && aws_sns_topic_subscription.operators[0].protocol == "sqs"
    error_message = "The queue gets what is published on the FIFO topic, as it is."
  }

  assert {
    condition = alltrue([
      for policy in [aws_sqs_queue_policy.operators.policy, aws_sqs_queue_policy.undelivered.policy] :
      [
        for statement in jsondecode(policy).Statement : [statement.Action, statement.Principal, statement.Condition]
        if statement.Effect == "Allow"
      ] == [["sqs:SendMessage", { Service = "sns.amazonaws.com" }, { ArnEquals = { "aws:SourceArn" = aws_sns_topic.devices[0].arn } }]]
    ])
    error_message = "Only the topic sends to the queues."
  }

  assert {
    condition = (
      aws_sns_topic_subscription.operators[0].redrive_policy == jsonencode({ deadLetterTargetArn = aws_sqs_queue.undelivered.arn })
      && aws_sqs_queue.undelivered.name == "fleet-b-FailedFirmwareUpdateUndelivered.fifo"
      && aws_sqs_queue.undelivered.fifo_queue
      && aws_sqs_queue.undelivered.message_retention_seconds == 14 * 86400
      && output.undelivered_queue_name == aws_sqs_queue.undelivered.name
    )
    error_message = "Alerts that the queue refuses are kept in a FIFO queue behind the subscription, as long as SQS can."
  }
}

run "alerts_that_nobody_is_mailed" {
  module {
    source = "./modules/alerts"
  }

  assert {
    condition     = length(aws_sns_topic_subscription.operators) == 0 && output.operator_queue_name == null
    error_message = "Without addresses the queue gets no alert."
  }
}

run "workflow" {
  module {
    source = "./modules/workflow"
  }

  variables {
    function_arns = {
      CheckIfDeviceExists           = "arn:aws:lambda:eu-west-1:123456789012:function:CheckIfDeviceExists"
      StoreDeviceAttributes         = "arn:aws:lambda:eu-west-1:123456789012:function:StoreDeviceAttributes"
      CreateDeviceRecord            = "arn:aws:lambda:eu-west-1:123456789012:function:CreateDeviceRecord"
      IncrementRetryCounter         = "arn:aws:lambda:eu-west-1:123456789012:function:IncrementRetryCounter"
      ResetRetryCounterAndMoveOut   = "arn:aws:lambda:eu-west-1:123456789012:function:ResetRetryCounterAndMoveOut"
      RestoreDeviceAttributes       = "arn:aws:lambda:eu-west-1:123456789012:function:RestoreDeviceAttributes"
      ResetRetryCountToFailedUpdate = "arn:aws:lambda:eu-west-1:123456789012:function:ResetRetryCountToFailedUpdate"
      MoveDeviceToFailedGroup       = "arn:aws:lambda:eu-west-1:123456789012:function:MoveDeviceToFailedGroup"
      SendSNSNotification           = "arn:aws:lambda:eu-west-1:123456789012:function:SendSNSNotification"
      ClearDeviceRecord             = "arn:aws:lambda:eu-west-1:123456789012:function:ClearDeviceRecord"
      ReleaseDevice                 = "arn:aws:lambda:eu-west-1:123456789012:function:ReleaseDevice"
    }
    planned_function_arns = {
      for step in [
        "CheckIfDeviceExists", "StoreDeviceAttributes", "CreateDeviceRecord", "IncrementRetryCounter",
        "ResetRetryCounterAndMoveOut", "RestoreDeviceAttributes", "ResetRetryCountToFailedUpdate",
        "MoveDeviceToFailedGroup", "SendSNSNotification", "ClearDeviceRecord", "ReleaseDevice",
      ] : step => "arn:aws:lambda:eu-west-1:123456789012:function:${step}"
    }
    dead_letter_queue_url = "https://sqs.eu-west-1.amazonaws.com/123456789012/dead-letters"
    dead_letter_queue_arn = "arn:aws:sqs:eu-west-1:123456789012:dead-letters"
    name_prefix           = "a-prefix-of-32-characters-length"
    tracing_enabled       = true
    kms_key_arn           = "arn:aws:kms:eu-west-1:123456789012:key/fleet"
  }

  assert {
    condition = (
      aws_sfn_state_machine.intake.type == "EXPRESS"
      && alltrue([for machine in aws_sfn_state_machine.recovery : machine.type == "STANDARD"])
    )
    error_message = "The intake is Express, the recoveries are Standard."
  }

  assert {
    condition = alltrue([
      for definition in concat([aws_sfn_state_machine.intake.definition], [for machine in aws_sfn_state_machine.recovery : machine.definition]) :
      alltrue([
        for name, state in jsondecode(definition).States :
        state.Type != "Task" || try(length(state.Retry) > 0 && state.TimeoutSeconds > 15, false)
      ])
    ])
    error_message = "Each task is tried again, and its timeout is longer than its function's."
  }

  assert {
    condition     = jsondecode(aws_sfn_state_machine.intake.definition).States.StartCoolDown.Resource == "arn:aws:states:::states:startExecution"
    error_message = "The definitions speak of the partition at hand."
  }

  assert {
    condition     = !aws_sfn_state_machine.intake.logging_configuration[0].include_execution_data
    error_message = "The intake does not log what it has not validated yet."
  }

  assert {
    condition     = alltrue([for machine in concat([aws_sfn_state_machine.intake], values(aws_sfn_state_machine.recovery)) : machine.timeouts.delete == "30m"])
    error_message = "A destroy leaves the time to stop runs that sleep."
  }

  assert {
    condition = {
      for machine, policy in aws_iam_role_policy.machine :
      machine => sort([for arn in jsondecode(policy.policy).Statement[0].Resource : reverse(split(":", arn))[0]])
      } == {
      intake     = tolist(["CheckIfDeviceExists", "ClearDeviceRecord", "CreateDeviceRecord", "IncrementRetryCounter", "ReleaseDevice", "StoreDeviceAttributes"])
      cool_down  = tolist(["ResetRetryCounterAndMoveOut", "RestoreDeviceAttributes"])
      escalation = tolist(["MoveDeviceToFailedGroup", "ResetRetryCountToFailedUpdate", "SendSNSNotification"])
    }
    error_message = "Each machine may invoke the functions of its definition and no other."
  }

  assert {
    condition = alltrue(flatten([
      for policy in concat(values(aws_iam_role_policy.machine), [aws_iam_role_policy.intake]) : [
        for statement in jsondecode(policy.policy).Statement : [
          for resource in flatten([statement.Resource]) : startswith(resource, "arn:aws:")
        ] if !contains(["LogDelivery", "Tracing"], statement.Sid)
      ]
    ]))
    error_message = "Each statement names its resources, but those on log delivery and X-Ray, which have none."
  }

  assert {
    condition = alltrue([
      for machine, role in aws_iam_role.machine :
      jsondecode(role.assume_role_policy).Statement[0].Condition == {
        StringEquals = { "aws:SourceAccount" = "123456789012" }
        ArnLike      = { "aws:SourceArn" = "arn:aws:states:eu-west-1:123456789012:stateMachine:${local.machine_names[machine]}" }
      }
    ])
    error_message = "Each role trusts Step Functions only on behalf of its own machine."
  }

  assert {
    condition     = alltrue([for machine, policy in aws_iam_role_policy.machine : policy.role == aws_iam_role.machine[machine].id]) && aws_iam_role_policy.intake.role == aws_iam_role.machine["intake"].id
    error_message = "Each policy is bound to the id of its role, which changes when the role is replaced; its name need not."
  }

  assert {
    condition     = alltrue([for role in aws_iam_role.machine : length(role.name) <= 64]) && length(distinct([for role in aws_iam_role.machine : role.name])) == 3
    error_message = "With the longest prefix the roles' names are within IAM's 64 characters and differ."
  }
}

run "ingestion" {
  module {
    source = "./modules/ingestion"
  }

  variables {
    intake_state_machine_name   = "FirmwareUpdateStateMachine"
    intake_state_machine_arn    = "arn:aws:states:eu-west-1:123456789012:stateMachine:FirmwareUpdateStateMachine"
    topic_filter                = "iot/+/data"
    failure_statuses            = ["failed", "timed out"]
    unreadable_messages_enabled = true
    device_id_source            = "payload"
    failed_thing_group_name     = "FailedToUpdate"
  }

  assert {
    condition = (
      startswith(aws_iot_topic_rule.this["devices"].sql, "SELECT CASE status WHEN 'failed' THEN 'failed' WHEN 'succeeded' THEN 'succeeded' WHEN 'timed out' THEN 'failed' ELSE 'unclear' END AS kind, 'device' AS reportedBy, ")
      && strcontains(aws_iot_topic_rule.this["devices"].sql, " FROM 'iot/+/data' WHERE status = 'failed' OR status = 'succeeded' OR status = 'timed out' OR regexp_matches(lower(regexp_replace(status, '([a-z])([A-Z])', '$1 $2')), '^(")
      && strcontains(aws_iot_topic_rule.this["devices"].sql, "CASE cast(regexp_matches(get(*, '_id_'), '([^a-zA-Z0-9:_-]|.{129})') AS String) WHEN 'false' THEN get(*, '_id_') ELSE '[refused]' END AS deviceId,")
      && alltrue([
        for name in ["timestamp", "model", "FW", "jobId"] :
        strcontains(aws_iot_topic_rule.this["devices"].sql, "regexp_substr(regexp_replace(${name}, '[^ -~]', ' '), '^.{1,1000}') AS ${name},")
      ])
    )
    error_message = "The rule selects the configured statuses and those that resemble them, and fields by name, each as a printable line of bounded length, from the topic filter."
  }

  assert {
    condition = alltrue([
      for status in concat(
        [
          "FAILED", "failure", "fail\n", "failling", "faild", "failled", "update failed", "UpdateFailed", "FAILED_TIMEOUT",
          "failed: no space", "Timed-Out", "TIMED_OUT", "timedout",
        ],
        [
          "success", "Succeeded.", "successful", "succeded", "suceeded", "successed", "unsure: succeeds", "update_succeeded",
          "jobSucceeded", "succeeded: 2.28",
        ],
      ) :
      can(regex("^(${join("|", local.stem_patterns)})$", lower(replace(status, "/([a-z])([A-Z])/", "$1 $2"))))
    ])
    error_message = "A status resembles one that is configured in any case, with other signs and words around, with another ending, and with letters doubled or single by mistake."
  }

  assert {
    condition = !anytrue(flatten([
      for pattern in local.stem_patterns :
      [for status in ["", "in_progress", "failover", "prefail", "timer out", "1", "[\"failed\"]", "{\"failed\":1}", "sucks", "succinct"] : can(regex("^(${pattern})$", status))]
    ]))
    error_message = "Other words resemble none, nor does the text of an array or object."
  }

  assert {
    condition = (
      one(aws_iot_topic_rule.this["devices"].step_functions).state_machine_name == "FirmwareUpdateStateMachine"
      && one(aws_iot_topic_rule.this["devices"].cloudwatch_logs).log_group_name == "iot_failed_updates"
      && aws_iot_topic_rule.this["devices"].error_action[0].sqs[0].queue_url == aws_sqs_queue.dead_letters.url
    )
    error_message = "A failure starts the intake and is logged; what fails then goes to the dead-letter queue."
  }

  assert {
    condition = (
      length(aws_iot_topic_rule.this["unreadable"].step_functions) == 0
      && length(aws_iot_topic_rule.this["unreadable"].cloudwatch_logs) == 1
      && aws_iot_topic_rule.this["unreadable"].error_action[0].sqs[0].queue_url == aws_sqs_queue.dead_letters.url
    )
    error_message = "What cannot be read is only logged."
  }

  assert {
    condition = alltrue([
      for payload in setproduct(
        ["", " ", "\n ", "\t\r\n", "    "],
        ["{}", "{ }", "{\"_\":1}", "{\"a\":12}", "{\"a\":123}", "{\"a\":[{}]}", "{\"a\":\"ü\"}"],
        ["", "\n", "\r\n", "\n\n ", "\t   "],
      ) :
      can(regex(local.object_starts, base64encode(join("", payload))))
      && can(regex(local.object_ends, base64encode(join("", payload))))
    ])
    error_message = "The patterns find every JSON object, whatever its length modulo 3, with or without blanks around."
  }

  assert {
    condition = alltrue([
      for payload in [
        "", " ", "failed", "[]", "[1]", "[{}]", "{", "}", "{\"a\":1", "\"{}\"", "12", "null", "status=failed", "x{}", "{}x",
        "{}\u000b", "\u000b{}", "{}\u0000", "{ }\n\u0000", "{  }\r\n\u0000", "\"{}", "!{}", "{}!", "|}", "{|",
      ] :
      !(can(regex(local.object_starts, base64encode(payload))) && can(regex(local.object_ends, base64encode(payload))))
    ])
    error_message = "The patterns find nothing but JSON objects."
  }

  assert {
    condition     = aws_sqs_queue.dead_letters.sqs_managed_sse_enabled && aws_sqs_queue.dead_letters.message_retention_seconds == 1209600
    error_message = "Dead letters are encrypted and kept for 14 days."
  }

  assert {
    condition = jsondecode(aws_iam_role.rules.assume_role_policy).Statement[0].Condition == {
      StringEquals = { "aws:SourceAccount" = "123456789012" }
      ArnLike = {
        "aws:SourceArn" = [
          "arn:aws:iot:eu-west-1:123456789012:rule/FailedFirmwareUpdateRule",
          "arn:aws:iot:eu-west-1:123456789012:rule/FailedFirmwareRemovedRule",
          "arn:aws:iot:eu-west-1:123456789012:rule/FailedFirmwareUnreadableRule",
        ]
      }
    }
    error_message = "The role trusts AWS IoT only on behalf of these rules."
  }

  assert {
    condition     = aws_iam_role_policy.rules.role == aws_iam_role.rules.id
    error_message = "The policy is bound to the id of its role, which changes when the role is replaced; its name need not."
  }
}

run "job_events" {
  module {
    source = "./modules/ingestion"
  }

  variables {
    intake_state_machine_name = "FirmwareUpdateStateMachine"
    intake_state_machine_arn  = "arn:aws:states:eu-west-1:123456789012:stateMachine:FirmwareUpdateStateMachine"
    topic_filter              = "iot/device/data"
    failure_statuses          = ["failed"]
    success_statuses          = []
    job_events_enabled        = true
    job_id_patterns           = ["firmware-*", "fw_2-*-beta"]
    reason_keys               = ["reason", "deployment-failure-cause"]
    device_id_source          = "payload"
    failed_thing_group_name   = "FailedToUpdate"
    name_prefix               = "fleet-b-"
  }

  assert {
    condition = toset(keys(aws_iot_topic_rule.this)) == toset([
      "devices", "removed", "job_failed", "job_timed_out", "job_rejected", "job_succeeded",
    ])
    error_message = "Each event of AWS IoT Jobs that matters has its rule; none looks at a payload that is no JSON object unless asked for."
  }

  assert {
    condition = aws_iot_topic_rule.this["job_timed_out"].sql == join(" ", [
      "SELECT 'failed' AS kind, 'jobs' AS reportedBy, regexp_substr(thingArn, '[^/]+$') AS deviceId,",
      "eventId AS eventId, timestamp AS timestamp, status AS status, jobId AS jobId,",
      "regexp_substr(regexp_replace(get(statusDetails, 'reason'), '[^ -~]', ' '), '^.{1,1000}') AS reason,",
      "regexp_substr(regexp_replace(get(statusDetails, 'deployment-failure-cause'), '[^ -~]', ' '), '^.{1,1000}') AS reason_deployment_failure_cause,",
      "topic() AS topic, timestamp() AS receivedAt",
      "FROM '$aws/events/jobExecution/+/timed_out'",
      "WHERE regexp_matches(jobId, '^(firmware-.*|fw_2-.*-beta)$')",
    ])
    error_message = "The thing is named by AWS IoT, and only firmware jobs are looked at."
  }

  assert {
    condition = (
      strcontains(aws_iot_topic_rule.this["devices"].sql, "regexp_substr(regexp_replace(get(*, 'reason'), '[^ -~]', ' '), '^.{1,1000}') AS reason,")
      && strcontains(aws_iot_topic_rule.this["devices"].sql, "regexp_substr(regexp_replace(get(*, 'deployment-failure-cause'), '[^ -~]', ' '), '^.{1,1000}') AS reason_deployment_failure_cause,")
    )
    error_message = "A message is looked at for the same keys as statusDetails, by get(): one with a hyphen needs it."
  }

  assert {
    condition     = strcontains(aws_iot_topic_rule.this["removed"].sql, "FROM '$aws/events/thingGroupMembership/thingGroup/fleet-b-FailedToUpdate/thing/+/removed'")
    error_message = "The rule for releases listens to the failed group of this fleet."
  }

  assert {
    condition     = alltrue([for key, rule in aws_iot_topic_rule.this : length(rule.cloudwatch_logs) == (contains(["removed", "job_succeeded"], key) ? 0 : 1)])
    error_message = "Failures are logged, other messages are not."
  }

  assert {
    condition     = aws_iot_event_configurations.jobs[0].event_configurations == tomap({ JOB_EXECUTION = true })
    error_message = "The events of job executions are switched on, and nothing else is touched."
  }
}

run "device_id_from_topic" {
  module {
    source = "./modules/ingestion"
  }

  variables {
    intake_state_machine_name = "FirmwareUpdateStateMachine"
    intake_state_machine_arn  = "arn:aws:states:eu-west-1:123456789012:stateMachine:FirmwareUpdateStateMachine"
    topic_filter              = "iot/+/data"
    failure_statuses          = ["failed"]
    device_id_source          = "topic:2"
    failed_thing_group_name   = "FailedToUpdate"
  }

  assert {
    condition     = strcontains(aws_iot_topic_rule.this["devices"].sql, "THEN topic(2) ELSE '[refused]' END AS deviceId,")
    error_message = "topic:2 reads the second level of the topic."
  }
}

run "device_id_from_client" {
  module {
    source = "./modules/ingestion"
  }

  variables {
    intake_state_machine_name = "FirmwareUpdateStateMachine"
    intake_state_machine_arn  = "arn:aws:states:eu-west-1:123456789012:stateMachine:FirmwareUpdateStateMachine"
    topic_filter              = "iot/device/data"
    failure_statuses          = ["failed"]
    device_id_source          = "clientid"
    failed_thing_group_name   = "FailedToUpdate"
  }

  assert {
    condition     = strcontains(aws_iot_topic_rule.this["devices"].sql, "THEN clientid() ELSE '[refused]' END AS deviceId,")
    error_message = "clientid reads the MQTT client id."
  }
}

run "monitoring_acts_on_the_operator_topic" {
  module {
    source = "./modules/monitoring"
  }

  variables {
    state_machine_arns = {
      intake     = "arn:aws:states:eu-west-1:123456789012:stateMachine:intake"
      cool_down  = "arn:aws:states:eu-west-1:123456789012:stateMachine:cool-down"
      escalation = "arn:aws:states:eu-west-1:123456789012:stateMachine:escalation"
    }
    function_names = { for step in [
      "IncrementRetryCounter", "ClearDeviceRecord", "ReleaseDevice", "CheckIfDeviceExists", "StoreDeviceAttributes",
      "CreateDeviceRecord", "ResetRetryCounterAndMoveOut", "RestoreDeviceAttributes", "ResetRetryCountToFailedUpdate",
      "MoveDeviceToFailedGroup", "SendSNSNotification", "ReconcileDevices", "MailOperators",
    ] : step => "fleet-b-${step}" }
    table_names            = { retries = "fleet-b-DeviceFirmwareRetries" }
    rule_names             = { messages = "fleet_b_FailedFirmwareUpdateRule", job_failed = "fleet_b_Other" }
    message_rule_name      = "fleet_b_FailedFirmwareUpdateRule"
    dead_letter_queue_name = "dead-letters"
    failure_log_group_name = "fleet-b-iot_failed_updates"
    refused_messages_alarm = 7
    alerts_topic_arn       = "arn:aws:sns:eu-west-1:123456789012:incidents.fifo"
    operator_topic_arn     = "arn:aws:sns:eu-west-1:123456789012:operators"
    operator_queue_name    = "operators"
    undelivered_queue_name = "undelivered"
    schedule_group_name    = "fleet-b-FirmwareRetry"
    alarm_actions          = ["arn:aws:sns:eu-west-1:123456789012:pager"]
    ok_actions             = ["arn:aws:sns:eu-west-1:123456789012:resolved"]
    reconcile_interval     = "1 hour"
    alert_interval         = "6 days"
    name_prefix            = "fleet-b-"
  }

  assert {
    condition = alltrue([
      for alarm in concat(
        values(aws_cloudwatch_metric_alarm.executions), values(aws_cloudwatch_metric_alarm.messages_lost),
        values(aws_cloudwatch_metric_alarm.gauges), aws_cloudwatch_metric_alarm.queued_alerts,
        aws_cloudwatch_metric_alarm.mail, aws_cloudwatch_metric_alarm.messages_refused, [
          aws_cloudwatch_metric_alarm.intake_timed_out, aws_cloudwatch_metric_alarm.dead_letters,
          aws_cloudwatch_metric_alarm.handlers, aws_cloudwatch_metric_alarm.reconcile,
          aws_cloudwatch_metric_alarm.throttled, aws_cloudwatch_metric_alarm.tables_throttled,
          aws_cloudwatch_metric_alarm.alerts_lost, aws_cloudwatch_metric_alarm.reconcile_stopped,
          aws_cloudwatch_metric_alarm.schedules,
        ],
      ) :
      alarm.alarm_actions == toset([var.operator_topic_arn, var.alarm_actions[0]])
      && alarm.ok_actions == toset(var.ok_actions)
      && (contains(["notBreaching", "ignore"], alarm.treat_missing_data) || endswith(alarm.alarm_name, "reconcile-stopped"))
      && startswith(alarm.alarm_name, "fleet-b-FirmwareRetry-")
      && strcontains(alarm.alarm_description, "docs/operations/runbook.md#")
    ])
    error_message = "Each alarm publishes on the topic, notifies whoever the caller names, and names its section of the runbook, and only the silence of ReconcileDevices is one."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.messages_refused[0].threshold == 7
      && {
        for query in aws_cloudwatch_metric_alarm.messages_refused[0].metric_query : query.metric[0].metric_name => try(query.metric[0].dimensions["RuleName"], "none") if length(query.metric) > 0
      } == { MessagesRefused = "none", ParseError = "fleet_b_FailedFirmwareUpdateRule" }
      && aws_cloudwatch_log_metric_filter.this["MessagesRefused-FailureLog"].log_group_name == "fleet-b-iot_failed_updates"
      && aws_cloudwatch_log_metric_filter.this["MessagesRefused-CheckIfDeviceExists"].log_group_name == "/aws/lambda/fleet-b-CheckIfDeviceExists"
    )
    error_message = "Messages that are refused, of unknown things or unreadable are one metric, with an alarm at the rate given, which what is no JSON raises as well."
  }

  assert {
    condition = alltrue([
      for alarm in concat(values(aws_cloudwatch_metric_alarm.executions), [aws_cloudwatch_metric_alarm.throttled]) : length(alarm.metric_query) <= 11
    ])
    error_message = "An alarm on an expression takes ten metrics at most."
  }

  assert {
    condition = alltrue([
      for alarm in [aws_cloudwatch_metric_alarm.throttled, aws_cloudwatch_metric_alarm.tables_throttled] :
      length(distinct([
        for query in alarm.metric_query : query.metric[0].namespace == "AWS/DynamoDB" if length(query.metric) > 0
      ])) == 1
    ])
    error_message = "Metrics of DynamoDB, for which missing data is always ignored, share an alarm with no others."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.reconcile.period * aws_cloudwatch_metric_alarm.reconcile.evaluation_periods >= 900 + 900
      && aws_cloudwatch_metric_alarm.reconcile.datapoints_to_alarm == 1
    )
    error_message = "The alarm on passes that fail sees an error that is dated a quarter of an hour back, the longest that a pass takes."
  }

  assert {
    condition = (
      !contains(aws_cloudwatch_metric_alarm.executions["intake"].metric_query[*].id, "executionstimedout")
      && contains(aws_cloudwatch_metric_alarm.executions["cool_down"].metric_query[*].id, "executionstimedout")
    )
    error_message = "An intake that timed out wakes people once, by the alarm that says what to do."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.reconcile_stopped.treat_missing_data == "breaching"
      && aws_cloudwatch_metric_alarm.reconcile_stopped.period * aws_cloudwatch_metric_alarm.reconcile_stopped.evaluation_periods == 2 * 3600 + 900
    )
    error_message = "That ReconcileDevices missed two passes shows in an alarm, although it says nothing itself."
  }

  assert {
    condition = {
      for query in aws_cloudwatch_metric_alarm.schedules.metric_query : query.id => query.metric[0].dimensions if length(query.metric) > 0
      } == {
      targeterrorcount       = tomap({ ScheduleGroup = "fleet-b-FirmwareRetry" })
      invocationdroppedcount = tomap({ ScheduleGroup = "fleet-b-FirmwareRetry" })
    }
    error_message = "What EventBridge Scheduler could not start shows in an alarm."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.gauges["devices-overdue"].threshold == 2 * 3600 + 1800 && aws_cloudwatch_metric_alarm.queued_alerts[0].threshold == 2 * 6 * 86400 + 600
    error_message = "How late is too late follows from how often the schedules run."
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.mail[0].dimensions == tomap({ FunctionName = "fleet-b-MailOperators" })
      && aws_cloudwatch_metric_alarm.mail[0].datapoints_to_alarm == 1
      && aws_cloudwatch_metric_alarm.mail[0].treat_missing_data == "ignore"
      && aws_cloudwatch_metric_alarm.mail[0].period * aws_cloudwatch_metric_alarm.mail[0].evaluation_periods >= 300 + 300
    )
    error_message = "A pass that cannot mail shows in an alarm until one can, however long passes are apart and whatever SQS leaves out of the queue's age."
  }

  assert {
    condition     = aws_cloudwatch_metric_alarm.queued_alerts[0].threshold < 14 * 86400
    error_message = "With the longest interval the alarm on late mails goes off before the queue drops them."
  }

  assert {
    condition = { for key, alarm in aws_cloudwatch_metric_alarm.messages_lost : alarm.alarm_name => strcontains(one(alarm.metric_query).expression, "'${var.rule_names[key]}'") } == {
      "fleet-b-FirmwareRetry-messages-lost-messages"   = true
      "fleet-b-FirmwareRetry-messages-lost-job-failed" = true
    }
    error_message = "Each rule is watched."
  }

  assert {
    condition = alltrue([
      for name, filter in aws_cloudwatch_log_metric_filter.this :
      (startswith(filter.log_group_name, "/aws/lambda/fleet-b-") || filter.log_group_name == var.failure_log_group_name)
      && filter.metric_transformation[0].namespace == "fleet-b-FirmwareRetry"
      && filter.metric_transformation[0].dimensions == null
    ])
    error_message = "Metrics are of this fleet, and their number does not grow with it."
  }

  assert {
    condition     = length(distinct([for filter in aws_cloudwatch_log_metric_filter.this : filter.metric_transformation[0].name])) == 19
    error_message = "There are nineteen metrics, which are billed."
  }

  assert {
    condition = alltrue([
      for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets :
      widget.properties.region == "eu-west-1" if contains(["metric", "log"], widget.type)
    ])
    error_message = "Each widget reads the region of the state machines."
  }

  assert {
    condition = alltrue([
      for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets :
      widget.x + widget.width <= 24
    ])
    error_message = "The dashboard has 24 columns."
  }

  assert {
    condition = length(distinct(flatten([
      for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : [
        for y in range(widget.y, widget.y + widget.height) : [for x in range(widget.x, widget.x + widget.width) : "${x},${y}"]
      ]
      ]))) == sum([
      for widget in jsondecode(aws_cloudwatch_dashboard.this.dashboard_body).widgets : widget.width * widget.height
    ])
    error_message = "No widget lies upon another."
  }

  assert {
    condition = (
      toset([for key in keys(aws_cloudwatch_log_metric_filter.this) : trimprefix(key, "UnexpectedErrors-") if startswith(key, "UnexpectedErrors-")])
      == setsubtract(keys(var.function_names), ["ReconcileDevices", "MailOperators"])
    )
    error_message = "The alarm on functions hears of each step; what runs by the clock has alarms of its own."
  }

  assert {
    condition = {
      for query in aws_cloudwatch_metric_alarm.alerts_lost.metric_query : query.id => query.metric[0].dimensions if length(query.metric) > 0
      } == {
      failed = tomap({ TopicName = "incidents.fifo" })
      kept   = tomap({ QueueName = "undelivered" })
    }
    error_message = "The alarm on lost alerts watches the topic that there is, by its name, and what is kept of them."
  }
}

run "monitoring_without_operators" {
  module {
    source = "./modules/monitoring"
  }

  variables {
    state_machine_arns = { intake = "arn:aws:states:eu-west-1:123456789012:stateMachine:intake" }
    function_names = { for step in [
      "CheckIfDeviceExists", "IncrementRetryCounter", "ClearDeviceRecord", "ResetRetryCounterAndMoveOut", "RestoreDeviceAttributes",
      "ResetRetryCountToFailedUpdate", "SendSNSNotification", "ReconcileDevices", "CreateDeviceRecord",
    ] : step => step }
    table_names            = { retries = "DeviceFirmwareRetries" }
    rule_names             = {}
    dead_letter_queue_name = "dead-letters"
    failure_log_group_name = "iot_failed_updates"
    alerts_topic_arn       = "arn:aws:sns:eu-west-1:123456789012:FailedFirmwareUpdate.fifo"
    schedule_group_name    = "FirmwareRetry"
    reconcile_interval     = "3 days"
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.reconcile_stopped.period == 3600
      && aws_cloudwatch_metric_alarm.reconcile_stopped.period * aws_cloudwatch_metric_alarm.reconcile_stopped.evaluation_periods <= 7 * 86400
    )
    error_message = "With the longest interval the alarm on missing passes looks back no further than CloudWatch allows."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.dead_letters.alarm_actions) == 0
    error_message = "Without a topic the alarms only show."
  }

  assert {
    condition     = length(aws_cloudwatch_metric_alarm.queued_alerts) == 0 && length(aws_cloudwatch_metric_alarm.mail) == 0
    error_message = "Where nobody is mailed, no mail can be late or fail."
  }

  assert {
    condition     = toset(aws_cloudwatch_metric_alarm.alerts_lost.metric_query[*].id) == toset(["lost", "failed"])
    error_message = "Where nobody is mailed, lost alerts are those of the caller's own queues."
  }
}
