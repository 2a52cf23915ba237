"""The definitions of the state machines, rendered as the Terraform module renders them.

``tests/terraform/test_state.py`` compares both.
"""

import json
import re
from functools import lru_cache
from typing import Any

from localcloud.project import ROOT

RECOVERIES = ("cool_down", "escalation")
MACHINES = ("intake", *RECOVERIES)
QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/123456789012/dead-letters"

_FOLDER = ROOT / "stepfunctions"
_REFERENCE = re.compile(r'\$\{(\w+)(?:\["(\w+)"\])?\}')
"""``${name}`` or ``${name["key"]}``; the templates use nothing else of Terraform's language."""


def machine_arn(machine: str) -> str:
    """Return the ARN of a simulated state machine."""
    return f"arn:aws:states:eu-west-1:123456789012:stateMachine:{machine}"


def function_arn(step: str) -> str:
    """Return the ARN of a step's simulated function."""
    return f"arn:aws:lambda:eu-west-1:123456789012:function:{step}"


def steps() -> list[str]:
    """List the steps that the definitions call, in the order in which they are first named."""
    templates = "".join(_template(machine) for machine in MACHINES)
    return list(dict.fromkeys(re.findall(r'functions\["(\w+)"\]', templates)))


@lru_cache(maxsize=len(MACHINES))
def render(machine: str) -> str:
    """Return the definition of ``intake``, ``cool_down`` or ``escalation`` as JSON text.

    Raises:
        KeyError: the template names a variable that is unknown here.
    """
    variables: dict[str, Any] = {
        "partition": "aws",
        "functions": {step: function_arn(step) for step in steps()},
        "dead_letter_queue_url": QUEUE_URL,
        **{f"{recovery}_state_machine_arn": machine_arn(recovery) for recovery in RECOVERIES},
        "start_throttled": json.dumps(_policies()["errors"]["start_throttled"]),
        **retries(),
    }

    def value(reference: re.Match[str]) -> str:
        name, key = reference.groups()
        return str(variables[name][key] if key else variables[name])

    return _REFERENCE.sub(value, _template(machine))


def definition(machine: str) -> dict[str, Any]:
    """Return the definition of a machine, a new object at each call."""
    decoded: dict[str, Any] = json.loads(render(machine))
    return decoded


def retries() -> dict[str, str]:
    """Return the ``Retry`` fields by the names that the templates use, as JSON text."""
    policies = _policies()
    errors, backoffs = policies["errors"], policies["backoffs"]
    return {
        name: json.dumps(
            [
                {"ErrorEquals": errors[retrier["errors"]], **backoffs[retrier["backoff"]]}
                for retrier in retriers
            ]
        )
        for name, retriers in policies["policies"].items()
    }


def _policies() -> dict[str, Any]:
    known: dict[str, Any] = json.loads((_FOLDER / "retry_policies.json").read_text("utf-8"))
    return known


def _template(machine: str) -> str:
    return (_FOLDER / f"{machine}.asl.json.tftpl").read_text("utf-8")
