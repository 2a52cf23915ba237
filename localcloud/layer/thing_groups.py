"""A thing group's properties as they were given.

AWS: https://docs.aws.amazon.com/iot/latest/apireference/API_DescribeThingGroup.html has an
attribute payload only if the group has attributes.

MiniStack 1.5.33: always has one, so that every Terraform plan wants to take it away.
"""

from __future__ import annotations

import json
from typing import Any

from ministack.core.responses import json_response
from ministack.services import iot

from localcloud.layer.patch import around


def install() -> None:
    """Leave what is empty out of DescribeThingGroup's answer."""

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
