"""The one place where AWS is called, and where its errors become this package's.

botocore alone, without boto3: its low-level client is all that is needed and starts faster.
"""

import logging
import os
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import botocore.exceptions
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from firmware_retry.errors import RequestRefusedError, ThingNotFoundError, TransientError

# Two tries within the function's own 15 seconds. What lasts longer is for the state machine, whose
# backoff costs no running function.
_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 2},
    connect_timeout=2,
    read_timeout=4,
)

# At INFO it says at each cold start where it found credentials and endpoints: lines to pay for.
logging.getLogger("botocore").setLevel(logging.WARNING)

_NO_ANSWER = (botocore.exceptions.ConnectionError, botocore.exceptions.HTTPClientError)

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html
# https://docs.aws.amazon.com/iot/latest/apireference/API_UpdateThing.html#API_UpdateThing_Errors
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
_TRANSIENT_CODES = frozenset(
    {
        "ConflictingResourceUpdateException",
        "ExecutionLimitExceeded",
        "InternalFailureException",
        "InternalServerError",
        "KMSThrottling",
        "KMSThrottlingException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
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


class ConditionFailedError(Exception):
    """A conditional write was refused. Never leaves the package: its caller decides on ``item``."""

    def __init__(self, item: dict[str, Any] | None) -> None:
        """``item``: the item as it is, in DynamoDB's typed JSON; None when there is none."""
        super().__init__("the condition of the write does not hold")
        self.item = item


# One for all clients: each session would read botocore's endpoints and defaults anew.
_session = lru_cache(maxsize=1)(botocore.session.get_session)


@lru_cache(maxsize=8)
def client(service: str) -> Any:
    """The client of a service, made once a process: making one costs more than a call."""
    return _session().create_client(service, config=_CONFIG)


def prepare(*services: str) -> None:
    """Makes clients while a function starts: Lambda gives it a whole processor for that, and later
    only a share that goes with its memory.

    Nothing is made elsewhere: in a test or a simulation, what stands in for AWS comes later.

    https://docs.aws.amazon.com/lambda/latest/dg/python-handler.html#python-best-practices
    """
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        for service in services:
            client(service)


def call(service: str, operation: str, **parameters: Any) -> dict[str, Any]:
    """Makes one call.

    Args:
        service: botocore's name of the service: ``iot``, ``dynamodb``, ``sns``.
        operation: the client's method: ``update_item``.
        parameters: as the client takes them.

    Returns:
        The response, as the client gives it.

    Raises:
        TransientError: it may succeed later.
        ThingNotFoundError: AWS IoT knows no such thing (or group: the caller has to tell apart).
        ConditionFailedError: a condition of a DynamoDB write does not hold.
        RequestRefusedError: it will not succeed until somebody changes something.
    """
    try:
        response: dict[str, Any] = getattr(client(service), operation)(**parameters)
    except ClientError as error:
        raise _classified(service, error) from error
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


def scan(**parameters: Any) -> Iterator[list[dict[str, Any]]]:
    """Reads a whole table.

    Args:
        parameters: as ``scan`` of DynamoDB's client takes them.

    Yields:
        The items of one page after the other, each read when it is asked for.

    Raises:
        TransientError, RequestRefusedError: see ``call``.
    """
    while True:
        page = call("dynamodb", "scan", **parameters)
        yield page["Items"]
        if "LastEvaluatedKey" not in page:
            return
        parameters["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _classified(service: str, error: ClientError) -> Exception:
    code = error.response["Error"]["Code"]
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code == "ConditionalCheckFailedException":
        return ConditionFailedError(error.response.get("Item"))  # type: ignore[arg-type]
    if code == "TransactionCanceledException":
        return _classified_transaction(error)
    if code in _TRANSIENT_CODES or status >= 500:
        return TransientError(str(error))
    if service == "iot" and code == "ResourceNotFoundException":
        return ThingNotFoundError(str(error))
    return RequestRefusedError(str(error), code)


def _classified_transaction(error: ClientError) -> Exception:
    # https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_TransactWriteItems.html
    reasons: list[dict[str, Any]] = error.response.get("CancellationReasons", [])  # type: ignore[assignment]
    for reason in reasons:
        if reason.get("Code") == "ConditionalCheckFailed":
            return ConditionFailedError(reason.get("Item"))
    return TransientError(str(error))
