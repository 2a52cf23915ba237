"""The workflow that this module replaces, as it was measured: on the original's own code."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Original:
    """What a number of failures of one device took.

    Attributes:
        failures: how many.
        standard_transitions: billed transitions of its Standard state machine.
        lambda_invocations: of its functions.
        dynamodb_calls: all of them, where they were counted.
        dynamodb_reads: which of these read.
        dollars: list price of Step Functions, Lambda and DynamoDB, with 50 ms of 128 MB an
            invocation, where it was told.
    """

    failures: int
    standard_transitions: int
    lambda_invocations: int
    dynamodb_calls: int | None = None
    dynamodb_reads: int | None = None
    dollars: float | None = None


NINE = Original(9, 56, 20, dynamodb_calls=31, dynamodb_reads=20)
TWENTY = Original(20, 130, 47, dollars=0.00329)
"""The whole journey: two cycles, and the alert."""
