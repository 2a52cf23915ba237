"""Whether the query of a dynamic group lets a device go whose attributes are overwritten."""

from __future__ import annotations

import pytest

from fleet_retry.queries import QueryError, may_match

AWAY = {"FW": "moveOut", "model": "moveOut"}


@pytest.mark.parametrize(
    "query",
    [
        "attributes.FW:2.27",
        "attributes.model:wo* AND attributes.FW:2.27",
        "attributes.model:wo* attributes.site:north",
        'attributes.FW:"2.27"',
        "(attributes.FW:2.26 OR attributes.FW:2.27) AND attributes.site:north",
        "attributes.FW:(2.26 OR 2.27)",
        "attributes.FW:(2.2* AND -2.27)",
        "thingName:pump* AND NOT attributes.FW:moveOut",
        "thingName:pump* AND NOT attributes.FW:MOVEOUT",
        "thingName:pump* -attributes.FW:move*",
        "NOT (attributes.FW:* OR thingName:x)",
        "attributes.FW:[2 TO 3}",
        "attributes.FW>=2",
    ],
)
def test_it_leaves(query: str) -> None:
    assert not may_match(query, AWAY)


@pytest.mark.parametrize(
    "query",
    [
        "*",
        "thingName:pump*",
        "attributes.site:north",
        "attributes.FW:*",
        "attributes.FW:move?ut",
        "attributes.FW:2.27 OR attributes.site:north",
        "attributes.FW:2.27 OR thingGroupNames:north",
        "NOT attributes.FW:2.27",
        "attributes.site:north AND NOT attributes.firmwareRetry:*",
        'attributes.FW:["a" TO "z"]',
        "connectivity.connected:true",
        "fw:2.27",
    ],
)
def test_it_may_stay(query: str) -> None:
    assert may_match(query, AWAY)


def test_a_marker_is_as_good_as_an_overwritten_attribute() -> None:
    query = "attributes.FW:2.27 AND NOT attributes.firmwareRetry:*"
    assert not may_match(query, {"firmwareRetry": "coolingDown"})


def test_an_escaped_character_is_itself() -> None:
    assert may_match(r"attributes.FW:a\:b", {"FW": "a:b"})


@pytest.mark.parametrize("query", ["", "(a:b", "a:b AND", "a:b)", "NOT", 'a:"b'])
def test_what_is_no_query_is_said(query: str) -> None:
    with pytest.raises(QueryError):
        may_match(query, AWAY)
