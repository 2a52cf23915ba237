"""What this project needs of AWS and MiniStack 1.5.33 lacks, one module a gap.

Each module says what AWS does, what MiniStack does, and mends it in one function ``install``.
"""

from __future__ import annotations

import socket

from localcloud.layer import (
    alarm_states,
    alarms,
    calls,
    dynamic_groups,
    executions,
    faults,
    fifo_topics,
    insights,
    job_events,
    job_retries,
    lambda_runtime,
    metric_filters,
    metric_queries,
    mqtt_socket,
    payload_limit,
    retries,
    rule_actions,
    rule_sql,
    schedules,
    scopes,
    search,
    service_metrics,
    state_machines,
    thing_groups,
    things,
)

_GAPS = (
    alarms,
    alarm_states,
    calls,
    dynamic_groups,
    executions,
    fifo_topics,
    insights,
    job_events,
    job_retries,
    lambda_runtime,
    metric_filters,
    metric_queries,
    payload_limit,
    retries,
    rule_actions,
    rule_sql,
    schedules,
    scopes,
    search,
    state_machines,
    thing_groups,
    things,
    faults,  # it stands around what the others mended
    service_metrics,  # last: it sees faults, too
)


def install(listening: socket.socket) -> None:
    """Mend MiniStack's modules in this process.

    Args:
        listening: the open socket on which MQTT over TLS is to be served.
    """
    mqtt_socket.install(listening)
    for gap in _GAPS:
        gap.install()
