variable "function_arns" {
  description = "ARN of each step's function; the keys are the step names."
  type        = map(string)
  nullable    = false
}

variable "planned_function_arns" {
  description = "The same ARNs, where they are known before the functions exist: policies are written first. Otherwise function_arns again."
  type        = map(string)
  nullable    = false
}

variable "dead_letter_queue_url" {
  description = "URL of the queue that keeps messages whose intake failed."
  type        = string
  nullable    = false
}

variable "dead_letter_queue_arn" {
  description = "ARN of the queue that keeps messages whose intake failed."
  type        = string
  nullable    = false
}

variable "name_prefix" {
  description = "Put in front of the names of state machines, roles and log groups."
  type        = string
  default     = ""
  nullable    = false
}

variable "tracing_enabled" {
  description = "Whether X-Ray traces the state machines."
  type        = bool
  default     = false
  nullable    = false
}

variable "log_retention_days" {
  description = "Days that the state machines' logs are kept."
  type        = number
  default     = 30
  nullable    = false
}

variable "kms_key_arn" {
  description = "Customer key of the queue and the logs. Its policy must let CloudWatch Logs use it. null uses none."
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
  description = "Tags of state machines, roles and log groups."
  type        = map(string)
  default     = {}
  nullable    = false
}
