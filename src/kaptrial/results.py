"""Results and where they come from."""

from __future__ import annotations

from typing import Any

from kaptrial import __code__, __version__


def provenance(**more: Any) -> dict[str, Any]:
    """The version and the hash of the compiled sources, then what else the numbers depend on."""
    return {"version": __version__, "code": __code__, **more}
