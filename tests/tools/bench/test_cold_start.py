"""Each handler answers in its scene, and makes the clients of the services that it needs."""

from __future__ import annotations

import re
from functools import cache

import hcl2
import pytest

from bench import cold_start
from localcloud.project import ROOT


@cache  # the parser takes longer than a handler
def services() -> dict[str, set[str]]:
    """The services that each handler's role may call, by the handler's module."""
    with (ROOT / "modules" / "handlers" / "iam.tf").open(encoding="utf-8") as file:
        (steps,) = (block["steps"] for block in hcl2.load(file)["locals"] if "steps" in block)
    botocore = {"states": "stepfunctions"}
    return {
        re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", step).lower(): {
            botocore.get(service, service)
            for actions in concerns.values()
            for service in re.findall(r"(\w+):\w+", str(actions))
        }
        for step, concerns in steps.items()
    }


def test_a_handler_makes_the_clients_of_what_it_may_call_while_it_starts_and_no_other() -> None:
    made = cold_start.clients()
    assert {step: sorted(clients.all) for step, clients in made.items()} == {
        step: sorted(called) for step, called in services().items()
    }
    assert not [step for step, clients in made.items() if clients.late]


def test_botocore_and_boto3_answer_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_start, "steps", lambda: ["increment_retry_counter"])
    (start,) = cold_start.measure(1, lambda _: None)
    assert start.services == ("dynamodb",)
    assert start.ratio > 0
    assert start.boto3_ratio > 0


def test_a_handler_that_fails_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold_start, "steps", lambda: ["release_device"])
    monkeypatch.setattr(cold_start, "_scene", lambda _: (None, {}))
    with pytest.raises(cold_start.ColdStartError, match="release_device failed"):
        cold_start.clients()
