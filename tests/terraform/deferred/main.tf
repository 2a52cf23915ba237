# A call with depends_on: while its dependency has a change to come, Terraform reads no data in it.

terraform {
  required_providers {
    aws = {
      source = "hashicorp/aws"
    }
  }
}

variable "revision" {
  description = "A change of it changes what the module depends on."
  type        = string
}

resource "terraform_data" "dependency" {
  input = var.revision
}

module "names" {
  source     = "../../../modules/names"
  depends_on = [terraform_data.dependency]

  roles = { step = "ReconcileDevices" }
}

output "names" {
  description = "All outputs of the module."
  value       = module.names
}
