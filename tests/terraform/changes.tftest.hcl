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

run "tables_with_a_prefix" {
  module {
    source = "./modules/tables"
  }

  variables {
    name_prefix = "old-"
  }
}

run "another_prefix_stops_at_plan" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    name_prefix = "new-"
  }

  expect_failures = [terraform_data.protected]
}

run "another_prefix_is_for_those_with_tables_of_their_own" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    name_prefix = "new-"
    existing_tables = {
      for table in ["retries", "backup", "history", "campaigns"] :
      table => { arn = "arn:aws:dynamodb:eu-west-1:123456789012:table/${table}" }
    }
  }
}

run "protection_is_off" {
  module {
    source = "./modules/tables"
  }

  variables {
    name_prefix         = "old-"
    deletion_protection = false
  }
}

run "another_prefix_without_protection" {
  module {
    source = "./modules/tables"
  }

  variables {
    name_prefix         = "new-"
    deletion_protection = false
  }

  assert {
    condition     = alltrue([for name in local.names : startswith(name, "new-")])
    error_message = "Without protection a fleet may get another prefix, and loses its data."
  }
}

run "protection_is_on_again" {
  module {
    source = "./modules/tables"
  }

  variables {
    name_prefix = "new-"
  }
}

run "tables_with_a_key" {
  module {
    source = "./modules/tables"
  }

  variables {
    name_prefix = "new-"
    kms_key_arn = "arn:aws:kms:eu-west-1:123456789012:key/fleet"
  }

  assert {
    condition     = alltrue([for table in local.made : table.server_side_encryption[0].kms_key_arn == var.kms_key_arn])
    error_message = "All tables are encrypted with the key."
  }
}

run "key_that_is_taken_away_leaves_the_tables" {
  command = plan

  module {
    source = "./modules/tables"
  }

  variables {
    name_prefix = "new-"
  }

  assert {
    condition     = alltrue([for table in local.made : !table.server_side_encryption[0].enabled])
    error_message = "The plan shows that the key leaves the tables, whose roles may use it no longer."
  }
}
