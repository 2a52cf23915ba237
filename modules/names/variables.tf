variable "roles" {
  description = "What each role is for, the prefix of names included; the keys are the caller's."
  type        = map(string)
  default     = {}
  nullable    = false
}

variable "role_path" {
  description = "IAM path of the roles."
  type        = string
  default     = "/"
  nullable    = false
}
