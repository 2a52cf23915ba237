"""What is told about a device that used up its last cycle."""

import json
from typing import Any

from firmware_retry import aws, backup, record
from firmware_retry.record import Record, Run
from firmware_retry.settings import settings

SCHEMA_VERSION = 1


def tell_once(run: Run) -> bool:
    """Tells that a device failed for good, unless that was told before.

    Returns:
        Whether it was told now.

    Raises:
        RecoverySupersededError: the device is not this run's (any more).
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    device = record.held(run)
    if device.notified_at:
        return False
    _publish(run, device)
    # Told first, marked then: a death in between tells twice at worst, and never not at all.
    record.mark_notified(run)
    return True


def _publish(run: Run, device: Record) -> None:
    """Tells machines (FIFO topic) and, where somebody subscribed, people (operator topic).

    The FIFO message is JSON with stable keys, named ``version``. Its deduplication id is the
    recovery run, so a repeated step adds no second message within SNS's five minutes; the
    record's ``notifiedAt`` takes over from there.
    https://docs.aws.amazon.com/sns/latest/dg/fifo-message-dedup.html
    """
    report = _report(run, device)
    aws.call(
        "sns",
        "publish",
        TopicArn=settings().alerts_topic_arn,
        Message=json.dumps(report),
        MessageGroupId=run.device_id,
        MessageDeduplicationId=run.recovery_id,
    )
    if settings().operator_topic_arn:
        aws.call(
            "sns",
            "publish",
            TopicArn=settings().operator_topic_arn,
            # A subject must be shorter than 100 characters; a thing name may be longer.
            Subject="Firmware update failed: a device needs a person",
            Message=_letter(report),
        )


def _report(run: Run, device: Record) -> dict[str, Any]:
    originals = backup.load(run.device_id)
    return {
        "version": SCHEMA_VERSION,
        "deviceId": run.device_id,
        "campaign": device.campaign,
        "cycles": run.cycle,
        "attributes": dict(originals.attributes) if originals else {},
        "thingGroup": settings().failed_thing_group_name,
        "recoveryId": run.recovery_id,
    }


def _letter(report: dict[str, Any]) -> str:
    attributes = ", ".join(f"{name} = {value}" for name, value in report["attributes"].items())
    return (
        f"The firmware update of device {report['deviceId']} failed in all its {report['cycles']}"
        f" cycle(s). It is not tried again.\n\n"
        f"Campaign: {report['campaign']}\n"
        f"Attributes before: {attributes or 'unknown'}\n"
        f"Now in thing group: {report['thingGroup']}\n"
    )
