data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

# Names the region without a call and already at plan; aws_region's attribute for it has another
# name in each major version of the provider.
data "aws_service" "iot" {
  service_id = "iot"
}

# Where the module is, as it was when this was made. In a module with depends_on Terraform reads data
# only at apply as soon as one of its dependencies changes: whatever is made of it is unknown at plan
# until then, and a name that is unknown is one that changes.
resource "terraform_data" "here" {
  input = {
    partition  = data.aws_partition.current.partition
    region     = data.aws_service.iot.region
    account_id = data.aws_caller_identity.current.account_id
  }

  lifecycle {
    ignore_changes = [input]

    postcondition {
      condition = (
        self.input.region == data.aws_service.iot.region
        && self.input.account_id == data.aws_caller_identity.current.account_id
      )
      error_message = "This module is deployed in ${self.input.region} of account ${self.input.account_id}, and the provider is of another region or account: go back to it, or deploy there with a state of its own."
    }
  }
}

locals {
  here = terraform_data.here.input

  # Roles are global in an account, what they are for is not: the region keeps two regions apart.
  # A role cannot change its path, nor can two roles have one name, so another path is in the name:
  # the new role then exists before the old one goes.
  # What is too long for IAM's 64 characters is cut, and a hash of the whole keeps it unique.
  path_suffix     = var.role_path == "/" ? "" : "-${substr(md5(var.role_path), 0, 8)}"
  full_role_names = { for key, name in var.roles : key => "${name}-${local.here.region}${local.path_suffix}" }
}
