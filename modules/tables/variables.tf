variable "name_prefix" {
  description = "Put in front of all table names."
  type        = string
  default     = ""
  nullable    = false
}

variable "existing_tables" {
  description = <<-EOT
    Your own tables, each instead of one that is created here.
    - `retries`: `arn` of the table of tracked devices, partition key `deviceId`.
    - `backup`: `arn` of the table of overwritten attributes, partition key `deviceId`, TTL on `expiresAt`.
    - `history`: `arn` of the table of each device's history, partition key `deviceId`, sort key `at`, TTL on `expiresAt`.
    - `campaigns`: `arn` of the table of paused campaigns, partition key `campaign`.
  EOT
  type = object({
    retries   = optional(object({ arn = string }))
    backup    = optional(object({ arn = string }))
    history   = optional(object({ arn = string }))
    campaigns = optional(object({ arn = string }))
  })
  default  = {}
  nullable = false
}

variable "kms_key_arn" {
  description = "Customer key that encrypts the tables. null uses the key that DynamoDB owns."
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
