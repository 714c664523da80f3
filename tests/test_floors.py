"""The declared floors are true: the oldest versions that pyproject.toml allows run power, analyse and fit."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests import ROOT, SCENARIOS

DATA = ROOT / "tests" / "data" / "two_arm_monotone.csv"
JOBS = {
    "power": ("power", SCENARIOS / "starter.yaml", "--replicates", 128, "-o"),
    "analyse": ("analyse", DATA, "--reference", "ketamine", "--json"),
    "fit": ("fit", DATA, "--reference", "ketamine", "--draws", 200, "-o"),
}


@pytest.mark.validation
def test_the_oldest_versions_allowed_run(tmp_path):
    """Needs uv and a package index; takes minutes."""
    python = tmp_path / "venv" / "bin" / "python"
    env = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "numba")}
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    lowest = ["uv", "pip", "install", "-q", "--python", str(python), "--resolution", "lowest-direct", str(ROOT)]
    for command in (["uv", "venv", "-q", "--python", version, str(tmp_path / "venv")], lowest):
        subprocess.run(command, check=True, timeout=1800)
    for name, job in JOBS.items():
        argv = [str(python), "-m", "kaptrial.cli", *map(str, job), str(tmp_path / name)]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=1800, check=False, env=env)
        assert done.returncode == 0, done.stderr
        assert (tmp_path / name).exists()
