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

run "topics_and_operator_queue" {
  module {
    source = "./modules/alerts"
  }

  assert {
    condition = alltrue([
      for document in data.aws_iam_policy_document.tls_only :
      length([
        for statement in document.statement : statement
        if statement.effect == "Deny"
        && one(statement.principals).type == "*"
        && one(statement.principals).identifiers == toset(["*"])
        && one(statement.condition).test == "Bool"
        && one(statement.condition).variable == "aws:SecureTransport"
        && one(statement.condition).values == tolist(["false"])
      ]) == 1
    ])
    error_message = "Plain HTTP is refused."
  }

  assert {
    condition = {
      for name, document in data.aws_iam_policy_document.tls_only :
      name => [document.statement[0].actions, document.statement[0].resources]
      } == {
      devices        = [toset(["sns:Publish"]), toset([aws_sns_topic.devices[0].arn])]
      operators      = [toset(["sns:Publish"]), toset([aws_sns_topic.operators[0].arn])]
      operator_queue = [toset(["sqs:*"]), toset([aws_sqs_queue.operators[0].arn])]

      undelivered_queue = [toset(["sqs:*"]), toset([aws_sqs_queue.undelivered[0].arn])]
    }
    error_message = "Each topic and queue refuses it for itself."
  }

  assert {
    condition = (
      aws_sns_topic_policy.devices[0].policy == data.aws_iam_policy_document.tls_only["devices"].json
      && data.aws_iam_policy_document.operators[0].source_policy_documents == tolist([data.aws_iam_policy_document.tls_only["operators"].json])
      && alltrue([
        for name, document in data.aws_iam_policy_document.queue :
        document.source_policy_documents == tolist([data.aws_iam_policy_document.tls_only[name].json])
      ])
    )
    error_message = "Each policy includes the refusal."
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
      aws_sqs_queue.operators[0].kms_master_key_id == var.kms_key_arn
      && aws_sqs_queue.undelivered[0].kms_master_key_id == null
      && aws_sqs_queue.undelivered[0].sqs_managed_sse_enabled
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
