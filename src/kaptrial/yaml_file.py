"""The only door to YAML that a user wrote: no aliases that explode or loop, no odd tags or numbers, each key once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from kaptrial.errors import UserError

if TYPE_CHECKING:
    _Base = yaml.SafeLoader
else:
    _Base = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MAX_BYTES = 1_000_000
# Values once aliases are written out, and levels of nesting; a loop of aliases has no end of them.
MAX_VALUES, MAX_DEPTH = 100_000, 40
_TAG = "tag:yaml.org,2002:"

# The line, from 1, of each part of a text, by the keys and indices that lead to it.
type Lines = dict[tuple[str | int, ...], int]


class YamlError(UserError):
    """Text that is no YAML, or YAML that no trial needs. `line`: of the text, from 1; None where it is unknown."""

    def __init__(self, problem: str, line: int | None) -> None:
        super().__init__(problem)
        self.line = line

    @property
    def at(self) -> str:
        """` line 3`, or nothing."""
        return "" if self.line is None else f" line {self.line}"


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, not more of it than `MAX_BYTES`. Raises OSError, or UserError."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UserError(f"{path}: must be under {MAX_BYTES} bytes")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UserError(f"{path} cannot be read: binary data; must be YAML, encoded in UTF-8") from None


def parse(text: str) -> Any:
    """The value that the text describes, no part of which is shared with another. Raises YamlError."""
    return parse_with_lines(text)[0]


def parse_with_lines(text: str) -> tuple[Any, Lines]:
    """The same, and the lines on which its parts stand."""
    loader = None
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, {}
        loader.check(node)
        value = _unshared(loader.construct_document(node))
        return value, dict(loader.lines(node, ()))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, YamlError):
            raise
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or "a date or number out of range"
        raise YamlError(str(problem), None if mark is None else mark.line + 1) from None
    finally:
        if loader is not None:
            loader.dispose()


def _unshared(value: Any) -> Any:
    """A copy in which what an alias repeats is repeated, so that setting one place does not set another."""
    if isinstance(value, dict):
        return {key: _unshared(each) for key, each in value.items()}
    return [_unshared(each) for each in value] if isinstance(value, list) else value


class _Loader(_Base):
    """Safe YAML without its traps: what explodes, tags, a key that stands twice, and odd numbers."""

    def check(self, root: yaml.Node) -> None:
        """Raise YamlError for too many values, too deep a nesting, or a tag that the value does not have by itself."""
        waiting: list[tuple[yaml.Node, int]] = [(root, 1)]
        values = 0
        while waiting:
            node, depth = waiting.pop()
            values += 1
            if depth > MAX_DEPTH:
                problem = f"more than {MAX_DEPTH} levels of nesting, or an alias inside itself"
                raise _problem(problem, node)
            if values + len(waiting) > MAX_VALUES:
                raise _problem(f"more than {MAX_VALUES} values, aliases written out", node)
            self._check_tag(node)
            waiting += [(each, depth + 1) for each in _children(node)]

    def _check_tag(self, node: yaml.Node) -> None:
        own: tuple[str, ...]
        if isinstance(node, yaml.ScalarNode):
            own = (f"{_TAG}str", self.resolve(yaml.ScalarNode, node.value, (True, False)))
        else:
            own = (f"{_TAG}{'map' if isinstance(node, yaml.MappingNode) else 'seq'}",)
        if node.tag not in own:
            raise _problem(f"the tag {node.tag.replace(_TAG, '!!')}", node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """The mapping, if its keys are scalars and each stands once: the second would silently win."""
        keys = set()
        for key_node, _ in node.value:
            if key_node.tag == f"{_TAG}merge":
                continue
            if not isinstance(key_node, yaml.ScalarNode):
                raise _problem("a key that is a list or mapping", key_node)
            key = self.construct_object(key_node, deep=True)
            if key in keys:
                raise _problem(f"key `{key}` stands twice", key_node)
            keys.add(key)
        return super().construct_mapping(node, deep)

    def lines(self, node: yaml.Node, steps: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], int]]:
        """Each part below a node that was constructed, with the line of its key or its item."""
        pairs: Iterable[tuple[Any, yaml.Node, yaml.Node]] = ()
        if isinstance(node, yaml.MappingNode):
            pairs = [(self.construct_object(key, deep=True), key, value) for key, value in node.value]
        elif isinstance(node, yaml.SequenceNode):
            pairs = [(i, value, value) for i, value in enumerate(node.value)]
        for step, at, value in pairs:
            yield (*steps, step), at.start_mark.line + 1
            yield from self.lines(value, (*steps, step))

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """YAML 1.1 reads 060 as 48 and 1:00 as 60; nobody who writes a trial means that."""
        text = str(node.value)
        if ":" in text or re.match(r"[-+]?0[0-9_box]", text):
            raise _problem(f"the number {text[:60]}", node)
        is_whole = node.tag == f"{_TAG}int"
        return self.construct_yaml_int(node) if is_whole else self.construct_yaml_float(node)


_Loader.add_constructor(f"{_TAG}int", _Loader.construct_number)
_Loader.add_constructor(f"{_TAG}float", _Loader.construct_number)


def _children(node: yaml.Node) -> Iterable[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else ()


def _problem(text: str, node: yaml.Node) -> YamlError:
    return YamlError(text, node.start_mark.line + 1)
