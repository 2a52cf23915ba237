data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

# Names the region without a call and already at plan; aws_region's attribute for it has another
# name in each major version of the provider.
data "aws_service" "iot" {
  service_id = "iot"
}

locals {
  rule_prefix = replace(var.name_prefix, "-", "_") # the name of a rule takes no hyphen
  rule_names = {
    failed     = "${local.rule_prefix}FailedFirmwareUpdateRule"
    unreadable = "${local.rule_prefix}FailedFirmwareUnreadableRule"
  }

  device_id = (
    var.device_id_source == "payload" ? "_id_"
    : var.device_id_source == "clientid" ? "clientid()"
    : "topic(${trimprefix(var.device_id_source, "topic:")})"
  )

  # Fields by name, never *: what is passed on and logged is what the workflow reads.
  failed_sql = join(" ", [
    "SELECT ${local.device_id} AS deviceId, timestamp AS timestamp, status AS status,",
    "model AS model, FW AS FW, jobId AS jobId,",
    "topic() AS topic, clientid() AS clientId, timestamp() AS receivedAt",
    "FROM '${var.topic_filter}'",
    "WHERE ${join(" OR ", [for status in var.failure_statuses : "status = '${status}'"])}",
  ])

  # IoT SQL has no "is this an object", so this looks at the payload's base64 text: it starts with
  # "{" and ends with "}", with or without a newline. What "}" looks like depends on how many bytes
  # come before it, modulo 3, as does the newline after it:
  #   }    fQ==   [HXn3]0=   [BFJNRVZdhlptx159]9
  #   }\n  fQo=   [HXn3]0K   [BFJNRVZdhlptx159]9Cg==
  # In e30= and e30K, which are {} and {}\n, both ends share a character.
  object_in_base64 = join("", [
    "^e30[=K]$|^e[w-z0-9+/].*(",
    join("|", ["fQ==", "fQo=", "[HXn3]0[=K]", "[BFJNRVZdhlptx159]9(Cg==)?"]),
    ")$",
  ])

  # A rule of its own: in the other's WHERE, an undefined status makes an OR or AND undefined too.
  unreadable_sql = join(" ", [
    "SELECT 'the payload is not a JSON object' AS refused,",
    "topic() AS topic, clientid() AS clientId, timestamp() AS receivedAt",
    "FROM '${var.topic_filter}'",
    "WHERE isUndefined(status) AND NOT regexp_matches(encode(*, 'base64'), '${local.object_in_base64}')",
  ])
}

# A failed update: counted by the intake, kept in the log.
resource "aws_iot_topic_rule" "failed" {
  name        = local.rule_names["failed"]
  description = "Starts the intake for each failed firmware update."
  enabled     = true
  sql         = local.failed_sql
  sql_version = "2016-03-23"
  tags        = var.tags

  step_functions {
    state_machine_name    = var.intake_state_machine_name
    execution_name_prefix = "message-"
    role_arn              = aws_iam_role.rules.arn
  }

  cloudwatch_logs {
    log_group_name = aws_cloudwatch_log_group.failures.name
    role_arn       = aws_iam_role.rules.arn
  }

  error_action {
    sqs {
      queue_url  = aws_sqs_queue.dead_letters.url
      role_arn   = aws_iam_role.rules.arn
      use_base64 = false
    }
  }

  # A message that comes before the role may act would be a dead letter.
  depends_on = [aws_iam_role_policy.rules]
}

# What is no message at all leaves one line in the log and nothing else.
resource "aws_iot_topic_rule" "unreadable" {
  name        = local.rule_names["unreadable"]
  description = "Logs that a payload on the topic of firmware updates cannot be read."
  enabled     = true
  sql         = local.unreadable_sql
  sql_version = "2016-03-23"
  tags        = var.tags

  cloudwatch_logs {
    log_group_name = aws_cloudwatch_log_group.failures.name
    role_arn       = aws_iam_role.rules.arn
  }

  error_action {
    sqs {
      queue_url  = aws_sqs_queue.dead_letters.url
      role_arn   = aws_iam_role.rules.arn
      use_base64 = false
    }
  }

  depends_on = [aws_iam_role_policy.rules]
}

resource "aws_cloudwatch_log_group" "failures" {
  name              = "${var.name_prefix}iot_failed_updates"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.kms_key_arn
  tags              = var.tags
}

# Where a device ends that failed its last cycle, until a person is done with it.
resource "aws_iot_thing_group" "failed" {
  name = "${var.name_prefix}${var.failed_thing_group_name}"
  tags = var.tags

  properties {
    description = "Devices whose firmware update failed in every cycle: look at them, then release them."
  }
}
