"""`kaptrial schema`: every key of a scenario, for editors and for readers."""

from __future__ import annotations

from typing import Annotated

import typer


def schema(
    reference: Annotated[bool, typer.Option("--reference", help="The page docs/keys.md in its place.")] = False,
) -> None:
    """Print the JSON Schema of a scenario file, for completion in editors."""
    import json

    from kaptrial.scenario import keys
    from kaptrial.scenario.schema import json_schema

    typer.echo(keys.page() if reference else json.dumps(json_schema(), indent=1, ensure_ascii=False), nl=not reference)
