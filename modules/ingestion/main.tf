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

  # What a sender writes may be of any type and up to 128 KB long. These find what must not be passed
  # on in a value's text: a character, one too many, or the "[" or "{" that the text of an array or
  # object begins with ("\" and "]" lie between them; a bare "[" in brackets and a backslash mean
  # different things to different engines). The handlers check the same, see message.py. No "$": it
  # also matches before a last newline.
  not_a_thing_name = "[^a-zA-Z0-9:_-]|.{129}"
  not_an_event_id  = "[^a-zA-Z0-9_.:+-]|.{65}"
  not_a_text       = "[^ -~]|.{129}|^[^ -Z^-z|}~]"

  checked_fields = [
    { name = "deviceId", value = local.device_id, not = local.not_a_thing_name },
    { name = "timestamp", value = "timestamp", not = local.not_an_event_id },
    { name = "model", value = "model", not = local.not_a_text },
    { name = "FW", value = "FW", not = local.not_a_text },
    { name = "jobId", value = "jobId", not = local.not_a_text },
  ]

  # What is not passed on is "[refused]", which no pattern lets through: the handlers refuse it like
  # what it stands for. A missing or null field makes regexp_matches Undefined, cast and CASE with
  # it, and stays missing. The cast, since AWS documents "=" for all types but Boolean.
  checked_sql = [
    for field in local.checked_fields : join(" ", [
      "CASE cast(regexp_matches(${field.value}, '${field.not}') AS String)",
      "WHEN 'false' THEN ${field.value} ELSE '[refused]' END AS ${field.name}",
    ])
  ]

  # The broker bounds both to 256 and 128 bytes, but not their characters.
  sender_sql = [
    "regexp_replace(topic(), '[^ -~]', '?') AS topic",
    "regexp_replace(clientid(), '[^ -~]', '?') AS clientId",
    "timestamp() AS receivedAt",
  ]

  # Fields by name, never *: what is passed on and logged is what the workflow reads. The WHERE
  # clause compares the status, so it needs no other check.
  failed_sql = join(" ", [
    "SELECT ${join(", ", concat(local.checked_sql, ["status AS status"], local.sender_sql))}",
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
    "SELECT 'the payload is not a JSON object' AS refused, ${join(", ", local.sender_sql)}",
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
