"""The order of messages: which failures are of the past, whatever the clock of the device says.

Messages are handled in any order, and a device may keep them for days. So a failure that was sent
before an end is stale. A device's clock may be days behind as well: a failure that seems to be old
and is of a campaign that is not in the device's history is not a late one of an earlier campaign.
"""

from firmware_retry import history_table
from firmware_retry.history_table import LatestEnd
from firmware_retry.message import Message
from firmware_retry.record import Outcome, Record
from firmware_retry.settings import settings


def is_stale(message: Message, latest: LatestEnd) -> bool:
    """Return whether a failure of a device without a record is of the past."""
    if message.sent_at >= latest.up_to:
        return False
    return latest.ends(message) or not _is_of_new_campaign(message)


def outcome_of(message: Message, record: Record) -> Outcome:
    """Return the outcome of a failure that was not counted on the record."""
    outcome = record.outcome_of(message)
    is_by_other = message.reported_by is not record.reported_by
    if outcome is not Outcome.STALE or is_by_other or not record.is_of_other_campaign(message):
        return outcome
    return Outcome.CAMPAIGN_CHANGED if _is_of_new_campaign(message) else Outcome.STALE


def _is_of_new_campaign(message: Message) -> bool:
    # Where AWS IoT Jobs reports as well, it begins the new campaign, by a clock that is right.
    if message.is_fresh or message.is_of_unknown_campaign or settings().job_events_enabled:
        return False
    return not history_table.has_begun(message.device_id, message.campaign)
