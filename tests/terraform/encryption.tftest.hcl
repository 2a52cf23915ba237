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
    condition     = alltrue([for table in local.made : table.server_side_encryption[0].enabled])
    error_message = "Without a customer key DynamoDB's AWS-managed one encrypts."
  }
}

run "topics" {
  module {
    source = "./modules/alerts"
  }

  assert {
    condition = alltrue([
      for document in concat(data.aws_iam_policy_document.devices, data.aws_iam_policy_document.operators) :
      length([
        for statement in document.statement : statement
        if statement.effect == "Deny"
        && statement.actions == toset(["sns:Publish"])
        && one(statement.principals).type == "*"
        && one(statement.principals).identifiers == toset(["*"])
        && one(statement.condition).test == "Bool"
        && one(statement.condition).variable == "aws:SecureTransport"
        && one(statement.condition).values == tolist(["false"])
      ]) == 1
    ])
    error_message = "Nobody publishes over plain HTTP on either topic."
  }

  assert {
    condition = (
      data.aws_iam_policy_document.devices[0].statement[0].resources == toset([aws_sns_topic.devices[0].arn])
      && data.aws_iam_policy_document.operators[0].statement[0].resources == toset([aws_sns_topic.operators[0].arn])
    )
    error_message = "Each policy names its own topic."
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
    condition = length([
      for statement in data.aws_iam_policy_document.dead_letters.statement : statement
      if statement.effect == "Deny"
      && statement.actions == toset(["sqs:*"])
      && statement.resources == toset([aws_sqs_queue.dead_letters.arn])
      && one(statement.principals).identifiers == toset(["*"])
      && one(statement.condition).test == "Bool"
      && one(statement.condition).variable == "aws:SecureTransport"
      && one(statement.condition).values == tolist(["false"])
    ]) == 1
    error_message = "Nobody reaches the queue over plain HTTP."
  }
}
