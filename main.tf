module "tables" {
  source = "./modules/tables"

  name_prefix         = var.name_prefix
  existing_tables     = var.existing_tables
  deletion_protection = var.deletion_protection
  kms_key_arn         = module.handlers.kms_key_arn
  tags                = var.tags
}

module "alerts" {
  source = "./modules/alerts"

  name_prefix             = var.name_prefix
  alert_emails            = var.alert_emails
  existing_alerts_topic   = var.existing_alerts_topic
  existing_operator_topic = var.existing_operator_topic
  kms_key_arn             = module.handlers.kms_key_arn
  tags                    = var.tags
}

module "handlers" {
  source = "./modules/handlers"

  tables                  = module.tables.tables
  history_retention_days  = var.history_retention_days
  failed_thing_group_name = module.ingestion.failed_thing_group_name
  failed_thing_group_arn  = module.ingestion.failed_thing_group_arn
  alerts_topic_arn        = module.alerts.alerts_topic_arn
  operator                = module.alerts.operator

  recovery_state_machine_names = module.workflow.recovery_state_machine_names

  retry_limit         = var.retry_limit
  cool_down_seconds   = var.cool_down_seconds
  cool_down_jitter    = var.cool_down_jitter
  settle_seconds      = var.settle_seconds
  move_out_attributes = var.move_out_attributes
  failed_attributes   = var.failed_attributes
  foreign_marks       = var.foreign_marks
  ignored_reasons     = var.ignored_reasons
  fatal_reasons       = var.fatal_reasons
  job_events_enabled  = var.job_events_enabled
  reconcile_interval  = var.reconcile_interval

  alert_interval         = var.alert_interval
  alert_digest_threshold = var.alert_digest_threshold

  breaker = var.breaker

  name_prefix              = var.name_prefix
  lambda_memory_mb         = var.lambda_memory_mb
  lambda_architecture      = var.lambda_architecture
  lambda_package_s3        = var.lambda_package_s3
  tracing_enabled          = var.tracing_enabled
  log_retention_days       = var.log_retention_days
  kms_key_arn              = var.kms_key_arn
  role_path                = var.role_path
  permissions_boundary_arn = var.permissions_boundary_arn
  tags                     = var.tags
}

module "workflow" {
  source = "./modules/workflow"

  function_arns         = module.handlers.function_arns
  planned_function_arns = module.handlers.planned_function_arns
  dead_letter_queue_url = module.ingestion.dead_letter_queue_url
  dead_letter_queue_arn = module.ingestion.dead_letter_queue_arn

  name_prefix              = var.name_prefix
  tracing_enabled          = var.tracing_enabled
  log_retention_days       = var.log_retention_days
  kms_key_arn              = var.kms_key_arn
  role_path                = var.role_path
  permissions_boundary_arn = var.permissions_boundary_arn
  tags                     = var.tags
}

# The workflow and this need each other: its queue and group there, the intake here. Terraform
# orders single resources, not modules, so that is no cycle.
module "ingestion" {
  source = "./modules/ingestion"

  intake_state_machine_name = module.workflow.intake_state_machine_name
  intake_state_machine_arn  = module.workflow.planned_intake_state_machine_arn

  topic_filter                = var.topic_filter
  failure_statuses            = var.failure_statuses
  success_statuses            = var.success_statuses
  unreadable_messages_enabled = var.unreadable_messages_enabled
  job_events_enabled          = var.job_events_enabled
  job_id_patterns             = var.job_id_patterns
  reason_keys                 = var.reason_keys
  device_id_source            = var.device_id_source
  failed_thing_group_name     = var.failed_thing_group_name
  existing_failed_thing_group = var.existing_failed_thing_group

  name_prefix              = var.name_prefix
  log_retention_days       = var.log_retention_days
  kms_key_arn              = module.workflow.kms_key_arn
  role_path                = var.role_path
  permissions_boundary_arn = var.permissions_boundary_arn
  tags                     = var.tags
}

module "monitoring" {
  source = "./modules/monitoring"

  state_machine_arns = {
    intake     = module.workflow.intake_state_machine_arn
    cool_down  = module.workflow.cool_down_state_machine_arn
    escalation = module.workflow.escalation_state_machine_arn
  }
  table_names            = { for table, entry in module.tables.tables : table => entry.name }
  function_names         = module.handlers.function_names
  rule_names             = module.ingestion.rule_names
  message_rule_name      = module.ingestion.message_rule_name
  dead_letter_queue_name = module.ingestion.dead_letter_queue_name
  failure_log_group_name = module.ingestion.failure_log_group_name
  refused_messages_alarm = var.refused_messages_alarm
  alerts_topic_arn       = module.alerts.alerts_topic_arn
  operator_topic_arn     = module.alerts.operator_topic_arn
  operator_queue_name    = module.alerts.operator_queue_name
  undelivered_queue_name = module.alerts.undelivered_queue_name
  schedule_group_name    = module.handlers.schedule_group_name
  alarm_actions          = var.alarm_actions
  ok_actions             = var.ok_actions
  reconcile_interval     = var.reconcile_interval
  alert_interval         = var.alert_interval

  name_prefix = var.name_prefix
  tags        = var.tags

  # Alarms, filters and dashboards are overwritten where they exist, log groups are not: a second fleet of
  # this name fails before it owns those of the first.
  depends_on = [module.ingestion]
}
