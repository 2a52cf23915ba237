"""DynamoDB as the functions need it: time to live, queries, transactions."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError

from localcloud import LocalCloud

TABLE = "hash-and-range"


@pytest.fixture(scope="module")
def dynamodb(cloud: LocalCloud) -> Any:
    """The client, with a table of a hash and a range key."""
    client = cloud.client("dynamodb")
    client.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[
            {"AttributeName": "h", "KeyType": "HASH"},
            {"AttributeName": "r", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "h", "AttributeType": "S"},
            {"AttributeName": "r", "AttributeType": "S"},
        ],
    )
    return client


@pytest.fixture
def hash_key(dynamodb: Any) -> str:
    """A partition of its own that holds the items 1, 10, 2 and 3, each with its number as ``n``."""
    key = uuid.uuid4().hex
    for number in ("3", "10", "1", "2"):
        dynamodb.put_item(TableName=TABLE, Item=item(key, number))
    return key


def item(hash_key: str, number: str) -> dict[str, Any]:
    return {"h": {"S": hash_key}, "r": {"S": number}, "n": {"N": number}}


def change(kind: str, hash_key: str, number: str, condition: str, **settings: Any) -> Any:
    """One write of a transaction, or a check, that sends the old item back if it is refused."""
    content: dict[str, Any] = {
        "TableName": TABLE,
        "ConditionExpression": condition,
        "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        **settings,
    }
    if kind == "Put":
        content["Item"] = item(hash_key, number)
    else:
        content["Key"] = {"h": {"S": hash_key}, "r": {"S": number}}
    if kind == "Update":
        content["UpdateExpression"] = "SET n = n + :one"
        content["ExpressionAttributeValues"] = {":one": {"N": "1"}}
    return {kind: content}


def range_keys(answer: Any) -> list[str]:
    return [found["r"]["S"] for found in answer["Items"]]


def test_time_to_live(dynamodb: Any) -> None:
    wanted = {"Enabled": True, "AttributeName": "expiresAt"}
    assert dynamodb.describe_time_to_live(TableName=TABLE)["TimeToLiveDescription"] == {
        "TimeToLiveStatus": "DISABLED"
    }
    dynamodb.update_time_to_live(TableName=TABLE, TimeToLiveSpecification=wanted)
    assert dynamodb.describe_time_to_live(TableName=TABLE)["TimeToLiveDescription"] == {
        "TimeToLiveStatus": "ENABLED",
        "AttributeName": "expiresAt",
    }


def test_query_in_the_order_of_the_range_key(dynamodb: Any, hash_key: str) -> None:
    query: dict[str, Any] = {
        "TableName": TABLE,
        "KeyConditionExpression": "h = :h",
        "ExpressionAttributeValues": {":h": {"S": hash_key}},
    }
    assert range_keys(dynamodb.query(**query)) == ["1", "10", "2", "3"]
    last_two = dynamodb.query(**query, ScanIndexForward=False, Limit=2)
    assert range_keys(last_two) == ["3", "2"]
    rest = dynamodb.query(
        **query, ScanIndexForward=False, ExclusiveStartKey=last_two["LastEvaluatedKey"]
    )
    assert range_keys(rest) == ["10", "1"]
    assert "LastEvaluatedKey" not in rest


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ("begins_with(r, :v)", ["1", "10"]),
        ("r BETWEEN :v AND :w", ["1", "10", "2"]),
        ("r > :v", ["10", "2", "3"]),
    ],
)
def test_query_of_a_part(dynamodb: Any, hash_key: str, condition: str, found: list[str]) -> None:
    values = {":h": {"S": hash_key}, ":v": {"S": "1"}, ":w": {"S": "2"}}
    used = {name: value for name, value in values.items() if name == ":h" or name in condition}
    answer = dynamodb.query(
        TableName=TABLE,
        KeyConditionExpression=f"h = :h AND {condition}",
        ExpressionAttributeValues=used,
    )
    assert range_keys(answer) == found


def test_query_needs_the_hash_key(dynamodb: Any) -> None:
    with pytest.raises(ClientError, match="missed key schema element"):
        dynamodb.query(
            TableName=TABLE,
            KeyConditionExpression="r = :r",
            ExpressionAttributeValues={":r": {"S": "1"}},
        )


def test_a_transaction_takes_effect_as_a_whole(dynamodb: Any, hash_key: str) -> None:
    dynamodb.transact_write_items(
        TransactItems=[
            change("Put", hash_key, "4", "attribute_not_exists(h)"),
            change("Update", hash_key, "1", "attribute_exists(h)"),
            change("Delete", hash_key, "2", "attribute_exists(h)"),
            change("ConditionCheck", hash_key, "3", "attribute_exists(h)"),
        ]
    )
    values = {":h": {"S": hash_key}}
    answer = dynamodb.query(
        TableName=TABLE, KeyConditionExpression="h = :h", ExpressionAttributeValues=values
    )
    assert range_keys(answer) == ["1", "10", "3", "4"]
    assert answer["Items"][0]["n"] == {"N": "2"}


def test_a_refused_transaction_says_why_and_does_nothing(dynamodb: Any, hash_key: str) -> None:
    with pytest.raises(dynamodb.exceptions.TransactionCanceledException) as caught:
        dynamodb.transact_write_items(
            TransactItems=[
                change("Put", hash_key, "5", "attribute_not_exists(h)"),
                change("Put", hash_key, "1", "attribute_not_exists(h)"),
                change("Update", hash_key, "2", "n > :one"),
                change("Update", hash_key, "10", "n < :one"),
                change("ConditionCheck", hash_key, "gone", "attribute_exists(h)"),
                change(
                    "Delete",
                    hash_key,
                    "3",
                    "attribute_not_exists(h)",
                    ReturnValuesOnConditionCheckFailure="NONE",
                ),
            ]
        )
    reasons = caught.value.response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == [
        "None",
        "ConditionalCheckFailed",
        "None",
        "ConditionalCheckFailed",
        "ConditionalCheckFailed",
        "ConditionalCheckFailed",
    ]
    assert [reason.get("Item") for reason in reasons] == [
        None,
        item(hash_key, "1"),
        None,
        item(hash_key, "10"),
        None,
        None,
    ]
    key = {"h": {"S": hash_key}, "r": {"S": "5"}}
    assert "Item" not in dynamodb.get_item(TableName=TABLE, Key=key)
    key = {"h": {"S": hash_key}, "r": {"S": "2"}}
    assert dynamodb.get_item(TableName=TABLE, Key=key)["Item"]["n"] == {"N": "2"}


def test_a_transaction_sent_again_takes_effect_once(dynamodb: Any, hash_key: str) -> None:
    token = str(uuid.uuid4())
    writes = [change("Update", hash_key, "1", "attribute_exists(h)")]
    for _ in range(2):
        dynamodb.transact_write_items(ClientRequestToken=token, TransactItems=writes)
    key = {"h": {"S": hash_key}, "r": {"S": "1"}}
    assert dynamodb.get_item(TableName=TABLE, Key=key)["Item"]["n"] == {"N": "2"}
    others = [change("Update", hash_key, "2", "attribute_exists(h)")]
    with pytest.raises(dynamodb.exceptions.IdempotentParameterMismatchException):
        dynamodb.transact_write_items(ClientRequestToken=token, TransactItems=others)


def test_a_transaction_names_an_item_once(dynamodb: Any, hash_key: str) -> None:
    twice = [change("ConditionCheck", hash_key, "1", "attribute_exists(h)")]
    twice += [change("Update", hash_key, "1", "attribute_exists(h)")]
    with pytest.raises(ClientError, match="ValidationException"):
        dynamodb.transact_write_items(TransactItems=twice)
