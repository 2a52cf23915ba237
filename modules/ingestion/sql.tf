# The IoT SQL of the rules:
# https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-reference.html
locals {
  device_id = (
    var.device_id_source == "payload" ? "_id_"
    : var.device_id_source == "clientid" ? "clientid()"
    : "topic(${trimprefix(var.device_id_source, "topic:")})"
  )

  # A sender may write a value of any type and up to 128 KB. This pattern finds a character that no
  # thing's name has, or one character too many. The handlers check the same, see message.py. No "$":
  # it also matches before a last newline. An expression with "|" is in parentheses:
  # https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-functions.html
  not_a_thing_name = "([^a-zA-Z0-9:_-]|.{129})"

  # An impossible device id becomes "[refused]", which the pattern does not let through: the handlers
  # refuse it like the value itself. A missing or null id makes regexp_matches Undefined, cast and CASE
  # with it, and stays missing. The cast, since AWS documents "=" for all types but Boolean.
  device_id_sql = join(" ", [
    "CASE cast(regexp_matches(${local.device_id}, '${local.not_a_thing_name}') AS String)",
    "WHEN 'false' THEN ${local.device_id} ELSE '[refused]' END AS deviceId",
  ])

  # No other field refuses a failure, so each becomes one printable line, as in message.py: the
  # functions turn numbers, arrays and objects into text, and leave out what is missing or null.
  field_lengths = { timestamp = 1000, model = 1000, FW = 1000, jobId = 1000, status = 64 }

  field_sql = [
    for name, length in local.field_lengths :
    "regexp_substr(regexp_replace(${name}, '[^ -~]', ' '), '^.{1,${length}}') AS ${name}"
  ]

  # The handlers compare a reason with patterns, and keep its first 256 characters. They take for a
  # reason what is named reason, errorCode or reason_*. A key with a hyphen or digit needs
  # get(): https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-json.html
  reason_length = 1000
  reason_values = {
    device = [for key in var.reason_keys : can(regex("^[a-zA-Z_]+$", key)) ? key : "get(*, '${key}')"]
    jobs   = [for key in var.reason_keys : "get(statusDetails, '${key}')"]
  }
  reason_names = [
    for key in var.reason_keys :
    contains(["reason", "errorCode"], key) ? key : "reason_${replace(key, "/[^a-zA-Z0-9]/", "_")}"
  ]
  reason_sql = {
    for source, values in local.reason_values : source => [
      for number, value in values : join(" ", [
        "regexp_substr(regexp_replace(${value}, '[^ -~]', ' '), '^.{1,${local.reason_length}}')",
        "AS ${local.reason_names[number]}",
      ])
    ]
  }

  # The broker bounds both to 256 and 128 bytes, but not their characters.
  sender_sql = [
    "regexp_replace(topic(), '[^ -~]', '?') AS topic",
    "regexp_replace(clientid(), '[^ -~]', '?') AS clientId",
    "timestamp() AS receivedAt",
  ]

  # Fields by name, never *: what is passed on and logged is what the workflow reads.
  message_sql = join(" ", [
    "SELECT CASE status",
    join(" ", [for status, kind in local.kinds : "WHEN '${status}' THEN '${kind}'"]),
    "ELSE 'unclear' END AS kind, 'device' AS reportedBy,",
    join(", ", concat([local.device_id_sql], local.field_sql, local.reason_sql.device, local.sender_sql)),
    "FROM '${var.topic_filter}'",
    "WHERE ${join(" OR ", [for status in keys(local.kinds) : "status = '${status}'"])}",
    "OR regexp_matches(${local.status_words}, '^(${join("|", local.stem_patterns)})$')",
  ])

  # A status that is almost one of those above is "unclear", which the handlers refuse: otherwise a
  # device that says "success" for "succeeded" would be ignored, and nobody would know. Almost is
  # another case, other signs between words, other words around them, another form of the last word,
  # or a letter that is doubled or single by mistake. The text of an array or object has quotes, and is
  # none.
  signs     = "[^a-z0-9\"]"
  word_ends = "e+d+(e+d+|s)?|e+s+(e+d+|f+u+l+y*)?|u+r+e+s?|i+n+g+|e+|[ds]"
  kinds = merge(
    { for status in var.failure_statuses : status => "failed" },
    { for status in var.success_statuses : status => "succeeded" },
  )
  status_words = "lower(regexp_replace(status, '([a-z])([A-Z])', '$1 $2'))"
  status_stems = distinct([ # each as a list of its letters, digits, and signs between words
    for status in keys(local.kinds) : regexall("[a-z0-9]|[^a-z0-9]+", replace(
      lower(replace(status, "/([a-z])([A-Z])/", "$1 $2")), "/^(.{3,}?)(${local.word_ends})$/", "$1",
    ))
  ])
  stem_patterns = [ # f+a+i+l+ for "fail"; one of two characters is no word that may have others around
    for stem in local.status_stems : join("", concat(
      [length(stem) < 3 ? "${local.signs}*" : "([^\"]{0,64}${local.signs})?"],
      [
        for number, character in stem :
        can(regex("[a-z]", character)) ? "${character}+" : can(regex("[0-9]", character)) ? character : "${local.signs}*"
        if !can(regex("[a-z]", character)) || character != try(stem[number - 1], "")
      ],
      ["(${local.word_ends})?", length(stem) < 3 ? "${local.signs}*" : "(${local.signs}[^\"]{0,64})?"],
    ))
  ]

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
        join(", ", concat(local.reason_sql.jobs, ["topic() AS topic", "timestamp() AS receivedAt"])),
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
  # "{" and ends with "}", with or without one end of a line or blank after it. What "}" looks like
  # depends on how many bytes come before it, modulo 3, as does what follows it:
  #   }      fQ==   [HXn3]0=        [BFJNRVZdhlptx159]9
  #   }\n    fQo=   [HXn3]0K        [BFJNRVZdhlptx159]9Cg==
  #   }\r\n  fQ0K   [HXn3]0NCg==    [BFJNRVZdhlptx159]9DQo=
  #   }+blank   fSA=   [HXn3]0g        [BFJNRVZdhlptx159]9IA==
  # In what begins with e30, which are {} and the same with something after it, both ends share a
  # character.
  object_in_base64 = join("", [
    "(^e30([=Kg]|NCg==)$|^e[w-z0-9+/].*(",
    join("|", ["fQ==", "fQo=", "fQ0K", "fSA=", "[HXn3]0([=Kg]|NCg==)", "[BFJNRVZdhlptx159]9((Cg|IA)==|DQo=)?"]),
    ")$)",
  ])

  # A rule of its own: in the other's WHERE, an undefined status makes an OR or AND undefined too. It
  # looks at each message on the topic a second time, so it has to be asked for.
  unreadable_sql = join(" ", [
    "SELECT 'the payload is not a JSON object' AS refused, ${join(", ", local.sender_sql)}",
    "FROM '${var.topic_filter}'",
    "WHERE isUndefined(status) AND NOT regexp_matches(encode(*, 'base64'), '${local.object_in_base64}')",
  ])
}
