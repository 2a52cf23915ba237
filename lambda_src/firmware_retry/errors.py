"""The errors of the workflow. Their class names are the ``ErrorEquals`` of the state machines.

A handler raises; it never returns a status code for a failure. The class that is raised decides
what the state machine does, so each is named after that.
"""


class FirmwareRetryError(Exception):
    """Base of every error that this package raises."""


class TransientError(FirmwareRetryError):
    """May pass by itself: throttling, a 5xx answer, a lost connection, a version conflict.

    Every step can be repeated from its start, so the state machines retry this error with backoff.
    """


class InvalidMessageError(FirmwareRetryError):
    """The message cannot be counted: it names no device. Never retried."""


class StaleMessageError(FirmwareRetryError):
    """The message was sent before the device's last episode ended: it is not counted."""


class EpisodeContendedError(FirmwareRetryError):
    """Concurrent messages of several campaigns of one device ended one another's episodes.

    Never retried: the intake has five minutes, and its dead letter must still fit into them.
    """


class ThingNotFoundError(FirmwareRetryError):
    """The registry has no thing of this name. Ends the episode of the device without a failure."""


class RecoverySupersededError(FirmwareRetryError):
    """The recovery run does not own the device any more: the run ends quietly."""


class StillInGroupError(FirmwareRetryError):
    """The device has left none of its dynamic thing groups yet: it is checked again, a few times.

    If restored now, it would not rejoin them, and its retries would not begin from zero.
    """


class CampaignPausedError(FirmwareRetryError):
    """The device's campaign is paused: it stays moved out until an operator resumes the campaign.

    Ends its run quietly; ReconcileDevices restores the device then.
    """


class BackupMissingError(FirmwareRetryError):
    """A device is due to be restored, but the backup table has no item for it.

    The item was deleted. An operator has to restore the attributes, hence no retry.
    """


class UnreadableRecordError(FirmwareRetryError):
    """The item of a device is none that this version writes: an unknown state, a wrong type.

    Another version or an operator wrote it. An operator has to repair it, hence no retry.
    """


class RequestRefusedError(FirmwareRetryError):
    """AWS rejected a call for good: access denied, a limit of the thing, a missing resource.

    The execution fails under this name, an alarm notifies operators, and the run can be redriven
    once the cause is removed.
    """

    def __init__(self, message: str, code: str = "") -> None:
        """Keep the name that AWS gives the error, such as ``AccessDeniedException``."""
        super().__init__(message)
        self.code = code


class NoSubscriberError(FirmwareRetryError):
    """The operator topic has no confirmed subscription: the queued alerts stay in their queue.

    SNS would accept e-mail that reaches no operator. Raised so that the log and the function's own
    error metric report it.
    """


class ReconcileIncompleteError(FirmwareRetryError):
    """Some devices could not be reconciled. The log lists them; the next pass tries again.

    Raised at the end of a pass, so that the function's own error metric raises an alarm.
    """
