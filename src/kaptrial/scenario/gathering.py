"""Checks of a scenario whose errors are gathered, also where only a part of the scenario could be read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from kaptrial.errors import FieldError

if TYPE_CHECKING:
    from kaptrial.scenario.scenario import Scenario

type Check = Callable[[Scenario], Iterator[FieldError]]


class Unread(Exception):
    """A check asks for a field that could not be read, of which nothing can be said."""


def gathered(s: Scenario, checks: Iterable[Check]) -> list[FieldError]:
    """The errors that checks find, each as far as the fields go that could be read."""
    errors: list[FieldError] = []
    for check in checks:
        try:
            for error in check(s):
                errors.append(error)  # noqa: PERF402 - what was found before an unread field stays
        except Unread:
            continue
    return errors


def partial_scenario(scenario: type[Scenario], read: Mapping[str, Any], unread: Iterable[str]) -> Scenario:
    """A scenario of the fields that could be read, unchecked; asking for another one raises Unread."""
    missing = frozenset(unread)

    class Partial(scenario):  # type: ignore[valid-type, misc]
        def __getattribute__(self, name: str) -> Any:
            if name in missing:
                raise Unread(name)
            if name == "__dataclass_fields__":
                every = super().__getattribute__(name)
                return {key: field for key, field in every.items() if key not in missing}
            return super().__getattribute__(name)

    partial: Scenario = object.__new__(Partial)
    for name, value in read.items():
        object.__setattr__(partial, name, value)
    return partial
