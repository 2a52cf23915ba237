# All rules of tflint's own Terraform ruleset, which is part of tflint and needs no download. Run it in the
# root and in each submodule:
#
#   for module in . modules/*; do tflint --chdir="$module" --config="$PWD/.tflint.hcl"; done
#
# The ruleset for AWS (https://github.com/terraform-linters/tflint-ruleset-aws) is a download: to use it,
# add its plugin block and run `tflint --init`. Most of what it finds here, `terraform validate` and the
# validations of variables.tf find as well.
config {
  call_module_type = "local"
}

plugin "terraform" {
  enabled = true
  preset  = "all"
}
