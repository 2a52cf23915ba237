"""A thing group's properties as they were given, and UpdateThingGroupsForThing.

AWS: https://docs.aws.amazon.com/iot/latest/apireference/API_DescribeThingGroup.html has an
attribute payload only if the group has attributes; .../API_UpdateThingGroupsForThing.html adds a
thing to groups and removes it from others in one call.

MiniStack 1.5.33: always has a payload, so that every Terraform plan wants to take it away; the
call is an unknown path.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import json_response
from ministack.services import iot

from localcloud.patches.patch import around

_UPDATE_PATH = "/thing-groups/updateThingGroupsForThing"


def install() -> None:
    """Leave what is empty out of DescribeThingGroup's answer, and add the call."""

    @around(iot, "_describe_thing_group")
    def describe(original: Any, name: str) -> Any:
        response = original(name)
        if response[0] != 200:
            return response
        group = json.loads(response[2])
        properties = group["thingGroupProperties"]
        if not properties["attributePayload"]["attributes"]:
            del properties["attributePayload"]
        if properties["thingGroupDescription"] is None:
            del properties["thingGroupDescription"]
        return json_response(group)

    @around(iot, "_route_request")
    async def route(original: Any, method: str, path: str, *rest: Any) -> Any:
        if (method, path) != ("PUT", _UPDATE_PATH):
            return await original(method, path, *rest)
        _, body, _ = rest
        return await _update_groups_of_thing(iot._parse_body(body))


async def _update_groups_of_thing(payload: dict[str, Any]) -> Any:
    # Looked up at each call: the refusal of dynamic groups stands around both.
    changes = (
        (iot._add_thing_to_group, payload.get("thingGroupsToAdd") or []),
        (iot._remove_thing_from_group, payload.get("thingGroupsToRemove") or []),
    )
    for change, groups in changes:
        for group in groups:
            request = {"thingName": payload.get("thingName"), "thingGroupName": group}
            response = await change(request)
            if response[0] != 200:
                return response
    return json_response({})
