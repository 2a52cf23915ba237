"""What all tests share."""

from functools import cache
from threading import RLock
from typing import Any

import botocore.session
import moto.core.models
from botocore.model import Shape
from moto.core import responses
from moto.core.botocore_stubber import BotocoreStubber
from moto.core.serialize import AttributePickerContext, XFormedAttributePicker
from moto.core.utils import method_names_from_class

# The description of a service is read once a session of pytest, not once a session of botocore: of
# some services that takes longer than most tests.
botocore.session.create_loader = cache(botocore.session.create_loader)

_process_request = BotocoreStubber.process_request
_one_at_a_time = RLock()
requests = [0]
"""The only element: the number of calls that moto has answered."""


def _process_alone(stubber: BotocoreStubber, request: Any) -> Any:
    with _one_at_a_time:
        requests[0] += 1
        return _process_request(stubber, request)


# AWS applies each call as a whole; moto keeps its state in plain dictionaries, so one thread may
# read an item that another thread has half written. Threads still interleave between their calls.
BotocoreStubber.process_request = _process_alone  # type: ignore[assignment,method-assign]

# A third of moto's time per test goes into three things that depend on classes and models alone.

# Routes for the library requests, which neither the package nor a test uses: 1,300 per test.
moto.core.models.RESPONSES_METHODS.clear()

# The names of a class's methods, per call.
responses.method_names_from_class = cache(method_names_from_class)  # type: ignore[attr-defined]

_list_keys = XFormedAttributePicker.get_possible_keys
_keys: dict[tuple[type, type, str, Shape | None], tuple[str, ...]] = {}


def _get_possible_keys(
    picker: XFormedAttributePicker, context: AttributePickerContext
) -> tuple[str, ...]:
    key = (type(picker), type(context.obj), context.key, context.shape)
    if key not in _keys:
        _keys[key] = tuple(_list_keys(picker, context))
    return _keys[key]


# The names that a member of an answer may have in moto's object, per member and call.
XFormedAttributePicker.get_possible_keys = _get_possible_keys  # type: ignore[assignment,method-assign]
