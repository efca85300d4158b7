"""Energy from a tree of files that looks like the kernel's."""

from __future__ import annotations

import time

import pytest

from vosrt.benchmarks.energy import open_meter


def package(system, name, microjoules, limit=1000):
    folder = system / "class/powercap" / name
    folder.mkdir(parents=True)
    (folder / "name").write_text("package-0\n" if ":0:" not in name else "core\n")
    (folder / "max_energy_range_uj").write_text(f"{limit}\n")
    counter = folder / "energy_uj"
    counter.write_text(f"{microjoules}\n")
    return counter


def test_processor_packages_add_up_and_start_over(tmp_path):
    first, second = package(tmp_path, "intel-rapl:0", 900), package(tmp_path, "intel-rapl:1", 0)
    package(tmp_path, "intel-rapl:0:0", 5)  # a part of the first: not counted again
    meter = open_meter("cpu", tmp_path)
    assert meter.joules() == 0
    first.write_text("950")
    second.write_text("50")
    assert meter.joules() == pytest.approx(100e-6)
    first.write_text("30")  # started over at 1000
    assert meter.joules() == pytest.approx(180e-6)


def test_a_jetsons_board_is_read_again_and_again(tmp_path):
    folder = tmp_path / "bus/i2c/drivers/ina3221/1-0040/hwmon/hwmon3"
    folder.mkdir(parents=True)
    for file, content in (
        ("in1_label", "VDD_IN"),
        ("in1_input", "5000"),  # mV
        ("curr1_input", "2000"),  # mA
        ("in2_label", "VDD_CPU"),
        ("in2_input", "1"),
    ):
        (folder / file).write_text(content)
    meter = open_meter("cuda", tmp_path)
    before, started = meter.joules(), time.monotonic()
    time.sleep(0.3)
    assert meter.joules() - before == pytest.approx(10 * (time.monotonic() - started), rel=0.2)
    meter.close()


def test_where_nothing_tells_there_is_no_meter(tmp_path):
    assert open_meter("cpu", tmp_path) is None
    (tmp_path / "class/powercap/intel-rapl:0").mkdir(parents=True)
    (tmp_path / "class/powercap/intel-rapl:0/name").write_text("package-0")
    (tmp_path / "class/powercap/intel-rapl:0/energy_uj").mkdir()  # as unreadable as root's
    assert open_meter("cpu", tmp_path) is None
