"""Contrasts: what is compared, as weights over the arms' means."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Literal

from kaptrial.errors import ABSENT, FieldError
from kaptrial.scenario.noun import noun
from kaptrial.scenario.treatment import Arm

Kind = Literal["difference", "interaction", "simple", "main", "single"]


@noun
class Contrast:
    """A linear combination of the arms' means, in the order of the scenario's arms."""

    text: str
    kind: Kind
    weights: tuple[float, ...]

    @property
    def left(self) -> tuple[int, ...]:
        """Ints of the arms with positive weight."""
        return tuple(i for i, w in enumerate(self.weights) if w > 0)

    @property
    def right(self) -> tuple[int, ...]:
        """Ints of the arms with negative weight."""
        return tuple(i for i, w in enumerate(self.weights) if w < 0)


def parse_contrast(text: str, arms: Sequence[Arm]) -> Contrast:
    """Read `a - b` (arm ids), `f:g` (interaction), `f` (effect of f where the other factor is 0) or `main(f)`.

    `main(f)` averages over the levels of the other factor. A single arm stands alone, `a`: its own mean. Raises
    FieldError naming what may stand there.
    """
    ids = [arm.id for arm in arms]
    factors = factor_names(arms)
    spelled = text.strip()
    if len(ids) == 1:
        if spelled != ids[0]:
            raise FieldError("contrast", text, f"must be {ids[0]}, the only arm")
        return Contrast(text=spelled, kind="single", weights=(1.0,))
    if match := re.fullmatch(r"(\w+) - (\w+)", spelled):
        left, right = match.groups()
        if left in ids and right in ids and left != right:
            weights = [0.0] * len(ids)
            weights[ids.index(left)], weights[ids.index(right)] = 1.0, -1.0
            return Contrast(text=spelled, kind="difference", weights=tuple(weights))
    elif factors:
        levels = [((arm.factors or {})[factors[0]], (arm.factors or {})[factors[1]]) for arm in arms]
        if spelled == ":".join(factors):
            sign = {(0, 0): 1.0, (1, 1): 1.0, (1, 0): -1.0, (0, 1): -1.0}
            return Contrast(text=spelled, kind="interaction", weights=tuple(sign[level] for level in levels))
        main = re.fullmatch(r"main\((\w+)\)", spelled)
        name = main.group(1) if main else spelled
        if name in factors:
            own, other = factors.index(name), 1 - factors.index(name)
            share = 0.5 if main else 1.0
            weights = [(share if level[own] else -share) if (main or level[other] == 0) else 0.0 for level in levels]
            return Contrast(text=spelled, kind="main" if main else "simple", weights=tuple(weights))
    allowed = f"must be `a - b` with a and b different ones of {', '.join(ids)}"
    if factors:
        f, g = factors
        allowed += f"; or {f}:{g}, {f}, {g}, main({f}), main({g})"
    raise FieldError("contrast", text, allowed)


def references_of(
    arms: Sequence[str], weights: Sequence[float], named: Mapping[str, str], contrast: str, *, needed: bool = True
) -> tuple[int, ...]:
    """The reference of each arm, whose course those take who leave it; an arm without one is its own.

    `named`: references by arm. Unless any is named, a contrast of two arms implies the one on its right for all others;
    a contrast of more arms implies none, which is refused if one is `needed`. Raises FieldError.
    """
    for arm, reference in named.items():
        for name in (arm, reference):
            if name not in arms:
                raise FieldError("reference_for", f"{arm}={reference}", f"must name two of {', '.join(arms)}")
        if arm == reference:
            raise FieldError("reference_for", f"{arm}={reference}", "an arm that is its own reference is not named")
    if named:
        return tuple(arms.index(named.get(arm, arm)) for arm in arms)
    used = [w for w in weights if w != 0.0]
    if len(used) == 2:
        return tuple([next(a for a, w in enumerate(weights) if w < 0)] * len(arms))
    if needed:
        allowed = f"{contrast} implies no reference arm: name one for each arm, of {', '.join(arms)}"
        raise FieldError("reference_for", ABSENT, allowed)
    return tuple(range(len(arms)))


def factor_names(arms: Sequence[Arm]) -> tuple[str, ...]:
    """The two factors of a 2×2, or nothing. Raises FieldError where the arms' factors do not make a 2×2."""
    if all(arm.factors is None for arm in arms):
        return ()
    for i, arm in enumerate(arms):
        if arm.factors is None or list(arm.factors) != list(arms[0].factors or {}) or len(arm.factors) != 2:
            value = dict(arm.factors) if arm.factors else None
            raise FieldError(
                f"arms[{i}].factors", value, "in a 2×2 every arm gives its 0/1 level of the same two factors"
            )
    levels = sorted(tuple((arm.factors or {}).values()) for arm in arms)
    if levels != [(0, 0), (0, 1), (1, 0), (1, 1)]:
        raise FieldError("arms", [list(level) for level in levels], "the four arms of a 2×2 must be 00, 01, 10 and 11")
    return tuple(arms[0].factors or {})
