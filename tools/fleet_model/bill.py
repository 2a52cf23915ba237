"""What a fleet's run costs: the units that were counted, for ``costs``."""

from __future__ import annotations

from fleet_model.tally import Tally
from pricing import bill
from pricing.bill import Usage

RULE_ACTIONS = 4
"""Billed for a message of a failure: the intake and a log line; and one for each other rule, since
AWS bills at least one."""
LOG_BYTES = 615
"""Of a message, in the logs of the rule and of the handler; see ``tools/pricing/recorded.json``."""
STEP_LOG_BYTES = 290
"""Of any other invocation."""
PASS_MEGABYTES = 1024
"""The memory of ReconcileDevices; in ``modules/handlers/main.tf``."""


def usage_of(tally: Tally) -> Usage:
    """Return the billed units of a run, without bytes of alerts and e-mails, or fixed costs."""
    calls, units = tally.calls, tally.units
    messages, invocations = calls["states.start_express"], calls["lambda.invoke"]
    return (
        bill.express_runs(messages)
        + waits(tally)
        + passes(tally)
        + bill.invocations(invocations)
        + Usage(
            standard_transitions=units["states.transition"],
            write_units=sum(count for name, count in units.items() if name.startswith("write.")),
            read_units=sum(count for name, count in units.items() if name.startswith("read.")),
            rules_triggered=units["iot.rules"],
            rule_actions=messages * RULE_ACTIONS,
            registry_operations=sum(
                count
                for name, count in calls.items()
                if name.startswith("iot.") and name != "iot.rules"
            ),
            index_updates=calls["iot.update_thing"],
            fifo_publishes=calls["sns.publish"],
            log_bytes=messages * LOG_BYTES + max(0, invocations - messages) * STEP_LOG_BYTES,
        )
    )


def waits(tally: Tally) -> Usage:
    """Return the cost of waits of the intake, which is billed for its time."""
    return bill.express_waits(tally.intakes_waited)


def passes(tally: Tally) -> Usage:
    """Return the cost of ReconcileDevices without the calls of its actions."""
    return Usage(
        lambda_invocations=tally.passes,
        lambda_gb_seconds=tally.pass_seconds * PASS_MEGABYTES / 1024,
        read_units=tally.pass_read_units,
        schedule_invocations=tally.passes,
        log_bytes=tally.passes * STEP_LOG_BYTES,
    )


def retries(tally: Tally) -> Usage:
    """Return what attempts cost that the recoveries repeat: a transition and an invocation each.

    The calls that they make before they are refused again are not in it.
    """
    count = tally.events["retried"]
    return Usage(standard_transitions=count) + bill.invocations(count)
