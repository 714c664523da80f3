"""The scenarios that come with the package."""

from __future__ import annotations

from pathlib import Path

# In a wheel they lie in the package, in a checkout beside `src`.
_PACKAGE = Path(__file__).parents[1]
FOLDER = next(
    (path for path in (_PACKAGE / "shipped_scenarios", _PACKAGE.parents[1] / "scenarios") if path.is_dir()), None
)


def names() -> list[str]:
    """Their names, sorted."""
    return [] if FOLDER is None else sorted(path.stem for path in FOLDER.glob("*.yaml"))


def path_of(name: str) -> Path | None:
    """The file of a shipped scenario; None where there is none of that name."""
    return FOLDER / f"{name}.yaml" if FOLDER is not None and name in names() else None
