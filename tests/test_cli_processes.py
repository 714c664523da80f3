"""Commands as processes: files before words, streams that are full, closed or narrow, and signals."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kaptrial.cli import main, options
from kaptrial.output import terminal
from kaptrial.process import LOOK, end_with
from tests.scenario.malformed import STARTER

# Draws and writes through the same functions as the long commands do, and takes a second.
CHEAP = ("evidence", "show", "singh2016")
CLINIC = STARTER.parent / "clinic_one_therapist_short.yaml"
COMMAND = [sys.executable, "-c", "from kaptrial.cli import main; main()"]


def shell(line: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """A command in a shell that takes it as "$@" within `line`."""
    argv = ["bash", "-c", line, "bash", *COMMAND, *map(str, arguments)]
    return subprocess.run(argv, capture_output=True, text=True, timeout=300, check=False)


@pytest.mark.parametrize("line", ['"$@" | head -1', '"$@" >/dev/full', '"$@" >&- 2>&- <&-'])
def test_the_file_is_written_whatever_becomes_of_the_words(line, tmp_path):
    done = shell(line, *CHEAP, "--json", tmp_path / "k.json")
    assert json.loads((tmp_path / "k.json").read_text(encoding="utf-8"))["results"]
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == ("full" in line)
    if "full" in line:
        assert done.stderr == "kaptrial: standard output: No space left on device\n"
        assert done.returncode == 2


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252"])
def test_what_a_console_cannot_encode_is_spelled(encoding, monkeypatch):
    console = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", console)
    with pytest.raises(SystemExit) as stop:
        main(["check", str(STARTER), "--set", "title=γ ± ▼ é"])
    assert stop.value.code in (0, None)
    plain = {"ascii": "gamma +- v ?", "latin-1": "gamma ± v é", "cp1252": "gamma ± v é"}[encoding]
    assert plain.encode(encoding) in console.buffer.getvalue()


def test_what_was_found_is_printed_even_if_it_cannot_be_written(monkeypatch, tmp_path, capsys):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "k.json")

    monkeypatch.setattr("kaptrial.output.files.write_text", full)
    with pytest.raises(SystemExit) as stop:
        main([*CHEAP, "--json", str(tmp_path / "k.json")])
    shown = capsys.readouterr()
    assert stop.value.code == 2
    assert shown.err == "kaptrial: k.json: No space left on device\n"
    assert "Singh" in shown.out


@pytest.mark.parametrize(
    "command",
    [
        ("power", STARTER, "--json"), ("size", STARTER, "--json"), ("simulate", STARTER, "-o"),
        ("evidence", "list", "--json"), ("evidence", "replicate", "--json"), ("power", STARTER, "-o"),
    ],
)  # fmt: skip
def test_a_target_is_tried_before_the_work(command, capsys):
    start = time.process_time()
    with pytest.raises(SystemExit) as stop:
        main([*map(str, command), "/proc/no/such"])
    assert time.process_time() - start < 5
    assert stop.value.code == 2
    shown = capsys.readouterr()
    assert shown.err.startswith("kaptrial: /proc/no/such")
    assert shown.out == ""


def test_a_long_run_says_first_what_it_costs(monkeypatch, capsys):
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(terminal, "progress", stop)
    with pytest.raises(SystemExit):
        main(["power", str(STARTER), "--replicates", "10000000", "--no-nulls", "--workers", "1"])
    said = capsys.readouterr().err
    assert said.startswith("10,000,000 trials: about")
    assert "GB of memory with --workers 1" in said


def test_a_run_beyond_memory_is_refused(monkeypatch, capsys):
    monkeypatch.setattr("kaptrial.cli.options.memory", lambda: 1e6)
    with pytest.raises(SystemExit) as stop:
        main(["power", str(STARTER), "--replicates", "10000000", "--no-nulls"])
    assert stop.value.code == 2
    assert "must be fewer" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("limit", "words", "work"),
    [
        ("kaptrial.cli.options.MANY_CLINICS", ["clinic", CLINIC, "--replicates", "16"], "16 trials in the clinic"),
        ("kaptrial.cli.options.MANY_TRIALS", ["size", STARTER, "--replicates", "100"], "800 trials"),
        ("kaptrial.cli.fit.MANY_DRAWS", ["fit", STARTER, "--draws", "100"], "100 draws of each chain under 1 prior"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_what_long_work_costs_is_said_before_it_starts(limit, words, work, monkeypatch, capsys):
    monkeypatch.setattr(limit, 1)
    with pytest.raises(SystemExit) as stop:
        main([*map(str, words)])
    said = [line for line in capsys.readouterr().err.splitlines() if work in line]
    assert (stop.value.code, len(said)) == (0, 1)
    assert re.fullmatch(rf"{work}: about \d+ min and [\d.e-]+ GB of memory with .*", said[0])
    monkeypatch.setattr("kaptrial.cli.options.memory", lambda: 1.0)
    with pytest.raises(SystemExit) as stop:
        main([*map(str, words)])
    assert (stop.value.code, capsys.readouterr().out) == (2, "")


def test_simulate_streams_and_refuses_what_will_not_fit(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("kaptrial.cli.MANY_TRIALS", 1)
    argv = ["simulate", str(STARTER), "--set", "design.n_per_arm=4", "-o", str(tmp_path / "t.csv")]
    with pytest.raises(SystemExit):
        main([*argv, "--replicates", "200"])
    assert "200 trials: about" in capsys.readouterr().err
    rows = (tmp_path / "t.csv").read_text().splitlines()
    assert len(rows) == 1 + 200 * 8 * 4
    assert rows[-1].startswith("200,")
    with pytest.raises(SystemExit) as stop:
        main([*argv, "--replicates", "2000000000000"])
    assert stop.value.code == 2
    assert "are free" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_one_function_hands_over():
    """Every command that prints results goes through it: none prints before it has written."""
    sources = Path(options.__file__).parent.glob("cli*.py")
    for path in sources:
        text = path.read_text(encoding="utf-8")
        if path.name != "options.py":
            assert "to_json" not in text, path.name


def test_a_worker_ends_with_a_parent_that_is_killed():
    worker = "import os, time; from kaptrial.process import end_with as e; e(os.getppid()); print(1); time.sleep(60)"
    parent = "import subprocess, sys; p = subprocess.Popen([sys.executable, '-uc', sys.argv[1]]); print(2); p.wait()"
    argv = [sys.executable, "-u", "-c", parent, worker]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.stdout.readline()  # both run
        process.kill()
        start = time.time()
        assert process.stdout.read() == ""  # its other end closes when the worker has ended, too
    assert time.time() - start < 30


def test_a_process_may_be_its_own_worker():
    """As on a machine of one core."""
    end_with(os.getpid())
    time.sleep(2 * LOOK)


@pytest.mark.validation
def test_workers_end_with_a_command_that_is_killed(tmp_path):
    argv = [*COMMAND, "clinic", str(CLINIC), "--replicates", "200000", "--workers", "2", "-o", str(tmp_path / "out")]
    with subprocess.Popen(argv, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as process:
        workers = workers_of(process.pid)
        process.kill()
    until = time.time() + 30
    while any("popen_loky_posix" in command_line(pid) for pid in workers) and time.time() < until:
        time.sleep(0.5)
    assert [pid for pid in workers if "popen_loky_posix" in command_line(pid)] == []


@pytest.mark.validation
@pytest.mark.parametrize("who", ["the command", "a worker"])
def test_workers_do_not_outlive_their_command(who, tmp_path):
    argv = [*COMMAND, "clinic", str(CLINIC), "--replicates", "200000", "--workers", "2", "-o", str(tmp_path / "out")]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        workers = workers_of(process.pid)
        os.kill(
            process.pid if who == "the command" else workers[0], signal.SIGTERM if "command" in who else signal.SIGKILL
        )
        out, err = process.communicate(timeout=60)
    time.sleep(1)
    assert [pid for pid in workers if "popen_loky_posix" in command_line(pid)] == []
    assert process.returncode == (143 if who == "the command" else 2)
    lines = [line for line in err.splitlines() if "in the clinic: about" not in line]
    assert [line for line in lines if not line.startswith("kaptrial: workers = 2: one of the processes")] == []
    assert len(lines) == (who == "a worker")
    assert out == ""


@pytest.mark.validation
def test_threads_end_with_their_command(tmp_path):
    argv = [*COMMAND, "power", str(STARTER), "--replicates", "2000000", "--workers", "2", "-o", str(tmp_path / "out")]
    with subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        time.sleep(20)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=10)
    assert process.returncode == 143
    assert out == ""


def workers_of(pid: int) -> list[int]:
    """The two workers of a command, which have been at work for two seconds; from /proc."""
    workers: list[int] = []
    until = time.time() + 120
    while len(workers) < 2 and time.time() < until:
        time.sleep(0.5)
        children = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        workers = [child for child in children if "popen_loky_posix" in command_line(child)]
    assert len(workers) == 2
    time.sleep(2)
    return workers


def command_line(pid: int) -> str:
    """How a process was called; nothing where there is none."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except FileNotFoundError:
        return ""
