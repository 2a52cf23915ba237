variable "name_prefix" {
  description = "Put in front of every name, so that it does not meet what is in the account already."
  type        = string
  default     = "jobs-"
}
