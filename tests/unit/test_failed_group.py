"""The failed group, compared with the records of the devices that were put into it."""

import pytest

from firmware_retry import failed_group
from firmware_retry.failed_group import Group, Review, Settled


def sort(recorded: dict[str, str], listed: set[str], removals: int = 0) -> Review:
    settled = [Settled(device, group_id) for device, group_id in recorded.items()]
    return failed_group.sort(settled, Group("present", listed, removals))


def test_devices_are_sorted_by_their_recorded_group_and_by_the_listing() -> None:
    recorded = {"stays": "present", "unrecorded": "", "removed": "present", "stranger": "former"}
    assert sort(recorded, {"stays", "unrecorded", "unrelated"}) == Review(
        group_id="present",
        members=["stays"],
        unrecorded=["unrecorded"],
        removed=["removed"],
        missing=["stranger"],
        is_replaced=True,
    )


@pytest.mark.parametrize(
    ("absent", "removals", "devices", "is_emptied"),
    [
        (10, 0, 10, False),
        (11, 0, 11, True),
        (20, 0, 200, False),
        (21, 0, 200, True),
        (1, 10, 1, True),
        (10, 10, 190, False),
        (11, 10, 190, True),
    ],
)
def test_group_that_lost_more_than_ten_devices_and_a_tenth_was_emptied(
    absent: int, removals: int, devices: int, *, is_emptied: bool
) -> None:
    names = [f"dev-{number}" for number in range(devices)]
    review = sort(dict.fromkeys(names, "present"), set(names[absent:]), removals)
    expected = ([], names[:absent]) if is_emptied else (names[:absent], [])
    assert (review.removed, review.missing) == expected
    assert not review.is_replaced
