variable "name_prefix" {
  description = "Put in front of both topic names."
  type        = string
  default     = ""
  nullable    = false
}

variable "alert_emails" {
  description = "Addresses that get mail. An empty list makes no topic for people."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "kms_key_arn" {
  description = "Customer key that encrypts the topics. null leaves them without a key of their own."
  type        = string
  default     = null
}

variable "tags" {
  description = "Tags of both topics."
  type        = map(string)
  default     = {}
  nullable    = false
}
