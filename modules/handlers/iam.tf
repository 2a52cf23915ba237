locals {
  thing_arn = format(module.names.arn, "iot", "thing/*")

  # The resources of each concern. Which thing a device is and which groups it is in is known only at
  # run time. Without an operator topic the last two concerns have none, and give no statement.
  resources = {
    Registry     = [local.thing_arn]
    ThingGroups  = [format(module.names.arn, "iot", "thinggroup/*")]
    FailedGroup  = [local.thing_arn, var.failed_thing_group_arn]
    FailedThings = [var.failed_thing_group_arn]
    RetriesTable = [var.tables.retries.arn]
    BackupTable  = [var.tables.backup.arn]
    HistoryTable = [var.tables.history.arn]
    Campaigns    = [var.tables.campaigns.arn]
    Alerts       = [var.alerts_topic_arn]
    Recoveries   = values(local.recovery_arns)
    RecoveryRuns = [
      for name in values(var.recovery_state_machine_names) :
      format(module.names.arn, "states", "execution:${name}:*")
    ]
    # Neither list has resources to name.
    Lists = ["*"]
    # Whose device a thing is that holds marks: other instances may write the same.
    OtherRecords  = [format(module.names.arn, "dynamodb", "table/*DeviceFirmwareRetries")]
    Operators     = var.operator[*].topic_arn
    OperatorQueue = var.operator[*].queue_arn
  }

  # The calls of each step by concern. These, its log, its traces and the key are its policy.
  steps = {
    CheckIfDeviceExists = {
      Registry     = ["iot:DescribeThing"]
      RetriesTable = ["dynamodb:GetItem"]
      HistoryTable = ["dynamodb:GetItem", "dynamodb:Query"]
    }
    StoreDeviceAttributes = {
      BackupTable = ["dynamodb:GetItem", "dynamodb:PutItem"]
    }
    CreateDeviceRecord = {
      RetriesTable = ["dynamodb:PutItem"]
      HistoryTable = ["dynamodb:PutItem", "dynamodb:ConditionCheckItem"]
    }
    IncrementRetryCounter = {
      RetriesTable = ["dynamodb:UpdateItem"]
      HistoryTable = ["dynamodb:Query"]
    }
    ResetRetryCounterAndMoveOut = {
      Registry     = ["iot:DescribeThing", "iot:UpdateThing", "iot:ListThingGroupsForThing"]
      ThingGroups  = ["iot:DescribeThingGroup"]
      RetriesTable = ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]
      BackupTable  = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"]
      HistoryTable = ["dynamodb:PutItem"]
    }
    RestoreDeviceAttributes = {
      Registry     = ["iot:DescribeThing", "iot:UpdateThing", "iot:ListThingGroupsForThing"]
      RetriesTable = ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]
      BackupTable  = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"]
      HistoryTable = ["dynamodb:PutItem"]
      Campaigns    = ["dynamodb:GetItem"]
    }
    ResetRetryCountToFailedUpdate = {
      Registry     = ["iot:DescribeThing", "iot:UpdateThing"]
      FailedGroup  = ["iot:RemoveThingFromThingGroup"]
      RetriesTable = ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]
      BackupTable  = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"]
      HistoryTable = ["dynamodb:PutItem"]
    }
    MoveDeviceToFailedGroup = {
      Registry     = ["iot:DescribeThing"]
      FailedGroup  = ["iot:AddThingToThingGroup", "iot:RemoveThingFromThingGroup"]
      FailedThings = ["iot:DescribeThingGroup"]
      RetriesTable = ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]
      BackupTable  = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"]
      HistoryTable = ["dynamodb:PutItem"]
    }
    SendSNSNotification = {
      RetriesTable = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
      BackupTable  = ["dynamodb:GetItem"]
      Alerts       = ["sns:Publish"]
    }
    ClearDeviceRecord = {
      Registry     = ["iot:DescribeThing", "iot:UpdateThing"]
      FailedGroup  = ["iot:RemoveThingFromThingGroup"]
      RetriesTable = ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]
      BackupTable  = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"]
      HistoryTable = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query"]
      Alerts       = ["sns:Publish"]
    }
    ReleaseDevice = {
      Registry     = ["iot:DescribeThing", "iot:UpdateThing", "iot:ListThingGroupsForThing"]
      FailedGroup  = ["iot:RemoveThingFromThingGroup"]
      FailedThings = ["iot:DescribeThingGroup", "iot:ListThingsInThingGroup"]
      RetriesTable = ["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]
      BackupTable  = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"]
      HistoryTable = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
      Alerts       = ["sns:Publish"]
    }
    ReconcileDevices = {
      Registry     = ["iot:DescribeThing", "iot:UpdateThing", "iot:ListThingGroupsForThing"]
      Lists        = ["iot:ListThings", "dynamodb:ListTables"]
      OtherRecords = ["dynamodb:BatchGetItem"]
      ThingGroups  = ["iot:DescribeThingGroup"]
      FailedGroup  = ["iot:AddThingToThingGroup", "iot:RemoveThingFromThingGroup"]
      FailedThings = ["iot:ListThingsInThingGroup"]
      RetriesTable = ["dynamodb:Scan", "dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"]
      BackupTable  = ["dynamodb:Scan", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"]
      HistoryTable = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
      Campaigns    = ["dynamodb:Scan", "dynamodb:GetItem", "dynamodb:UpdateItem"]
      Alerts       = ["sns:Publish"]
      Recoveries   = ["states:StartExecution"]
      RecoveryRuns = ["states:DescribeExecution"]
    }
    MailOperators = {
      OperatorQueue = ["sqs:ReceiveMessage", "sqs:DeleteMessage"]
      Operators     = ["sns:Publish", "sns:GetTopicAttributes"]
    }
  }
}

module "names" {
  source = "../names"

  roles     = merge(local.function_names, { Schedule = "${var.name_prefix}Schedule" })
  role_path = var.role_path
}

resource "aws_iam_role" "step" {
  for_each = local.steps

  name                 = module.names.role_names[each.key]
  description          = "What the firmware retry step ${each.key} may do."
  path                 = var.role_path
  permissions_boundary = var.permissions_boundary_arn
  tags                 = var.tags

  # IfExists, because AWS does not document that Lambda sends these keys, and a condition on a key that is not
  # there is false. Where Lambda sends them, the role is for this very function; its ARN is built from its
  # parts, since the function itself waits for this role.
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
      Condition = {
        StringEqualsIfExists = { "aws:SourceAccount" = module.names.account_id }
        ArnLikeIfExists      = { "aws:SourceArn" = local.function_arns[each.key] }
      }
    }]
  })

  lifecycle {
    create_before_destroy = true # another path makes another name: modules/names
  }
}

locals {
  key_statements = [
    for key in var.kms_key_arn[*] :
    { Sid = "CustomerKey", Effect = "Allow", Action = ["kms:Decrypt", "kms:GenerateDataKey"], Resource = key }
  ]

  # X-Ray has no resources to name.
  tracing_statements = [
    for actions in var.tracing_enabled ? [["xray:PutTelemetryRecords", "xray:PutTraceSegments"]] : [] :
    { Sid = "Tracing", Effect = "Allow", Action = actions, Resource = "*" }
  ]
}

# Replaces the policies that allow the key when the key changes: each new one, of another name, is there
# before anything uses the new key, and each old one goes when nothing uses the old key any more.
resource "terraform_data" "key" {
  triggers_replace = [var.kms_key_arn]
}

# Needs nothing but the role and its log, so that all else can wait for it: other accounts' deployments of
# the same name end at the log group, and what the key encrypts comes when everybody may use the key.
resource "aws_iam_role_policy" "log" {
  for_each = local.steps

  name_prefix = "log-"
  role        = aws_iam_role.step[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [{
        Sid      = "Logs"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "${aws_cloudwatch_log_group.step[each.key].arn}:*"
      }],
      local.tracing_statements,
      local.key_statements,
    )
  })

  lifecycle {
    create_before_destroy = true # with its role, or its key
    replace_triggered_by  = [terraform_data.key]
  }
}

locals {
  # Without an operator topic MailOperators has nothing to call.
  calls = {
    for step, concerns in local.steps : step => {
      for concern, actions in concerns : concern => actions if length(local.resources[concern]) > 0
    }
  }
}

resource "aws_iam_role_policy" "step" {
  for_each = { for step, concerns in local.calls : step => concerns if length(concerns) > 0 }

  name = "calls"
  role = aws_iam_role.step[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for concern, actions in each.value :
      { Sid = concern, Effect = "Allow", Action = actions, Resource = local.resources[concern] }
    ]
  })

  depends_on = [aws_iam_role_policy.log]

  lifecycle {
    create_before_destroy = true # with its role
  }
}
