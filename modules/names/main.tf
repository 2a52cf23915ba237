data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}

# Names the region without a call and already at plan; aws_region's attribute for it has another
# name in each major version of the provider.
data "aws_service" "iot" {
  service_id = "iot"
}

locals {
  # Roles are global in an account, what they are for is not: the region keeps two regions apart.
  # What is too long for IAM's 64 characters is cut, and a hash of the whole keeps it unique.
  full_role_names = { for key, name in var.roles : key => "${name}-${data.aws_service.iot.region}" }
}
