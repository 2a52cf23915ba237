variable "state_machine_arns" {
  description = "ARNs of the state machines; the keys name them in alarms: intake, cool_down, escalation."
  type        = map(string)
  nullable    = false
}

variable "function_names" {
  description = "Name of each step's function; the keys are the step names."
  type        = map(string)
  nullable    = false
}

variable "dead_letter_queue_name" {
  description = "Name of the queue that keeps messages which could not be counted."
  type        = string
  nullable    = false
}

variable "operator_topic_arn" {
  description = "Topic that alarms publish on. null makes alarms that only show."
  type        = string
  default     = null
}

variable "name_prefix" {
  description = "Put in front of the names of alarms and dashboard."
  type        = string
  default     = ""
  nullable    = false
}

variable "tags" {
  description = "Tags of the alarms."
  type        = map(string)
  default     = {}
  nullable    = false
}
