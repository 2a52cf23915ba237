variable "name_prefix" {
  description = "Put in front of every name, so that it does not meet what is in the account already."
  type        = string
  default     = "marker-"
}

variable "firmware" {
  description = "Firmware version that the job brings, as a device that has it says in its thing attribute FW."
  type        = string
  default     = "2.28"
}
