"""Listings of the registry that page, and that may lag behind it.

AWS: https://docs.aws.amazon.com/iot/latest/apireference/API_ListThings.html ,
.../API_ListThingsInThingGroup.html , .../API_ListThingGroupsForThing.html and
.../API_SearchIndex.html return at most ``maxResults`` entries and continue by ``nextToken``. The
listing of a group's things is eventually consistent, and ListThingGroupsForThing may continue to
show a group that was deleted (https://docs.aws.amazon.com/iot/latest/developerguide/thing-groups.html);
how much later is not documented.

MiniStack 1.5.33: pages SearchIndex only; each listing shows the registry as it is.

Here a token is an offset, so that pages shift while members come and go, and
``localcloud.listings`` sets the size of pages and the lag. DescribeThing and DescribeThingGroup
never lag.
"""

from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, json_response
from ministack.services import iot

from localcloud import listings
from localcloud.listings import LARGEST_PAGE
from localcloud.patches.patch import around

Key = tuple[str, str, str]
"""Account, region and name of a thing."""
Thing = dict[str, Any]

_OF_GROUP = re.compile("/thing-groups/([^/]+)/things")
_OF_THING = re.compile("/things/([^/]+)/thing-groups")
_GROUP_IDS = "groupIds"
"""In a copy of a thing: the ids of its groups, by their names."""


class _Things(AccountRegionScopedDict):  # type: ignore[misc]
    """MiniStack's things, of which it stores each again after a change, and their past."""

    __slots__ = ("_at_first", "_changes")

    def __init__(self) -> None:
        super().__init__()
        self._at_first: dict[Key, Thing] = {}
        self._changes: list[tuple[float, Key, Thing | None]] | None = None

    def keep_past(self, is_kept: bool) -> None:
        """Keep each change from now on, or forget all."""
        if not is_kept:
            self._at_first, self._changes = {}, None
        elif self._changes is None:
            self._at_first = {key: _copy(thing) for key, thing in self._data.items()}
            self._changes = []

    def before(self, seconds: float) -> AccountRegionScopedDict:
        """Return the things as they were so many seconds ago, or when changes began to be kept."""
        past, moment = AccountRegionScopedDict(), time.monotonic() - seconds
        past._data.update(self._at_first)
        for changed_at, key, thing in self._changes or []:
            if changed_at > moment:
                break
            if thing is None:
                past._data.pop(key, None)
            else:
                past._data[key] = thing
        return past

    def __setitem__(self, name: str, thing: Thing) -> None:
        super().__setitem__(name, thing)
        self._note(name, thing)

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        self._note(name, None)

    def _note(self, name: str, thing: Thing | None) -> None:
        if self._changes is not None:
            kept = None if thing is None else _copy(thing)
            self._changes.append((time.monotonic(), self._scoped(name), kept))


def install() -> None:
    """Page the listings, and let them show the past where they lag."""
    things = _Things()
    iot._things = things
    listings.listen(things.keep_past)

    @around(iot, "_list_things")
    def list_things(original: Any, query: dict[str, Any]) -> Any:
        with _as_shown(things, "ListThings"):
            answer = original(query)
        return _page("ListThings", answer, query)

    @around(iot, "_search_index")
    def search(original: Any, payload: dict[str, Any]) -> Any:
        most = listings.of("SearchIndex").page_size
        asked = payload.get("maxResults", iot._SEARCH_MAX_RESULTS_LIMIT)
        with _as_shown(things, "SearchIndex"):
            return original({**payload, "maxResults": min(asked, most)})

    @around(iot, "_route_request")
    async def route(original: Any, method: str, path: str, *rest: Any) -> Any:
        answer = await original(method, path, *rest)
        if method != "GET" or answer[0] != 200:
            return answer
        if found := _OF_GROUP.fullmatch(path):
            return _list_members(things, found[1], answer, rest[-1])
        if found := _OF_THING.fullmatch(path):
            return _list_groups(things, found[1], answer, rest[-1])
        return answer


@contextmanager
def _as_shown(things: _Things, operation: str) -> Iterator[None]:
    """Let MiniStack, which does nothing else in the block, see the things as a listing does."""
    lag = listings.of(operation).lag_seconds
    iot._things = things.before(lag) if lag else things
    try:
        yield
    finally:
        iot._things = things


def _list_members(things: _Things, group: str, answer: Any, query: dict[str, Any]) -> Any:
    operation = "ListThingsInThingGroup"
    lag = listings.of(operation).lag_seconds
    if lag:
        # Those of an earlier group of this name are no members of this one.
        group_id = iot._thing_groups[group]["thingGroupId"]
        past = things.before(lag).items()
        names = [name for name, thing in past if thing[_GROUP_IDS].get(group) == group_id]
        answer = json_response({"things": names})
    return _page(operation, answer, query)


def _list_groups(things: _Things, thing: str, answer: Any, query: dict[str, Any]) -> Any:
    operation = "ListThingGroupsForThing"
    lag = listings.of(operation).lag_seconds
    if lag:
        past = things.before(lag).get(thing, {_GROUP_IDS: {}})
        groups = [
            {"groupName": group, "groupArn": iot._thing_group_arn(group)}
            for group in past[_GROUP_IDS]
        ]
        answer = json_response({"thingGroups": groups})
    return _page(operation, answer, query)


def _page(operation: str, answer: Any, query: dict[str, Any]) -> Any:
    """Return the page of an answer that a caller asks for."""
    if answer[0] != 200:
        return answer
    ((name, entries),) = json.loads(answer[2]).items()
    most = listings.of(operation).page_size
    flat = {key: value[0] if isinstance(value, list) else value for key, value in query.items()}
    if most < int(flat.get("maxResults", LARGEST_PAGE)) <= LARGEST_PAGE:
        flat["maxResults"] = most
    page, token, error = iot._jobs_page(entries, flat, operation)
    return error or json_response({name: page, **({"nextToken": token} if token else {})})


def _copy(thing: Thing) -> Thing:
    groups = (iot._thing_groups.get(name) for name in thing["thingGroupNames"])
    ids = {group["thingGroupName"]: group["thingGroupId"] for group in groups if group}
    return copy.deepcopy(thing) | {_GROUP_IDS: ids}
