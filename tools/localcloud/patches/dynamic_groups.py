"""Dynamic thing groups.

AWS: https://docs.aws.amazon.com/iot/latest/developerguide/dynamic-thing-groups.html : the
members of the group are the things that its query finds, a little later than the registry; a
state that lasts too short may never be seen; things can be neither added nor removed by hand.
Needs fleet indexing. CloudFormation makes one of an ``AWS::IoT::ThingGroup`` with ``QueryString``.

MiniStack 1.5.33: the three calls are unknown paths, ``QueryString`` is ignored.
"""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

from ministack.core.responses import error_response_json, json_response, request_scope
from ministack.services import iot
from ministack.services.cloudformation import provisioners

from localcloud.patches.fleet_query import FleetQuery, QueryError
from localcloud.patches.patch import around

_PATH = "/dynamic-thing-groups/"
_QUERY_VERSION = "2017-09-30"
_FOLLOWER: list[asyncio.Task[None]] = []

Response = tuple[int, dict[str, str], bytes]


def install() -> None:
    """Add the calls, refuse changes by hand, and follow the queries in the background."""
    add, remove = iot._add_thing_to_group, iot._remove_thing_from_group
    lag_seconds = float(os.environ.get("LOCALCLOUD_GROUP_LAG_SECONDS", "1"))

    @around(iot, "_route_request")
    async def route(original: Any, method: str, path: str, *rest: Any) -> Any:
        if not path.startswith(_PATH):
            return await original(method, path, *rest)
        _, body, _ = rest
        return _route(method, path[len(_PATH) :], iot._parse_body(body))

    @around(iot, "_add_thing_to_group")
    async def add_by_hand(original: Any, payload: dict[str, Any]) -> Any:
        return _refusal(payload) or await original(payload)

    @around(iot, "_remove_thing_from_group")
    async def remove_by_hand(original: Any, payload: dict[str, Any]) -> Any:
        return _refusal(payload) or await original(payload)

    @around(iot, "mtls_start")
    async def start(original: Any) -> None:
        # At the server's start: from here on there is an event loop to run on.
        await original()
        _FOLLOWER.append(asyncio.create_task(_follow(lag_seconds, add, remove)))

    _install_cloudformation()


def _install_cloudformation() -> None:
    handlers = provisioners._RESOURCE_HANDLERS["AWS::IoT::ThingGroup"]
    create, update = handlers["create"], handlers["update"]

    def create_group(logical_id: str, properties: dict[str, Any], stack: str) -> Any:
        text = properties.get("QueryString")
        if text and _query_error(text):
            raise ValueError(f"AWS::IoT::ThingGroup create failed: {_query_error(text)!r}")
        made = create(logical_id, properties, stack)
        _set_query(made[0], text)
        return made

    def update_group(group_id: str, old: Any, new: dict[str, Any], *rest: Any, **named: Any) -> Any:
        made = update(group_id, old, new, *rest, **named)
        _set_query(made[0], new.get("QueryString"))
        return made

    handlers["create"], handlers["update"] = create_group, update_group


def _set_query(group_id: str, text: str | None) -> None:
    group = provisioners._iot_thing_group_record(group_id)
    if text and group is not None:
        group.update(_query_members(text))


def _query_members(text: str) -> dict[str, str]:
    return {
        "indexName": iot._THING_INDEX_NAME,
        "queryString": text,
        "queryVersion": _QUERY_VERSION,
        "status": "ACTIVE",
    }


def _route(method: str, name: str, payload: dict[str, Any]) -> Response:
    invalid: Response | None = iot._validate_name(name, "thingGroupName")
    if invalid:
        return invalid
    if method == "POST":
        return _create(name, payload)
    if method == "PATCH":
        return _update(name, payload)
    if method == "DELETE":
        response: Response = iot._delete_thing_group(name)
        return response
    return _invalid(f"Unsupported method: {method}")


def _create(name: str, payload: dict[str, Any]) -> Response:
    text = payload.get("queryString", "")
    refused = _query_error(text)
    if refused:
        return refused
    response: Response = iot._create_thing_group(name, payload)
    if response[0] != 200:
        return response
    iot._thing_groups[name].update(_query_members(text))
    return json_response({**json.loads(response[2]), **_query_members(text)})  # type: ignore[no-any-return]


def _update(name: str, payload: dict[str, Any]) -> Response:
    group = iot._thing_groups.get(name)
    if group is None or "queryString" not in group:
        return iot._error_not_found("UpdateThingGroup", name)  # type: ignore[no-any-return]
    expected = payload.get("expectedVersion")
    if expected is not None and expected != group["version"]:
        message = f"The version of {name} does not match the expected version."
        return error_response_json("VersionConflictException", message, 409)  # type: ignore[no-any-return]
    text = payload.get("queryString", group["queryString"])
    refused = _query_error(text)
    if refused:
        return refused
    response: Response = iot._update_thing_group(name, payload)
    if response[0] == 200:
        group.update(_query_members(text))
    return response


def _query_error(text: str) -> Response | None:
    if iot._thing_indexing_mode() == "OFF":
        message = f"Index {iot._THING_INDEX_NAME!r} does not exist"
        return error_response_json("ResourceNotFoundException", message, 404)  # type: ignore[no-any-return]
    try:
        FleetQuery(text)
    except QueryError as error:
        return error_response_json("InvalidQueryException", str(error), 400)  # type: ignore[no-any-return]
    return None


def _refusal(payload: dict[str, Any]) -> Response | None:
    name = payload.get("thingGroupName") or payload.get("thingGroupArn", "").rpartition("/")[2]
    group = iot._thing_groups.get(name)
    if group is None or "queryString" not in group:
        return None
    return _invalid(f"Cannot add or remove things by hand: {name} is a dynamic thing group")


def _invalid(message: str) -> Response:
    return error_response_json("InvalidRequestException", message, 400)  # type: ignore[no-any-return]


async def _follow(lag_seconds: float, add: Any, remove: Any) -> None:
    """Bring every dynamic group in line with its query, every ``lag_seconds``."""
    while True:
        await asyncio.sleep(lag_seconds)
        for (account, region, _), group in list(iot._thing_groups._data.items()):
            if "queryString" not in group:
                continue
            try:
                async with iot.publishing_events():
                    with request_scope(account, region):
                        await _align(group, add, remove)
            except Exception:  # noqa: BLE001 -- one group must not stop the others
                iot.logger.exception("dynamic group %s", group["thingGroupName"])


async def _align(group: dict[str, Any], add: Any, remove: Any) -> None:
    if iot._thing_indexing_mode() == "OFF":
        return
    query = FleetQuery(group["queryString"])
    wanted = {name for name, thing in iot._things.items() if query.matches(thing)}
    present = set(group["things"])
    for change, names in ((remove, present - wanted), (add, wanted - present)):
        for name in sorted(names):
            await change({"thingGroupName": group["thingGroupName"], "thingName": name})
