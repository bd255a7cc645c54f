"""Sinks for tests."""

from collections.abc import Callable

from keplearn.runs.events import Event, Message


def texts(said: list[str]) -> Callable[[Event], None]:
    """Return a sink that keeps a run's messages."""

    def tell(event: Event) -> None:
        if isinstance(event, Message):
            said.append(event.text)

    return tell
