variable "failed_thing_group_name" {
  description = "Name of the second fleet's group of failed devices."
  type        = string
  default     = "FailedToUpdate"
}

variable "role_path" {
  description = "IAM path of the second fleet's roles."
  type        = string
  default     = "/"
}

variable "kms_key_arn" {
  description = "Key of the second fleet. null uses those of AWS."
  type        = string
  default     = null
}

variable "revision" {
  description = "A change of it changes what the second fleet depends on."
  type        = string
  default     = "1"
}
