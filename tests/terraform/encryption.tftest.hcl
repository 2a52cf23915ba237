# What the module keeps is hard to lose, and what it is sent comes over TLS.

mock_provider "aws" {
  source = "./tests/terraform/mocks"
}

variables {
  alert_emails = ["fleet@example.com"]
}

run "tables" {
  module {
    source = "./modules/tables"
  }

  assert {
    condition     = alltrue([for table in local.made : table.deletion_protection_enabled])
    error_message = "No table can be deleted by mistake."
  }

  assert {
    condition     = alltrue([for table in local.made : table.point_in_time_recovery[0].enabled])
    error_message = "All tables can be brought back to any second."
  }

  assert {
    condition     = alltrue([for table in local.made : !table.server_side_encryption[0].enabled])
    error_message = "Without a customer key DynamoDB's own encrypts, which is what disabled means there."
  }
}

run "topics_and_operator_queue" {
  module {
    source = "./modules/alerts"
  }

  assert {
    condition = alltrue([
      for topic_or_queue in [
        [aws_sns_topic.devices[0].arn, "sns:Publish", aws_sns_topic_policy.devices[0].policy],
        [aws_sns_topic.operators[0].arn, "sns:Publish", aws_sns_topic_policy.operators[0].policy],
        [aws_sqs_queue.operators.arn, "sqs:*", aws_sqs_queue_policy.operators.policy],
        [aws_sqs_queue.undelivered.arn, "sqs:*", aws_sqs_queue_policy.undelivered.policy],
      ] :
      jsondecode(topic_or_queue[2]).Statement[0] == {
        Sid       = "RefusePlainHttp"
        Effect    = "Deny"
        Principal = "*"
        Action    = topic_or_queue[1]
        Resource  = topic_or_queue[0]
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      }
    ])
    error_message = "Each topic and queue refuses plain HTTP."
  }
}

run "undelivered_queue" {
  module {
    source = "./modules/alerts"
  }

  variables {
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  }

  assert {
    condition = (
      aws_sqs_queue.operators.kms_master_key_id == var.kms_key_arn
      && aws_sqs_queue.undelivered.kms_master_key_id == null
      && aws_sqs_queue.undelivered.sqs_managed_sse_enabled
    )
    error_message = "A key policy that locks SNS out of the operators' queue does not lock it out of the queue behind."
  }
}

run "queue" {
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
    condition = jsondecode(aws_sqs_queue_policy.dead_letters.policy).Statement == [{
      Sid       = "RefusePlainHttp"
      Effect    = "Deny"
      Principal = "*"
      Action    = "sqs:*"
      Resource  = aws_sqs_queue.dead_letters.arn
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
    error_message = "Nobody reaches the queue over plain HTTP."
  }
}
