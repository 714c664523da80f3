"""Build the site: `uv run --group docs python -m docs.site_builder` writes `site/`; a warning is an error."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from docs.site_builder import pages


def main() -> int:
    """Gather the pages, then have Zensical build them; its exit code."""
    work = pages.ROOT / "build" / "docs"
    notebooks = pages.write(work / "pages")
    settings = Path(__file__).with_name("site.yml").read_text(encoding="utf-8")
    settings += "  - Notebooks:\n" + "".join(f"      - {page}\n" for page in notebooks)
    (work / "mkdocs.yml").write_text(settings, encoding="utf-8")
    build = [
        sys.executable,
        "-m",
        "zensical",
        "build",
        "--clean",
        "--strict",
        "--config-file",
        str(work / "mkdocs.yml"),
    ]
    code = subprocess.run(build, check=False).returncode
    if code == 0:
        shutil.rmtree(pages.ROOT / "site", ignore_errors=True)
        shutil.move(work / "site", pages.ROOT / "site")
    return code


if __name__ == "__main__":
    sys.exit(main())
