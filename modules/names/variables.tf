variable "roles" {
  description = "What each role is for, the prefix of names included; the keys are the caller's."
  type        = map(string)
  nullable    = false
}
