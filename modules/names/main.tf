data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

# Names the region without a call and already at plan; aws_region's attribute for it has another
# name in each major version of the provider.
data "aws_service" "iot" {
  service_id = "iot"
}

locals {
  # Roles are global in an account, what they are for is not: the region keeps two regions apart.
  # A role cannot change its path, nor can two roles have one name, so another path is in the name:
  # the new role then exists before the old one goes.
  # What is too long for IAM's 64 characters is cut, and a hash of the whole keeps it unique.
  path_suffix     = var.role_path == "/" ? "" : "-${substr(md5(var.role_path), 0, 8)}"
  full_role_names = { for key, name in var.roles : key => "${name}-${data.aws_service.iot.region}${local.path_suffix}" }
}
