module "names" {
  source = "../names"
}

locals {
  tables = {
    retries   = { name = "${var.name_prefix}DeviceFirmwareRetries", key = "deviceId" }
    backup    = { name = "${var.name_prefix}DeviceAttributeBackup", key = "deviceId" }
    campaigns = { name = "${var.name_prefix}FirmwareCampaigns", key = "campaign" }
  }

  # An ARN may be secret, as those of SSM parameters are; whether there is one is not.
  is_made = { for table in ["retries", "backup", "history", "campaigns"] : table => nonsensitive(var.existing_tables[table] == null) }

  # The caller's own where there is one, or else the one made here.
  made = merge(aws_dynamodb_table.this, { history = one(aws_dynamodb_table.history) })
  arns = { for table, own in var.existing_tables : table => own == null ? local.made[table].arn : own.arn }
  names = {
    for table, own in var.existing_tables :
    table => own == null ? local.made[table].name : element(split("/", own.arn), 1)
  }
  elsewhere = [
    for table in keys(local.is_made) :
    table if nonsensitive(try(!startswith(var.existing_tables[table].arn, format(module.names.arn, "dynamodb", "table/")), false))
  ]
}

# Another prefix replaces everything, and Terraform comes to the tables last: without this, AWS would refuse to
# delete them when all else is gone. It keeps the prefix that it is made with, until the protection goes or the
# tables do.
resource "terraform_data" "protected" {
  input            = var.name_prefix
  triggers_replace = [var.deletion_protection, local.is_made]

  lifecycle {
    ignore_changes = [input]

    postcondition {
      condition     = !var.deletion_protection || !anytrue(values(local.is_made)) || self.input == var.name_prefix
      error_message = "Set name_prefix back to what it was: with another one Terraform deletes the functions, rules and queues of this fleet, and then the tables, which are protected. Deploy the other fleet beside this one. To give up this one, release its devices, then set deletion_protection = false in an apply of its own."
    }
  }
}

resource "aws_dynamodb_table" "this" {
  for_each = { for table, of in local.tables : table => of if local.is_made[table] }

  name                        = each.value.name
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = each.value.key
  deletion_protection_enabled = var.deletion_protection
  tags                        = var.tags

  attribute {
    name = each.value.key
    type = "S"
  }

  # A backup expires a year after its thing vanished; other backups have no such time.
  dynamic "ttl" {
    for_each = each.key == "backup" ? ["expiresAt"] : []

    content {
      attribute_name = ttl.value
      enabled        = true
    }
  }

  point_in_time_recovery {
    enabled = true
  }

  # Without a customer key DynamoDB encrypts with the AWS-owned one. Not with the AWS-managed one: the
  # provider then leaves a customer key in place that is taken away.
  server_side_encryption {
    enabled     = var.kms_key_arn != null
    kms_key_arn = var.kms_key_arn
  }
}

# What happened to each device, in order; DynamoDB removes what is older than its time.
resource "aws_dynamodb_table" "history" {
  count = local.is_made["history"] ? 1 : 0

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
    enabled     = var.kms_key_arn != null
    kms_key_arn = var.kms_key_arn
  }
}
