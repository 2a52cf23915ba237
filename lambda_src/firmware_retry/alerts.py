"""What is told about a device that used up its last cycle."""

import json
from typing import Any

from firmware_retry import aws, backup, record
from firmware_retry.record import Record, Run, State
from firmware_retry.settings import settings

SCHEMA_VERSION = 1


def tell_once(run: Run) -> None:
    """Tells machines (FIFO topic) and, where somebody subscribed, people (operator topic).

    Each is told first and marked then: a death in between tells twice at worst, and never not at
    all. Each has its mark, so that trouble with one does not tell the other again.

    Raises:
        RecoverySupersededError: the device is not this run's (any more).
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    device = record.held(run, State.FAILED)
    has_people = bool(settings().operator_topic_arn)
    if device.notified_at and (device.mailed_at or not has_people):
        return
    report = _report(run, device)
    if not device.notified_at:
        _tell_machines(run, report)
        record.mark_notified(run, is_last=not has_people)
    if has_people:
        _tell_people(report)
        record.mark_mailed(run)


def _tell_machines(run: Run, report: dict[str, Any]) -> None:
    """The message is JSON with stable keys, named ``version``.

    Its deduplication id is the recovery run, so a repeated step adds no second message within
    SNS's five minutes; the record's ``notifiedAt`` takes over from there.
    https://docs.aws.amazon.com/sns/latest/dg/fifo-message-dedup.html
    """
    aws.call(
        "sns",
        "publish",
        TopicArn=settings().alerts_topic_arn,
        Message=json.dumps(report),
        MessageGroupId=run.device_id,
        MessageDeduplicationId=run.recovery_id,
    )


def _tell_people(report: dict[str, Any]) -> None:
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
