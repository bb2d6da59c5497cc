"""Several machines at once: one thread each."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from srpo_manifest.errors import SrpoManifestError

A = TypeVar("A")


def at_once(calls: Sequence[Callable[[], A]]) -> list[A | SrpoManifestError]:
    """What each call answers, in order; all have begun before one is waited for, however many they are.

    An error of ours is an answer; any other is raised. An interruption waits for none of them.
    """
    found: list[A | BaseException] = [AssertionError("it was not called")] * len(calls)

    def answer(number: int) -> None:
        try:
            found[number] = calls[number]()
        except BaseException as error:  # noqa: BLE001 - it is raised again where all are waited for
            found[number] = error

    threads = [threading.Thread(target=answer, args=(number,), daemon=True) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    answers: list[A | SrpoManifestError] = []
    for one in found:
        if isinstance(one, BaseException) and not isinstance(one, SrpoManifestError):
            raise one
        answers.append(one)
    return answers


def interleaved(streams: Sequence[Iterator[A]]) -> Iterator[tuple[int, A]]:
    """What comes from any of the streams, as it comes, with the stream's number.

    Raises: what the first of them did that failed, once the others have ended.
    """
    if len(streams) == 1:
        yield from ((0, one) for one in streams[0])
        return
    come: queue.Queue[tuple[int, A] | BaseException | None] = queue.Queue(maxsize=2 * len(streams))

    def drain(number: int) -> None:
        try:
            for one in streams[number]:
                come.put((number, one))
        except BaseException as error:  # noqa: BLE001 - it is raised again where all are read
            come.put(error)
        else:
            come.put(None)

    for number in range(len(streams)):
        threading.Thread(target=drain, args=(number,), daemon=True).start()
    going, failure = len(streams), None
    while going:
        one = come.get()
        if isinstance(one, tuple):
            yield one
            continue
        going -= 1
        failure = failure or one
    if failure is not None:
        raise failure
