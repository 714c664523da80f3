"""The one error a user's file can cause, and its form: path = value: what is allowed."""

from __future__ import annotations


class ScenarioError(ValueError):
    """A file or setting that cannot be used. One line: where, what stands there, what may stand there."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


class Unfillable(ScenarioError):
    """Hardly anybody would pass the run-in, so that no trial can be filled."""


class Misfit(ValueError):
    """Raised inside a noun, which does not know its own place in the file; `files` turns it into a ScenarioError.

    `at` is the path below the noun ("" for the noun itself), `value` what stands there (`ABSENT` if nothing does).
    """

    def __init__(self, at: str, value: object, allowed: str) -> None:
        super().__init__(f"{at}: {allowed}")
        self.at = at
        self.value = value
        self.allowed = allowed


ABSENT = object()
