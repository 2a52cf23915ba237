variable "state_machine_arns" {
  description = "ARNs of the state machines; the keys name them in alarms: intake, cool_down, escalation."
  type        = map(string)
  nullable    = false
}

variable "function_names" {
  description = "Name of each step's function; the keys are the step names."
  type        = map(string)
  nullable    = false
}

variable "table_names" {
  description = "Names of the tables; the keys name them on the dashboard, and retries is the one with a record a device."
  type        = map(string)
  nullable    = false
}

variable "rule_names" {
  description = "Names of the IoT rules; the keys name them in alarms."
  type        = map(string)
  nullable    = false
}

variable "message_rule_name" {
  description = "Name of the IoT rule whose errors of parsing JSON count as refused messages. null where devices report nothing."
  type        = string
  default     = null
}

variable "failure_log_group_name" {
  description = "Name of the log group that keeps each failure message, and names payloads that cannot be read."
  type        = string
  nullable    = false
}

variable "refused_messages_alarm" {
  description = "An alarm goes off when so many messages were refused within five minutes. null makes no alarm."
  type        = number
  default     = 5
}

variable "dead_letter_queue_name" {
  description = "Name of the queue that keeps messages which could not be counted."
  type        = string
  nullable    = false
}

variable "alerts_topic_arn" {
  description = "FIFO topic that gets what became of devices; an alarm tells what a subscribed queue did not take."
  type        = string
  nullable    = false
}

variable "operator_topic_arn" {
  description = "Topic that alarms publish on. null makes alarms that only show, unless there are alarm_actions."
  type        = string
  default     = null
}

variable "alarm_actions" {
  description = "ARNs that alarms notify besides the operator topic, at most 4."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "ok_actions" {
  description = "ARNs that alarms notify when they end, at most 5."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "operator_queue_name" {
  description = "Name of the queue that holds what people are still to be mailed. null where nobody is."
  type        = string
  default     = null
}

variable "undelivered_queue_name" {
  description = "Name of the queue that holds alerts which SNS could not deliver to the operators' queue. null where nobody is mailed."
  type        = string
  default     = null
}

variable "schedule_group_name" {
  description = "Name of the EventBridge Scheduler group of the schedules that run ReconcileDevices and MailOperators."
  type        = string
  nullable    = false
}

variable "reconcile_interval" {
  description = "How often ReconcileDevices runs, as EventBridge Scheduler writes a rate, at most \"3 days\": its alarm looks back seven days at most."
  type        = string
  default     = "15 minutes"
  nullable    = false
}

variable "alert_interval" {
  description = "How often MailOperators runs, as EventBridge Scheduler writes a rate."
  type        = string
  default     = "5 minutes"
  nullable    = false
}

variable "name_prefix" {
  description = "Put in front of the names of alarms, metrics' namespace and dashboard."
  type        = string
  default     = ""
  nullable    = false
}

variable "tags" {
  description = "Tags of the alarms."
  type        = map(string)
  default     = {}
  nullable    = false
}
