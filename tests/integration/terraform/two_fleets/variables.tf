variable "changes" {
  description = "Inputs of the second fleet that differ from what it begins with, by name."
  type        = any
  default     = {}
}

variable "revision" {
  description = "A change of it changes what the second fleet depends on."
  type        = string
  default     = "1"
}
