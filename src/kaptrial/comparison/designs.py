"""The designs that are compared: read, named and told apart before anything is simulated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from kaptrial.errors import FieldError, ScenarioError
from kaptrial.questions.power.headline import method_in_words
from kaptrial.questions.power.rows import question
from kaptrial.questions.size.search import asked
from kaptrial.results import Question
from kaptrial.scenario.files import Raw, build, scenario_hash, with_prior, with_settings
from kaptrial.scenario.scenario import Scenario

LOOKS = "design.group_sequential"
# More designs than a table and a figure can tell apart.
MOST_DESIGNS = 12
# The parts of a scenario that are assumed of the world, and what they are called.
WORLD = {
    "population": "population",
    "drug": "drug",
    "measurement": "measurement",
    "natural_course": "natural course",
    "expectancy": "expectancy",
    "conduct": "conduct",
}


@dataclass(frozen=True, kw_only=True)
class Design:
    """A scenario by the name under which it is compared."""

    name: str
    scenario: Scenario

    @property
    def primary(self) -> Scenario:
        """The scenario with its primary question and first method only, without variants."""
        return asked(self.scenario)

    @property
    def question(self) -> Question:
        """What its primary analysis is about."""
        s = self.scenario
        return question(s, s.estimand, s.analyses(s.estimand)[0])

    @property
    def has_assurance(self) -> bool:
        """Whether there is a prior over which power can be averaged."""
        return self.scenario.prior is not None and self.scenario.null is None

    @property
    def has_looks(self) -> bool:
        """Whether looks at the data may stop it."""
        return self.scenario.design.group_sequential is not None

    @property
    def is_one_sided(self) -> bool:
        """Whether its looks test on the side of benefit alone."""
        plan = self.scenario.design.group_sequential
        return plan is not None and plan.sided == 1

    def asks_the_same(self, other: Design) -> bool:
        """Whether both ask one question: the methods may differ."""
        mine, its = self.scenario, other.scenario
        level = (mine.primary_outcome.scale, mine.estimand.margin, mine.analysis.alpha)
        return self._asked() == other._asked() and level == (
            its.primary_outcome.scale,
            its.estimand.margin,
            its.analysis.alpha,
        )

    def _asked(self) -> tuple[object, ...]:
        about = self.question
        return about.contrast, about.endpoint, about.measure, about.day, about.strategies, about.benchmark

    def asked_in_words(self) -> str:
        """The question as a note says it."""
        s, about = self.scenario, self.question
        asked = f"{about.contrast}, {about.endpoint} of {s.scale.id} on day {s.estimand.day:g}"
        return f"{self.name}: {asked}, α {s.analysis.alpha:g}, by {method_in_words(s)}"

    def differing_world(self, other: Design) -> list[str]:
        """What the two assume otherwise of the world, in words; a therapy that both have among it."""
        mine, its = self.scenario, other.scenario
        parts = [words for name, words in WORLD.items() if getattr(mine, name) != getattr(its, name)]
        shared = mine.therapies.keys() & its.therapies.keys()
        effects = ("max_effect", "learning_per_session", "half_life", "gamma", "kappa", "xi")
        changed = any(getattr(mine.therapies[t], x) != getattr(its.therapies[t], x) for t in shared for x in effects)
        return [*parts, *(["therapies"] if changed else [])]


def varied(raws: Sequence[tuple[str, Raw]], vary: Mapping[str, Sequence[Any]]) -> list[tuple[str, Raw]]:
    """Each scenario as it stands and with every combination of the varied values, but for one that changes nothing.

    Raises ScenarioError for a path that leads nowhere.
    """
    designs = []
    for name, raw in raws:
        designs.append((name, raw))
        own = scenario_hash(build(raw))
        before = f"{name}: " if len(raws) > 1 else ""
        for point in product(*vary.values()) if vary else ():
            values = dict(zip(vary, point, strict=True))
            changed = with_settings(raw, values)
            if scenario_hash(build(changed)) != own:
                designs.append((before + ", ".join(_said(*item) for item in values.items()), changed))
    return designs


def _said(path: str, value: Any) -> str:
    """A value of a path as the name of a design."""
    if path == LOOKS and value is None:
        return "without looks"
    shown = "none" if value is None else str(value).replace("'", "")
    return f"{path.rpartition('.')[2].replace('_', ' ')} {shown}"


def designs_of(raws: Sequence[tuple[str, Raw]], *, prior: str | None = None) -> list[Design]:
    """The checked designs, each under its own name; `prior`: taken by all in place of their own.

    Raises FieldError where there are too few or too many, and ScenarioError for one that cannot be built or is another
    one's copy.
    """
    if not 2 <= len(raws) <= MOST_DESIGNS:
        raise FieldError("designs", len(raws), f"scenarios to compare, must be 2 to {MOST_DESIGNS}")
    named = [(name, build(raw if prior is None else with_prior(raw, prior))) for name, raw in raws]
    names = _told_apart([name for name, _ in named])
    first: dict[str, str] = {}
    for name, (_, scenario) in zip(names, named, strict=True):
        twin = first.setdefault(scenario_hash(scenario), name)
        if twin != name:
            raise ScenarioError(f"{name}: is the same scenario as {twin}; must differ from it")
    return [Design(name=name, scenario=scenario) for name, (_, scenario) in zip(names, named, strict=True)]


def _told_apart(names: Sequence[str]) -> list[str]:
    """The names, with a number behind those that come more than once."""
    often, so_far = Counter(names), Counter[str]()
    out = []
    for name in names:
        so_far[name] += 1
        out.append(f"{name} ({so_far[name]})" if often[name] > 1 else name)
    return out


def about(designs: Sequence[Design]) -> dict[str, Any]:
    """The designs as the provenance of a result has them."""
    listed = [
        {"name": d.name, "title": d.scenario.title, "scenario_sha256": scenario_hash(d.scenario)} for d in designs
    ]
    return {"designs": listed}
