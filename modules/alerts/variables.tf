variable "name_prefix" {
  description = "Put in front of the names of topics and queue."
  type        = string
  default     = ""
  nullable    = false
}

variable "alert_emails" {
  description = "Addresses that get mail. An empty list makes no topic for people, and no queue of what they are to be told."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "existing_alerts_topic" {
  description = <<-EOT
    Your own FIFO topic for the alerts. null creates one.
    - `arn`: ARN of the topic.
  EOT
  type        = object({ arn = string })
  default     = null
}

variable "existing_operator_topic" {
  description = <<-EOT
    Your own standard topic for e-mail to operators. null creates one if there are `alert_emails`.
    - `arn`: ARN of the topic.
  EOT
  type        = object({ arn = string })
  default     = null
}

variable "kms_key_arn" {
  description = "Customer key that encrypts topics and queue. Where people are mailed (alert_emails or existing_operator_topic), its policy must let SNS and CloudWatch use it. null leaves the topics without a key of their own, and the queue with SQS's."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of topics and queue."
  type        = map(string)
  default     = {}
  nullable    = false
}
