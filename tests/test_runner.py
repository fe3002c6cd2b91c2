"""The job runner: newest item wins, errors arrive, closing stops the work, one job at a time."""

import threading
import time

import pytest

from stylelab.ui import runner


def test_last_item_always_arrives():
    assert [item for item in runner.run(lambda: iter_of(range(100))) if item is not None][-1] == 99


def test_the_reader_ends_with_the_work():
    """While it is open the page drops clicks on the button that began it."""
    job = runner.run(lambda: iter_of([1]))
    while next(job) is None:
        pass
    begun = time.monotonic()
    assert [item for item in job if item is not None] == []
    assert time.monotonic() - begun < runner.HEARTBEAT / 2


def iter_of(items):
    yield from items


def test_errors_are_raised_at_the_reader():
    def work():
        yield 1
        raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        list(runner.run(work))


def test_heartbeats_while_a_step_takes_long():
    def work():
        time.sleep(3 * runner.HEARTBEAT)
        yield "done"

    items = list(runner.run(work))
    assert None in items and "done" in items


def test_closing_returns_at_once_and_ends_the_work_at_its_next_item():
    ended = threading.Event()

    def work():
        try:
            for i in range(10_000):
                time.sleep(0.2)
                yield i
        finally:
            ended.set()

    job = runner.run(work)
    while next(job) is None:
        pass
    begun = time.monotonic()
    job.close()
    assert time.monotonic() - begun < 0.1
    assert ended.wait(5)


def test_two_jobs_never_compute_at_once():
    active, most = [], []

    def work():
        for _ in range(5):
            active.append(1)
            most.append(len(active))
            time.sleep(0.02)
            active.pop()
            yield len(most)

    readers = [threading.Thread(target=lambda: list(runner.run(work))) for _ in range(3)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join(30)
    assert len(most) == 15 and max(most) == 1


def test_a_job_closed_while_waiting_never_starts():
    started = threading.Event()
    first = runner.run(lambda: slow())
    while next(first) is None:
        pass
    second = runner.run(lambda: (started.set(), iter(()))[1])
    next(second)
    second.close()
    first.close()
    time.sleep(0.6)
    assert not started.is_set()


def slow():
    for i in range(100):
        time.sleep(0.05)
        yield i
