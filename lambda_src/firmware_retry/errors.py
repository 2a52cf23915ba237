"""The errors of the workflow. Their class names are the ``ErrorEquals`` of the state machines.

A handler raises; it never returns a status code for a failure. Which class is raised decides
what the state machine does, so each is named for its reader.
"""


class FirmwareRetryError(Exception):
    """Base of every error that this package raises."""


class TransientError(FirmwareRetryError):
    """May pass by itself: throttling, a 5xx answer, a lost connection, a version conflict.

    Every step can run again from its start, so the state machines retry this one with backoff.
    """


class InvalidMessageError(FirmwareRetryError):
    """The message cannot be counted: no valid device id, event id or campaign. Never retried."""


class StaleMessageError(FirmwareRetryError):
    """The message was sent before the device's last episode ended: it counts for nothing."""


class EpisodeContendedError(FirmwareRetryError):
    """Messages of several campaigns of one device, all at once, ended one another's episodes.

    Never retried: the intake has five minutes, and its dead letter must still fit into them.
    """


class ThingNotFoundError(FirmwareRetryError):
    """The registry has no thing of this name. Ends the episode of the device, fails nothing."""


class RecoverySupersededError(FirmwareRetryError):
    """The device is no longer this recovery run's: the run ends quietly."""


class StillInGroupError(FirmwareRetryError):
    """The device has left none of its dynamic thing groups yet: it is looked at again, a few times.

    Restored now, it would not join them anew, and its retries would not begin from zero.
    """


class CampaignPausedError(FirmwareRetryError):
    """The device's campaign is paused: it stays away until somebody resumes it.

    Ends its run quietly; ReconcileDevices brings it back then.
    """


class BackupMissingError(FirmwareRetryError):
    """A device is to be restored, but its original attributes are not in the backup table.

    Somebody deleted the item. A person has to put the attributes back, hence no retry.
    """


class RequestRefusedError(FirmwareRetryError):
    """AWS refused a call for good: access denied, a limit of the thing, a missing resource.

    The execution fails under this name, an alarm tells people, and the run can be redriven
    after the cause is gone.
    """

    def __init__(self, message: str, code: str = "") -> None:
        """``code``: the name that AWS gives the error, such as ``AccessDeniedException``."""
        super().__init__(message)
        self.code = code


class ReconcileIncompleteError(FirmwareRetryError):
    """Some devices could not be reconciled. The log says which and why; the next pass tries again.

    Raised at the end of a pass, so that the function's own error metric tells people.
    """
