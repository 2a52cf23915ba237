# The IoT SQL of the rules:
# https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-reference.html
#
# AWS documents no grammar and not every result, so the SQL also is right under a strict reading
# (docs/internals/local-cloud.md#switches): a name has letters only, or else get() reads it; a regular
# expression has "|" in parentheses, and repeats a thousand times at most; no Boolean is compared; and
# the rule for payloads that are not JSON has functions only.
locals {
  device_id = (
    var.device_id_source == "payload" ? "get(*, '_id_')"
    : var.device_id_source == "clientid" ? "clientid()"
    : "topic(${trimprefix(var.device_id_source, "topic:")})"
  )

  # A sender may write a value of any type and up to 128 KB. This pattern finds a character that no
  # thing's name has, or one character too many. The handlers check the same, see message.py. No "$":
  # it also matches before a last newline.
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
  # reason what is named reason, errorCode or reason_*. Keys may have hyphens and digits, hence get():
  # https://docs.aws.amazon.com/iot/latest/developerguide/iot-sql-json.html
  reason_length  = 1000
  reason_objects = { device = "*", jobs = "statusDetails" }
  reason_names = [
    for key in var.reason_keys :
    contains(["reason", "errorCode"], key) ? key : "reason_${replace(key, "/[^a-zA-Z0-9]/", "_")}"
  ]
  reason_sql = {
    for source, object in local.reason_objects : source => [
      for number, key in var.reason_keys : join(" ", [
        "regexp_substr(regexp_replace(get(${object}, '${key}'), '[^ -~]', ' '), '^.{1,${local.reason_length}}')",
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
  # "{" and ends with "}", with or without blanks and newlines around. Three bytes are four characters,
  # so the characters of each byte depend on how many come before, modulo 3.
  two_blanks    = "(I(CA|A[ko0])|C([Si]A|[Qg][ko0])|D(SA|Q[ko0]))"
  blanks        = "(${local.two_blanks}[gJKN])*"
  after_blanks  = "(IH|C[Xn]|DX)[s-v]|(I(CB|A[lp1])|C([Si]B|[Qg][lp1])|D(SB|Q[lp1]))7"
  object_starts = "^${local.blanks}(e[w-z0-9+/]|${local.after_blanks})"
  before_blanks = "(f(Q[ko0]|SA)[gJKN]|[HXn3]0[gJKN]|[BFJNRVZdhlptx159]9)"
  last_blanks   = "((IA|C[Qg]|DQ)==|${local.two_blanks}=)?"
  object_ends   = "(fQ==|f(Q[ko0]|SA)=|[HXn3]0=|${local.before_blanks}${local.blanks}${local.last_blanks})$"
  is_object = join(" AND ", [
    for pattern in [local.object_starts, local.object_ends] : "regexp_matches(encode(*, 'base64'), '${pattern}')"
  ])

  # A rule of its own, with functions only: in the other's WHERE, an undefined status makes an OR or AND
  # undefined too, and editions of AWS's page contradict each other on whether a rule that names a field
  # can read a payload that is not JSON. It looks at each message on the topic a second time, so it has to
  # be asked for: https://docs.aws.amazon.com/iot/latest/developerguide/binary-payloads.html
  unreadable_sql = join(" ", [
    "SELECT trim('the payload is not a JSON object') AS refused, ${join(", ", local.sender_sql)}",
    "FROM '${var.topic_filter}'",
    "WHERE NOT (${local.is_object})",
  ])
}
