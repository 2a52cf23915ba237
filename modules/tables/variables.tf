variable "name_prefix" {
  description = "Put in front of all table names."
  type        = string
  default     = ""
  nullable    = false
}

variable "kms_key_arn" {
  description = "Customer key that encrypts the tables. null uses the AWS-managed key of DynamoDB."
  type        = string
  default     = null
}

variable "deletion_protection" {
  description = "Whether DynamoDB refuses to delete the tables."
  type        = bool
  default     = true
  nullable    = false
}

variable "tags" {
  description = "Tags of the tables."
  type        = map(string)
  default     = {}
  nullable    = false
}
