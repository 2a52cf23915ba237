# Forms of the elements of lists and maps: a condition compares with them, and its message names the elements
# that differ.
locals {
  forms = {
    tag             = "^[\\p{L}\\p{Z}\\p{N}_.:/=+@-]*$" # https://docs.aws.amazon.com/IAM/latest/APIReference/API_Tag.html
    status          = "^[A-Za-z0-9_][A-Za-z0-9_ .:-]{0,63}$"
    job_id_pattern  = "^[A-Za-z0-9_*-]{1,64}$"
    reason_key      = "^[a-zA-Z0-9:_-]{1,128}$"
    reason          = "^[ -Z\\\\^-~]{1,100}$"
    attribute_name  = "^[a-zA-Z0-9_.,@/:#-]{1,128}$"
    attribute_value = "^[a-zA-Z0-9_.,@/:#=\\[\\]-]{1,800}$"
    address         = "^[^@\\s]{1,64}@[A-Za-z0-9-]+(\\.[A-Za-z0-9-]+)+$"
    arn             = "^arn:aws[a-z-]*:[a-z0-9-]+:[a-z0-9-]*:([0-9]{12})?:.+$"
    table_arn       = "^arn:aws[a-z-]*:dynamodb:[a-z0-9-]+:[0-9]{12}:table/[a-zA-Z0-9_.-]{3,255}$"
  }
}

################################################################################
# Names
################################################################################

variable "name_prefix" {
  description = "Put in front of every name, so that several fleets live in one account; at most 32 letters, digits and hyphens, such as \"fleet-a-\". Never change it: another prefix is another fleet, and while the tables are protected the plan refuses it."
  type        = string
  default     = ""
  nullable    = false

  # 32: Lambda allows 64, and the longest step name has 29. No underscore: the name of an IoT rule
  # takes no hyphen and gets an underscore instead, so "a-" and "a_" would meet there.
  validation {
    condition     = can(regex("^([A-Za-z][A-Za-z0-9-]{0,31})?$", var.name_prefix))
    error_message = "Write name_prefix as at most 32 letters, digits and hyphens that begin with a letter, such as \"fleet-a-\", or leave it empty."
  }
}

variable "tags" {
  description = "Tags of everything that can be tagged."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition = alltrue([
      for name in keys(var.tags) :
      can(regex(local.forms.tag, name)) && length(name) >= 1 && length(name) <= 128 && !startswith(lower(name), "aws:")
    ])
    error_message = "Write the names of tags as 1 to 128 letters, digits, spaces and _ . : / = + - @ that do not begin with \"aws:\", which AWS keeps for itself. Not so: ${jsonencode([for name in keys(var.tags) : name if !can(regex(local.forms.tag, name)) || length(name) < 1 || length(name) > 128 || startswith(lower(name), "aws:")])}."
  }

  validation {
    condition     = alltrue([for value in values(var.tags) : can(regex(local.forms.tag, value)) && length(value) <= 256])
    error_message = "Write the values of tags as at most 256 letters, digits, spaces and _ . : / = + - @. Not so: ${jsonencode({ for name, value in var.tags : name => value if !can(regex(local.forms.tag, value)) || length(value) > 256 })}."
  }

  validation {
    condition     = length(var.tags) <= 50
    error_message = "Give at most 50 tags, the most that AWS takes."
  }
}

################################################################################
# Messages
################################################################################

variable "topic_filter" {
  description = "MQTT topic filter on which devices report their updates; may hold the wildcards + and #."
  type        = string
  default     = "iot/device/data"
  nullable    = false

  # It becomes part of an SQL statement: what could end the quoted text there is not allowed.
  validation {
    condition     = can(regex("^[A-Za-z0-9_.:@=,~$+#/-]{1,256}$", var.topic_filter))
    error_message = "Write topic_filter as 1 to 256 letters, digits and _ . : @ = , ~ $ - with the separator / and the wildcards + and #, such as \"iot/+/data\"."
  }

  validation {
    condition     = can(regex("^([^+#/]*|[+])(/([^+#/]*|[+]))*(/#)?$|^#$", var.topic_filter))
    error_message = "Write the wildcards of topic_filter as whole levels, and # only as the last one, such as \"iot/+/data\" or \"iot/#\"."
  }

  validation {
    condition     = length(split("/", var.topic_filter)) <= 8
    error_message = "Write topic_filter with at most 8 levels, the most that AWS IoT allows."
  }
}

variable "failure_statuses" {
  description = "Values of the message's status that mean a failed update; compared exactly, upper and lower case matter. [], only with job_events_enabled, takes no notice of devices' own reports."
  type        = list(string)
  default     = ["failed"]
  nullable    = false

  validation {
    condition     = length(var.failure_statuses) >= (var.job_events_enabled ? 0 : 1) && length(var.failure_statuses) <= 20
    error_message = "Name 1 to 20 failure_statuses, such as [\"failed\"]: without one nothing would be counted. Only with job_events_enabled may it be []."
  }

  # They become part of an SQL statement: what could end the quoted text there is not allowed.
  validation {
    condition     = alltrue([for status in var.failure_statuses : can(regex(local.forms.status, status))])
    error_message = "Write each of failure_statuses as 1 to 64 letters, digits, spaces and _ . : - that begin with a letter, digit or _. Not so: ${jsonencode([for status in var.failure_statuses : status if !can(regex(local.forms.status, status))])}."
  }

  validation {
    condition     = length(distinct(var.failure_statuses)) == length(var.failure_statuses)
    error_message = "Name each of failure_statuses once."
  }
}

variable "success_statuses" {
  description = "Values of the message's status that mean that the update succeeded, which ends the counting; compared exactly. [] takes no notice of success."
  type        = list(string)
  default     = ["succeeded"]
  nullable    = false

  validation {
    condition     = length(var.success_statuses) <= 20
    error_message = "Name at most 20 success_statuses, such as [\"succeeded\"]."
  }

  # They become part of an SQL statement: what could end the quoted text there is not allowed.
  validation {
    condition     = alltrue([for status in var.success_statuses : can(regex(local.forms.status, status))])
    error_message = "Write each of success_statuses as 1 to 64 letters, digits, spaces and _ . : - that begin with a letter, digit or _. Not so: ${jsonencode([for status in var.success_statuses : status if !can(regex(local.forms.status, status))])}."
  }

  validation {
    condition     = length(setintersection(var.success_statuses, var.failure_statuses)) == 0
    error_message = "Name no status in both failure_statuses and success_statuses: a message means one of the two."
  }
}

variable "device_id_source" {
  description = "What names the device: \"payload\" (its field _id_, as trustworthy as any device that may publish), \"topic:N\" (level N of the topic, the first is 1) or \"clientid\" (the MQTT client id)."
  type        = string
  default     = "payload"
  nullable    = false

  validation {
    condition     = can(regex("^(payload|clientid|topic:[1-8])$", var.device_id_source))
    error_message = "Write device_id_source as \"payload\", \"clientid\" or \"topic:N\" with N from 1 to 8."
  }

  # A literal topic level would give every device the same id.
  validation {
    condition = !startswith(var.device_id_source, "topic:") || contains(["+", "#"], try(
      split("/", var.topic_filter)[trimprefix(var.device_id_source, "topic:") - 1],
      endswith(var.topic_filter, "#") ? "#" : "no such level",
    ))
    error_message = "Let the N of device_id_source = \"topic:N\" name a level of topic_filter that is + or that # stands for: \"topic:2\" goes with \"iot/+/data\"."
  }
}

variable "unreadable_messages_enabled" {
  description = "Also log and count as refused what is no JSON object on the topic (a list, a text, nothing). That takes a second rule, which AWS bills for each message on the topic, telemetry included. Without it the alarm knows what AWS IoT cannot parse as JSON, but no log names the sender."
  type        = bool
  default     = false
  nullable    = false
}

variable "job_events_enabled" {
  description = <<-EOT
    Also count the failures and successes that AWS IoT Jobs reports in its events. Devices cannot forge them unless they may publish to `$aws/rules/*`.
    - Messages on the topic still count unless `failure_statuses` and `success_statuses` are [].
    - Enables JOB_EXECUTION events for the whole region, a setting that all fleets share. destroy does not disable them.
  EOT
  type        = bool
  default     = false
  nullable    = false
}

variable "job_id_patterns" {
  description = "Which jobs are firmware updates, where job_events_enabled: patterns of job ids, * stands for any characters. Events of other jobs are not looked at. A later job that matches ends the episode of an earlier one. Two fleets in one region need patterns that match none of each other's jobs."
  type        = list(string)
  default     = ["*"]
  nullable    = false

  # They become part of an SQL statement: what could end the quoted text there is not allowed.
  validation {
    condition     = length(var.job_id_patterns) >= 1 && alltrue([for pattern in var.job_id_patterns : can(regex(local.forms.job_id_pattern, pattern))])
    error_message = "Write at least one of job_id_patterns, each as 1 to 64 letters, digits and _ - with * for any characters, such as \"firmware-*\". Not so: ${jsonencode([for pattern in var.job_id_patterns : pattern if !can(regex(local.forms.job_id_pattern, pattern))])}."
  }
}

################################################################################
# Retries
################################################################################

variable "retry_limit" {
  description = "How many failures use up a cycle, 1 to 10; the device is then taken out of its group. At most the attempts that AWS IoT Jobs makes (numberOfRetries + 1), less those that may be ignored or lost."
  type        = number
  default     = 10
  nullable    = false

  # AWS IoT Jobs tries at most 11 times (10 retries), so 10 is reached even if one message is lost.
  validation {
    condition     = var.retry_limit >= 1 && var.retry_limit <= 10 && floor(var.retry_limit) == var.retry_limit
    error_message = "Write retry_limit as a whole number from 1 to 10: AWS IoT Jobs gives up after 10 retries, so a larger limit might never be reached."
  }
}

variable "cool_down_seconds" {
  description = "The ladder: seconds to wait after each cycle that is followed by another try. [86400] makes two cycles a day apart, [] calls people after the first cycle."
  type        = list(number)
  default     = [86400]
  nullable    = false

  # 150 days: doubled by the largest jitter and with days of tries around it, a run still ends within
  # the year that Step Functions allows.
  validation {
    condition     = alltrue([for wait in var.cool_down_seconds : wait >= 1 && wait <= 12960000 && floor(wait) == wait])
    error_message = "Write each of cool_down_seconds as whole seconds from 1 to 12960000 (150 days), such as 86400 for a day. Not so: ${jsonencode([for wait in var.cool_down_seconds : wait if wait < 1 || wait > 12960000 || floor(wait) != wait])}."
  }

  validation {
    condition     = length(var.cool_down_seconds) <= 10
    error_message = "Give at most 10 cool_down_seconds: a device that failed in eleven cycles needs a person."
  }
}

variable "cool_down_jitter" {
  description = "Share from 0 to 1 by which each wait is lengthened at most, at random: devices that failed together then do not come back in the same second."
  type        = number
  default     = 0.1
  nullable    = false

  validation {
    condition     = var.cool_down_jitter >= 0 && var.cool_down_jitter <= 1
    error_message = "Write cool_down_jitter as a number from 0 (no spread) to 1 (up to twice the wait), such as 0.1."
  }
}

variable "settle_seconds" {
  description = "Seconds between overwriting the attributes of a device that failed every cycle and moving it to the failed group: dynamic groups follow a little later."
  type        = number
  default     = 900
  nullable    = false

  validation {
    condition     = var.settle_seconds >= 0 && var.settle_seconds <= 604800 && floor(var.settle_seconds) == var.settle_seconds
    error_message = "Write settle_seconds as whole seconds from 0 to 604800 (a week), such as 900."
  }
}

variable "reason_keys" {
  description = "Keys of a device's message, and of the statusDetails of a job, that hold the reason of a failure. The default covers AWS IoT Greengrass (detailed-deployment-status, deployment-*), the AWS IoT Device Client (reason, stderr, stdout) and FreeRTOS OTA (reason)."
  type        = list(string)
  default = [
    "errorCode", "reason", "deployment-failure-cause", "detailed-deployment-status", "deployment-error-stack",
    "deployment-error-types", "stderr", "stdout",
  ]
  nullable = false

  # https://docs.aws.amazon.com/iot/latest/apireference/API_JobExecutionStatusDetails.html
  validation {
    condition     = length(var.reason_keys) <= 20 && alltrue([for key in var.reason_keys : can(regex(local.forms.reason_key, key))])
    error_message = "List at most 20 reason_keys, each 1 to 128 of a-z A-Z 0-9 : _ -, such as \"deployment-failure-cause\". Not so: ${jsonencode([for key in var.reason_keys : key if !can(regex(local.forms.reason_key, key))])}."
  }

  # Rules and handlers know them by names that have neither hyphen nor colon.
  validation {
    condition     = length(distinct([for key in var.reason_keys : replace(key, "/[^a-zA-Z0-9]/", "_")])) == length(var.reason_keys)
    error_message = "List each of reason_keys once; two may not differ in : _ - only."
  }
}

variable "ignored_reasons" {
  description = "Failures for such a reason are not counted: patterns, of which one must fit the value of one of reason_keys; * stands for any characters, ? for one, case does not matter. Such as \"*battery*\". They still use up attempts of AWS IoT Jobs: see retry_limit."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for pattern in var.ignored_reasons : can(regex(local.forms.reason, pattern)) && can(regex("[^*? ]", pattern))])
    error_message = "Write each of ignored_reasons as 1 to 100 printable ASCII characters but [ and ], with something else than * and ?, such as \"*battery*\": a pattern that fits every reason would count nothing. Not so: ${jsonencode([for pattern in var.ignored_reasons : pattern if !can(regex(local.forms.reason, pattern)) || !can(regex("[^*? ]", pattern))])}."
  }

  # AWS Lambda gives all environment variables of a function 4 KB.
  validation {
    condition     = length(jsonencode(var.ignored_reasons)) <= 1000
    error_message = "Shorten ignored_reasons to 1000 characters in all: they travel in an environment variable."
  }
}

variable "fatal_reasons" {
  description = "After a failure for such a reason no further try is worth it: the device goes straight to the failed group. Patterns as in ignored_reasons, which come first."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for pattern in var.fatal_reasons : can(regex(local.forms.reason, pattern)) && can(regex("[^*? ]", pattern))])
    error_message = "Write each of fatal_reasons as 1 to 100 printable ASCII characters but [ and ], with something else than * and ?, such as \"*signature invalid*\": a pattern that fits every reason would retry nothing. Not so: ${jsonencode([for pattern in var.fatal_reasons : pattern if !can(regex(local.forms.reason, pattern)) || !can(regex("[^*? ]", pattern))])}."
  }

  validation {
    condition     = length(jsonencode(var.fatal_reasons)) <= 1000
    error_message = "Shorten fatal_reasons to 1000 characters in all: they travel in an environment variable."
  }

  validation {
    condition     = length(setintersection(var.ignored_reasons, var.fatal_reasons)) == 0
    error_message = "Name no pattern in both ignored_reasons and fatal_reasons."
  }
}

variable "reconcile_interval" {
  description = "How often devices are looked for whose recovery was lost, stopped or failed, as EventBridge Scheduler writes a rate, from \"5 minutes\" to \"3 days\": \"15 minutes\", \"1 hour\", \"1 day\"."
  type        = string
  default     = "15 minutes"
  nullable    = false

  validation {
    condition     = can(regex("^(1 (minute|hour|day)|([2-9]|[1-9][0-9]{1,2}) (minutes|hours|days))$", var.reconcile_interval))
    error_message = "Write reconcile_interval as \"1 hour\", \"1 day\", or a number from 2 to 999 with \"minutes\", \"hours\" or \"days\", such as \"15 minutes\"."
  }

  # A pass ends before the next begins, and needs time for a large fleet.
  validation {
    condition = try(tonumber(split(" ", var.reconcile_interval)[0]) * {
      minute = 60, hour = 3600, day = 86400
    }[trimsuffix(split(" ", var.reconcile_interval)[1], "s")] >= 300, true)
    error_message = "Write reconcile_interval as at least \"5 minutes\": passes that follow faster would compete for the account's quotas with each other and with all else in it."
  }

  # An alarm looks back seven days at most, and the one on missing passes needs two intervals.
  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
  validation {
    condition = try(tonumber(split(" ", var.reconcile_interval)[0]) * {
      minute = 60, hour = 3600, day = 86400
    }[trimsuffix(split(" ", var.reconcile_interval)[1], "s")] <= 3 * 86400, true)
    error_message = "Write reconcile_interval as at most \"3 days\": CloudWatch cannot notice missing passes that are further apart."
  }
}

variable "refused_messages_alarm" {
  description = "An alarm goes off when at least so many messages were refused within five minutes: they name no device or an unknown one, or cannot be read. null switches it off."
  type        = number
  default     = 5

  validation {
    condition     = var.refused_messages_alarm == null ? true : var.refused_messages_alarm >= 1 && floor(var.refused_messages_alarm) == var.refused_messages_alarm
    error_message = "Write refused_messages_alarm as a whole number from 1 on, messages within five minutes, or null."
  }
}

variable "breaker" {
  description = <<-EOT
    Alerts once when a single campaign accounts for too many of the devices that exhausted a cycle. null disables it, {} takes the defaults.
    - `share`: the campaign's share of these devices, above 0 and up to 1 (all of them), reached with 95 % confidence. Default 0.5.
    - `window_seconds`: how long an exhausted cycle counts, in seconds, at least `reconcile_interval`. Default 86400.
    - `min_devices`: how many of these devices the campaign must have. Default 20.
    - `pauses`: true also holds the campaign's devices after their cool-down until an operator resumes it. Default false.
  EOT
  type        = any # Terraform drops a field that an object does not have: a misspelt one would take its default.
  default     = null

  validation {
    condition     = try(length(setsubtract(keys(var.breaker), ["share", "window_seconds", "min_devices", "pauses"])) == 0, var.breaker == null)
    error_message = "Write breaker with the fields share, window_seconds, min_devices and pauses, or some of them. Not so: ${jsonencode(try(setsubtract(keys(var.breaker), ["share", "window_seconds", "min_devices", "pauses"]), var.breaker))}."
  }

  validation {
    condition     = var.breaker == null || try(tobool(lookup(var.breaker, "pauses", false)) != null, false)
    error_message = "Write breaker.pauses as true or false."
  }

  validation {
    condition     = var.breaker == null || try(var.breaker.share > 0 && var.breaker.share <= 1, !can(var.breaker.share))
    error_message = "Write breaker.share as a number above 0 and up to 1, such as 0.5 for half of the devices."
  }

  validation {
    condition = var.breaker == null || try(
      var.breaker.window_seconds >= 60 && var.breaker.window_seconds <= 2592000 && floor(var.breaker.window_seconds) == var.breaker.window_seconds,
      !can(var.breaker.window_seconds),
    )
    error_message = "Write breaker.window_seconds as whole seconds from 60 to 2592000 (30 days), such as 86400 for a day."
  }

  # Whoever is older than the window when a pass looks was never seen.
  validation {
    condition = try(lookup(var.breaker, "window_seconds", 86400) >= tonumber(split(" ", var.reconcile_interval)[0]) * {
      minute = 60, hour = 3600, day = 86400
    }[trimsuffix(split(" ", var.reconcile_interval)[1], "s")], true)
    error_message = "Write breaker.window_seconds as no less than reconcile_interval: only a pass of ReconcileDevices looks at the devices in the window."
  }

  validation {
    condition     = var.breaker == null || try(var.breaker.min_devices >= 1 && floor(var.breaker.min_devices) == var.breaker.min_devices, !can(var.breaker.min_devices))
    error_message = "Write breaker.min_devices as a whole number of at least 1, such as 20."
  }
}

################################################################################
# Things
################################################################################

variable "move_out_attributes" {
  description = "Thing attributes, 1 to 3, that a cool-down overwrites and then restores: with them set, the query of the dynamic group must no longer match."
  type        = map(string)
  default     = { model = "moveOut", FW = "moveOut" }
  nullable    = false

  # 3: a thing without a thing type has no room for more.
  validation {
    condition     = length(var.move_out_attributes) >= 1 && length(var.move_out_attributes) <= 3
    error_message = "Name 1 to 3 move_out_attributes, such as { firmwareRetry = \"coolingDown\" }: a thing without a thing type has at most 3 attributes."
  }

  validation {
    condition = alltrue([
      for name, value in var.move_out_attributes :
      can(regex(local.forms.attribute_name, name)) && can(regex(local.forms.attribute_value, value))
    ])
    error_message = "Write the names of move_out_attributes as 1 to 128 letters, digits and _ . , @ / : # - and the values as 1 to 800 of these and = [ ]. An empty value would remove the attribute. Not so: ${jsonencode({ for name, value in var.move_out_attributes : name => value if !can(regex(local.forms.attribute_name, name)) || !can(regex(local.forms.attribute_value, value)) })}."
  }
}

variable "failed_attributes" {
  description = "Thing attributes, 1 to 3, that mark a device which failed every cycle: with them set, the query of the dynamic group must no longer match. May name others than move_out_attributes."
  type        = map(string)
  default     = { model = "failedtoupdate", FW = "failedtoupdate" }
  nullable    = false

  validation {
    condition     = length(var.failed_attributes) >= 1 && length(var.failed_attributes) <= 3
    error_message = "Name 1 to 3 failed_attributes, such as { firmwareRetry = \"failed\" }: a thing without a thing type has at most 3 attributes."
  }

  validation {
    condition = alltrue([
      for name, value in var.failed_attributes :
      can(regex(local.forms.attribute_name, name)) && can(regex(local.forms.attribute_value, value))
    ])
    error_message = "Write the names of failed_attributes as 1 to 128 letters, digits and _ . , @ / : # - and the values as 1 to 800 of these and = [ ]. An empty value would remove the attribute. Not so: ${jsonencode({ for name, value in var.failed_attributes : name => value if !can(regex(local.forms.attribute_name, name)) || !can(regex(local.forms.attribute_value, value)) })}."
  }
}

variable "foreign_marks" {
  description = "Attributes with values that are never originals of a thing: `move_out_attributes` and `failed_attributes` of other instances of this module over the same things, where they differ from those of this one, and former ones of this instance. A device that holds one of them is counted, but not moved before somebody restored it."
  type        = list(map(string))
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for marks in var.foreign_marks : alltrue([for value in values(marks) : value != null && value != ""])])
    error_message = "Write foreign_marks as the attributes of the other instances, such as [{ firmwareRetry = \"coolingDown\" }, { firmwareRetry = \"failed\" }]. A mark has a value. Not so: ${jsonencode([for marks in var.foreign_marks : marks if anytrue([for value in values(marks) : value == null || value == ""])])}."
  }
}

variable "failed_thing_group_name" {
  description = "Name, after name_prefix, of the static thing group that holds the devices which failed every cycle. A change replaces the group: its devices are moved to the new one, and none is released."
  type        = string
  default     = "FailedToUpdate"
  nullable    = false

  validation {
    condition     = can(regex("^[a-zA-Z0-9_-]{1,96}$", var.failed_thing_group_name))
    error_message = "Write failed_thing_group_name as 1 to 96 letters, digits and _ - (128 with the longest name_prefix)."
  }
}

variable "existing_failed_thing_group" {
  description = <<-EOT
    Your own static thing group for the devices that failed every cycle. `failed_thing_group_name` is then unused. null creates one. Several fleets may share it. After a change, failed devices are put into the new group, and none is released; the module removes them from the former group neither then nor later.
    - `arn`: ARN of the thing group.
  EOT
  type        = object({ arn = string })
  default     = null

  validation {
    condition     = var.existing_failed_thing_group == null || can(regex("^arn:aws[a-z-]*:iot:[a-z0-9-]+:[0-9]{12}:thinggroup/[a-zA-Z0-9:_-]{1,128}$", var.existing_failed_thing_group.arn))
    error_message = "Write existing_failed_thing_group as { arn = \"arn:aws:iot:<region>:<account>:thinggroup/<name>\" }."
  }
}

################################################################################
# Alerts
################################################################################

variable "alert_emails" {
  description = "Addresses that are mailed when devices failed every cycle, when they healed after that, when a campaign is bad, and when an alarm goes off; each must confirm its subscription. They may be sensitive, but must be known at plan: subscribe an address that is made in the same apply to an existing_operator_topic."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for address in var.alert_emails : can(regex(local.forms.address, address))])
    error_message = "Write each of alert_emails as one address, such as \"fleet@example.com\". Not so: ${jsonencode([for address in var.alert_emails : address if !can(regex(local.forms.address, address))])}."
  }

  validation {
    condition     = length(distinct(var.alert_emails)) == length(var.alert_emails)
    error_message = "Name each of alert_emails once."
  }
}

variable "alert_interval" {
  description = "How often alert_emails are notified of what became of devices since the last time, as EventBridge Scheduler writes a rate, at most \"6 days\": \"5 minutes\", \"1 hour\", \"1 day\"."
  type        = string
  default     = "5 minutes"
  nullable    = false

  validation {
    condition     = can(regex("^(1 (minute|hour|day)|([2-9]|[1-9][0-9]{1,2}) (minutes|hours|days))$", var.alert_interval))
    error_message = "Write alert_interval as \"1 minute\", \"1 hour\", \"1 day\", or a number from 2 to 999 with \"minutes\", \"hours\" or \"days\", such as \"5 minutes\"."
  }

  # SQS keeps an alert for 14 days at most, and the alarm on late e-mail needs two intervals of them.
  # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
  validation {
    condition = try(tonumber(split(" ", var.alert_interval)[0]) * {
      minute = 60, hour = 3600, day = 86400
    }[trimsuffix(split(" ", var.alert_interval)[1], "s")] <= 6 * 86400, true)
    error_message = "Write alert_interval as at most \"6 days\": the queue keeps an alert for 14 days, and the alarm on late e-mail must go off before."
  }
}

variable "alert_digest_threshold" {
  description = "Up to so many devices get a mail each, every alert_interval; more get one mail together. 0 makes one mail of any number."
  type        = number
  default     = 5
  nullable    = false

  # AWS suspends the subscription of an address that gets more than ten messages within a second.
  # https://docs.aws.amazon.com/sns/latest/dg/sns-email-notifications.html
  validation {
    condition     = var.alert_digest_threshold >= 0 && var.alert_digest_threshold <= 8 && floor(var.alert_digest_threshold) == var.alert_digest_threshold
    error_message = "Write alert_digest_threshold as a whole number from 0 to 8, for example 5: AWS suspends an address that gets more than ten mails within a second."
  }
}

variable "existing_alerts_topic" {
  description = <<-EOT
    Your own FIFO topic for the alerts. null creates one. Several fleets may share it. The module does not change its policy.
    - `arn`: ARN of the topic, encrypted with `kms_key_arn` or without a customer managed key.
  EOT
  type        = object({ arn = string })
  default     = null

  validation {
    condition     = var.existing_alerts_topic == null || can(regex("^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[a-zA-Z0-9_-]+\\.fifo$", var.existing_alerts_topic.arn))
    error_message = "Write existing_alerts_topic as { arn = \"arn:aws:sns:<region>:<account>:<name>.fifo\" }: only a FIFO topic, whose name ends with .fifo, keeps a repeated alert from being two."
  }
}

variable "existing_operator_topic" {
  description = <<-EOT
    Your own standard topic for e-mail to operators and for alarms, instead of `alert_emails`. Several fleets may share it. The module does not change its policy, which must let cloudwatch.amazonaws.com publish and, in another account, the role of `MailOperators` publish and call `sns:GetTopicAttributes`.
    - `arn`: ARN of the topic, encrypted with `kms_key_arn` or without a customer managed key.
  EOT
  type        = object({ arn = string })
  default     = null

  validation {
    condition     = var.existing_operator_topic == null || can(regex("^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:[a-zA-Z0-9_-]+$", var.existing_operator_topic.arn))
    error_message = "Write existing_operator_topic as { arn = \"arn:aws:sns:<region>:<account>:<name>\" }, a standard topic: a FIFO topic can mail nobody."
  }

  validation {
    condition     = var.existing_operator_topic == null || length(var.alert_emails) == 0
    error_message = "Subscribe alert_emails to your existing_operator_topic yourself and leave alert_emails out: the module changes no topic of yours."
  }
}

variable "alarm_actions" {
  description = "ARNs that each alarm notifies besides the operators' topic when it goes off, such as the topic of a pager: at most 4. Their policies must let cloudwatch.amazonaws.com use them."
  type        = list(string)
  default     = []
  nullable    = false

  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
  validation {
    condition     = length(var.alarm_actions) <= 4
    error_message = "Name at most 4 alarm_actions: an alarm takes 5, and one is the operators' topic."
  }

  validation {
    condition     = alltrue([for arn in var.alarm_actions : can(regex(local.forms.arn, arn))])
    error_message = "Write each of alarm_actions as an ARN, such as \"arn:aws:sns:<region>:<account>:<topic>\". Not so: ${jsonencode([for arn in var.alarm_actions : arn if !can(regex(local.forms.arn, arn))])}."
  }
}

variable "ok_actions" {
  description = "ARNs that each alarm notifies when it ends: at most 5. The operators' topic is notified of an end only if it is one of them."
  type        = list(string)
  default     = []
  nullable    = false

  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_PutMetricAlarm.html
  validation {
    condition     = length(var.ok_actions) <= 5
    error_message = "Name at most 5 ok_actions: an alarm takes no more."
  }

  validation {
    condition     = alltrue([for arn in var.ok_actions : can(regex(local.forms.arn, arn))])
    error_message = "Write each of ok_actions as an ARN, such as \"arn:aws:sns:<region>:<account>:<topic>\". Not so: ${jsonencode([for arn in var.ok_actions : arn if !can(regex(local.forms.arn, arn))])}."
  }
}

################################################################################
# Encryption and protection
################################################################################

variable "kms_key_arn" {
  description = "ARN of a KMS key for tables, topics, queues, logs, schedules and function environments. Its policy must leave the account to IAM, and let CloudWatch Logs use it and, where e-mail is sent (alert_emails or existing_operator_topic), CloudWatch and SNS. null uses keys of AWS. A change, either way, is one apply; messages that wait in queues stay under the key before."
  type        = string
  default     = null

  validation {
    condition     = var.kms_key_arn == null || can(regex("^arn:aws[a-z-]*:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]+$", var.kms_key_arn))
    error_message = "Write kms_key_arn as the ARN of a key, arn:aws:kms:<region>:<account>:key/<id>, not as an id or an alias: policies need the ARN."
  }
}

variable "log_retention_days" {
  description = "Days that all logs are kept."
  type        = number
  default     = 30
  nullable    = false

  validation {
    condition = contains(
      [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653],
      var.log_retention_days,
    )
    error_message = "Write log_retention_days as one of the numbers that CloudWatch allows: 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653."
  }
}

variable "history_retention_days" {
  description = "Days that the history of a device is kept, 31 to 3650: it tells late messages from new ones, and these may be 30 days late."
  type        = number
  default     = 365
  nullable    = false

  validation {
    # The history says which messages are late, and these are believed for 30 days.
    condition     = var.history_retention_days >= 31 && var.history_retention_days <= 3650 && floor(var.history_retention_days) == var.history_retention_days
    error_message = "Set history_retention_days to a whole number from 31 to 3650: it also says which messages are late, up to 30 days."
  }
}

variable "existing_tables" {
  description = <<-EOT
    Your own tables, each instead of one that the module creates, encrypted with `kms_key_arn` or without a customer managed key. Two fleets cannot share a table. All keys are strings; no secondary index is needed.
    - `retries`: `arn` of the table of tracked devices, partition key `deviceId`.
    - `backup`: `arn` of the table of overwritten attributes, partition key `deviceId`, TTL on `expiresAt`.
    - `history`: `arn` of the table of each device's history, partition key `deviceId`, sort key `at`, TTL on `expiresAt`.
    - `campaigns`: `arn` of the table of paused campaigns, partition key `campaign`.
  EOT
  type        = map(object({ arn = string }))
  default     = {}
  nullable    = false

  # A map, since Terraform drops a field that an object does not have: a misspelt table would be made here.
  validation {
    condition     = length(setsubtract(keys(var.existing_tables), ["retries", "backup", "history", "campaigns"])) == 0
    error_message = "Name existing_tables retries, backup, history or campaigns. Not so: ${jsonencode(setsubtract(keys(var.existing_tables), ["retries", "backup", "history", "campaigns"]))}."
  }

  validation {
    condition     = alltrue([for own in values(var.existing_tables) : own == null || can(regex(local.forms.table_arn, own.arn))])
    error_message = "Write each of existing_tables as { arn = \"arn:aws:dynamodb:<region>:<account>:table/<name>\" }. Not so: ${jsonencode([for table, own in var.existing_tables : table if own != null && !can(regex(local.forms.table_arn, own.arn))])}."
  }

  validation {
    condition = length(distinct([for own in values(var.existing_tables) : own.arn if own != null])) == length([
      for own in values(var.existing_tables) : own if own != null
    ])
    error_message = "Give each of existing_tables a table of its own: ${jsonencode({ for table, own in var.existing_tables : table => own.arn if own != null })}."
  }
}

variable "deletion_protection" {
  description = "Whether DynamoDB refuses to delete the tables. Set it to false in an apply of its own before a destroy: Terraform cannot stop a destroy that comes to protected tables last, when all else is gone. Apply again to get it back."
  type        = bool
  default     = true
  nullable    = false
}

variable "role_path" {
  description = "IAM path of all roles; another one than / is in their names as a hash. A change replaces the roles in one apply, the old ones last. The alarm cool_down-failed goes off for recoveries that sleep during it; ReconcileDevices finishes them."
  type        = string
  default     = "/"
  nullable    = false

  validation {
    condition     = can(regex("^/([!-.0-~]+/)*$", var.role_path)) && length(var.role_path) <= 512
    error_message = "Write role_path so that it begins and ends with /, such as \"/fleet/\"."
  }
}

variable "permissions_boundary_arn" {
  description = "ARN of the policy that bounds all roles. null sets none."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary_arn == null || can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|aws):policy/.+$", var.permissions_boundary_arn))
    error_message = "Write permissions_boundary_arn as the ARN of a policy, arn:aws:iam::<account>:policy/<name>."
  }
}

################################################################################
# Functions
################################################################################

variable "lambda_memory_mb" {
  description = "Memory of each function in MB, 128 to 10240; processor share grows with it. ReconcileDevices has 1024 at least."
  type        = number
  default     = 128
  nullable    = false

  validation {
    condition     = var.lambda_memory_mb >= 128 && var.lambda_memory_mb <= 10240 && floor(var.lambda_memory_mb) == var.lambda_memory_mb
    error_message = "Write lambda_memory_mb as a whole number from 128 to 10240."
  }
}

variable "lambda_architecture" {
  description = "Instruction set of the functions: arm64 (cheaper) or x86_64."
  type        = string
  default     = "arm64"
  nullable    = false

  validation {
    condition     = contains(["arm64", "x86_64"], var.lambda_architecture)
    error_message = "Write lambda_architecture as \"arm64\" or \"x86_64\"."
  }
}

variable "lambda_package_s3" {
  description = <<-EOT
    The package in a bucket of your own, for accounts that deploy code from there only. null deploys the zip of the module.
    - `bucket`: name of the bucket.
    - `key`: key of the zip.
    - `object_version`: version of the zip. Without it, a new upload under the same key is not deployed.
  EOT
  type        = map(string) # Terraform drops a field that an object does not have: a misspelt one would go unseen.
  default     = null

  validation {
    condition = var.lambda_package_s3 == null || try(
      length(setsubtract(keys(var.lambda_package_s3), ["bucket", "key", "object_version"])) == 0
      && can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.lambda_package_s3.bucket))
      && can(regex("^.+$", var.lambda_package_s3.key)),
      false,
    )
    error_message = "Write lambda_package_s3 as { bucket = \"my-bucket\", key = \"path/firmware_retry.zip\" }, with object_version if the bucket keeps versions. Not so: ${jsonencode(var.lambda_package_s3)}."
  }
}

variable "tracing_enabled" {
  description = "Whether X-Ray traces functions and state machines."
  type        = bool
  default     = false
  nullable    = false
}
