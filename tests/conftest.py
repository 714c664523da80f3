"""Fixtures of several test modules: the command line, called in this process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from kaptrial.cli import main


@pytest.fixture
def run() -> Callable[..., None]:
    """Run `kaptrial …`, which must end with this exit code."""

    def command(*arguments: object, code: int = 0) -> None:
        with pytest.raises(SystemExit) as stop:
            main([str(argument) for argument in arguments])
        assert (stop.value.code or 0) == code

    return command


@pytest.fixture
def refused(run, capsys) -> Callable[..., str]:
    """Run `kaptrial …`, which must print one line on stderr and exit 2; that line."""

    def command(*arguments: object) -> str:
        capsys.readouterr()
        run(*arguments, code=2)
        printed = capsys.readouterr()
        assert printed.out == ""
        (line,) = printed.err.splitlines()
        assert line.startswith("kaptrial: ")
        return line

    return command
