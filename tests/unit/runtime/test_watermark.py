"""Intake stops before the disk is full, and goes on when there is clearly room again."""

from __future__ import annotations

import pytest

from casecart.runtime.watermark import Disk, Watermark

GB = 1_000_000_000


class AnyDisk:
    """A disk with as much room as a test says."""

    def __init__(self, free: int, whole: int = 1000 * GB) -> None:
        self.free, self.whole = free, whole

    def __call__(self) -> Disk:
        return Disk(self.free, self.whole)


def test_below_the_reserve_nothing_is_taken() -> None:
    disk = AnyDisk(free=2 * GB)
    watermark = Watermark(disk, GB)
    assert not watermark.look()
    disk.free = GB - 1
    assert watermark.look()
    assert watermark.low
    assert not watermark.look()  # it is said once


def test_intake_goes_on_only_with_a_quarter_more_than_the_reserve() -> None:
    disk = AnyDisk(free=GB - 1)
    watermark = Watermark(disk, GB)
    watermark.look()
    disk.free = GB + GB // 8
    assert not watermark.look()
    assert watermark.low
    disk.free = GB + GB // 3
    assert watermark.look()
    assert not watermark.low


@pytest.mark.parametrize(
    ("whole", "reserve"),
    [
        (1000 * GB, 1 << 30),
        (2 * GB, GB // 10),  # a small disk: a twentieth of it
    ],
)
def test_without_a_setting_the_reserve_fits_the_disk(whole: int, reserve: int) -> None:
    watermark = Watermark(AnyDisk(free=whole, whole=whole), None)
    watermark.look()
    assert watermark.reserve == reserve


def test_a_disk_that_is_another_machine_s_is_not_looked_at() -> None:
    watermark = Watermark(None, GB)
    assert not watermark.look()
    assert not watermark.low


def test_a_disk_that_can_t_be_looked_at_changes_nothing() -> None:
    def gone() -> Disk:
        raise OSError

    watermark = Watermark(gone, GB)
    assert not watermark.look()
    assert not watermark.low
