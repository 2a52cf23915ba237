# All that the module can make, with a customer key: test_state.py walks over it.

mock_provider "aws" {
  source = "./tests/terraform/mocks"
}

variables {
  kms_key_arn        = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
  alert_emails       = ["fleet@example.com"]
  job_events_enabled = true
}

run "everything_with_a_customer_key" {
  assert {
    condition     = output.operator_topic_arn != null
    error_message = "Everything there can be is made."
  }
}
