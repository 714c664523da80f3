"""The page of the Python interface: every public name of `kaptrial`, for mkdocstrings to fill in."""

from __future__ import annotations

import inspect

import kaptrial

# What users ask of a scenario; the rest of its methods is for the package itself.
MEMBERS = {"Scenario": ("with_values",)}

HEAD = """# Python

`import kaptrial as kt` gives all of these. Each function gives one object with rows, provenance and
notes: what the command of that name prints and writes.
"""


def page() -> str:
    """The page in Markdown, with a directive for each name."""
    public = {name: getattr(kaptrial, name) for name in kaptrial.__all__}
    functions = [value for value in public.values() if inspect.isfunction(value)]
    classes = [value for value in public.values() if inspect.isclass(value)]
    evidence = [value for name, value in vars(kaptrial.evidence).items() if _is_public(name, value)]
    errors = [value for value in classes if issubclass(value, Exception)]
    results = [value for value in classes if value not in errors]
    parts = {"Functions": functions, "Evidence": evidence, "Scenarios and results": results, "Errors": errors}
    return HEAD + "".join(f"\n## {title}\n{''.join(map(_directive, values))}" for title, values in parts.items())


def _is_public(name: str, value: object) -> bool:
    return inspect.isfunction(value) and value.__module__ == kaptrial.evidence.__name__ and not name.startswith("_")


def _directive(value: type) -> str:
    members = MEMBERS.get(value.__name__)
    options = f"    options:\n      members: [{', '.join(members)}]\n" if members else ""
    return f"\n::: {value.__module__}.{value.__qualname__}\n{options}"
