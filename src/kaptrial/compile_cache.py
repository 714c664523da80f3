"""Where numba keeps compiled functions: a folder named after the sources they were compiled from.

numba looks at a function's own file only, so that a cached function goes on using what it once called in another file,
edited since. A folder for each state of the sources cannot mix two of them.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent
PREFIX = "kaptrial-"
# A folder that no run has used for so long is removed.
UNUSED_DAYS = 30
# For compiled functions that only compiled ones call, and that make no arrays: no entry from Python, no place of their
# own in the cache, and no counting of references to each array at each call, which can cost more than the work.
INNER: dict[str, Any] = {"nogil": True, "no_cpython_wrapper": True, "no_cfunc_wrapper": True, "_nrt": False}
# For compiled functions that one large function calls: compiled with its text, where LLVM would optimise them alone and
# once more in each function around them.
INLINED: dict[str, Any] = {"nogil": True, "inline": "always"}


def compiled_sources(package: Path = PACKAGE) -> list[Path]:
    """The files that hold compiled functions, and those of the package that they import, in alphabetical order."""
    texts = {path: path.read_bytes() for path in sorted(package.rglob("*.py"))}
    modules = {_module(package, path): path for path in texts}
    todo = [path for path, text in texts.items() if re.search(rb"^@njit\b", text, re.M)]
    paths: set[Path] = set()
    while todo:
        path = todo.pop()
        paths.add(path)
        todo += {modules[name] for name in _imported(texts[path].decode()) if name in modules} - paths
    return sorted(paths)


def _module(package: Path, path: Path) -> str:
    return ".".join((package.name, *path.relative_to(package).with_suffix("").parts)).removesuffix(".__init__")


def _imported(text: str) -> Iterable[str]:
    """Modules that a source may import: each `from a import b` is a, or a.b."""
    for module, names in re.findall(r"^\s*from ([\w.]+) import \(?([\w\s,]+)", text, re.M):
        yield module
        yield from (f"{module}.{name}" for name in re.findall(r"\w+", names))


def source_hash(package: Path = PACKAGE) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of all compiled sources and numba's version."""
    checksum = hashlib.sha256(version("numba").encode())
    for path in compiled_sources(package):
        checksum.update(f"\n{path.relative_to(package).as_posix()}\n".encode())
        checksum.update(path.read_bytes())
    return checksum.hexdigest()[:12]


def use(key: str) -> None:
    """Make numba keep compiled functions in the folder of this key: below NUMBA_CACHE_DIR where the user has set it,
    else in the package, else in the user's cache.

    Where none of them can be written, in a temporary folder, and one line on stderr says so.
    """
    given = os.environ.get("NUMBA_CACHE_DIR")
    if given is not None and Path(given).name == PREFIX + key:
        return  # a worker of a run that has chosen already
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    parents = [Path(given)] if given else [PACKAGE / "__pycache__", Path(home) / "kaptrial"]
    folder = next((made for parent in parents if (made := _writable(parent / (PREFIX + key)))), None)
    if folder is None:
        folder = _temporary() / (PREFIX + key)
        tried = " or ".join(str(parent) for parent in parents)
        print(f"kaptrial: {tried} cannot be written: functions are compiled anew in every run", file=sys.stderr)
    os.environ["NUMBA_CACHE_DIR"] = str(folder)
    if "numba" in sys.modules:  # it has read the environment already
        sys.modules["numba"].config.CACHE_DIR = str(folder)


def is_compiled(function: Any) -> bool:
    """Whether numba has compiled a function, in this process or before it."""
    folder, name = function.stats.cache_path, function.py_func.__qualname__
    return bool(function.signatures) or (folder is not None and any(Path(folder).glob(f"*.{name}-*.nbi")))


def tell_when_compiling(tell: Callable[[], None]) -> None:
    """Let `tell` be called when numba first compiles a function in this process, and finds it in no cache."""
    from numba.core import event

    class First(event.Listener):
        told = False

        def on_start(self, _: event.Event) -> None:
            if not self.told:
                self.told = True
                tell()

        def on_end(self, _: event.Event) -> None:
            pass

    event.register("numba:compile", First())


def _writable(folder: Path) -> Path | None:
    """The folder, made if need be, where files can be made in it; folders beside it that nobody uses are removed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
        os.utime(folder)
    except OSError:
        return None
    _remove_unused(folder.parent)
    return folder


def _temporary() -> Path:
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def _remove_unused(parent: Path) -> None:
    for folder in parent.glob(f"{PREFIX}*"):
        if time.time() - folder.stat().st_mtime > UNUSED_DAYS * 86_400:
            shutil.rmtree(folder, ignore_errors=True)
