"""What looks something up does not wait for packages that simulate, fit, or draw."""

import subprocess
import sys

HEAVY = ("numba", "scipy.optimize", "pandas", "matplotlib")
LOOK_UPS = (
    "scenarios list",
    "schema",
    "cite",
    "evidence list",
    "evidence show feder2021",
    "evidence show cuijpers2014",
    "evidence card",
    "precision --half-width 2 --sd 8",
    "precision --half-width 0.1 --share 0.3",
    "check scenarios/ketamine_by_cbt.yaml",
    "check scenarios/clinic_one_therapist_short.yaml",
    "describe scenarios/ketamine_by_cbt.yaml --no-truth",
)
RUN = f"""
import sys
from kaptrial.cli import main
for command in {LOOK_UPS!r}:
    try:
        main([*command.split(), "--quiet"])
    except SystemExit as stop:
        assert not stop.code, command
    loaded = [name for name in {HEAVY!r} if name in sys.modules]
    assert not loaded, f"{{command}} loads {{loaded}}"
"""


def test_a_look_up_loads_no_heavy_package():
    done = subprocess.run([sys.executable, "-c", RUN], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
