output "role_names" {
  description = "Name of each role, unique in the account and at most 64 characters long."
  value = {
    for key, name in local.full_role_names :
    key => length(name) <= 64 ? name : "${substr(name, 0, 55)}-${substr(md5(name), 0, 8)}"
  }
}

output "arn" {
  description = "Form of the ARNs in this account and region, for format(): give it a service and a resource."
  value       = join(":", ["arn", local.here.partition, "%s", local.here.region, local.here.account_id, "%s"])
}

output "account_id" {
  description = "The account."
  value       = local.here.account_id
}

output "region" {
  description = "The region."
  value       = local.here.region
}

output "partition" {
  description = "The partition, such as aws."
  value       = local.here.partition
}
