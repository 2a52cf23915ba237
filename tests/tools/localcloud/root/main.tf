# Resources that came back changed from MiniStack without the layer, and some beside them.
terraform {
  required_providers {
    aws = { source = "hashicorp/aws", version = ">= 5.100" }
  }
}

provider "aws" {
  max_retries = 2
}

variable "description" {
  type    = string
  default = "first"
}

variable "keys" {
  description = "Log group to the ARN of its key."
  type        = map(string)
  default     = {}
}

resource "aws_iam_role" "any" {
  name = "any"
  path = "/fleet/"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "sts:AssumeRole", Principal = { Service = "iot.amazonaws.com" } }]
  })
}

resource "aws_cloudwatch_log_group" "any" {
  name              = "any"
  retention_in_days = 30
}

resource "aws_cloudwatch_log_group" "keyed" {
  for_each   = toset(["earlier", "later"])
  name       = each.value
  kms_key_id = lookup(var.keys, each.value, null)
}

resource "aws_sns_topic" "any" {
  name = "any"
}

resource "aws_sfn_state_machine" "any" {
  for_each   = toset(["STANDARD", "EXPRESS"])
  name       = "any-${each.value}"
  type       = each.value
  role_arn   = aws_iam_role.any.arn
  definition = jsonencode({ StartAt = "D", States = { D = { Type = "Succeed" } } })
  logging_configuration {
    log_destination        = "${aws_cloudwatch_log_group.any.arn}:*"
    include_execution_data = true
    level                  = "ERROR"
  }
  tracing_configuration {
    enabled = true
  }
}

resource "aws_iot_thing_group" "described" {
  name = "described"
  properties {
    description = var.description
  }
}

resource "aws_iot_thing_group" "bare" {
  name = "bare"
}

# All eleven: the provider reads all of them back, and a plan wants to take away what is not named.
resource "aws_iot_event_configurations" "any" {
  event_configurations = merge({
    for kind in [
      "CA_CERTIFICATE", "CERTIFICATE", "JOB", "JOB_EXECUTION", "POLICY", "THING", "THING_GROUP",
      "THING_GROUP_HIERARCHY", "THING_GROUP_MEMBERSHIP", "THING_TYPE", "THING_TYPE_ASSOCIATION",
    ] : kind => false
  }, { JOB_EXECUTION = true })
}

resource "aws_dynamodb_table" "any" {
  name         = "any"
  billing_mode = "PAY_PER_REQUEST"
  hash_key     = "deviceId"
  range_key    = "at"
  attribute {
    name = "deviceId"
    type = "S"
  }
  attribute {
    name = "at"
    type = "S"
  }
  ttl {
    enabled        = true
    attribute_name = "expiresAt"
  }
}

resource "aws_iot_topic_rule" "any" {
  name        = "any"
  enabled     = true
  sql         = "SELECT * FROM 'any' WHERE status = 'failed'"
  sql_version = "2016-03-23"
  step_functions {
    execution_name_prefix = "p-"
    state_machine_name    = aws_sfn_state_machine.any["EXPRESS"].name
    role_arn              = aws_iam_role.any.arn
  }
  cloudwatch_logs {
    log_group_name = aws_cloudwatch_log_group.any.name
    role_arn       = aws_iam_role.any.arn
  }
  lambda {
    function_arn = replace(aws_sns_topic.any.arn, "/:sns:(.*):any/", ":lambda:$1:function:any")
  }
  error_action {
    sns {
      target_arn = aws_sns_topic.any.arn
      role_arn   = aws_iam_role.any.arn
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "plain" {
  alarm_name          = "plain"
  alarm_description   = "<${var.description}> & more"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 1
  namespace           = "AWS/Lambda"
  metric_name         = "Errors"
  dimensions          = { FunctionName = "any" }
  period              = 300
  statistic           = "Sum"
  threshold           = 0.5
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.any.arn]
  ok_actions          = [aws_sns_topic.any.arn]
}

resource "aws_cloudwatch_metric_alarm" "percentile" {
  alarm_name          = "percentile"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 3
  datapoints_to_alarm = 2
  namespace           = "AWS/Lambda"
  metric_name         = "Duration"
  period              = 60
  extended_statistic  = "p99"
  threshold           = 100
  actions_enabled     = false
}

resource "aws_cloudwatch_metric_alarm" "math" {
  alarm_name          = "math"
  comparison_operator = "GreaterThanThreshold"
  evaluation_periods  = 1
  threshold           = 0
  metric_query {
    id          = "total"
    expression  = "SUM(METRICS())"
    label       = "all"
    return_data = true
  }
  metric_query {
    id = "failed"
    metric {
      namespace   = "AWS/States"
      metric_name = "ExecutionsFailed"
      period      = 300
      stat        = "Sum"
      dimensions  = { StateMachineArn = aws_sfn_state_machine.any["STANDARD"].arn }
    }
  }
}

output "machine_names" {
  value = [for machine in aws_sfn_state_machine.any : machine.name]
}
