variable "name_prefix" {
  description = "Put in front of every name, so that it does not meet what is in the account already."
  type        = string
  default     = "complete-"
}

variable "firmware" {
  description = "Firmware version that the job brings, as a device that has it says in its thing attribute FW."
  type        = string
  default     = "2.28"
}

variable "kms_key_arn" {
  description = "ARN of the account's KMS key. null uses what AWS manages."
  type        = string
  default     = null
}

variable "permissions_boundary_arn" {
  description = "ARN of the policy that bounds the account's roles. null sets none."
  type        = string
  default     = null
}

variable "lambda_package_s3" {
  description = "The account's bucket that holds lambda_src/dist/firmware_retry.zip. null takes the zip from the module."
  type = object({
    bucket         = string
    key            = string
    object_version = string
  })
  default = null
}
