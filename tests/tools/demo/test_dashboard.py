"""The picture of a dashboard: each widget in its place, with its own figures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from demo import dashboard
from demo.dashboard import CloudFigures, Curve
from localcloud import LocalCloud

ARN = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:FirmwareRetry-{}"
PLACE = {"x": 0, "width": 12, "height": 6}


def widget(kind: str, y: int, **properties: Any) -> dict[str, Any]:
    return {**PLACE, "type": kind, "y": y, "properties": properties}


LINES = {"annotations": {"horizontal": [{"label": "alarm line", "value": 3}]}}
DEFINITION = {
    "widgets": [
        widget("text", 0, markdown="## Devices\nWhere they are."),
        widget("metric", 6, title="Sums", metrics=[["Space", "A"]], stacked=False, **LINES),
        widget("metric", 12, title="Stacked", metrics=[["Space", "B"]], stacked=True),
        widget("metric", 18, title="Silent", metrics=[["Space", "C"]], stacked=False),
        widget("log", 24, title="Campaigns", query="SOURCE 'g' | stats count(*) as n by c"),
        widget("alarm", 30, title="Alarms", alarms=[ARN.format("late")]),
    ]
}


class Known:
    """Figures of a minute that is known."""

    seconds = 60.0

    def curves(self, properties: dict[str, Any]) -> list[Curve]:
        name = properties["metrics"][0][1]
        return [] if name == "C" else [Curve(f"curve {name}", [(0, 1), (30, 4), (60, 2)])]

    def rows(self, query: str) -> list[dict[str, str]]:
        assert "count(*)" in query
        return [{"c": "campaign-7", "n": "42"}]

    def states(self, arns: list[str]) -> list[tuple[str, str]]:
        return [(arn.rpartition(":")[2], "ALARM") for arn in arns]


@pytest.fixture(scope="module")
def svg(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The picture as SVG whose text is text."""
    import matplotlib as mpl  # noqa: PLC0415 -- slow

    path = tmp_path_factory.mktemp("picture") / "dashboard.svg"
    with mpl.rc_context({"svg.fonttype": "none"}):
        dashboard.draw(path, DEFINITION, Known(), "of a known minute")
    return path.read_text()


@pytest.mark.parametrize(
    "text",
    [
        "of a known minute",
        "Devices",
        "Where they are.",
        "Sums",
        "curve A",
        "alarm line",
        "Stacked",
        "curve B",
        "campaign-7",
        "42",
        "late",
    ],
)
def test_each_widget_shows_what_it_has(svg: str, text: str) -> None:
    assert f">{text}<" in svg


def test_a_widget_without_figures_shows_no_data(svg: str) -> None:
    assert svg.count(">no data<") == 1


def test_a_picture_is_small(tmp_path: Path) -> None:
    path = tmp_path / "pictures" / "dashboard.png"
    dashboard.draw(path, DEFINITION, Known(), "")
    picture = path.read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert picture[25] == 3  # the kind of its colours: a palette
    assert len(picture) < 60_000


def test_figures_are_those_of_the_cloud() -> None:
    with LocalCloud() as cloud:
        cloudwatch, at = cloud.client("cloudwatch"), 1_700_000_000
        datum = {"MetricName": "Sent", "Dimensions": [{"Name": "Rule", "Value": "r"}]}
        cloudwatch.put_metric_data(
            Namespace="Space",
            MetricData=[
                {**datum, "Timestamp": at + 1, "Value": 2},
                {**datum, "Timestamp": at + 1.5, "Value": 3},
                {**datum, "Timestamp": at + 3, "Value": 4},
            ],
        )
        figures = CloudFigures(cloud, at, at + 4)
        metric = ["Space", "Sent", "Rule", "r", {"label": "sent"}]
        search = "SEARCH('{Space,Rule} MetricName=\"Sent\" Rule=\"r\"', 'Maximum', 300)"

        # Nothing was sent where nothing is said of it; what is no sum is unknown then.
        assert figures.curves({"stat": "Sum", "metrics": [metric]}) == [
            Curve("sent", [(0, 0), (1, 5), (2, 0), (3, 4)])
        ]
        assert figures.curves({"stat": "Maximum", "metrics": [metric]}) == [
            Curve("sent", [(1, 3), (3, 4)])
        ]
        assert figures.curves({"stat": "Maximum", "metrics": [[{"expression": search}]]}) == [
            Curve("r Sent", [(1, 3), (3, 4)])
        ]
        assert figures.curves({"stat": "Sum", "metrics": [["Space", "Other"]]}) == []
