# A device that is away, or has failed, carries a marker; no attribute of the fleet's own is touched.
module "firmware_retry" {
  source = "../../"

  name_prefix  = var.name_prefix
  topic_filter = "${var.name_prefix}washers/data"

  move_out_attributes = { firmwareRetry = "coolingDown" }
  failed_attributes   = { firmwareRetry = "failed" }

  # An example must be removable. Leave this out for a fleet: the tables then refuse to be deleted.
  deletion_protection = false
}

locals {
  group = "${var.name_prefix}washers-to-update"
}

# The dynamic thing group that a firmware job targets. The provider has no such resource;
# CloudFormation has.
resource "aws_cloudformation_stack" "group" {
  name = local.group

  template_body = jsonencode({
    Resources = {
      Group = {
        Type = "AWS::IoT::ThingGroup"
        Properties = {
          ThingGroupName = local.group
          QueryString    = "attributes.model:wo* AND NOT attributes.FW:${var.firmware} AND NOT attributes.firmwareRetry:*"
        }
      }
    }
  })

  depends_on = [aws_iot_indexing_configuration.this]
}

# One setting of the region, and dynamic thing groups need it: where it is on already, leave this out.
resource "aws_iot_indexing_configuration" "this" {
  thing_indexing_configuration {
    thing_indexing_mode = "REGISTRY"
  }
}
