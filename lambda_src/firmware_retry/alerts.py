"""The alerts on the FIFO topic: a device failed for good, or healed; a campaign tripped.

One message per event, for machines: ``emails`` turns them into e-mails for operators. A message is
JSON with stable keys, whose schema is ``docs/operations/alert.schema.json``. The values that
subscribers filter by are message attributes as well.
"""

import hashlib
import json
from typing import Any

from firmware_retry import aws, backup_table, clock, retries_table
from firmware_retry.record import Record, Run
from firmware_retry.settings import settings

SCHEMA_VERSION = 2
_FILTER_KEYS = ("event", "version", "fleet", "campaign", "reason", "model", "firmware")


def notify_failed(run: Run) -> None:
    """Publish an alert that a device failed for good, unless that was done already.

    Published first and marked then: a crash in between publishes twice at worst, and never not at
    all.

    Raises:
        RecoverySupersededError: the run does not own the device (any more).
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    record = retries_table.read_failed_owned(run)
    if record.is_notified:
        return
    _publish(_device_alert("failed", run, record), run.device_id, run.recovery_id)
    retries_table.mark_notified(run)


def notify_healed(run: Run, record: Record) -> None:
    """Publish an alert that the update of a device succeeded after it was reported as failed.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    alert = _device_alert("healed", run, record) | {"healedAt": clock.iso(clock.now())}
    _publish(alert, run.device_id, f"{run.recovery_id}-healed")


def notify_campaign_tripped(  # noqa: PLR0913 -- all that the message contains
    campaign: str, devices: int, total: int, window_seconds: int, is_paused: bool, *, since: str
) -> None:
    """Publish an alert that too many devices that used up a cycle lately are of one campaign.

    Args:
        campaign: its name.
        devices: how many of them are of this campaign.
        total: how many used up a cycle in the window, and still have a record.
        window_seconds: the length of the window.
        is_paused: whether its devices are on hold from now on.
        since: when the first of them did, ISO 8601; a repetition with the same is one message.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    alert = {
        "version": SCHEMA_VERSION,
        "event": "campaign_tripped",
        "campaign": campaign,
        "devices": devices,
        "total": total,
        "windowSeconds": window_seconds,
        "isPaused": is_paused,
        "since": since,
    }
    # Hashes, since a campaign may contain characters that neither id may. With the fleet, since two
    # fleets may share the topic.
    _publish(alert, _hash(campaign), _hash(f"{settings().name_prefix} {since} {campaign}"))


def notify_group_refilled(group_id: str, devices: int, *, is_replaced: bool) -> None:
    """Publish an alert that failed devices are missing from their group, and are put back into it.

    Args:
        group_id: the id of the present group.
        devices: how many are missing.
        is_replaced: whether the group was replaced by another one; else it was emptied.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    alert = {
        "version": SCHEMA_VERSION,
        "event": "failed_group_refilled",
        "thingGroup": settings().failed_thing_group_name,
        "devices": devices,
        "isReplaced": is_replaced,
        "noticedAt": clock.iso(clock.now()),
    }
    # Two concurrent passes notice the same.
    _publish(alert, _hash(group_id), _hash(f"{settings().name_prefix} {group_id} {devices}"))


def _publish(alert: dict[str, Any], group_id: str, deduplication_id: str) -> None:
    """Publish an alert.

    Args:
        alert: the message, without its fleet.
        group_id: messages of one group stay in order; each group has its own throughput.
        deduplication_id: a repeated step adds no second message within SNS's five minutes.
            https://docs.aws.amazon.com/sns/latest/dg/fifo-message-dedup.html
    """
    alert = alert | {"fleet": settings().name_prefix}
    # SNS rejects an attribute without a value.
    attributes = {key: str(alert[key]) for key in _FILTER_KEYS if alert.get(key)}
    aws.call(
        "sns",
        "publish",
        TopicArn=settings().alerts_topic_arn,
        Message=json.dumps(alert),
        MessageAttributes={
            key: {"DataType": "String", "StringValue": value} for key, value in attributes.items()
        },
        MessageGroupId=group_id,
        MessageDeduplicationId=deduplication_id,
    )


def _device_alert(event: str, run: Run, record: Record) -> dict[str, Any]:
    stored = backup_table.read(run.device_id)
    originals = dict(stored.attributes) if stored else {}
    return {
        "version": SCHEMA_VERSION,
        "event": event,
        "deviceId": run.device_id,
        "model": originals.get("model") or "",
        "firmware": originals.get("FW") or "",
        "campaign": record.campaign,
        "reason": record.last_reason,
        "cycles": run.cycle,
        "startedAt": clock.iso(record.started_at / 1000),
        "failedAt": clock.iso(record.last_sent_at / 1000),
        "attributes": originals,
        "failedAttributes": dict(settings().failed_attributes),
        "thingGroup": settings().failed_thing_group_name,
        "recoveryId": run.recovery_id,
    }


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
