locals {
  tables = {
    retries = "${var.name_prefix}DeviceFirmwareRetries"
    backup  = "${var.name_prefix}DeviceAttributeBackup"
  }
}

resource "aws_dynamodb_table" "this" {
  for_each = local.tables

  name                        = each.value
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "deviceId"
  deletion_protection_enabled = var.deletion_protection
  tags                        = var.tags

  attribute {
    name = "deviceId"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }

  # Without a customer key this is the AWS-managed one: its use shows in CloudTrail, unlike that of
  # the AWS-owned key that a disabled block would mean.
  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}

# What happened to each device, in order; DynamoDB removes what is older than its time.
resource "aws_dynamodb_table" "history" {
  name                        = "${var.name_prefix}DeviceFirmwareHistory"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "deviceId"
  range_key                   = "at"
  deletion_protection_enabled = var.deletion_protection
  tags                        = var.tags

  attribute {
    name = "deviceId"
    type = "S"
  }

  attribute {
    name = "at"
    type = "S"
  }

  ttl {
    attribute_name = "expiresAt"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }

  server_side_encryption {
    enabled     = true
    kms_key_arn = var.kms_key_arn
  }
}
