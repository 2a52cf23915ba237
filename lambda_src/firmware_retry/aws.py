"""The only place that calls AWS, and turns its errors into those of this package.

botocore alone, without boto3: its low-level client is sufficient and starts faster.
"""

import logging
import os
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.exceptions
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from firmware_retry.errors import RequestRefusedError, ThingNotFoundError, TransientError

# Two tries within the function's own 15 seconds. The state machine handles longer failures: no
# function runs during its backoff.
_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 2},
    connect_timeout=2,
    read_timeout=4,
)

# At INFO botocore logs the source of credentials and endpoints at each cold start, at a price.
logging.getLogger("botocore").setLevel(logging.WARNING)

_NO_ANSWER = (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError)

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
# https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateThing.html#API_UpdateThing_Errors
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html#API_ReceiveMessage_Errors
_TRANSIENT_CODES = frozenset(
    {
        "ConflictingResourceUpdateException",
        "ExecutionLimitExceeded",
        "InternalFailureException",
        "InternalServerError",
        "KMSThrottling",
        "KMSThrottlingException",
        "KmsThrottled",
        "OverLimit",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestTimeout",
        "ServiceUnavailableException",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflictException",
        "TransactionInProgressException",
        "VersionConflictException",
    }
)
# https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
_LASTING_CANCELLATIONS = frozenset({"ItemCollectionSizeLimitExceeded", "ValidationError"})


class ConditionFailedError(Exception):
    """A conditional write was rejected: the caller decides on ``item``. It leaves no handler."""

    def __init__(self, item: dict[str, Any] | None) -> None:
        """Keep the present item, in DynamoDB's typed JSON; None when there is none."""
        super().__init__("the condition of the write does not hold")
        self.item = item


# One for all clients: each further session would read botocore's endpoints and defaults again.
_session = cache(botocore.session.get_session)


@cache
def client(service: str) -> Any:
    """Return the client of a service, created once per process: that costs more than a call."""
    return _session().create_client(service, config=_CONFIG)


def prepare(*services: str) -> None:
    """Create clients while a function starts.

    Lambda grants a whole processor for that, and later only a share in proportion to the memory.
    Outside Lambda no client is created: a test or a simulation installs its own later.

    https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html#python-best-practices
    """
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        for service in services:
            client(service)


def call(service: str, operation: str, **parameters: Any) -> dict[str, Any]:
    """Make one call.

    Args:
        service: botocore's name of the service, such as ``iot``, ``dynamodb`` or ``sns``.
        operation: the client's method, such as ``update_item``.
        parameters: those of the method.

    Returns:
        The client's response.

    Raises:
        TransientError: it may succeed later.
        ThingNotFoundError: AWS IoT has no such thing (or group: the caller has to distinguish).
        ConditionFailedError: a condition of a DynamoDB write does not hold.
        RequestRefusedError: it cannot succeed until an operator changes something.
    """
    try:
        response: dict[str, Any] = getattr(client(service), operation)(**parameters)
    except ClientError as error:
        raise _classify_error(service, error) from error
    except _NO_ANSWER as error:
        raise TransientError(f"{service}.{operation} got no answer: {error}") from error
    return response


def get_item(table: str, key: dict[str, Any]) -> dict[str, Any] | None:
    """Read one item, with all that was written before the call.

    Args:
        table: its name.
        key: the item's key, in DynamoDB's typed JSON.

    Returns:
        The item in DynamoDB's typed JSON; None when there is none.

    Raises:
        TransientError, RequestRefusedError: see ``call``.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_GetItem.html
    """
    answer = call("dynamodb", "get_item", TableName=table, Key=key, ConsistentRead=True)
    return answer.get("Item")


def get_items(
    table: str, keys: list[dict[str, Any]], **projection: Any
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Read up to 100 items, with all that was written before the call.

    Args:
        table: its name.
        keys: those of the items, in DynamoDB's typed JSON.
        projection: which attributes to read, as for DynamoDB.

    Returns:
        The items that exist, and the keys that DynamoDB did not get to.

    Raises:
        TransientError, RequestRefusedError: see ``call``.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchGetItem.html
    """
    wanted = {table: {"Keys": keys, "ConsistentRead": True, **projection}}
    answer = call("dynamodb", "batch_get_item", RequestItems=wanted)
    left = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
    return answer["Responses"].get(table, []), left


def scan(**parameters: Any) -> Iterator[list[dict[str, Any]]]:
    """Read a whole table.

    Args:
        parameters: those of the ``scan`` method of DynamoDB's client.

    Yields:
        The items of a page, page by page; each is read on demand.

    Raises:
        TransientError, RequestRefusedError: see ``call``.
    """
    return read_pages("scan", parameters)


def read_pages(operation: str, parameters: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    """Make a ``scan`` or a ``query`` of DynamoDB, page by page; see ``scan``."""
    while True:
        page = call("dynamodb", operation, **parameters)
        yield page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        parameters = parameters | {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def list_tables() -> Iterator[list[str]]:
    """Yield the names of all tables of the account in this region, page by page.

    Raises:
        TransientError, RequestRefusedError: see ``call``.

    https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ListTables.html
    """
    query: dict[str, Any] = {}
    while True:
        page = call("dynamodb", "list_tables", **query)
        yield page["TableNames"]
        if "LastEvaluatedTableName" not in page:
            return
        query["ExclusiveStartTableName"] = page["LastEvaluatedTableName"]


def _classify_error(service: str, error: ClientError) -> Exception:
    code = error.response["Error"]["Code"]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "ConditionalCheckFailedException":
        return ConditionFailedError(error.response.get("Item"))  # type: ignore[arg-type]
    if code == "TransactionCanceledException":
        return _classify_cancellation(error)
    if code in _TRANSIENT_CODES or status >= 500:
        return TransientError(str(error))
    if service == "iot" and code == "ResourceNotFoundException":
        return ThingNotFoundError(str(error))
    return RequestRefusedError(str(error), code)


def _classify_cancellation(error: ClientError) -> Exception:
    reasons: list[dict[str, Any]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment]
    for reason in reasons:
        if reason.get("Code") == "ConditionalCheckFailed":
            return ConditionFailedError(reason.get("Item"))
    for reason in reasons:
        if reason.get("Code") in _LASTING_CANCELLATIONS:
            return RequestRefusedError(str(error), reason["Code"])
    return TransientError(str(error))
