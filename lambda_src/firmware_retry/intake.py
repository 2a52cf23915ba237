"""The counting of a failure message: which reasons count, and whom to believe."""

import logging
from typing import Any

from firmware_retry import retries_table, staleness
from firmware_retry.message import Message
from firmware_retry.record import Outcome, Record
from firmware_retry.settings import settings

_logger = logging.getLogger(__name__)


def count_failure(message: Message) -> dict[str, Any]:
    """Count a failure, once, and log the outcome.

    Returns:
        ``{"outcome": …}``, a ``record.Outcome``; when a recovery is due also ``recoveryId`` (the
        name of its execution) and ``recovery`` (its input).

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    outcome, record = _count(message)
    _logger.info(
        "failure message handled",
        extra={
            "deviceId": message.device_id,
            "campaign": record.campaign if record else message.campaign,
            "outcome": outcome,
            "RetryCounter": record.retry_counter if record else 0,
            "ResetRetryCount": record.reset_retry_count if record else 0,
        },
    )
    if record is None or outcome is not record.due:
        return {"outcome": outcome}
    run = record.next_run
    return {"outcome": outcome, "recoveryId": run.recovery_id, "recovery": run.state_input}


def _count(message: Message) -> tuple[Outcome, Record | None]:
    if message.has_reason_among(settings().ignored_reasons):
        return Outcome.IGNORED, None
    is_fatal = message.has_reason_among(settings().fatal_reasons)
    outcome, record = retries_table.count(message, is_fatal)
    if record and outcome is Outcome.TAKEN_OVER:
        return retries_table.take_over(record, message, is_fatal)
    if record and outcome is Outcome.STALE:
        outcome = staleness.outcome_of(message, record)
    if record and outcome is Outcome.STALE and record.changes_campaign(message):
        # Another failure of its campaign may have begun the next episode since.
        return retries_table.count(message, is_fatal)
    return outcome, record
