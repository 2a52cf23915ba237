# No name_prefix: everything keeps the names that the CDK stack gave.
module "firmware_retry" {
  source = "../../"
}
