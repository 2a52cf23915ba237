"""What all tests share."""

from functools import cache
from threading import RLock
from typing import Any

import botocore.session
from moto.core.botocore_stubber import BotocoreStubber

# The description of a service is read once a session of pytest, not once a session of botocore: of
# some services that takes longer than most tests.
botocore.session.create_loader = cache(botocore.session.create_loader)

_process_request = BotocoreStubber.process_request
_one_at_a_time = RLock()


def _process_alone(stubber: BotocoreStubber, request: Any) -> Any:
    with _one_at_a_time:
        return _process_request(stubber, request)


# AWS applies each call as a whole; moto keeps its state in plain dictionaries, so two threads at
# once read what is half written. Threads still interleave between their calls.
BotocoreStubber.process_request = _process_alone  # type: ignore[assignment,method-assign]
