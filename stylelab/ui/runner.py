"""Long jobs in a thread of their own, so that Stop is immediate and the server never waits for a step.

Gradio frees a cancelled job's place in the queue at once, but the step it was in goes on computing, and a generator's `finally`
runs on the server's event loop. So the work holds a lock that is ours: the next job begins when the last step has really ended,
and closing the generator does no more than set an event.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

HEARTBEAT = 0.25  # seconds between two chances for Gradio to close a generator that has nothing new to say

_device = threading.Lock()  # one job computes at a time


def run(work: Callable[[], Iterable[Any]]) -> Iterator[Any]:
    """Iterate ``work()`` in its own thread; give its newest item, or None where there is nothing new. The last item always comes.

    A slow reader misses items in between but never slows the work. Errors of the work are raised here. Closing this generator
    stops the work at its next item.
    """
    stop, news, ended = threading.Event(), threading.Event(), threading.Event()
    newest: queue.Queue[Any] = queue.Queue(maxsize=1)
    failure: list[BaseException] = []

    def put(item: Any) -> None:
        with contextlib.suppress(queue.Empty):
            newest.get_nowait()
        newest.put(item)
        news.set()

    def main() -> None:
        while not _device.acquire(timeout=0.1):
            if stop.is_set():
                return
        try:
            if stop.is_set():  # closed while it waited
                return
            with contextlib.closing(work()) as items:  # closed in this thread, where its tensors were made
                for item in items:
                    if stop.is_set():
                        return
                    put(item)
        except BaseException as error:  # handed over, whatever it is: nobody else would ever hear of it
            failure.append(error)
        finally:
            _device.release()
            ended.set()
            news.set()  # the reader shall not wait: until it has closed, the page takes no click on the button that began this

    threading.Thread(target=main, daemon=True).start()
    try:
        last = False
        while True:
            if not last:
                news.wait(HEARTBEAT)
                news.clear()
                last = ended.is_set()  # asked before looking: what the thread puts before it ends is then never missed
            try:
                yield newest.get_nowait()
            except queue.Empty:
                if last:
                    break
                yield None
        if failure:
            raise failure[0]
    finally:
        stop.set()  # nothing slower than this here: it may run on the event loop
