"""The site of the documentation: its pages and links, and the built site with its search."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
import typer
from docs.site_builder import api_page, cli_page, pages
from docs.site_builder.links import CODE_BLOCK, LINK, anchor, relinked

import kaptrial
from kaptrial.cli import app
from tests import ROOT

SETTINGS = (ROOT / "docs" / "site_builder" / "site.yml").read_text(encoding="utf-8")
MARKDOWN = sorted(file for file in {*pages.places(), "README.md"} if file.endswith(".md") and "#" not in file)
# What a reader who types this word should be shown first.
FOUND_FIRST = {
    "therapist": "how_to/therapists.html",
    "half-life": "glossary.html#half-life",
    "estimand": "glossary.html#estimand",
    "relapse": "glossary.html#relapse",
    "dropout": "how_to/dropout.html",
    "expectancy": "how_to/expectancy.html",
}
needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")


def test_the_menu_holds_every_page_once():
    menu = re.findall(r"^ +- [^:\n]+: (\S+\.md)$|^  - \w+: (\S+\.md)$", SETTINGS.partition("\nnav:")[2], re.MULTILINE)
    there = {page for page in pages.places().values() if page.endswith(".md")} | {"api.md", "cli.md", "commands.md"}
    there -= {page for page in there if page.startswith("notebooks/")}  # appended where the site is built
    assert sorted(a or b for a, b in menu) == sorted(there)


def test_every_part_of_the_readme_is_on_one_page():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    cut = pages.readme_pages()
    for title in re.findall(r"^## .+$", readme, re.MULTILINE):
        assert sum(f"{title}\n" in text for text in cut.values()) == 1, title
    assert set(pages.HOME_SECTIONS + pages.COMMAND_SECTIONS) <= {
        title[3:] for title in re.findall(r"^## .+$", readme, re.MULTILINE)
    }


@pytest.mark.parametrize("file", MARKDOWN)
def test_links_hold_in_the_repository(file):
    text = CODE_BLOCK.sub("", (ROOT / file).read_text(encoding="utf-8"))
    for link in LINK.finditer(text):
        path, _, heading = link["target"].partition("#")
        if ":" in path:
            continue
        target = (ROOT / file).parent / path if path else ROOT / file
        assert target.exists(), link[0]
        if heading:
            titles = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in {anchor(title) for title in titles}, link[0]


def test_links_are_those_of_the_site():
    where = {"docs/a.md": "a.md", "docs/sub/b.md": "sub/b.md", "README.md": "index.md", "README.md#two": "two.md"}
    kept = "[b](sub/b.md#x) [n](nothing.md)"
    assert relinked(kept, "docs/a.md", "a.md", where) == kept
    cut = relinked("[r](../README.md#two) [h](../README.md)", "docs/a.md", "a.md", where)
    assert cut == "[r](two.md#two) [h](index.md)"
    without = relinked("[settings](../pyproject.toml) [tests](../tests/data)", "docs/a.md", "a.md", where)
    assert without == "settings (`pyproject.toml`) `tests/data`"
    assert relinked("see docs/sub/b.md", "docs/a.md", "a.md", where) == "see [docs/sub/b.md](sub/b.md)"
    assert relinked("[a](../a.md)", "docs/sub/b.md", "sub/b.md", where) == "[a](../a.md)"
    assert relinked("```\n[b](sub/b.md) docs/a.md\n```\n", "README.md", "index.md", where).startswith("```\n[b](sub")


def test_reference_pages_hold_every_command_option_and_name():
    page = cli_page.page()
    for name, command in typer.main.get_command(app).commands.items():
        assert f"\n## kaptrial {name}" in page
        for option in (each for parameter in command.params for each in parameter.opts if each.startswith("--")):
            assert option in page, option
    api = api_page.page()
    assert all(f".{name}\n" in api for name in kaptrial.__all__ if name != "evidence")
    assert "\n::: kaptrial.evidence.replicate\n" in api


class Page(HTMLParser):
    """What a page asks for by itself, where it leads, and the ids that may be led to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        self.ids |= {values.get("id") or ""}
        if tag == "a" and values.get("href"):
            self.links.append(values["href"])
        elif tag == "link" and values.get("href"):
            self.fetched.append(values["href"])
        self.fetched += [values[name] for name in ("src", "srcset", "data", "poster") if values.get(name)]


@pytest.fixture(scope="module")
def site():
    """The site, built by the one command within its minute."""
    begun = time.monotonic()
    command = ["uv", "run", "--group", "docs", "python", "-m", "docs.site_builder"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout + done.stderr
    assert time.monotonic() - begun < 60
    return ROOT / "site"


@pytest.fixture(scope="module")
def built(site):
    """The pages of the site by their paths."""
    return {path.resolve(): Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")}


@pytest.mark.validation
def test_nothing_is_fetched_from_another_host(site, built):
    assert [url for page in built.values() for url in page.fetched if re.match(r"(https?:)?//", url)] == []
    for path in site.rglob("*.css"):
        asked = re.findall(r"url\(['\"]?((?:https?:)?//[^)]*)|@import\s+['\"](https?:[^'\"]*)", path.read_text("utf-8"))
        assert asked == [], path


@pytest.mark.validation
def test_links_of_the_site_hold(site, built):
    wanted = {page.removesuffix(".md") + ".html" for page in pages.places().values() if page.endswith(".md")}
    assert {path.relative_to(site).as_posix() for path in built} >= wanted | {"api.html", "cli.html"}
    for path, page in built.items():
        if path.name == "404.html":  # its links are absolute, for a server
            continue
        for url in {*page.links, *page.fetched}:
            target, _, heading = unquote(url).partition("#")
            if re.match(r"[a-z]+:", target):
                continue
            file = (path.parent / target.partition("?")[0]).resolve() if target else path
            file = file / "index.html" if file.is_dir() else file
            assert file.exists(), f"{path.name}: {url}"
            assert not heading or file not in built or heading in built[file].ids, f"{path.name}: {url}"


@pytest.mark.validation
@needs_node
def test_search_finds_the_right_page_first(site):
    command = ["node", str(ROOT / "tests" / "site_search.js"), str(site), *FOUND_FIRST]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert {word: places[0] for word, places in found.items()} == FOUND_FIRST
