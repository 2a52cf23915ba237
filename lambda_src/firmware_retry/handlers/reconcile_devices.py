"""ReconcileDevices: finish what a lost, stopped or failed recovery left undone. Scheduled."""

from functools import partial
from typing import Any

from firmware_retry import aws, clock, reconcile
from firmware_retry.record import GRACE_SECONDS

aws.prepare("dynamodb", "iot", "sns", "stepfunctions")


def handler(event: dict[str, Any], context: Any) -> dict[str, int]:
    """Act on every device for which something was due and nobody acted.

    Args:
        event: ``{}``, or ``{"graceSeconds": n}`` to override ``GRACE_SECONDS`` for overdue devices.
        context: Lambda's; contains how much time is left.

    Returns:
        The number of devices by result, see ``reconcile.reconcile_fleet``.

    Raises:
        ReconcileIncompleteError: something was refused; the log contains each reason.
        TransientError, RequestRefusedError: a table cannot be read.
    """
    grace_seconds = event.get("graceSeconds", GRACE_SECONDS)
    return reconcile.reconcile_fleet(grace_seconds, partial(clock.seconds_left, context))
