# The devices that are to be updated, and how: a continuous job of this template, on this group.

locals {
  group    = "${var.name_prefix}washers-to-update"
  template = "${var.name_prefix}firmware-${replace(var.firmware, ".", "-")}"
}

# The provider has neither of the two; CloudFormation has.
resource "aws_cloudformation_stack" "update" {
  name = "${var.name_prefix}firmware-update"

  template_body = jsonencode({
    Resources = {
      # A device that the module takes out has another model for a while, and is in it no more.
      Group = {
        Type = "AWS::IoT::ThingGroup"
        Properties = {
          ThingGroupName = local.group
          QueryString    = "attributes.model:wo* AND NOT attributes.FW:${var.firmware}"
        }
      }

      # No template can be changed, so each firmware has its own.
      Template = {
        Type = "AWS::IoT::JobTemplate"
        Properties = {
          JobTemplateId = local.template
          Description   = "Brings firmware ${var.firmware}, with all the retries that AWS IoT Jobs has."
          Document      = jsonencode({ operation = "update", firmware = var.firmware })

          JobExecutionsRetryConfig = {
            RetryCriteriaList = [{ FailureType = "ALL", NumberOfRetries = 10 }]
          }
          JobExecutionsRolloutConfig = { MaximumPerMinute = 1000 }
          TimeoutConfig              = { InProgressTimeoutInMinutes = 60 }
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
