"""The end of an episode by a message: the update succeeded, or another campaign began."""

import logging

from firmware_retry import history_table, recovery, retries_table, staleness
from firmware_retry.errors import RecoverySupersededError, TransientError
from firmware_retry.message import Message
from firmware_retry.record import Cause, Outcome, Record

_logger = logging.getLogger(__name__)


def end_episode(message: Message, *, has_succeeded: bool) -> None:
    """End the episode of a device if a message implies that it is over.

    A success ends the episode that it belongs to. A failure of a later campaign ends the earlier
    episode, so that its own can begin. Overwritten attributes are restored. A success of a device
    without an episode is recorded: a failure that was sent before may be handled later.

    Args:
        message: a success or a failure.
        has_succeeded: which of the two.

    Raises:
        TransientError: the record was changed by another run, or a recovery is just moving the
            device: try again.
        ThingNotFoundError: the thing is gone, and now its record.
        BackupMissingError, RequestRefusedError: see ``recovery``.
    """
    record = retries_table.read(message.device_id)
    if record is None and has_succeeded:
        history_table.record_success(message)
        record = retries_table.read(message.device_id)  # of an episode that began in between
    if record is None:
        return
    cause = _cause_to_end(record, message, has_succeeded)
    if cause is None:
        if has_succeeded:
            _logger.info("success is stale", extra=record.log_fields)
        return
    # The first failures of a new campaign may arrive in any order: none of them is stale.
    up_to = _dated(record, message) if cause is Cause.SUCCEEDED else 0
    try:
        has_ended = recovery.end_episode(record, cause, up_to)
    except RecoverySupersededError as error:
        raise TransientError(f"{record.device_id} went on meanwhile: look again") from error
    _logger.info(
        "episode ended" if has_ended else "episode ends as soon as the device is away",
        extra=record.log_fields | {"state": record.state, "cause": cause},
    )
    if not has_ended and cause is Cause.CAMPAIGN_CHANGED:
        raise TransientError(
            f"{record.device_id} is just being moved: its next episode has to wait"
        )


def _cause_to_end(record: Record, message: Message, has_succeeded: bool) -> Cause | None:
    if has_succeeded:
        is_over = record.ends_by(message) or staleness.is_success_of(record, message)
        return Cause.SUCCEEDED if is_over else None
    is_over = staleness.outcome_of(message, record) is Outcome.CAMPAIGN_CHANGED
    return Cause.CAMPAIGN_CHANGED if is_over else None


def _dated(record: Record, success: Message) -> int:
    """Return when a success was sent, or when it arrived if its clock is behind the failures'."""
    seems_older = success.happened_at < record.last_sent_at
    is_behind = seems_older and staleness.is_not_kept(record, success)
    is_dated_by_arrival = is_behind or success.sent_at < record.started_at
    return success.received_at if is_dated_by_arrival else success.sent_at
