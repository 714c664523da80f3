"""Writing results whole or not at all: to a temporary file beside the target, then renamed; and folders of them."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path

from kaptrial import __version__
from kaptrial.results import without_formulas

MANIFEST = "manifest.json"
# Room that a file must find where it is to be written, in bytes.
_PROBE = 65_536


@dataclass
class OutputFolder:
    """A folder of results while it is written: what an earlier run left there, and what this one has written.

    `earlier`, `written`: the SHA-256 of each file by its name. `beside`: names that were taken by files of others.
    """

    path: Path
    earlier: Mapping[str, str]
    written: dict[str, str] = field(default_factory=dict)
    removed: list[str] = field(default_factory=list)
    beside: list[str] = field(default_factory=list)

    def place(self, path: Path) -> Path:
        """Where a file of this run goes: never over one that no run has written."""
        ours = self.earlier.keys() | self.written
        chosen, k = path, 0
        while chosen.exists() and chosen.name not in ours:
            k += 1
            chosen = path.with_stem(f"{path.stem}-{k}")
        if k:
            self.beside.append(path.name)
        return chosen

    def add(self, path: Path) -> None:
        """A file has been written; the folder is not yet complete."""
        self.written[path.name] = _sha256(path)
        self.mark(complete=False)

    def mark(self, *, complete: bool) -> None:
        """Write the manifest: this run's files, and until they are all there the earlier run's too."""
        files = self.written if complete else {**self.earlier, **self.written}
        manifest = {"made_by": "kaptrial", "version": __version__, "complete": complete, "files": files}
        _replace(self.path / MANIFEST, lambda path: path.write_text(json.dumps(manifest, indent=1) + "\n", "utf-8"))

    def remove_stale(self) -> None:
        """Remove what the earlier run wrote and this one did not, unless somebody has changed it since."""
        for name in sorted(self.earlier.keys() - self.written):
            path = self.path / name
            if path.is_file() and _sha256(path) == self.earlier[name]:
                path.unlink()
                self.removed.append(name)

    def said(self) -> str:
        """What was done in the folder, in words."""
        removed, beside = ", ".join(self.removed), ", ".join(self.beside)
        parts = [f"{len(self.written)} files, listed in {MANIFEST}"]
        parts += [f"removed those of the earlier run that this one does not have: {removed}"] if removed else []
        parts += [f"left what no run had written and wrote beside it, with a number: {beside}"] if beside else []
        return "; ".join(parts)


_OPEN: ContextVar[OutputFolder | None] = ContextVar("the folder being written", default=None)


@contextmanager
def output_folder(path: Path, *, keep: bool = False) -> Iterator[OutputFolder]:
    """A folder into which `write_bytes` and `write_text` write; complete, by its manifest, once the block has ended.

    Files of an earlier run, which its manifest lists, are replaced or removed, or with `keep` stay and are listed
    again; others are not touched.
    """
    path.mkdir(parents=True, exist_ok=True)
    folder = OutputFolder(path, _listed(path) or {})
    folder.mark(complete=False)
    token = _OPEN.set(folder)
    try:
        yield folder
    finally:
        _OPEN.reset(token)
    if keep:
        there = {name: sha for name, sha in folder.earlier.items() if (path / name).is_file()}
        folder.written = there | folder.written
    folder.remove_stale()
    folder.mark(complete=True)


def _listed(folder: Path) -> dict[str, str] | None:
    """The files of an earlier run by its manifest, names alone; None where the manifest is not of a run."""
    try:
        read = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if read["made_by"] != "kaptrial":
            return None
        return {name: str(sha) for name, sha in read["files"].items() if Path(name).name == name != MANIFEST}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_bytes(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it; the folder is made if need be.

    Raises OSError that names `path`.
    """
    folder = _OPEN.get()
    if folder is None or path.parent != folder.path:
        _replace(path, write)
        return
    path = folder.place(path)
    _replace(path, write)
    folder.add(path)


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    with _named(path):
        if _is_device(path):
            write(path)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}-", suffix=path.suffix)
        os.close(handle)
        temporary = Path(name)
        try:
            write(temporary)
            temporary.chmod(0o644)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """An OSError of what happens to a temporary file names the file that was to be written.

    A library that trips over its own clean-up after an OSError hides it.
    """
    try:
        yield
    except Exception as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, OSError):
            cause = cause.__cause__ or cause.__context__
        if not isinstance(cause, OSError):
            raise
        raise OSError(cause.errno or errno.EIO, cause.strerror or str(cause), str(path)) from None


def _is_device(path: Path) -> bool:
    """Whether this is a terminal, a pipe or the like, which is written to and not replaced."""
    return path.exists() and not path.is_file() and not path.is_dir()


def check_writable(path: Path) -> None:
    """Raise OSError now if a file could not be written there later: before hours of work, not after."""
    folder = next(parent for parent in (path.parent, *path.absolute().parents) if parent.exists())
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    with _named(path):
        if _is_device(path):
            path.open("wb").close()
            return
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(_PROBE))


def check_folder(folder: Path) -> None:
    """Raise OSError now if a folder of results could not be written there later."""
    check_writable(folder / MANIFEST)
    if _listed(folder) is None:
        raise FileExistsError(errno.EEXIST, "is not of an earlier run: name another folder", str(folder / MANIFEST))


def check_room(path: Path, size: float) -> None:
    """Raise OSError now if a file of this size will not fit."""
    folder = next(parent for parent in (path.parent, *path.absolute().parents) if parent.exists())
    free = shutil.disk_usage(folder).free
    if size > free:
        problem = f"would take about {size / 1e9:.2g} GB, and {free / 1e9:.2g} GB are free"
        raise OSError(errno.ENOSPC, problem, str(path))


def write_text(path: Path, text: str) -> None:
    """Write text in UTF-8; in a CSV no cell starts a formula."""
    if path.suffix == ".csv":
        text = without_formulas(text)
    write_bytes(path, lambda temporary: temporary.write_text(text, encoding="utf-8", newline="\n"))
