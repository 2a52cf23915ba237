"""What is told about a device: that it failed for good, and that it healed after all."""

import json
from typing import Any

from firmware_retry import aws, backup, record
from firmware_retry.device import Record, Run
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
    device = record.held_for_good(run)
    if device.is_told:
        return
    report = _report("failed", run, device)
    if not device.notified_at:
        _tell_machines(report, run.recovery_id)
        record.mark_notified(run, is_last=not _has_people())
    if _has_people():
        _tell_people("Firmware update failed: a device needs a person", _failed_letter(report))
        record.mark_mailed(run)


def tell_healed(run: Run, device: Record) -> None:
    """Tells those who were told that the device failed that its update succeeded after all.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    report = _report("healed", run, device)
    _tell_machines(report, f"{run.recovery_id}-healed")
    if _has_people():
        _tell_people("Firmware update succeeded: a failed device healed", _healed_letter(report))


def _has_people() -> bool:
    return bool(settings().operator_topic_arn)


def _tell_machines(report: dict[str, Any], deduplication_id: str) -> None:
    """The message is JSON with stable keys, named ``version``.

    Its deduplication id is made of the recovery run, so a repeated step adds no second message
    within SNS's five minutes; the record's ``notifiedAt`` takes over from there.
    https://docs.aws.amazon.com/sns/latest/dg/fifo-message-dedup.html
    """
    aws.call(
        "sns",
        "publish",
        TopicArn=settings().alerts_topic_arn,
        Message=json.dumps(report),
        MessageGroupId=report["deviceId"],
        MessageDeduplicationId=deduplication_id,
    )


def _tell_people(subject: str, letter: str) -> None:
    """``subject``: shorter than 100 characters, so without the name of the thing."""
    aws.call(
        "sns",
        "publish",
        TopicArn=settings().operator_topic_arn,
        Subject=subject,
        Message=letter,
    )


def _report(event: str, run: Run, device: Record) -> dict[str, Any]:
    originals = backup.load(run.device_id)
    return {
        "version": SCHEMA_VERSION,
        "event": event,
        "deviceId": run.device_id,
        "campaign": device.campaign,
        "reason": device.last_reason,
        "cycles": run.cycle,
        "attributes": dict(originals.attributes) if originals else {},
        "thingGroup": settings().failed_thing_group_name,
        "recoveryId": run.recovery_id,
    }


def _failed_letter(report: dict[str, Any]) -> str:
    attributes = ", ".join(f"{name} = {value}" for name, value in report["attributes"].items())
    return (
        f"The firmware update of device {report['deviceId']} failed for good,"
        f" in cycle {report['cycles']}. It is not tried again.\n\n"
        f"Campaign: {report['campaign']}\n"
        f"Reason of the last failure: {report['reason'] or 'unknown'}\n"
        f"Attributes before: {attributes or 'unknown'}\n"
        f"Now in thing group: {report['thingGroup']}\n\n"
        f"When you are done with it, remove it from the thing group, or invoke ReleaseDevice with"
        f' {{"deviceId": "{report["deviceId"]}"}}: it gets its attributes back.\n'
    )


def _healed_letter(report: dict[str, Any]) -> str:
    return (
        f"Device {report['deviceId']}, which had failed, reports that its firmware update"
        f" succeeded. It is out of the thing group {report['thingGroup']}, and has its attributes"
        f" back: nothing is left to do.\n"
    )
