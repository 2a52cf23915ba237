# Inputs that are unknown at plan or secret: whatever decides which resources there are is neither.

mock_provider "aws" {
  source = "./tests/terraform/mocks"
}

run "unknown_values_plan" {
  command = plan

  module {
    source = "./tests/terraform/unknown"
  }
}

run "secret_values_plan" {
  command = plan

  module {
    source = "./tests/terraform/secret"
  }
}
