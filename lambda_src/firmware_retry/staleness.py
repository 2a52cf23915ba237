"""The order of messages: which failures are stale, whatever the clock of the device says.

Messages are handled in any order, and a device may keep them for days. So a failure that was sent
before an end is stale. A device's clock may be days behind as well: a failure that seems to be old
is not stale if its campaign is not in the device's history, because it is the first one of a new
campaign. Where AWS IoT Jobs reports for the device as well, it begins the new campaign, by a clock
that is right, and messages that the device kept begin nothing.
"""

from firmware_retry import history_table, retries_table
from firmware_retry.errors import TransientError
from firmware_retry.history_table import LatestEnd
from firmware_retry.message import FRESH, Message, Reporter
from firmware_retry.record import Outcome, Record
from firmware_retry.settings import settings


def is_stale(message: Message, latest: LatestEnd) -> bool:
    """Return whether a failure of a device without a record is stale.

    It is not if an episode has begun since, perhaps by another failure of the same campaign: that
    decides then.

    Args:
        message: the failure.
        latest: the latest end of the device.

    Raises:
        TransientError: an episode has begun and ended since: look again; or see ``aws.call``.
        RequestRefusedError: see ``aws.call``.
    """
    name = message.device_id
    if not _seems_stale(message, latest) or retries_table.read(name) is not None:
        return False
    if history_table.read_latest_end(name).end_id != latest.end_id:
        raise TransientError(f"an episode of {name} has begun and ended: look again")
    return True


def _seems_stale(message: Message, latest: LatestEnd) -> bool:
    if message.sent_at >= latest.up_to:
        return message.sent_at < latest.arrived_at and latest.ends(message)
    if latest.ends(message) or _is_by_jobs(latest):
        return True
    return not _is_of_new_campaign(message)


def outcome_of(message: Message, record: Record) -> Outcome:
    """Return the outcome of a failure that was not counted on the record.

    Raises:
        TransientError, RequestRefusedError: see ``aws.call``.
    """
    outcome = record.outcome_of(message)
    if outcome is not Outcome.STALE or not record.changes_campaign(message):
        return outcome
    return Outcome.CAMPAIGN_CHANGED if _is_of_new_campaign(message) else Outcome.STALE


def first_sent_at(message: Message, latest: LatestEnd) -> int:
    """Return when a failure of the episode that a message begins may be sent at the earliest.

    A campaign that was never counted has no failures of an earlier episode, so the clock of the
    device need not be right.

    Returns:
        Milliseconds since the epoch; 0 for any time.
    """
    if not 0 < latest.up_to <= message.sent_at:
        return 0
    if message.is_of_unknown_campaign or _is_by_jobs(latest):
        return latest.up_to
    has_begun = history_table.has_begun(message.device_id, message.campaign)
    return latest.up_to if has_begun else 0


def is_success_of(record: Record, success: Message) -> bool:
    """Return whether a success that seems older than an episode, or than its last failure, ends it.

    The new firmware may set the clock back by days. Either the success arrived so late that the
    device has not kept it, or it names the job that fails, or a firmware other than the one that
    fails; an update that succeeded before is not it.
    """
    if success.reported_by is Reporter.JOBS:
        return False
    if is_not_kept(record, success):
        return True
    if success.happened_at >= record.started_at or success.is_of_unknown_campaign:
        return False
    if (success.campaign in record.known_campaigns) is not success.names_job:
        return False
    return history_table.read_latest_end(success.device_id).succeeded != success.campaign


def is_not_kept(record: Record, success: Message) -> bool:
    """Return whether a success has arrived after the device's last failure, and not soon after.

    When that failure arrived the device was connected, and would have delivered what it had kept.
    """
    is_known = bool(record.last_received_at) and record.reported_by is Reporter.DEVICE
    return is_known and success.received_at >= record.last_received_at + FRESH


def _is_of_new_campaign(message: Message) -> bool:
    is_right = message.is_fresh or message.reported_by is Reporter.JOBS
    if is_right or message.is_of_unknown_campaign:
        return False
    return not history_table.has_begun(message.device_id, message.campaign)


def _is_by_jobs(latest: LatestEnd) -> bool:
    return settings().job_events_enabled and latest.reported_by == Reporter.JOBS
