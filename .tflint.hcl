# For editors and contributors who have tflint: only its bundled rules, so nothing is downloaded.
config {
  call_module_type = "local"
}

plugin "terraform" {
  enabled = true
  preset  = "all"
}
