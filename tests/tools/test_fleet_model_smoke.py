"""The fleet model can be run; its own tests are in ``make nightly``."""

from fleet_model import ladders, model, workload
from fleet_model.ladders import Fleet


def test_no_device_is_lost_in_a_small_fleet() -> None:
    audit = model.run(workload.bad_release(50), model.Setup(tick=60)).audit
    assert audit.devices == audit.recovered + audit.escalated == 50


def test_a_ladder_can_be_tabulated() -> None:
    fleet = Fleet(devices=50, fails=0.6)
    assert ladders.table(fleet, [ladders.run(fleet, (3600,))]).rows
