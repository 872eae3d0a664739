"""How the wizard ends when something hangs: a terminal that is gone, a thread that never returns."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread
from typing import Any

LINE_LOST = 128 + signal.SIGHUP
"""The exit code of a wizard whose terminal is gone, whether a signal said so or not: what a shell shows for SIGHUP."""
ORDERLY_S = 1.0
"""Time for an orderly end after a lost line, before the process is ended by force."""
SAVING_S = 0.8
THREADS_S = 2.0
"""How long threads are waited for at the end: one may be starting a server, and has to record which."""


def end_in_time(save: Callable[[], None], code: int) -> None:
    """End this process with `code` if it does not end by itself; `save` is called once more first.

    The loop may hang: on a terminal that takes no more output, a disk, a driver.
    """

    def end() -> None:
        time.sleep(ORDERLY_S)
        saving = Thread(target=save, daemon=True)
        saving.start()
        saving.join(SAVING_S)
        os._exit(code)

    Thread(target=end, name="end-in-time", daemon=True).start()


class BoundedThreads(ThreadPoolExecutor):
    """A thread for each call; the end of the process waits for it `THREADS_S` and no longer.

    The threads of asyncio's own executor are waited for without end: a query to a hanging driver would hold up the
    wizard, and the command that it prints.
    """

    def __init__(self) -> None:
        super().__init__(max_workers=1)
        self._running: set[Thread] = set()

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Call `work` in a thread of its own."""
        future: Future[Any] = Future()

        def run() -> None:
            if future.set_running_or_notify_cancel():
                try:
                    answer = work(*args, **kwargs)
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(answer)
            self._running.discard(thread)

        thread = Thread(target=run, daemon=True)
        self._running.add(thread)
        thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Wait for the running threads, if at all, for a bounded time."""
        end = time.monotonic() + (THREADS_S if wait else 0)
        for thread in list(self._running):
            thread.join(max(0.0, end - time.monotonic()))
