"""Scenario files with one random thing wrong, or merely different, and a verdict on those that are accepted."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import yaml

from kaptrial.errors import TooFewEligible
from kaptrial.questions.clinic.run import run as run_clinic
from kaptrial.questions.power.execution import run_block
from kaptrial.scenario.files import as_raw
from kaptrial.scenario.scenario import Scenario
from kaptrial.simulation.simulate import simulate_block
from tests import SCENARIOS

SEED = 20_250_612
BASES = ("starter", "kare_factorial", "cbt_after_ketamine", "clinic_one_therapist_short", "rescue_and_dropout")
TEXTS = {name: (SCENARIOS / f"{name}.yaml").read_text(encoding="utf-8") for name in BASES}
RAW = {name: yaml.safe_load(text) for name, text in TEXTS.items()}
# What may come to stand in the place of any value.
ODD: tuple[Any, ...] = (
    1e308, -1e308, float("nan"), float("inf"), 1e30, 10**40, 0, -1, 0.5, 1, "", "1e3", "=HYPERLINK(1)", "[/x]",
    "\x1b[2J", None, [], {}, True, [[[]]], {"a": {"b": 1}}, "ketamine", list(range(2000)),
)  # fmt: skip
# Factors by which a number may be multiplied.
FACTORS = (-1.0, 0.001, 0.1, 0.9, 1.1, 10.0, 1000.0, 1e9)
# Patients × visits above which a mutant is not run, only checked.
MOST_RUN = 20_000


@dataclass(frozen=True)
class Mutant:
    """`base`: the scenario; `change`: what was done to it, in words; `content`: the file."""

    base: str
    change: str
    content: bytes


def mutants(n: int) -> Iterator[Mutant]:
    """The first `n` of an endless sequence."""
    for k in range(n):
        rng = np.random.default_rng([SEED, k])
        base = BASES[rng.integers(len(BASES))]
        yield (_of_text if rng.random() < 0.3 else _of_value)(base, rng)


def _of_text(base: str, rng: np.random.Generator) -> Mutant:
    """A slip of the pen: a letter, a line, or the end of the file."""
    text = TEXTS[base]
    at, lines = int(rng.integers(len(text))), text.splitlines(keepends=True)
    line = int(rng.integers(len(lines)))
    kind = rng.integers(5)
    if kind == 0:
        return Mutant(base, f"letter {at} is gone", (text[:at] + text[at + 1 :]).encode())
    if kind == 1:
        letter = "{}[]:&*!|>'\"%@`,#-?\t0\x00é"[rng.integers(23)]
        return Mutant(base, f"{letter!a} before letter {at}", (text[:at] + letter + text[at:]).encode())
    if kind == 2:
        return Mutant(base, f"ends at letter {at}", text[:at].encode())
    if kind == 3:
        return Mutant(base, f"line {line + 1} is gone", "".join(lines[:line] + lines[line + 1 :]).encode())
    return Mutant(base, f"line {line + 1} stands twice", "".join(lines[: line + 1] + lines[line:]).encode())


def _of_value(base: str, rng: np.random.Generator) -> Mutant:
    """One value is another, or gone, or stands twice."""
    raw = copy.deepcopy(RAW[base])
    places = list(leaves(raw))
    path, value = places[rng.integers(len(places))]
    node = raw
    for step in path[:-1]:
        node = node[step]
    kind, where = rng.random(), ".".join(map(str, path))
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind < 0.5 and is_number:
        factor = FACTORS[rng.integers(len(FACTORS))]
        node[path[-1]] = int(value * factor) if isinstance(value, int) and factor > 1 else value * factor
        change = f"{where} × {factor:g}"
    elif kind < 0.85:
        k = int(rng.integers(len(ODD)))
        node[path[-1]] = copy.deepcopy(ODD[k])
        change = f"{where} is odd value {k}"
    elif isinstance(node, list):
        node.append(value)
        change = f"{where} once more"
    else:
        del node[path[-1]]
        change = f"{where} is gone"
    return Mutant(base, change, yaml.safe_dump(raw, sort_keys=False, allow_unicode=True).encode())


def leaves(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value that is no mapping or list, with its path."""
    if isinstance(node, dict | list):
        for key, value in node.items() if isinstance(node, dict) else enumerate(node):
            yield from leaves(value, (*path, key))
    else:
        yield path, node


def verdict(base: Scenario, accepted: Scenario) -> str:
    """What an accepted mutant is, by what differs from its base, and what came of running it."""
    old, new = dict(leaves(as_raw(base))), dict(leaves(as_raw(accepted)))
    changed = [path for path in old.keys() | new.keys() if old.get(path) != new.get(path)]
    if not changed:
        return "the same scenario"
    words = {"title", "question", "notes", "note", "derived", "label", "description", "base_label", "currency"}
    if all(path[-1] in words or path[-1] in ("spread_note",) for path in changed):
        return "other words"
    return f"another {'number' if all(_is_number(path, old, new) for path in changed) else 'design'}: {run(accepted)}"


def _is_number(path: Any, old: dict[Any, Any], new: dict[Any, Any]) -> bool:
    return all(isinstance(values.get(path), int | float) for values in (old, new))


def run(scenario: Scenario) -> str:
    """Whether its scores lie on the scale and its estimates are numbers, in one block of trials and one of a clinic."""
    if scenario.n_total * len(scenario.design.visits) > MOST_RUN:
        return "too large to be run here"
    try:
        trials = simulate_block(scenario, seed=1, block=0)
        fits = run_block(scenario, 1, 0)
        if scenario.clinic is not None:
            run_clinic(scenario, seed=1, replicates=[0])
    except TooFewEligible:
        return "no trial can be filled, and power says so"
    scores, scale = trials.score[np.isfinite(trials.score)], scenario.scale
    if scenario.measurement.clip and scale.link == "identity" and len(scores):
        assert scale.low <= scores.min() <= scores.max() <= scale.high
    failed = [fit.failure != 0 for fit in fits.values()]
    for fit, lost in zip(fits.values(), failed, strict=True):
        assert np.isfinite(fit.estimate[~lost]).all()
        assert (fit.se[~lost] > 0).all()
    return "runs" if np.mean(failed) < 0.5 else "mostly no estimate, which is counted"
