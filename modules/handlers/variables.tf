variable "tables" {
  description = <<-EOT
    The tables, as `modules/tables` gives them.
    - `retries`: one record per tracked device.
    - `backup`: the original values of overwritten attributes.
    - `history`: what happened to each device.
    - `campaigns`: which campaigns are paused.
  EOT
  type = object({
    retries   = object({ name = string, arn = string })
    backup    = object({ name = string, arn = string })
    history   = object({ name = string, arn = string })
    campaigns = object({ name = string, arn = string })
  })
  nullable = false
}

variable "history_retention_days" {
  description = "Days that the history of a device is kept."
  type        = number
  nullable    = false
}

variable "failed_thing_group_name" {
  description = "Name of the static thing group for failed devices."
  type        = string
  nullable    = false
}

variable "failed_thing_group_arn" {
  description = "ARN of the static thing group for failed devices."
  type        = string
  nullable    = false
}

variable "alerts_topic_arn" {
  description = "ARN of the FIFO topic that gets one message when a device failed and one when it healed."
  type        = string
  nullable    = false
}

variable "operator" {
  description = <<-EOT
    E-mail to operators, as `modules/alerts` gives it. null sends none.
    - `topic_arn`: ARN of the standard topic that sends the e-mail.
    - `queue_url`: URL of the FIFO queue of alerts that are still to be sent.
    - `queue_arn`: ARN of that queue.
  EOT
  type        = object({ topic_arn = string, queue_url = string, queue_arn = string })
  default     = null
}

variable "alert_interval" {
  description = "How often MailOperators runs, such as \"5 minutes\"."
  type        = string
  default     = "5 minutes"
  nullable    = false
}

variable "alert_digest_threshold" {
  description = "Up to so many devices get a mail each; more get one together."
  type        = number
  default     = 5
  nullable    = false
}

variable "recovery_state_machine_names" {
  description = <<-EOT
    Names of the two Standard state machines. Names, because the machines depend on these functions.
    - `cool_down`: takes a device out of its groups and restores it later.
    - `escalation`: moves a device to the group of failed devices.
  EOT
  type        = object({ cool_down = string, escalation = string })
  nullable    = false
}

variable "retry_limit" {
  description = "How many failures use up a cycle."
  type        = number
  nullable    = false
}

variable "cool_down_seconds" {
  description = "Seconds to wait after each cycle that is followed by another."
  type        = list(number)
  nullable    = false
}

variable "cool_down_jitter" {
  description = "Largest share, from 0 to 1, by which a wait is lengthened at random."
  type        = number
  nullable    = false
}

variable "settle_seconds" {
  description = "Seconds between overwriting a failed device's attributes and adding it to the static group."
  type        = number
  nullable    = false
}

variable "move_out_attributes" {
  description = "Thing attributes that take a device out of its dynamic group for a cool-down."
  type        = map(string)
  nullable    = false
}

variable "failed_attributes" {
  description = "Thing attributes that mark a device as failed."
  type        = map(string)
  nullable    = false
}

variable "foreign_marks" {
  description = "Attributes with values that other instances of the module write, and that are never originals."
  type        = list(map(string))
  default     = []
  nullable    = false
}

variable "ignored_reasons" {
  description = "Patterns: failures for such a reason are not counted."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "fatal_reasons" {
  description = "Patterns: after a failure for such a reason no further try is worth it."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "job_events_enabled" {
  description = "Whether AWS IoT Jobs reports failures, so that a device's own reports of them do not count."
  type        = bool
  default     = false
  nullable    = false
}

variable "reconcile_interval" {
  description = "How often ReconcileDevices runs, such as \"15 minutes\"."
  type        = string
  nullable    = false
}

variable "breaker" {
  description = <<-EOT
    Alerts once when a single campaign accounts for too many of the devices that exhausted a cycle. null disables it.
    - `share`: the campaign's share of these devices, above 0 and up to 1 (all of them), reached with 95 % confidence.
    - `window_seconds`: how long an exhausted cycle counts, in seconds, at least `reconcile_interval`.
    - `min_devices`: how many of these devices the campaign must have.
    - `pauses`: true also holds the campaign's devices after their cool-down until an operator resumes it.
  EOT
  type = object({
    share          = optional(number, 0.5)
    window_seconds = optional(number, 86400)
    min_devices    = optional(number, 20)
    pauses         = optional(bool, false)
  })
  default = null
}

variable "name_prefix" {
  description = "Put in front of the names of functions, roles and log groups."
  type        = string
  default     = ""
  nullable    = false
}

variable "lambda_memory_mb" {
  description = "Memory of each function in MB. ReconcileDevices has 1024 at least."
  type        = number
  default     = 128
  nullable    = false
}

variable "lambda_architecture" {
  description = "Instruction set of the functions: arm64 or x86_64."
  type        = string
  default     = "arm64"
  nullable    = false
}

variable "lambda_package_s3" {
  description = <<-EOT
    The package in a bucket of your own. null deploys the zip of the module.
    - `bucket`: name of the bucket.
    - `key`: key of the zip.
    - `object_version`: version of the zip. null deploys the one that is current at create.
  EOT
  type = object({
    bucket         = string
    key            = string
    object_version = optional(string)
  })
  default = null
}

variable "tracing_enabled" {
  description = "Whether X-Ray traces the functions."
  type        = bool
  default     = false
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that the functions' logs are kept."
  type        = number
  default     = 30
  nullable    = false
}

variable "kms_key_arn" {
  description = "Customer key of tables, topics, queue, logs, schedules and environments. Its policy must let CloudWatch Logs use it. null uses none."
  type        = string
  default     = null
}

variable "role_path" {
  description = "IAM path of the roles."
  type        = string
  default     = "/"
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds the roles. null sets none."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of functions, roles and log groups."
  type        = map(string)
  default     = {}
  nullable    = false
}
