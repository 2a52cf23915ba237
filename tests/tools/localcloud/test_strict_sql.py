"""The strict reading of rule SQL: each example means something else in the usual reading."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import pytest

from localcloud import Device, LocalCloud
from tests.tools.localcloud.common import make_rule, sqs_action, take

MESSAGE = {"_id_": "3hwC2y7", "fw2": "2.27", "status": "failed", "is_new": True, "n": 3}


@pytest.fixture(scope="module")
def queue_url(cloud: LocalCloud) -> str:
    return str(cloud.client("sqs").create_queue(QueueName="strict-rules")["QueueUrl"])


@pytest.fixture
def strict(cloud: LocalCloud) -> Iterator[None]:
    with cloud.with_strict_sql():
        yield


REJECTED = [
    "SELECT _id_ FROM 'strict'",
    "SELECT upper(_id_) AS id FROM 'strict'",
    "SELECT status FROM 'strict' WHERE fw2 = '2.27'",
    "SELECT statusDetails.code2 AS code FROM 'strict'",
    "SELECT status AS _status FROM 'strict'",
    "SELECT status FROM 'strict' WHERE get(*, 'fw2') = '2.27'",
]
ACCEPTED = [
    "SELECT * FROM 'strict'",
    "SELECT get(*, '_id_') AS id2, topic(1) AS t FROM 'strict' WHERE is_new",
    "SELECT sha256(status) AS hash FROM 'strict' WHERE n * 2 = 6",
    "SELECT CASE status WHEN '_x2' THEN 1 ELSE null END AS s, cast(n AS String) AS n FROM 'strict'",
    "SELECT status FROM 'strict' WHERE NOT regexp_matches(encode(*, 'base64'), '_2')",
]


@pytest.mark.parametrize("sql", REJECTED)
def test_a_rule_is_rejected(cloud: LocalCloud, sql: str) -> None:
    iot = cloud.client("iot")
    with cloud.with_strict_sql(), pytest.raises(iot.exceptions.SqlParseException):
        make_rule(cloud, "rejected", sql)
    make_rule(cloud, "rejected", sql)
    payload: Any = {"sql": sql, "actions": []}
    with cloud.with_strict_sql(), pytest.raises(iot.exceptions.SqlParseException):
        iot.replace_topic_rule(ruleName="rejected", topicRulePayload=payload)
    iot.delete_topic_rule(ruleName="rejected")


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("sql", ACCEPTED)
def test_a_rule_is_accepted(cloud: LocalCloud, sql: str) -> None:
    make_rule(cloud, "accepted", sql)
    cloud.client("iot").delete_topic_rule(ruleName="accepted")


@pytest.mark.parametrize(
    ("select", "usually", "strictly"),
    [
        ("regexp_matches(status, 'a|b') AS s", {"s": True}, {}),
        ("regexp_matches(status, '(a|b)') AS s", {"s": True}, {"s": True}),
        ("regexp_matches(status, '[|]|a') AS s", {"s": True}, {}),
        ("regexp_matches(status, '[|a]') AS s", {"s": True}, {"s": True}),
        (r"regexp_replace(status, 'a\|?', '') AS s", {"s": "filed"}, {"s": "filed"}),
        ("regexp_substr(status, '^.{1,1001}') AS s", {"s": "failed"}, {}),
        ("regexp_substr(status, '^.{1,1000}') AS s", {"s": "failed"}, {"s": "failed"}),
        ("regexp_substr(status, 'x') AS s, regexp_substr(gone, 'x') AS t", {}, {"s": None}),
        ("cast(status AS String) AS s, cast('TRUE' AS String) AS t", None, {"t": "true"}),
        ("CASE is_new WHEN true THEN 1 ELSE 2 END AS s", {"s": 1}, {"s": 2}),
    ],
)
def test_select(
    cloud: LocalCloud,
    queue_url: str,
    select: str,
    usually: dict[str, Any] | None,
    strictly: dict[str, Any],
) -> None:
    make_rule(cloud, "selects_strictly", f"SELECT {select} FROM 'strict'", sqs_action(queue_url))
    for reading, expected in ((nullcontext(), usually), (cloud.with_strict_sql(), strictly)):
        with reading, Device.of(cloud, "3hwC2y7") as device:
            device.publish("strict", MESSAGE)
        found = take(cloud, queue_url)
        assert expected is None or found == expected
    cloud.client("iot").delete_topic_rule(ruleName="selects_strictly")


@pytest.mark.parametrize(
    ("where", "fires_strictly"),
    [
        ("regexp_matches(status, 'a|b')", False),
        ("regexp_matches(status, '^(a|failed)$')", True),
        ("status = 'failed' OR gone = 1", False),
        ("NOT (status = 'x' AND gone = 1)", False),
        ("status = 'failed' AND (n = 4 OR n <> 4)", True),
        ("is_new = true", False),
        ("NOT is_new <> true", False),
        ("is_new", True),
        ("is_new IN [true]", False),
    ],
)
def test_where(cloud: LocalCloud, queue_url: str, where: str, fires_strictly: bool) -> None:
    sql = f"SELECT status FROM 'strict' WHERE {where}"
    make_rule(cloud, "where_strictly", sql, sqs_action(queue_url))
    with Device.of(cloud, "3hwC2y7") as device:
        device.publish("strict", MESSAGE)
        assert take(cloud, queue_url)
        with cloud.with_strict_sql():
            device.publish("strict", MESSAGE)
    cloud.client("iot").delete_topic_rule(ruleName="where_strictly")
    assert bool(take(cloud, queue_url, 180.0 if fires_strictly else 0.2)) is fires_strictly


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize(
    ("sql", "runs"),
    [
        ("SELECT encode(*, 'base64') AS s, topic() AS t FROM 'strict'", True),
        ("SELECT topic() AS t FROM 'strict' WHERE timestamp() % 1 = 0", True),
        ("SELECT topic() AS t FROM 'strict' WHERE isUndefined(status)", False),
        ("SELECT topic() AS t, status FROM 'strict'", False),
        ("SELECT 'no JSON' AS s, topic() AS t FROM 'strict'", False),
    ],
)
def test_a_rule_runs_with_bytes_only_if_it_has_nothing_but_functions(
    cloud: LocalCloud, queue_url: str, sql: str, runs: bool
) -> None:
    make_rule(cloud, "raw_strictly", sql, sqs_action(queue_url))
    with Device.of(cloud, "d") as device:
        for payload in (b"plain text", b"\xff", b"[" * 100_000, b'{"a": 1}\0'):
            device.publish("strict", payload)
            assert bool(take(cloud, queue_url, 180.0 if runs else 0.1)) is runs
        device.publish("strict", b"80")
        assert take(cloud, queue_url)["t"] == "strict"
    cloud.client("iot").delete_topic_rule(ruleName="raw_strictly")
