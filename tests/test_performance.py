"""What README says of speed is what docs/performance.md has, as `python -m benchmarks` writes it; ratios in bounds."""

import re

import pytest
from benchmarks import __main__ as benchmarks
from benchmarks.timing import Workload, speed_of

from tests import ROOT

README, PAGE = (" ".join((ROOT / name).read_text("utf-8").split()) for name in ("README.md", "docs/performance.md"))
# Processor time as a multiple of drawing the same normals, compiled: half as much again as on a loaded machine.
BOUNDS = {"W1 MMRM, dropout, Satterthwaite": 6.0, benchmarks.PLAIN: 20.0, benchmarks.EVERYTHING: 30.0}


def seconds_of(command):
    """The processor time of a command's first run and of a later one."""
    times = re.search(re.escape(f"| `{command}` |") + r" [\d.]+ \(([\d.]+)\) \| [\d.]+ \(([\d.]+)\) \|", PAGE)
    return float(times[1]), float(times[2])


def seconds_for_ten_thousand(workload):
    rate = re.search(re.escape(f"| {workload} |") + r" ([\d,]+) \|", PAGE)
    return 10_000 / int(rate[1].replace(",", ""))


def test_every_command_and_workload_has_a_row():
    for command in benchmarks.COMMANDS:
        assert min(seconds_of(command)) > 0
    for work in benchmarks.workloads():
        assert f"| {work.name} |" in PAGE


def test_readme_quotes_the_page():
    first, later = seconds_of(benchmarks.FIRST)
    said = f"The first run of the first command compiles and takes {first:.0f} s of processor time"
    assert f"{said}, later ones {later:.0f} s" in README
    plain, everything = map(seconds_for_ten_thousand, (benchmarks.PLAIN, benchmarks.EVERYTHING))
    assert f"analysed by MMRM, take {plain:.1f} s, {everything:.1f} s with every mechanism on" in README


def test_a_workload_is_timed_beside_its_normals():
    speed = speed_of(Workload(name="nothing", replicates=1000, normals=100, run=lambda: None), 3)
    assert speed.rate > 1e6
    assert 0 < speed.compiled < 1
    assert 0 < speed.numpy < 1


@pytest.mark.validation
@pytest.mark.parametrize("name", BOUNDS)
def test_ratios_stay_in_bounds(name):
    work = next(each for each in benchmarks.workloads() if each.name == name)
    speed = speed_of(work, 5)
    print(benchmarks.row(speed))
    assert speed.compiled < BOUNDS[name]
