# All examples but the quickstart, which tests/deployed has, side by side in one account: one apply is
# much cheaper than four.

module "complete" {
  source = "../../../examples/complete"
}

module "landing_zone" {
  source = "../../../examples/landing-zone"
}

module "job_events" {
  source = "../../../examples/job-events"
}

module "marker_attribute" {
  source = "../../../examples/marker-attribute"
}
