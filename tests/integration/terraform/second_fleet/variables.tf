variable "failed_thing_group_name" {
  description = "Name of the second fleet's group of failed devices."
  type        = string
  default     = "FailedToUpdate"
}
