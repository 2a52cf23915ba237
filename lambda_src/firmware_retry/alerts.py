"""What is told on the FIFO topic: a device failed for good, or healed; a campaign is bad.

One message an event, for machines. People read none of them: ``mails`` makes their mails of these
messages, few or many at a time. A message is JSON with stable keys, whose schema is
``docs/alert.schema.json``. What subscribers filter on is in the message attributes, too.
"""

import hashlib
import json
from typing import Any

from firmware_retry import aws, backup_table, clock, retries_table
from firmware_retry.record import Record, Run
from firmware_retry.settings import settings

SCHEMA_VERSION = 2
_FILTERED_ON = ("event", "version", "fleet", "campaign", "reason", "model", "firmware")


def tell_once(run: Run) -> None:
    """Tells that a device failed for good, unless that was told already.

    Told first and marked then: a death in between tells twice at worst, and never not at all.

    Raises:
        RecoverySupersededError: the device is not this run's (any more).
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    device = retries_table.held_for_good(run)
    if device.is_told:
        return
    _tell(_report("failed", run, device), run.device_id, run.recovery_id)
    retries_table.mark_notified(run)


def tell_healed(run: Run, device: Record) -> None:
    """Tells that the update of a device which was told to have failed succeeded after all.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    report = _report("healed", run, device) | {"healedAt": clock.iso(clock.now())}
    _tell(report, run.device_id, f"{run.recovery_id}-healed")


def tell_campaign_tripped(  # noqa: PLR0913 -- all that the message says
    campaign: str, devices: int, total: int, window_seconds: int, is_paused: bool, *, since: str
) -> None:
    """Tells that too many of the devices that used up a cycle lately are of one campaign.

    Args:
        campaign: which.
        devices: how many of them are of this campaign.
        total: how many used up a cycle in the window, and have a record still.
        window_seconds: how long the window is.
        is_paused: whether its devices are held back from now on.
        since: when the first of them did, ISO 8601: told again with the same, it is one message.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    report = {
        "version": SCHEMA_VERSION,
        "event": "campaign_tripped",
        "campaign": campaign,
        "devices": devices,
        "total": total,
        "windowSeconds": window_seconds,
        "isPaused": is_paused,
        "since": since,
    }
    # Hashes: a campaign may hold characters that neither of the two ids may. With the fleet, since
    # two of them may share the topic.
    _tell(report, _hash(campaign), _hash(f"{settings().name_prefix} {since} {campaign}"))


def _tell(report: dict[str, Any], group_id: str, deduplication_id: str) -> None:
    """Publishes a message.

    Args:
        report: the message.
        group_id: messages of one group stay in order; each group has its own throughput.
        deduplication_id: a repeated step adds no second message within SNS's five minutes.
            https://docs.aws.amazon.com/sns/latest/dg/fifo-message-dedup.html
    """
    report = report | {"fleet": settings().name_prefix}
    # SNS refuses an attribute without a value.
    filtered = {name: str(report[name]) for name in _FILTERED_ON if report.get(name)}
    aws.call(
        "sns",
        "publish",
        TopicArn=settings().alerts_topic_arn,
        Message=json.dumps(report),
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in filtered.items()
        },
        MessageGroupId=group_id,
        MessageDeduplicationId=deduplication_id,
    )


def _report(event: str, run: Run, device: Record) -> dict[str, Any]:
    stored = backup_table.load(run.device_id)
    originals = dict(stored.attributes) if stored else {}
    return {
        "version": SCHEMA_VERSION,
        "event": event,
        "deviceId": run.device_id,
        "model": originals.get("model") or "",
        "firmware": originals.get("FW") or "",
        "campaign": device.campaign,
        "reason": device.last_reason,
        "cycles": run.cycle,
        "startedAt": clock.iso(device.started_at / 1000),
        "failedAt": clock.iso(device.last_sent_at / 1000),
        "attributes": originals,
        "failedAttributes": dict(settings().failed_attributes),
        "thingGroup": settings().failed_thing_group_name,
        "recoveryId": run.recovery_id,
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
