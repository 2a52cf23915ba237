# The quickstart, and beside it a fleet that differs from it.

module "quickstart" {
  source = "../../../../examples/quickstart"
}

module "second" {
  source     = "../second_fleet"
  depends_on = [terraform_data.dependency]

  changes = var.changes
}

# Whatever a landing zone has ready before a fleet.
resource "terraform_data" "dependency" {
  input = var.revision
}

# Receives the alerts of failed devices, as a queue of a caller does.
resource "aws_sqs_queue" "alerts" {
  name       = "quickstart-alerts.fifo"
  fifo_queue = true
}

resource "aws_sns_topic_subscription" "alerts" {
  topic_arn            = module.quickstart.firmware_retry.alerts_topic_arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.alerts.arn
  raw_message_delivery = true
}
