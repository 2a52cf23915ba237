"""``python -m fleet_model million`` and ``ladders``: what they answer, write and refuse."""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from fleet_model import __main__ as command
from fleet_model import commands, ladders, million
from localcloud.project import ROOT
from reporting.tables import duration

Run = Callable[..., int]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(commands, "DRAWN", tmp_path / "drawn")

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["python -m fleet_model", *arguments])
        return command.main()

    return run


# Ladders


def test_a_ladder_may_be_what_the_module_takes_and_no_more() -> None:
    variables = (ROOT / "variables.tf").read_text()
    (longest,) = re.findall(r"wait >= 1 && wait <= (\d+) ", variables)
    (most,) = re.findall(r"length\(var\.cool_down_seconds\) <= (\d+)", variables)
    ladder = ",".join(["1", *[longest] * (int(most) - 1)])
    assert commands.ladder(ladder) == (1, *[int(longest)] * (int(most) - 1))
    for wrong in (f"{ladder},1", "0", str(int(longest) + 1)):
        with pytest.raises(argparse.ArgumentTypeError):
            commands.ladder(wrong)


def test_ladders_are_compared_side_by_side_in_a_table_a_file_and_a_picture(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, picture = tmp_path / "fleet.json", tmp_path / "fleet.png"
    assert (
        run(
            *("ladders", "--devices", "2,000", "--failure-probability", "0.6"),
            *("--cool-down", "3600,86400", "--cool-down", "", "--retry-limit", "4"),
            *("--json", str(figures), "--picture", str(picture)),
        )
        == 0
    )
    said = capsys.readouterr().out
    assert "[3600, 86400]" in said
    assert "people get called for" in said
    written_figures = json.loads(figures.read_text())
    assert written_figures["fleet"]["fails_later"] == written_figures["fleet"]["fails"] == 0.6
    assert [entry["ladder"] for entry in written_figures["ladders"]] == [[3600, 86400], []]
    for entry in written_figures["ladders"]:
        assert entry["devices"]["called"] == pytest.approx(2000 * entry["expected"]["called"])
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_picture_is_drawn_in_any_case_and_it_is_said_where(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("ladders", "--devices", "200", "--failure-probability", "0.6") == 0
    drawn = tmp_path / "drawn" / "ladders.svg"
    assert f"The picture: {drawn.as_uri()}" in capsys.readouterr().out
    assert "<svg" in drawn.read_text()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--devices", "many", "'many' is no whole number from 1 to 5,000,000"),
        ("--devices", "0", "'0' is no whole number from 1 to 5,000,000"),
        ("--failure-probability", "20", "'20' is no share: write 0.2 for 20 %"),
        ("--never-recovers", "some", "'some' is no number"),
        ("--never-recovers", "nan", "'nan' is no share"),
        ("--messages-per-day", "-1", "'-1' is not from 0 to 1,000,000"),
        ("--retry-limit", "11", "'11' is no whole number from 1 to 10"),
        ("--cool-down", "1d", "'1d' is no ladder: write the seconds of each wait"),
        ("--cool-down", "0", "'0' is no ladder"),
        ("--cool-down", "12960001", "'15724801' is no ladder"),
        ("--cool-down", ",".join(["60"] * 11), "has 11 waits: 10 at most"),
        ("--copies", "0", "'0' is no whole number from 1 to 5"),
        ("--seconds-between-tries", "0", "'0' is no whole number from 1 to 86,400"),
        ("--seed", "-1", "'-1' is no whole number from 0 to"),
        ("--json", "/no/such/file.json", "there is no folder /no/such: make it first"),
        ("--json", "/", "'/' is no file: name one to write"),
        ("--picture", "fleet.txt", "'fleet.txt' has to end with .svg or .png"),
        ("--picture", "/no/such/fleet.svg", "there is no folder /no/such: make it first"),
    ],
)
def test_what_cannot_be_is_refused_with_what_to_write(
    run: Run, capsys: pytest.CaptureFixture[str], option: str, value: str, said: str
) -> None:
    with pytest.raises(SystemExit):
        run("ladders", f"{option}={value}")
    assert said in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("option", ["--json=/no/such/file.json", "--picture=storm.txt"])
def test_a_storm_does_not_begin_before_it_can_be_written(
    run: Run, monkeypatch: pytest.MonkeyPatch, option: str
) -> None:
    monkeypatch.setattr(million, "run", lambda *_: pytest.fail("it began"))
    with pytest.raises(SystemExit):
        run("million", option)


def test_not_too_many_ladders_at_once(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("ladders", *(["--cool-down", "3600"] * 7)) == 2
    assert "--cool-down was given 7 times: 6 at most" in capsys.readouterr().out


# A million


def test_a_storm_is_reported_in_a_table_a_file_and_a_picture(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures, picture = tmp_path / "storm.json", tmp_path / "storm.svg"
    written = ("--json", str(figures), "--picture", str(picture))
    assert run("million", "--devices", "300", "--tick", "20", *written) == 0
    said = capsys.readouterr().out
    assert "failures counted twice" in said
    assert "lost counts" in said
    reports = json.loads(figures.read_text())
    assert [report["name"] for report in reports] == list(million.setups())
    assert [report["audit"]["lost"] for report in reports] == [0] * len(reports)
    assert [report["audit"]["lost_counts"] for report in reports] == [0] * len(reports)
    assert [list(waits) for waits in reports[0]["waits"]] == [["p50", "p95", "p99"]] * 2
    for report in reports:
        rates = {rate["name"]: rate for rate in report["rates"]}
        assert rates["iot.update_thing"]["asked"] >= rates["iot.update_thing"]["granted"] > 0
        assert rates["open executions, in all"]["granted"] == report["most_open"] > 0
        assert report["dollars_per_device"] == pytest.approx(report["dollars"] / 300)
        assert report["passes_dollars"] > 0
    assert picture.read_text().startswith("<?xml")


def test_what_must_not_happen_fails_the_command_which_says_in_which_run_and_writes_no_docs(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def failing(attack: million.Storm, jobs: int, told: million.Progress) -> list[million.Report]:
        well = million.simulate("default quotas", attack, million.setups(60)["default quotas"])
        return [
            replace(well, name=name, audit={**well.audit, figure: 3})
            for name, figure in zip(
                million.setups(),
                ("lost", "notified_twice", "counted_twice", "lost_counts"),
                strict=False,
            )
        ]

    monkeypatch.setattr(million, "run", failing)
    monkeypatch.setattr(commands, "PAGE", None)
    assert run("million", "--devices", "20", "--tick", "20", "--docs") == 1
    said = capsys.readouterr().out
    assert "default quotas: 3 devices were lost" in said
    assert "no jitter: 3 devices were told of twice" in said
    assert "one job: 3 failures were counted twice" in said
    assert "StartExecution raised: 3 failures were not counted, for no reason" in said


# The page


def test_the_page_has_the_tables_that_the_commands_write() -> None:
    page = commands.PAGE.read_text()
    for name in ("ladders", "storm", "runs", "quotas", "refused"):
        assert re.search(rf"<!-- {name} -->\n\|.+\|\n<!-- /{name} -->", page, re.DOTALL), name
    for path in (commands.STORM_PICTURE, commands.LADDERS_PICTURE):
        assert path.stat().st_size < 200_000


def test_the_page_says_that_nobody_is_lost() -> None:
    page = commands.PAGE.read_text()
    for figure in ("devices lost", "lost counts", "failures counted twice"):
        assert f"| **{figure}** |{' **0** |' * len(million.setups())}" in page


def test_the_example_of_the_page_is_what_it_says_above_the_table() -> None:
    example = commands.EXAMPLE
    page = " ".join(commands.PAGE.read_text().replace("\\\n", " ").split())
    for option, value in (
        ("devices", example.devices),
        ("failure-probability", example.fails),
        ("failure-probability-later", example.fails_later),
        ("never-recovers", example.never),
        ("messages-per-day", f"{example.messages_per_day:g}"),
    ):
        assert f"--{option} {value} " in page


def test_durations_are_in_the_unit_that_a_reader_takes_in() -> None:
    assert [duration(seconds) for seconds in (7, 600, 9000)] == ["7 s", "10 min", "2.5 h"]


def test_readme_tells_the_same_of_a_million_as_the_page() -> None:
    page, readme = commands.PAGE.read_text(), " ".join((ROOT / "README.md").read_text().split())
    cells = dict(re.findall(r"^\| ([^|]+?) \| ([^|]+?) \|", page, re.MULTILINE))
    assert cells["**devices lost**"] == cells["**lost counts**"] == "**0**"
    half, restored = (
        cells["last failure to moved out, cycle 1, p50"],
        cells["first failure to all restored"],
    )
    assert f"half are out of their group {half} after their last try failed" in readme
    assert f"all are back after {restored}, for {cells['the bill']}." in readme


def test_a_device_that_is_lost_fails_the_command(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ladders, "wrong_in", lambda figures: [f"{figures['lost']} of any kind"])
    assert run("ladders", "--devices", "100", "--failure-probability", "0.6") == 1
    assert "[86400]: 0 of any kind" in capsys.readouterr().out
