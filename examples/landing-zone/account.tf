# What an account team gives: a key, a boundary of all roles, the topics of whoever is on call, the
# group of what has to be looked at, and tables.

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

# Names the service in any region and partition.
data "aws_service" "logs" {
  service_id = "logs"
}

locals {
  account = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:root"
  of_here = { StringEquals = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id } }

  # Of a key's policy "*" is the key itself.
  key_policy = {
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AccountDecidesByIam"
        Effect    = "Allow"
        Principal = { AWS = local.account }
        Action    = "kms:*"
        Resource  = "*"
      },
      {
        Sid       = "Logs"
        Effect    = "Allow"
        Principal = { Service = data.aws_service.logs.dns_name }
        Action    = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"]
        Resource  = "*"
        Condition = {
          ArnLike = {
            "kms:EncryptionContext:aws:logs:arn" = "arn:${data.aws_partition.current.partition}:logs:*:${data.aws_caller_identity.current.account_id}:*"
          }
        }
      },
      # Alarms publish on the topic for people.
      {
        Sid       = "Alarms"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Condition = local.of_here
      },
      # The topic for machines sends to the queue that e-mail is made from. IfExists, since AWS documents
      # no key that SNS sends here:
      # https://docs.aws.amazon.com/sns/latest/dg/sns-enable-encryption-for-topic-sqs-queue-subscriptions.html
      {
        Sid       = "Topics"
        Effect    = "Allow"
        Principal = { Service = "sns.amazonaws.com" }
        Action    = ["kms:Decrypt", "kms:GenerateDataKey*"]
        Resource  = "*"
        Condition = {
          StringEqualsIfExists = { "aws:SourceAccount" = data.aws_caller_identity.current.account_id }
        }
      },
    ]
  }
}

resource "aws_kms_key" "fleets" {
  description             = "Whatever the fleets keep."
  enable_key_rotation     = true
  deletion_window_in_days = 7
  policy                  = jsonencode(local.key_policy)
}

# What roles of the fleets can do at most, whatever their policies say.
resource "aws_iam_policy" "boundary" {
  name = "fleets-boundary"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid    = "ServicesOfTheModule"
        Effect = "Allow"
        Action = [
          "dynamodb:*", "iot:*", "kms:Decrypt", "kms:GenerateDataKey", "lambda:InvokeFunction", "logs:*",
          "sns:GetTopicAttributes", "sns:Publish", "sqs:*", "states:*", "xray:*",
        ]
        Resource = "*"
      },
      {
        Sid      = "NotTheThingsThemselves"
        Effect   = "Deny"
        Action   = ["iot:CreateThing", "iot:DeleteThing", "iot:*Policy*", "iot:*Certificate*"]
        Resource = "*"
      },
    ]
  })
}

# For machines: an incident system subscribes a queue.
resource "aws_sns_topic" "incidents" {
  name              = "device-incidents.fifo"
  fifo_topic        = true
  kms_master_key_id = aws_kms_key.fleets.arn
}

# For people: they are subscribed here, not in the module.
resource "aws_sns_topic" "on_call" {
  name              = "device-on-call"
  kms_master_key_id = aws_kms_key.fleets.arn
}

resource "aws_sns_topic_policy" "on_call" {
  arn = aws_sns_topic.on_call.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "Alarms"
        Effect    = "Allow"
        Principal = { Service = "cloudwatch.amazonaws.com" }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.on_call.arn
        Condition = local.of_here
      },
    ]
  })
}

# Devices of all fleets that a person has to look at.
resource "aws_iot_thing_group" "to_be_looked_at" {
  name = "to-be-looked-at"
}

# In an account of yours they have a state of their own, so that no destroy of a fleet reaches them.
module "tables" {
  source   = "../../modules/tables"
  for_each = local.fleets

  name_prefix         = "${each.key}-"
  kms_key_arn         = aws_kms_key.fleets.arn
  deletion_protection = false # an example must be removable
}
