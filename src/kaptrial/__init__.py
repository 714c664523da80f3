"""Simulation and design of ketamine versus ketamine-plus-psychotherapy trials.

>>> import kaptrial as kt
>>> scenario = kt.load_scenario("starter").with_values({"design.n_per_arm": 40})
>>> results = kt.power(scenario, replicates=64, seed=1)
>>> results.to_frame().columns[:3].tolist()
['analysis', 'contrast', 'measure']
"""

from importlib import import_module
from typing import Any

from kaptrial import compile_cache

__version__ = "0.2.0"
# Which compiled sources a result comes from; it stands in the provenance of every result.
__code__ = compile_cache.source_hash()

compile_cache.use(__code__)  # before anything imports numba

# Public names and where they are; a module is read when a name of it is asked for first.
_WHERE = {
    **dict.fromkeys(
        ("load_scenario", "scenarios", "simulate", "truth", "power", "size", "assurance", "decide", "clinic"),
        "kaptrial.api",
    ),
    **dict.fromkeys(("compare", "report", "analyse", "fit", "mechanism"), "kaptrial.api"),
    **dict.fromkeys(("boundaries", "effect_priors", "looks", "precision", "t_power"), "kaptrial.api"),
    **dict.fromkeys(("Results", "Row", "Line", "Note", "Question"), "kaptrial.results"),
    **dict.fromkeys(("UserError", "FieldError", "ScenarioError", "DataError"), "kaptrial.errors"),
    "cite": "kaptrial.citation",
    "Scenario": "kaptrial.scenario.scenario",
    "Trials": "kaptrial.simulation.trials",
    "evidence": "kaptrial.evidence",
}
__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'kaptrial' has no attribute {name!r}")
    module = import_module(_WHERE[name])
    return module if name == "evidence" else getattr(module, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_WHERE])
