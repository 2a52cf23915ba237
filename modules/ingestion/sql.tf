# The IoT SQL of the rules:
# https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-reference.html
locals {
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

  checked_fields = {
    deviceId  = { value = local.device_id, not = local.not_a_thing_name }
    timestamp = { value = "timestamp", not = local.not_an_event_id }
    model     = { value = "model", not = local.not_a_text }
    FW        = { value = "FW", not = local.not_a_text }
    jobId     = { value = "jobId", not = local.not_a_text }
  }

  # What is not passed on is "[refused]", which no pattern lets through: the handlers refuse it like
  # what it stands for. A missing or null field makes regexp_matches Undefined, cast and CASE with
  # it, and stays missing. The cast, since AWS documents "=" for all types but Boolean.
  checked_sql = [
    for name, field in local.checked_fields : join(" ", [
      "CASE cast(regexp_matches(${field.value}, '${field.not}') AS String)",
      "WHEN 'false' THEN ${field.value} ELSE '[refused]' END AS ${name}",
    ])
  ]

  # A device's own words count nothing, so they are made fit instead of refused: printable, and cut
  # one character longer than the handlers keep, so that these see that it was cut.
  reason_sql = {
    for source, prefix in { device = "", jobs = "statusDetails." } : source => [
      for name in ["reason", "errorCode"] :
      "regexp_substr(regexp_replace(${prefix}${name}, '[^ -~]', '?'), '^.{1,257}') AS ${name}"
    ]
  }

  # The broker bounds both to 256 and 128 bytes, but not their characters.
  sender_sql = [
    "regexp_replace(topic(), '[^ -~]', '?') AS topic",
    "regexp_replace(clientid(), '[^ -~]', '?') AS clientId",
    "timestamp() AS receivedAt",
  ]

  # Fields by name, never *: what is passed on and logged is what the workflow reads. The WHERE
  # clause compares the status, so it needs no other check.
  message_sql = {
    for kind, statuses in { failed = var.failure_statuses, succeeded = var.success_statuses } :
    kind => join(" ", [
      "SELECT '${kind}' AS kind, 'device' AS reportedBy,",
      join(", ", concat(local.checked_sql, local.reason_sql.device, ["status AS status"], local.sender_sql)),
      "FROM '${var.topic_filter}'",
      "WHERE ${join(" OR ", [for status in statuses : "status = '${status}'"])}",
    ])
  }

  # AWS IoT Jobs' own events: https://docs.aws.amazon.com/iot/latest/developerguide/events-jobs.html
  # Only AWS IoT can publish there, unless a policy allows $aws/rules/* (docs/security.md). The reasons
  # are a device's words. The timestamp is in seconds.
  job_rules = {
    for event, kind in { failed = "failed", timed_out = "failed", rejected = "failed", succeeded = "succeeded" } :
    event => {
      name        = "FirmwareJob${replace(title(replace(event, "_", " ")), " ", "")}Rule"
      description = "Takes notice of job executions that AWS IoT Jobs says have ${replace(event, "_", " ")}."
      sql = join(" ", [
        "SELECT '${kind}' AS kind, 'jobs' AS reportedBy, ${local.thing_of_arn} AS deviceId,",
        "eventId AS eventId, timestamp AS timestamp, status AS status, jobId AS jobId,",
        "${join(", ", local.reason_sql.jobs)}, topic() AS topic, timestamp() AS receivedAt",
        "FROM '$aws/events/jobExecution/+/${event}'",
        "WHERE regexp_matches(jobId, '^(${local.job_ids})$')",
      ])
      is_logged = kind == "failed"
    }
  }
  job_ids      = join("|", [for pattern in var.job_id_patterns : replace(pattern, "*", ".*")])
  thing_of_arn = "regexp_substr(thingArn, '[^/]+$')" # a thing's name has no slash

  # https://docs.aws.amazon.com/iot/latest/developerguide/registry-events.html
  # Comes only where these events are on in the region; ReconcileDevices finds it out where not.
  removed_sql = join(" ", [
    "SELECT 'removed' AS kind, ${local.thing_of_arn} AS deviceId, timestamp AS timestamp,",
    "topic() AS topic, timestamp() AS receivedAt",
    "FROM '$aws/events/thingGroupMembership/thingGroup/${local.failed_group_name}/thing/+/removed'",
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
