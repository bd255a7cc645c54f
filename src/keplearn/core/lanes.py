"""Functions that take turns, each in a thread of its own, so that what several of them wait for can be made at once."""

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from queue import SimpleQueue
from typing import Any, Generic, NamedTuple, TypeVar

Result = TypeVar("Result")

Ask = Callable[[Any], Any]
"""Called by such a function with a request: it comes back with the answer, when others have asked too."""


class _Ended(NamedTuple):
    """What a function came to: its result, or what it raised."""

    result: Any
    error: BaseException | None


class _Thrown(NamedTuple):
    """An answer that is raised where the function waits."""

    error: BaseException


class _Lane(Generic[Result]):
    """One function in its thread, which runs while `on` waits for what it comes to next."""

    def __init__(self, work: Callable[[Ask], Result]):
        self._told: SimpleQueue[Any] = SimpleQueue()
        self._answers: SimpleQueue[Any] = SimpleQueue()
        self._runs = False
        self.ended = False
        threading.Thread(target=self._run, args=(work,), daemon=True).start()

    def on(self, answer: Any) -> Any:
        """Let it go on with an answer, and return its next request, or `_Ended`."""
        self._runs = True
        self._answers.put(answer)
        return self._next()

    def end(self, error: BaseException) -> None:
        """Raise an error where it waits, once it does, until it ends."""
        if self._runs:
            self._next()
        while not self.ended:
            self.on(_Thrown(error))

    def _next(self) -> Any:
        told = self._told.get()
        self._runs = False
        self.ended = isinstance(told, _Ended)
        return told

    def _run(self, work: Callable[[Ask], Result]) -> None:
        try:
            self._wait()
            ended = _Ended(work(self._ask), None)
        except BaseException as error:  # whatever it is, the caller's thread raises it
            ended = _Ended(None, error)
        self._told.put(ended)

    def _ask(self, request: Any) -> Any:
        self._told.put(request)
        return self._wait()

    def _wait(self) -> Any:
        answer = self._answers.get()
        if isinstance(answer, _Thrown):
            raise answer.error
        return answer


def in_turns(
    works: Sequence[Callable[[Ask], Result]], make: Callable[[dict[int, Any]], Mapping[int, Any]]
) -> Iterator[tuple[int, Result]]:
    """Run functions in turns, and yield the number and the result of each as it ends.

    Parameters
    ----------
    works
        The functions; each is called with a function with which it asks.
    make
        Is given the requests of all that wait, by number, and returns the answers to some of them, or to all.

    Raises
    ------
    BaseException
        What one of them, or ``make``, raises; it is raised in all others first, where they wait. If the iterator is
        closed, that is KeyboardInterrupt.
    """
    lanes = [_Lane(work) for work in works]
    answers: Mapping[int, Any] = dict.fromkeys(range(len(lanes)))
    waiting: dict[int, Any] = {}
    try:
        while answers:
            for number, answer in answers.items():
                told = lanes[number].on(answer)
                if not isinstance(told, _Ended):
                    waiting[number] = told
                elif told.error is not None:
                    raise told.error
                else:
                    yield number, told.result
            answers = make(waiting) if waiting else {}
            for number in answers:
                del waiting[number]
    except BaseException as error:
        for lane in lanes:
            with suppress(BaseException):  # the first error is the one to tell
                lane.end(KeyboardInterrupt() if isinstance(error, GeneratorExit) else error)
        raise
