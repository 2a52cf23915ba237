variable "changes" {
  description = "Inputs of the second fleet that differ from what it begins with, by name."
  type        = any
  default     = {}
}
