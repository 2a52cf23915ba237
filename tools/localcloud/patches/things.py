"""What the registry accepts of a thing.

AWS: https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateThing.html :
``expectedVersion`` that is not the thing's version is a VersionConflictException; an empty value
removes an attribute. https://docs.aws.amazon.com/iot/latest/apireference/API_AttributePayload.html
and https://docs.aws.amazon.com/general/latest/gr/iot-core.html#thing-limits : characters, lengths,
3 attributes without a thing type, 50 with one.

MiniStack 1.5.33: checks none of these on CreateThing and UpdateThing.
"""

from __future__ import annotations

import re
from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import iot

from localcloud.patches.patch import around

_NAME = re.compile(r"[a-zA-Z0-9_.,@/:#-]{1,128}")
_VALUE = re.compile(r"[a-zA-Z0-9_.,@/:#=\[\]-]{0,800}")
_MOST_WITHOUT_TYPE = 3
_MOST_WITH_TYPE = 50


def install() -> None:
    """Make CreateThing and UpdateThing refuse what AWS refuses."""

    @around(iot, "_create_thing")
    def create(original: Any, name: str, payload: dict[str, Any]) -> Any:
        attributes = _attributes(payload)
        problem = _problem(attributes, attributes, payload.get("thingTypeName"))
        return _invalid(problem) if problem else original(name, payload)

    @around(iot, "_update_thing")
    def update(original: Any, name: str, payload: dict[str, Any]) -> Any:
        thing = iot._things.get(name)
        if thing is None:
            return original(name, payload)
        expected = payload.get("expectedVersion")
        if expected is not None and expected != thing["version"]:
            message = f"The version for thing {name} does not match the expected version."
            return error_response_json("VersionConflictException", message, 409)
        given = _attributes(payload)
        after = _after(thing["attributes"], payload)
        kind = None if payload.get("removeThingType") else payload.get("thingTypeName")
        kept = None if payload.get("removeThingType") else thing.get("thingTypeName")
        problem = _problem(given, after, kind or kept)
        if problem:
            return _invalid(problem)
        if "attributePayload" in payload:
            payload = {**payload, "attributePayload": {"attributes": after, "merge": False}}
        return original(name, payload)


def _attributes(payload: dict[str, Any]) -> dict[str, str]:
    return dict((payload.get("attributePayload") or {}).get("attributes") or {})


def _after(before: dict[str, str], payload: dict[str, Any]) -> dict[str, str]:
    """Return the thing's attributes with the payload applied."""
    change = payload.get("attributePayload")
    if change is None:
        return before
    kept = before if change.get("merge") else {}
    return {name: value for name, value in {**kept, **_attributes(payload)}.items() if value}


def _problem(given: dict[str, str], after: dict[str, str], kind: str | None) -> str | None:
    for name, value in given.items():
        if not _NAME.fullmatch(name):
            return f"Attribute name {name!r} must match {_NAME.pattern}"
        if not _VALUE.fullmatch(value):
            return f"Value {value!r} of attribute {name} must match {_VALUE.pattern}"
    most = _MOST_WITH_TYPE if kind else _MOST_WITHOUT_TYPE
    if len(after) > most:
        return f"A thing {'with' if kind else 'without'} a type has at most {most} attributes"
    return None


def _invalid(message: str) -> Any:
    return error_response_json("InvalidRequestException", message, 400)
