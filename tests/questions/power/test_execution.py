"""Workers: threads for compiled work, processes where they are worth their start; the order of the tasks always."""

import os
import threading
import time

import pytest

from kaptrial.cli.options import AUTO, _workers
from kaptrial.process import processors
from kaptrial.questions.power import execution
from kaptrial.questions.power.execution import in_order, in_threads


def slower_at_first(k):
    time.sleep(0.02 if k == 0 else 0)
    return k, threading.get_ident(), os.getpid()


TASKS = [(k,) for k in range(12)]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_threads_answer_in_order(workers):
    done = list(in_threads(slower_at_first, TASKS, workers))
    assert [k for k, *_ in done] == list(range(12))
    assert {pid for *_, pid in done} == {os.getpid()}
    assert (threading.get_ident() in {thread for _, thread, _ in done}) == (workers == 1)


def test_threads_take_no_more_tasks_than_are_asked_for_soon():
    taken = []
    answers = in_threads(lambda k: k, ((taken.append(k) or k,) for k in range(1000)), 2)
    assert next(answers) == 0
    assert len(taken) == 4
    answers.close()
    assert len(taken) == 4


def test_an_error_in_a_thread_is_raised_where_its_answer_was_due():
    def fail(k):
        return k if k < 3 else 1 / 0

    answers = in_threads(fail, TASKS, 2)
    assert [next(answers) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ZeroDivisionError):
        next(answers)


def test_processes_start_for_long_work_only(monkeypatch):
    here = {pid for *_, pid in in_order(slower_at_first, TASKS, 2)}
    assert here == {os.getpid()}
    monkeypatch.setattr(execution, "START", 0.0)
    done = list(in_order(slower_at_first, TASKS, 2))
    assert [k for k, *_ in done] == list(range(12))
    assert [pid == os.getpid() for *_, pid in done] == [True] * 2 + [False] * 10


def test_auto_is_every_processor():
    assert _workers(AUTO) == processors() >= 1
    assert _workers("3") == 3
