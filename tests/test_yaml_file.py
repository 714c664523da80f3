"""YAML that explodes, loops, nests or is tagged is refused at once, and what an alias repeats is shared by nothing."""

from __future__ import annotations

import time

import pytest
import yaml

from kaptrial.yaml_file import MAX_BYTES, MAX_DEPTH, YamlError, parse, read_text


def nines(i: int) -> str:
    """The alias before, nine times."""
    return "[" + ",".join([f"*a{i - 1}"] * 9) + "]"


BOMB = "\n".join(["a0: &a0 [x, x]", *(f"a{i}: &a{i} {nines(i)}" for i in range(1, 9))])
MERGES = "\n".join(["a0: &a0 {x: 1}", *(f"a{i}: &a{i} {{<<: {nines(i)}}}" for i in range(1, 9))])
HOSTILE = {
    "a bomb": BOMB,
    "a bomb of merges": MERGES,
    "a loop": "a: &l [*l]",
    "a loop of mappings": "a: &l {b: *l}",
    "a loop of merges": "a: &l {<<: *l}",
    "deep": "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
    "deeper than any parser": "[" * 100_000,
    "deep in blocks": "- " * 100_000,
    "text as int": 'a: !!int "abc"',
    "nothing as int": 'a: !!int ""',
    "text as float": "a: !!float x.y",
    "text as bool": "a: !!bool maybe",
    "text as date": "a: !!timestamp foo",
    "binary": "a: !!binary '%%'",
    "a set": "a: !!set {b, c}",
    "an ordered mapping": "a: !!omap [b]",
    "a list as text": "a: !!str [1]",
    "a list as mapping": "a: !!map [1]",
    "a Python object": "a: !!python/object/apply:os.getcwd []",
    "a tag of one's own": "a: !mine 3",
    "a tagged key": "? !!float x\n: 3",
    "a merge of no mapping": "<<: 3",
    "an unknown alias": "a: *b",
    "a date that is none": "a: 2024-13-45",
    "more digits than can be read": "a: " + "1" * 5000,
    "the value of nothing": "a: =",
    "a terminal code": "a: \x1b[2J",
    "another version": "%YAML 3.0\n---\na: 1",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_refused_at_once_in_a_few_words(name):
    start = time.process_time()
    with pytest.raises(YamlError) as caught:
        parse(HOSTILE[name])
    assert time.process_time() - start < 5
    assert len(str(caught.value)) < 120


def test_the_line_is_said():
    with pytest.raises(YamlError) as caught:
        parse("a: 1\nb: !!set {c}\n")
    assert caught.value.at == " line 2"


def test_what_an_alias_repeats_is_shared_by_nothing():
    read = parse("a: &x {n: [1]}\nb: *x\nc: {<<: *x, m: 2}\n")
    assert read == {"a": {"n": [1]}, "b": {"n": [1]}, "c": {"n": [1], "m": 2}}
    read["a"]["n"].append(2)
    assert read["b"] == {"n": [1]}
    assert read["c"]["n"] == [1]


@pytest.mark.parametrize(
    "text",
    [
        "a: !!str 5",
        "a: [1, 2.5, .5, 1., true, ~, text, '5', 0x]",
        "# nothing",
        "a: 2024-05-01",
        "{a: {b: -.inf}}",
    ],
)
def test_the_rest_is_read_as_yaml_reads_it(text):
    assert parse(text) == yaml.safe_load(text)


def test_a_file_without_end_is_not_read_to_its_end(tmp_path):
    (tmp_path / "long.yaml").write_bytes(b"#" * (MAX_BYTES + 1))
    for path in (tmp_path / "long.yaml", "/dev/zero"):
        with pytest.raises(ValueError, match="must be under"):
            read_text(type(tmp_path)(path))
