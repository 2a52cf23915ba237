"""The pictures are what their sources say, and the sources what the code says."""

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from demo.fleet_plan import plan_fleet
from docs import timeline
from firmware_retry.history_table import FREE
from firmware_retry.record import Cause, State
from localcloud.project import ROOT

IMAGES = ROOT / "docs/images"
RENDERER = ROOT / ".venv-tools/diagrams"
NAMES = ["architecture", "states"]


def text_of(name: str) -> str:
    """All that the picture says, in one line."""
    root = ET.parse(IMAGES / f"{name}.svg").getroot()
    return " ".join(" ".join(root.itertext()).split())


@pytest.fixture(scope="module")
def diagrams(tmp_path_factory: pytest.TempPathFactory) -> Path:
    assert RENDERER.exists(), "the renderer of the pictures is not here: run `make pictures`"
    target = tmp_path_factory.mktemp("images")
    path = f"{os.environ['PATH']}:{Path(sys.executable).parent}"
    subprocess.run(
        ["node", str(ROOT / "tools/docs/render.mjs"), str(RENDERER), str(target)],
        env=os.environ | {"PATH": path},
        check=True,
    )
    return target


def test_every_diagram_is_drawn(diagrams: Path) -> None:
    assert sorted(path.stem for path in diagrams.iterdir()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_what_its_source_says(diagrams: Path, name: str) -> None:
    drawn, kept = (folder / f"{name}.svg" for folder in (diagrams, IMAGES))
    assert kept.read_text() == drawn.read_text(), "run `make pictures`"


@pytest.mark.parametrize("word", [FREE, *State, *Cause])
def test_the_states_of_a_device_and_all_causes_are_drawn(word: str) -> None:
    assert word in text_of("states")


def steps() -> list[str]:
    handlers = ROOT / "lambda_src/firmware_retry/handlers"
    names = [path.stem for path in handlers.glob("[a-z]*.py")]
    return ["".join(part.capitalize() for part in name.split("_")) for name in names]


@pytest.mark.parametrize("step", sorted(steps()))
def test_every_step_is_in_the_architecture(step: str) -> None:
    assert step.lower() in text_of("architecture").lower()


@pytest.mark.parametrize("machine", ["intake", "cool_down", "escalation"])
def test_every_state_machine_is_in_the_architecture(machine: str) -> None:
    assert (ROOT / f"stepfunctions/{machine}.asl.json.tftpl").exists()
    assert machine.replace("_", "-").upper() in text_of("architecture")


def test_the_timeline_shows_the_fleet_of_the_demo() -> None:
    picture = IMAGES / "timeline.svg"
    assert picture.stat().st_size < 200_000
    said = text_of("timeline")
    for plan in plan_fleet():
        assert f"{plan.name}: " in said
    assert f"{plan_fleet()[-1].name}: people notified at" in said


def test_a_page_without_a_timeline_is_refused() -> None:
    with pytest.raises(ValueError, match="no page of make demo"):
        timeline.picture("<html></html>")


def test_without_a_demo_the_timeline_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = timeline.PICTURE.read_text()
    assert timeline.main([str(tmp_path / "index.html")]) == 0
    assert "`make demo` makes a new one" in capsys.readouterr().out
    assert timeline.PICTURE.read_text() == before
