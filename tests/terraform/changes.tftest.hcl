# Changes of what is applied: each run goes on with the state that the one before it left.

mock_provider "aws" {
  source = "./tests/terraform/mocks"
}

run "dependency_is_applied" {
  module {
    source = "./tests/terraform/deferred"
  }

  variables {
    revision = "1"
  }
}

run "changed_dependency_changes_no_name" {
  command = plan

  module {
    source = "./tests/terraform/deferred"
  }

  variables {
    revision = "2"
  }

  assert {
    condition     = output.names.role_names["step"] == "ReconcileDevices-eu-west-1"
    error_message = "The names of roles are known before data is read: a name that is unknown is one that changes."
  }

  assert {
    condition     = output.names.account_id == "123456789012" && format(output.names.arn, "iot", "thing/*") == "arn:aws:iot:eu-west-1:123456789012:thing/*"
    error_message = "So are account and region."
  }
}

run "names_in_one_region" {
  module {
    source = "./modules/names"
  }
}

run "names_refuse_another_region" {
  command = plan

  module {
    source = "./modules/names"
  }

  override_data {
    target = data.aws_service.iot
    values = { region = "eu-central-1" }
  }

  expect_failures = [terraform_data.here]
}
