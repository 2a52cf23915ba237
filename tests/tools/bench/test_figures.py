"""A figure that is worse than the recorded one fails the bench; a better one is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import __main__ as command
from bench import cold_start, docs_writer, run, targets
from pricing import bill, recorded_usage
from pricing.bill import Usage
from pricing.recorded_usage import Figures, Measured

COUNTED: Figures = {"lambda_invocations": 1, "write_units": 1}


def texts(measured: Measured, baseline: Measured) -> list[str]:
    return [str(difference) for difference in recorded_usage.differences(measured, baseline)]


def test_the_same_figures_differ_in_nothing() -> None:
    assert texts({"counted": COUNTED}, {"counted": dict(COUNTED)}) == []


@pytest.mark.parametrize(
    ("now", "is_worse", "text"),
    [
        ({"write_units": 2}, True, "worse: write_units of counted was 1, is 2"),
        ({"read_units": 0.5}, True, "worse: read_units of counted was 0, is 0.5"),
        ({"write_units": 0}, False, "better: write_units of counted was 1, is 0"),
    ],
)
def test_a_difference_says_which_figure_was_what_and_is_what(
    now: Figures, is_worse: bool, text: str
) -> None:
    (found,) = recorded_usage.differences({"counted": COUNTED | now}, {"counted": COUNTED})
    assert found.is_worse is is_worse
    assert str(found) == text


def test_a_journey_that_is_new_is_worse_until_it_is_recorded() -> None:
    (found, _) = recorded_usage.differences({"counted": COUNTED}, {})
    assert found.is_worse


def test_figures_come_back_from_the_file_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "recorded.json"
    assert recorded_usage.read(path) == {}
    recorded_usage.write({"counted": COUNTED}, path)
    assert recorded_usage.read(path) == {"counted": COUNTED}


def test_figures_are_counted_units_and_pay_the_same_bill() -> None:
    usage = Usage(write_units=3, mails=1) + bill.express_runs(2) + bill.invocations(4)
    counted = recorded_usage.figures_of(usage)
    assert counted == {
        "write_units": 3,
        "mails": 1,
        "express_requests": 2,
        "express_gb_seconds": 2 * 0.3 / 16,
        "lambda_invocations": 4,
        "lambda_gb_seconds": 4 * 0.05 / 8,
    }
    for told in (counted, counted | {"items_changed": 9}):
        assert recorded_usage.usage_of(told).counts() == pytest.approx(usage.counts())


@pytest.fixture
def baseline(monkeypatch: pytest.MonkeyPatch) -> Measured:
    """What is recorded in this project; the command finds it, and no local cloud is started."""
    measured = recorded_usage.read()
    monkeypatch.setattr(command, "_measure", lambda tell: (measured, {}))
    monkeypatch.setattr(command, "_show", lambda *_: None)
    monkeypatch.setattr(cold_start, "measure", lambda *_: [])
    return measured


def run_command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["bench", *arguments])
    return command.main()


def test_the_command_succeeds_with_what_is_recorded(
    baseline: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run_command(monkeypatch) == 0


def test_the_command_fails_on_a_worse_figure_and_names_it(
    baseline: Measured, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline["recovered"]["write_units"] += 1
    assert run_command(monkeypatch) == 1
    assert "worse: write_units of recovered was" in capsys.readouterr().out


def test_the_command_tells_of_a_better_figure_and_asks_to_record_it(
    baseline: Measured, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline["recovered"]["write_units"] -= 1
    assert run_command(monkeypatch) == 0
    told = capsys.readouterr().out
    assert "better: write_units of recovered was" in told
    assert "--record" in told


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("--json=/no/such/now.json", "there is no folder /no/such: make it first"),
        ("--repetitions=0", "'0' is no whole number from 1 to 1,000"),
    ],
)
def test_the_command_refuses_what_cannot_be_before_it_measures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], option: str, said: str
) -> None:
    monkeypatch.setattr(command, "_run", lambda *_: pytest.fail("it began"))
    with pytest.raises(SystemExit):
        run_command(monkeypatch, "--cold-start", option)
    assert said in " ".join(capsys.readouterr().err.split())


def test_what_is_complained_of_is_not_recorded(
    baseline: Measured, monkeypatch: pytest.MonkeyPatch
) -> None:
    baseline["counted"]["read_units"] = 1
    for module in (recorded_usage, docs_writer):
        monkeypatch.setattr(module, "write", lambda _: pytest.fail("it wrote"))
    monkeypatch.setattr(docs_writer, "write_one", lambda *_: pytest.fail("it wrote"))
    assert run_command(monkeypatch, "--record") == 1


def test_the_command_fails_on_a_missed_target_though_it_is_recorded(
    baseline: Measured, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline["counted"]["read_units"] = 1
    monkeypatch.setattr(recorded_usage, "read", lambda: baseline)
    assert run_command(monkeypatch) == 1
    assert "read_units of counted is 1, the target is 0" in capsys.readouterr().out


def test_the_command_fails_where_a_cost_grows_with_the_fleet(
    baseline: Measured, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline["escalated" + run.BESIDE]["read_units"] += 0.5
    monkeypatch.setattr(recorded_usage, "read", lambda: baseline)
    assert run_command(monkeypatch) == 1
    assert "read_units of escalated is" in capsys.readouterr().out


def test_the_recorded_figures_meet_the_targets() -> None:
    assert targets.find_missed(recorded_usage.read()) == []


@pytest.mark.parametrize("journey", targets.AT_MOST)
def test_a_target_is_missed_by_one_more(journey: str) -> None:
    for name, most in targets.AT_MOST[journey].items():
        (line,) = targets.find_missed_by(journey, {name: most + 1})
        assert name in line


def test_the_price_is_a_target_too() -> None:
    assert targets.find_missed_by("escalated", {"write_units": 1000})


def test_each_failure_costs_the_same_but_for_the_recovery_after_the_last_of_a_cycle() -> None:
    baseline, counted = (
        recorded_usage.read(),
        recorded_usage.usage_of(recorded_usage.read()["counted"]),
    )
    usage = {
        failures: recorded_usage.usage_of(baseline[f"failures_{failures}"])
        for failures in (1, 5, 9, 10, 15, 19, 20)
    }
    # A line of the log is a digit or a name longer or shorter.
    as_counted = pytest.approx(counted.dollars(), rel=0.01)
    for before, after in ((1, 5), (5, 9), (10, 15), (15, 19)):
        assert (usage[after] - usage[before]).dollars() / (after - before) == as_counted
    for last in (10, 20):
        assert (usage[last] - usage[last - 1]).standard_transitions > 0


def test_the_size_of_the_fleet_costs_a_device_nothing() -> None:
    assert run.grew_with_fleet(recorded_usage.read()) == []


def test_a_pass_over_records_at_rest_reads_them_and_does_nothing_else() -> None:
    baseline = recorded_usage.read()
    for records in run.AT_REST:
        usage = baseline[f"reconcile_{records}"]
        assert usage["lambda_invocations"] == 1
        assert usage["items_changed"] == 0
        assert usage["dynamodb_calls"] == usage["dynamodb_reads"]
    none, few, many = (baseline[f"reconcile_{records}"]["read_units"] for records in run.AT_REST)
    assert many - none == pytest.approx(10 * (few - none), rel=0.15)
