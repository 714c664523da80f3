"""What a user can mend: one line each, naming a place, what stands there and what may stand there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

ABSENT = object()
# Control characters but for tab and line feed, marks of direction, and halves of surrogate pairs.
_CONTROL = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u200e\\u200f\\u2028-\\u202e\\u2066-\\u2069\\ud800-\\udfff]")


class UserError(ValueError):
    """A line, or one an error: where, what stands there, what may stand there."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(printable(" ".join(each.split())) for each in lines))


class FieldError(UserError):
    """A field, or an argument, whose value cannot be used.

    Parameters
    ----------
    field : str
        Its name or its path; "" for a noun as a whole. Who knows a larger whole puts the path to it in front: the YAML
        door the place in the file, the command line the option.
    value : object
        What stands there; `ABSENT` where nothing does.
    allowed : str
        What may stand there. Other fields are named between backquotes.
    """

    def __init__(self, field: str, value: object, allowed: str) -> None:
        super().__init__(line(field, value, allowed))
        self.field = field
        self.value = value
        self.allowed = allowed

    def below(self, path: str) -> FieldError:
        """The same error as of a field below `path`."""
        return FieldError(f"{path}.{self.field}".strip("."), self.value, self.allowed)


class FieldErrors(UserError):
    """Several fields whose values cannot be used, a line each."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__(*map(str, errors))
        self.errors = tuple(errors)


class ScenarioError(UserError):
    """A scenario, or a setting of one of its paths, that cannot be used: a line for each of its errors."""


class TooFewEligible(ScenarioError):
    """Too few patients would pass the run-in for the trial to recruit its sample."""


class DataError(UserError):
    """A data file that cannot be used; the line names file, column and row."""


def raise_all(errors: Sequence[FieldError]) -> None:
    """Raise the error there is, or all of several as one; nothing where there is none."""
    if errors:
        raise errors[0] if len(errors) == 1 else FieldErrors(errors)


def printable(text: str) -> str:
    """Text of a file as a terminal may show it: what would move the cursor, colour or reverse it stands as its code."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def line(where: str, value: object, allowed: str) -> str:
    """`where = value: allowed`, or `where is missing: allowed`."""
    return f"{where} is missing: {allowed}" if value is ABSENT else f"{where} = {shown(value)}: {allowed}"


def shown(value: object) -> str:
    """A value as an error shows it: short, and text between quotes."""
    if isinstance(value, dict | list | tuple) and len(str(value)) > 60:
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, float):
        return f"{value:.15g}"
    return f"'{value[:60]}'" if isinstance(value, str) else str(value)[:60]


def nearest(word: str, known: Iterable[object]) -> str:
    """A hint with the known word most like `word`, or nothing."""
    import difflib

    close = difflib.get_close_matches(str(word), [str(k) for k in known], n=1, cutoff=0.5)
    return f"; did you mean `{close[0]}`?" if close else ""
