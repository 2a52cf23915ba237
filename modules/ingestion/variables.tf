variable "intake_state_machine_name" {
  description = "Name of the state machine that handles one message a run."
  type        = string
  nullable    = false
}

variable "intake_state_machine_arn" {
  description = "ARN of the state machine that handles one message a run."
  type        = string
  nullable    = false
}

variable "topic_filter" {
  description = "MQTT topic filter that devices report their updates on."
  type        = string
  nullable    = false
}

variable "failure_statuses" {
  description = "Values of the message's status that mean a failed update."
  type        = list(string)
  nullable    = false
}

variable "success_statuses" {
  description = "Values of the message's status that mean that the update succeeded; [] takes no notice of success."
  type        = list(string)
  default     = ["succeeded"]
  nullable    = false
}

variable "unreadable_messages_enabled" {
  description = "Whether a rule of its own logs that a payload on the topic is no JSON object."
  type        = bool
  default     = false
  nullable    = false
}

variable "job_events_enabled" {
  description = "Whether to switch on and read the events of AWS IoT Jobs: one setting of the whole region."
  type        = bool
  default     = false
  nullable    = false
}

variable "job_id_patterns" {
  description = "Which jobs are firmware updates: patterns of job ids, * stands for any characters."
  type        = list(string)
  default     = ["*"]
  nullable    = false
}

variable "reason_keys" {
  description = "Keys of the message, and of a job's statusDetails, that hold the reason of a failure."
  type        = list(string)
  default     = ["errorCode", "reason"]
  nullable    = false
}

variable "device_id_source" {
  description = "What names the device: payload, topic:N or clientid."
  type        = string
  nullable    = false
}

variable "existing_failed_thing_group" {
  description = <<-EOT
    Your own static thing group for failed devices. null creates one.
    - `arn`: ARN of the thing group.
  EOT
  type        = object({ arn = string })
  default     = null
}

variable "failed_thing_group_name" {
  description = "Name of the static thing group for failed devices, without the prefix."
  type        = string
  nullable    = false
}

variable "name_prefix" {
  description = "Put in front of all names; a hyphen becomes an underscore in those of the rules."
  type        = string
  default     = ""
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that the failure log is kept."
  type        = number
  default     = 30
  nullable    = false
}

variable "kms_key_arn" {
  description = "Customer key of the dead-letter queue and the failure log. Its policy must let CloudWatch Logs use it. null uses none."
  type        = string
  default     = null
}

variable "role_path" {
  description = "IAM path of the role."
  type        = string
  default     = "/"
  nullable    = false
}

variable "permissions_boundary_arn" {
  description = "Policy that bounds the role. null sets none."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of rules, role, queue, log group and thing group."
  type        = map(string)
  default     = {}
  nullable    = false
}
