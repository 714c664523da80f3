"""Which file of the repository becomes which page of the site."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from docs.site_builder import api_page, cli_page, notebook_pages
from docs.site_builder.links import ROOT, anchor, relinked

README = "README.md"
# Files of the repository outside docs/ that are pages.
OTHERS = {
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "scenarios/README.md": "scenarios.md",
    "notebooks/README.md": "notebooks/index.md",
}
# The README is cut into three pages: its beginning, what these sections hold, and the rest.
COMMANDS, EXAMPLES = "commands.md", "examples.md"
HOME_SECTIONS = ("The first ten minutes", "How a number is made", "Limits")
COMMAND_SECTIONS = ("What it answers", "In Python")


def write(folder: Path) -> list[str]:
    """Write every page and figure to a new folder; the pages of the notebooks."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs" / "figures", folder / "figures")
    for name in ("site.css", "iframe-worker.js"):
        shutil.copy(Path(__file__).with_name(name), folder)
    where = places()
    for file, page in where.items():
        if file.endswith(".md") and file != README:
            _save(folder / page, relinked((ROOT / file).read_text(encoding="utf-8"), file, page, where))
    for page, text in readme_pages().items():
        _save(folder / page, relinked(text, README, page, where))
    _save(folder / "api.md", api_page.page())
    _save(folder / "cli.md", relinked(cli_page.page(), "cli.md", "cli.md", where))
    for file in notebooks():
        text, figures = notebook_pages.converted(ROOT / file)
        _save(folder / where[file], relinked(text, file, where[file], where))
        for name, content in figures.items():
            (folder / "notebooks" / name).parent.mkdir(exist_ok=True)
            (folder / "notebooks" / name).write_bytes(content)
    return [where[file] for file in ("notebooks/README.md", *notebooks())]


def notebooks() -> list[str]:
    """The notebooks, in the order of their names."""
    return sorted(f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb"))


def places() -> dict[str, str]:
    """Where what the repository holds stands in the site, by file or file#anchor."""
    docs = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md")}
    figures = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "figures").iterdir()}
    of_notebooks = {file: file.removesuffix(".ipynb") + ".md" for file in notebooks()}
    of_docs = {file: file.removeprefix("docs/") for file in docs | figures}
    of_readme = {f"{README}#{anchor(title)}": _page_of(title) for title in _sections(_readme())}
    return of_docs | OTHERS | of_notebooks | {README: "index.md"} | of_readme


def readme_pages() -> dict[str, str]:
    """The pages that the README is cut into."""
    beginning = _readme().partition("\n## ")[0]
    pages = {
        "index.md": beginning + "\n",
        COMMANDS: "# Commands by question\n\n",
        EXAMPLES: "# Worked examples\n\n",
    }
    for title, section in _sections(_readme()).items():
        pages[_page_of(title)] += section
    return pages


def _page_of(title: str) -> str:
    """Which page a section of the README goes to."""
    if title in COMMAND_SECTIONS:
        return COMMANDS
    return "index.md" if title in HOME_SECTIONS else EXAMPLES


def _sections(text: str) -> dict[str, str]:
    """The sections of a text under their titles, each with its heading."""
    return {part[3:].partition("\n")[0]: part for part in re.split(r"^(?=## )", text, flags=re.MULTILINE)[1:]}


def _readme() -> str:
    return (ROOT / README).read_text(encoding="utf-8")


def _save(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
