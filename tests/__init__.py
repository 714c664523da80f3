"""Where things are that tests read."""

from pathlib import Path

TESTS = Path(__file__).parent
ROOT = TESTS.parent
DATA, SCENARIOS = TESTS / "data", ROOT / "scenarios"
