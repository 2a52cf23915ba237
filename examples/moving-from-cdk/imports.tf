# What the CDK stack has left, under the names that it gave: this file can go after the first apply.

import {
  to = module.firmware_retry.module.tables.aws_dynamodb_table.this["retries"]
  id = "DeviceFirmwareRetries"
}

import {
  to = module.firmware_retry.module.tables.aws_dynamodb_table.this["backup"]
  id = "DeviceAttributeBackup"
}

import {
  to = module.firmware_retry.module.ingestion.aws_iot_thing_group.failed[0]
  id = "FailedToUpdate"
}

# Its subscriptions stay.
data "aws_sns_topic" "alerts" {
  name = "FailedFirmwareUpdate.fifo"
}

import {
  to = module.firmware_retry.module.alerts.aws_sns_topic.devices[0]
  id = data.aws_sns_topic.alerts.arn
}

# Lambda makes the log group of a function when it runs first, and it stays when the function goes:
# those that are there and bear the name of one of the module's functions become the module's.
data "aws_cloudwatch_log_groups" "functions" {
  log_group_name_prefix = "/aws/lambda/"
}

locals {
  same_functions = toset([
    "CheckIfDeviceExists",
    "CreateDeviceRecord",
    "IncrementRetryCounter",
    "MoveDeviceToFailedGroup",
    "ResetRetryCountToFailedUpdate",
    "RestoreDeviceAttributes",
    "SendSNSNotification",
    "StoreDeviceAttributes",
  ])
  log_groups = data.aws_cloudwatch_log_groups.functions.log_group_names
}

import {
  for_each = toset([for name in local.same_functions : name if contains(local.log_groups, "/aws/lambda/${name}")])

  to = module.firmware_retry.module.handlers.aws_cloudwatch_log_group.step[each.key]
  id = "/aws/lambda/${each.key}"
}

import {
  to = module.firmware_retry.module.ingestion.aws_cloudwatch_log_group.failures
  id = "iot_failed_updates"
}
