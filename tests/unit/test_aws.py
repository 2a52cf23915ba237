"""Which errors may pass, and which will not."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock, patch

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError

from firmware_retry import aws
from firmware_retry.aws import ConditionFailedError
from firmware_retry.errors import RequestRefusedError, ThingNotFoundError, TransientError

ROOT = Path(__file__).parents[2]


def refuse(code: str, status: int = 400, service: str = "iot", **more: Any) -> None:
    answer = {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}
    fail_with(ClientError(answer, "operation"), service)  # type: ignore[arg-type]


def fail_with(error: Exception, service: str = "iot") -> None:
    with patch("firmware_retry.aws.client", return_value=Mock(op=Mock(side_effect=error))):
        aws.call(service, "op")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 400),
        ("ProvisionedThroughputExceededException", 400),
        ("VersionConflictException", 409),
        ("ConflictingResourceUpdateException", 409),
        ("ExecutionLimitExceeded", 400),
        ("InternalFailureException", 500),
        ("SomethingNew", 500),
        ("SomethingNew", 503),
    ],
)
def test_what_may_pass_is_transient(code: str, status: int) -> None:
    with pytest.raises(TransientError):
        refuse(code, status)


@pytest.mark.parametrize(
    "error", [ReadTimeoutError(endpoint_url="x"), ConnectTimeoutError(endpoint_url="x")]
)
def test_a_lost_connection_is_transient(error: Exception) -> None:
    with pytest.raises(TransientError, match=r"iot\.op got no answer"):
        fail_with(error)


@pytest.mark.parametrize("code", ["AccessDeniedException", "InvalidRequestException"])
def test_what_will_not_pass_is_refused(code: str) -> None:
    with pytest.raises(RequestRefusedError):
        refuse(code)


def test_only_the_registry_can_say_that_a_thing_is_not_found() -> None:
    with pytest.raises(ThingNotFoundError):
        refuse("ResourceNotFoundException", 404)
    with pytest.raises(RequestRefusedError):
        refuse("ResourceNotFoundException", 400, service="dynamodb")


def test_a_refused_condition_brings_the_item() -> None:
    with pytest.raises(ConditionFailedError) as refused:
        refuse("ConditionalCheckFailedException", Item={"deviceId": {"S": "d"}})
    assert refused.value.item == {"deviceId": {"S": "d"}}


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("ConditionalCheckFailed", ConditionFailedError),
        ("TransactionConflict", TransientError),
        ("ThrottlingError", TransientError),
        ("ValidationError", RequestRefusedError),
        ("ItemCollectionSizeLimitExceeded", RequestRefusedError),
    ],
)
def test_a_cancelled_transaction_is_told_by_its_reasons(
    reason: str, expected: type[Exception]
) -> None:
    reasons = [{"Code": "None"}, {"Code": reason}]
    with pytest.raises(expected):
        refuse("TransactionCanceledException", CancellationReasons=reasons, service="dynamodb")


def _timeout_of_functions() -> int:
    """Return the timeout of the module's functions, seconds."""
    text = (ROOT / "modules/handlers/main.tf").read_text()
    found = re.search(r"timeout += lookup\(local\.timeouts, each\.key, (\d+)\)", text)
    assert found
    return int(found[1])


@pytest.fixture
def new_clients(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No client is created yet."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    aws.client.cache_clear()
    yield
    aws.client.cache_clear()


def test_a_function_creates_its_clients_while_it_starts(
    new_clients: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "CheckIfDeviceExists")
    aws.prepare("iot", "dynamodb")
    assert aws.client.cache_info().currsize == 2


def test_no_client_is_created_outside_of_lambda(
    new_clients: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME", raising=False)
    aws.prepare("iot")
    assert aws.client.cache_info().currsize == 0


def test_a_call_is_over_before_the_function_times_out(new_clients: None) -> None:
    config = aws.client("iot").meta.config
    attempts = config.retries["total_max_attempts"]
    assert attempts * (config.connect_timeout + config.read_timeout) < _timeout_of_functions()
