"""Errors as botocore's clients raise them."""

from collections.abc import Iterable, Mapping
from typing import Any

from botocore.exceptions import ClientError


class NotSimulatedError(Exception):
    """The package asks for something that the simulation does not know: extend the simulation."""


def client_error(code: str, message: str = "", status: int = 400, **more: Any) -> ClientError:
    """Return an error answer of a service.

    Args:
        code: AWS's name of the error.
        message: for a reader.
        status: HTTP status.
        more: further members of the answer, such as ``Item``.
    """
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
        **more,
    }
    return ClientError(response, "Simulated")


def only(parameters: Mapping[str, Any], known: Iterable[str]) -> None:
    """Raise NotSimulatedError when a call has a parameter that is not among the known ones."""
    unknown = parameters.keys() - known
    if unknown:
        raise NotSimulatedError(f"parameters not simulated: {', '.join(sorted(unknown))}")
