"""What this project needs of AWS and MiniStack 1.5.33 lacks, one module per gap.

Each module says what AWS does, what MiniStack does, and mends it in one function ``install``.
"""

from __future__ import annotations

import socket

from localcloud.patches import (
    alarm_states,
    alarms,
    deleting_machines,
    dynamic_groups,
    email_addresses,
    executions,
    failed_deliveries,
    fast_execution_list,
    fifo_topics,
    held_waits,
    inject_faults,
    insights,
    job_events,
    job_retries,
    lambda_forks,
    lambda_runtime,
    log_group_keys,
    metric_filters,
    metric_queries,
    mqtt_socket,
    payload_limit,
    record_calls,
    retry_backoff,
    rule_actions,
    rule_sql,
    schedules,
    search_index,
    service_metrics,
    slow_listings,
    state_machines,
    strict_sql,
    table_keys,
    thing_groups,
    things,
)

PATCHES = (
    alarms,
    alarm_states,
    record_calls,
    dynamic_groups,
    email_addresses,
    executions,
    deleting_machines,
    failed_deliveries,
    fifo_topics,
    held_waits,
    insights,
    job_events,
    job_retries,
    lambda_forks,
    lambda_runtime,
    log_group_keys,
    metric_filters,
    metric_queries,
    payload_limit,
    retry_backoff,
    rule_actions,
    rule_sql,
    schedules,
    fast_execution_list,
    search_index,
    slow_listings,
    state_machines,
    strict_sql,
    table_keys,
    thing_groups,
    things,
    inject_faults,  # wraps what the others mended
    service_metrics,  # last: it sees faults as well
)


def install(listening: socket.socket) -> None:
    """Mend MiniStack's modules in this process.

    Args:
        listening: the open socket on which MQTT over TLS is to be served.
    """
    mqtt_socket.install(listening)
    for patch in PATCHES:
        patch.install()
