"""SearchIndex with NOT, OR and parentheses.

AWS: https://docs.aws.amazon.com/iot/latest/apireference/API_SearchIndex.html

MiniStack 1.5.33: terms joined by AND only; see ``fleet_query``.
"""

from __future__ import annotations

from typing import Any

from ministack.core.responses import error_response_json
from ministack.services import iot

from localcloud.patches.fleet_query import FleetQuery, QueryError
from localcloud.patches.patch import around


class _WholeQuery(str):
    """Stands for the value of one term, and carries the query that a thing has to meet."""

    __slots__ = ("query",)
    query: FleetQuery


def install() -> None:
    """Let MiniStack see the whole query as one term on the thing's name."""

    @around(iot, "_search_index")
    def search(original: Any, payload: dict[str, Any]) -> Any:
        try:
            return original(payload)
        except QueryError as error:
            return error_response_json("InvalidQueryException", str(error), 400)

    @around(iot, "_parse_search_query")
    def parse(original: Any, text: str) -> list[tuple[str, str]]:
        whole = _WholeQuery(text)
        whole.query = FleetQuery(text)
        return [("thingName", whole)]

    @around(iot, "_search_value_matches")
    def matches(original: Any, actual: Any, expected: str) -> bool:
        if isinstance(expected, _WholeQuery):
            return expected.query.matches(iot._things[actual])
        return bool(original(actual, expected))
