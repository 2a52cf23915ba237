"""The stand-in of DynamoDB answers as moto and the local cloud do."""

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from moto import mock_aws

from localcloud import LocalCloud
from simulator.aws.dynamodb import DynamoDB, Table

NAMES = {"#k": "deviceId", "#a": "state", "#b": "RetryCounter", "#c": "countedEvents", "#d": "tags"}
VALUES: dict[str, Any] = {
    ":s": {"S": "tracking"},
    ":t": {"S": "track"},
    ":n": {"N": "1"},
    ":m": {"N": "3"},
    ":e": {"SS": ["e1"]},
    ":f": {"SS": ["e2", "e3"]},
    ":o": {"S": "e1"},
}
ITEMS = st.fixed_dictionaries(
    {"deviceId": st.just({"S": "d"})},
    optional={
        "state": st.sampled_from([{"S": "tracking"}, {"S": "failed"}]),
        "RetryCounter": st.sampled_from([{"N": "0"}, {"N": "1"}, {"N": "3"}]),
        "countedEvents": st.sampled_from([{"SS": ["e1"]}, {"SS": ["e1", "e2"]}]),
        "tags": st.just({"M": {"x": {"S": "tracking"}}}),
    },
)
PATHS = ["#k", "#a", "#b", "#c", "#d", "#d.x"]
# Order is asked of what has one, and no attribute is compared with one that may be missing as well:
# there moto answers otherwise than AWS, or not at all.
LEAVES = st.one_of(
    st.builds(
        "{} {} {}".format,
        st.sampled_from(["#k", "#a", "#b", "#d.x"]),
        st.sampled_from(["=", "<>"]),
        st.sampled_from([":s", ":n"]),
    ),
    st.builds(
        "#b {} {}".format,
        st.sampled_from(["<", "<=", ">", ">="]),
        st.sampled_from([":n", ":m"]),
    ),
    st.builds(
        "#k {} {}".format, st.sampled_from(["<", "<=", ">", ">="]), st.sampled_from([":s", ":t"])
    ),
    st.builds("attribute_exists({})".format, st.sampled_from(PATHS)),
    st.builds("attribute_not_exists({})".format, st.sampled_from(PATHS)),
    st.builds(
        "contains({}, {})".format, st.sampled_from(["#a", "#c"]), st.sampled_from([":o", ":t"])
    ),
    st.just("begins_with(#a, :t)"),
    st.builds("size({}) {} :n".format, st.sampled_from(["#c", "#d"]), st.sampled_from([">", "="])),
    st.just("#b BETWEEN :n AND :m"),
    st.builds("{} IN (:s, :n)".format, st.sampled_from(["#a", "#b"])),
)
CONDITIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds("NOT ({})".format, inner),
        st.builds("({}) AND {}".format, inner, inner),
        st.builds("({}) OR {}".format, inner, inner),
    ),
    max_leaves=5,
)
UPDATES = st.sampled_from(
    [
        "SET #b = #b + :n",
        "SET #b = :n - :m",
        "SET #b = if_not_exists(#b, :m) + :n, #a = :s",
        "SET #b = #b + :n, #a = :s ADD #c :f",
        "ADD #b :n",
        "ADD #c :e",
        "DELETE #c :e",
        "DELETE #c :f",
        "REMOVE #b, #a",
        "SET #a = :s REMOVE #b, #c",
        "SET #d.x = :s",
        "SET #d = :s",
        "SET #k = :s",
        "SET #a = #b",
    ]
)
# What cannot be applied cancels a transaction: not simulated, as the package has no such update.
SURE_UPDATES = st.sampled_from(
    [
        "SET #b = if_not_exists(#b, :m) + :n, #a = :s",
        "SET #a = :s REMOVE #b, #c",
        "SET #a = :s ADD #c :f",
        "SET #b = :n",
    ]
)
FEW = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
TABLE: dict[str, Any] = {
    "TableName": "table",
    "KeySchema": [{"AttributeName": "deviceId", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "deviceId", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


@pytest.fixture(scope="module")
def local_cloud() -> Iterator[LocalCloud]:
    with LocalCloud() as cloud:
        yield cloud


@pytest.fixture(scope="module", params=["moto", "local cloud"])
def other(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The client of another DynamoDB, with a table."""
    if request.param == "moto":
        with pytest.MonkeyPatch.context() as patch, mock_aws():
            patch.delenv("AWS_ENDPOINT_URL", raising=False)
            client = boto3.client("dynamodb", "eu-west-1")
            client.create_table(**TABLE)
            yield client
    else:
        client = request.getfixturevalue("local_cloud").client("dynamodb")
        client.create_table(**TABLE)
        yield client


def used(*expressions: str) -> dict[str, Any]:
    """The names and values that the expressions use, as parameters."""
    text = " ".join(expressions)
    names = {key: content for key, content in NAMES.items() if key in text}
    values = {key: content for key, content in VALUES.items() if key in text}
    return {
        **({"ExpressionAttributeNames": names} if names else {}),
        **({"ExpressionAttributeValues": values} if values else {}),
    }


def skip_known_wrong(other: Any, item: dict[str, Any] | None, *expressions: str) -> None:
    """Where another is known not to answer as AWS does, it is not asked."""
    text = " ".join(expressions)
    is_moto = "127.0.0.1" not in other.meta.endpoint_url
    # moto fails with a ValueError for the size of an attribute that is not there.
    assume(not (is_moto and "size(" in text))


def outcome(call: Any, **parameters: Any) -> Any:
    """The answer of a call, or its error, without what is of the transport."""
    try:
        answer = call(**parameters)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        response: Any = error.response
        reasons = [
            (reason.get("Code"), plain(reason.get("Item")))
            for reason in response.get("CancellationReasons", [])
        ]
        return code, plain(response.get("Item")), reasons
    return plain({key: content for key, content in answer.items() if key in ("Attributes", "Item")})


def plain(value: Any) -> Any:
    """Values with sets as sets."""
    if isinstance(value, dict):
        return {
            key: frozenset(content) if key in ("SS", "NS") else plain(content)
            for key, content in value.items()
        }
    return value


def both(other: Any, item: dict[str, Any] | None) -> tuple[DynamoDB, Any]:
    """The stand-in and the other, with one item or none."""
    here = DynamoDB({"table": Table(("deviceId",))})
    keys = [{"deviceId": {"S": name}} for name in ("d", "e")]
    writes = [{"DeleteRequest": {"Key": key}} for key in keys[bool(item) :]]
    if item:
        here.put_item({"TableName": "table", "Item": item})
        writes.append({"PutRequest": {"Item": item}})
    other.batch_write_item(RequestItems={"table": writes})
    return here, other


def compare(other: Any, item: dict[str, Any] | None, operation: str, **parameters: Any) -> None:
    here, there = both(other, item)
    mine = outcome(lambda **given: getattr(here, operation)(given), **parameters)
    theirs = outcome(getattr(there, operation), **parameters)
    assert mine == theirs
    key = {"TableName": "table", "Key": {"deviceId": {"S": "d"}}}
    assert plain(here.get_item(key)) == outcome(there.get_item, **key)


@FEW
@given(item=st.none() | ITEMS, condition=CONDITIONS)
def test_conditions(other: Any, item: dict[str, Any] | None, condition: str) -> None:
    skip_known_wrong(other, item, condition)
    compare(
        other,
        item,
        "put_item",
        TableName="table",
        Item={"deviceId": {"S": "d"}, "new": {"BOOL": True}},
        ConditionExpression=condition,
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
        **used(condition),
    )


@FEW
@given(
    item=st.none() | ITEMS,
    update=UPDATES,
    condition=CONDITIONS,
    returns=st.sampled_from(["NONE", "ALL_OLD", "ALL_NEW"]),
)
def test_updates(
    other: Any, item: dict[str, Any] | None, update: str, condition: str, returns: str
) -> None:
    skip_known_wrong(other, item, update, condition)
    compare(
        other,
        item,
        "update_item",
        TableName="table",
        Key={"deviceId": {"S": "d"}},
        UpdateExpression=update,
        ConditionExpression=condition,
        ReturnValues=returns,
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
        **used(update, condition),
    )


@FEW
@given(item=st.none() | ITEMS, update=SURE_UPDATES, first=CONDITIONS, second=CONDITIONS)
def test_transactions(
    other: Any, item: dict[str, Any] | None, update: str, first: str, second: str
) -> None:
    skip_known_wrong(other, item, update, first, second)
    shown = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
    compare(
        other,
        item,
        "transact_write_items",
        TransactItems=[
            {
                "Update": {
                    "TableName": "table",
                    "Key": {"deviceId": {"S": "d"}},
                    "UpdateExpression": update,
                    "ConditionExpression": first,
                    **shown,
                    **used(update, first),
                }
            },
            {"Delete": {"TableName": "table", "Key": {"deviceId": {"S": "f"}}}},
            {
                "Put": {
                    "TableName": "table",
                    "Item": {"deviceId": {"S": "e"}},
                    "ConditionExpression": f"NOT ({second})",
                    **used(second),
                }
            },
        ],
    )


@FEW
@given(item=st.none() | ITEMS, condition=CONDITIONS)
def test_transactions_that_delete(other: Any, item: dict[str, Any] | None, condition: str) -> None:
    skip_known_wrong(other, item, condition)
    delete = {
        "TableName": "table",
        "Key": {"deviceId": {"S": "d"}},
        "ConditionExpression": condition,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        **used(condition),
    }
    put = {"TableName": "table", "Item": {"deviceId": {"S": "e"}}}
    compare(other, item, "transact_write_items", TransactItems=[{"Delete": delete}, {"Put": put}])


@pytest.mark.parametrize(
    ("item", "condition", "holds"),
    [
        (None, "#a <> :s", True),
        ({}, "#a <> :s", True),
        ({}, "NOT contains(#c, :o)", True),
        ({}, "#b < :n", False),
    ],
)
def test_what_a_missing_attribute_is(
    other: Any, item: dict[str, Any] | None, condition: str, holds: bool
) -> None:
    """The package's conditions build on these."""
    whole = None if item is None else {"deviceId": {"S": "d"}, **item}
    parameters = {
        "TableName": "table",
        "Item": {"deviceId": {"S": "d"}},
        "ConditionExpression": condition,
        **used(condition),
    }
    here, there = both(other, whole)
    refused: Any = ("ConditionalCheckFailedException", None, [])
    wanted = {} if holds else refused
    assert outcome(lambda **given: here.put_item(given), **parameters) == wanted
    assert outcome(there.put_item, **parameters) == wanted


@pytest.mark.parametrize("operation", ["scan", "query"])
def test_pages(other: Any, operation: str) -> None:
    """The order of a scan is nobody's business, but what is found is."""
    here = DynamoDB({"table": Table(("deviceId",))})
    both(other, None)
    for number in range(5):
        item = {"deviceId": {"S": f"p{number}"}, "RetryCounter": {"N": str(number)}}
        here.put_item({"TableName": "table", "Item": item})
        other.put_item(TableName="table", Item=item)
    query: dict[str, Any] = {
        "TableName": "table",
        "FilterExpression": "#b >= :n",
        "ProjectionExpression": "#b",
        **used("#b >= :n"),
    }
    if operation == "query":
        query["KeyConditionExpression"] = "deviceId = :s"
        query["ExpressionAttributeValues"] = {**VALUES, ":s": {"S": "p3"}}
        query["ExpressionAttributeValues"] = {
            key: query["ExpressionAttributeValues"][key] for key in (":n", ":s")
        }

    def found(call: Any) -> list[str]:
        given, items = {**query, "Limit": 2}, []
        while True:
            page = call(**given)
            items += [item["RetryCounter"]["N"] for item in page["Items"]]
            if "LastEvaluatedKey" not in page:
                return sorted(items)
            given["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    mine = found(lambda **given: getattr(here, operation)(given))
    assert mine == found(getattr(other, operation))
    assert mine == (["3"] if operation == "query" else ["1", "2", "3", "4"])


def test_the_newest_of_a_range(other: Any) -> None:
    """The order of a query is that of the sort key, and Limit takes the first."""
    name = {"TableName": "lines"}
    here = DynamoDB({"lines": Table(("deviceId", "at"))})
    keys = [("deviceId", "HASH"), ("at", "RANGE")]
    other.create_table(
        **name,
        KeySchema=[{"AttributeName": key, "KeyType": kind} for key, kind in keys],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key, _ in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    for device, at in [("a", "2"), ("a", "1"), ("b", "9"), ("a", "3")]:
        item = {"deviceId": {"S": device}, "at": {"S": at}}
        here.put_item({**name, "Item": item})
        other.put_item(**name, Item=item)
    query: dict[str, Any] = {
        **name,
        "KeyConditionExpression": "deviceId = :device",
        "ExpressionAttributeValues": {":device": {"S": "a"}},
        "ScanIndexForward": False,
        "ConsistentRead": True,
    }
    for more in ({}, {"Limit": 1}, {"Limit": 2, "ScanIndexForward": True}):
        mine, theirs = here.query({**query, **more}), other.query(**{**query, **more})
        assert mine["Items"] == theirs["Items"]
    assert here.query({**query, "Limit": 1})["Items"][0]["at"] == {"S": "3"}
