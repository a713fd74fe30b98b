"""Background loops: they outlive every error, and say when they do not or keep failing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest
from structlog.testing import capture_logs

from visearch import background
from visearch.background import Loop
from visearch.errors import DependencyUnavailable

MINUTE = 60.0


@pytest.fixture(autouse=True)
def _logs_are_not_rendered() -> Iterator[None]:
    """Tracebacks that show large arrays take seconds each."""
    with capture_logs():
        yield


@pytest.fixture(autouse=True)
def _no_loops_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some end with their process: those that listen to a Redis of a test which is over, say."""
    monkeypatch.setattr(background, "_loops", set())


@pytest.fixture
def started() -> Iterator[Callable[[Loop], Loop]]:
    """Start loops that are stopped when the test ends."""
    loops: list[Loop] = []

    def start(loop: Loop) -> Loop:
        loops.append(loop.start())
        return loop

    yield start
    for loop in loops:
        loop.stop()


class Step:
    """A step that raises ``error`` until told otherwise; counts, and lets a test wait for turns."""

    def __init__(self, error: BaseException | None) -> None:
        self.error, self.turns, self._turn = error, 0, threading.Condition()

    def __call__(self) -> None:
        with self._turn:
            self.turns += 1
            self._turn.notify_all()
        if self.error is not None:
            raise self.error

    def wait_for(self, turns: int) -> None:
        """Wait until so many more turns have begun: all but the last have ended then."""
        with self._turn:
            target = self.turns + turns
            assert self._turn.wait_for(lambda: self.turns >= target, MINUTE), "no more turns"


@pytest.mark.parametrize("error", [RuntimeError("odd"), DependencyUnavailable("no answer")])
def test_a_step_that_raises_is_taken_again_and_reported(
    error: Exception, started: Callable[[Loop], Loop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "GRACE_S", 0.0)
    step = Step(error)
    loop = started(Loop("walk", step, every_s=0.001))
    step.wait_for(3)
    (said,) = background.troubles()
    assert said.startswith("the thread 'walk' has failed since ")
    assert said.endswith("; see the log"), "anyone may read it, and errors name hosts and paths"
    step.error = None
    step.wait_for(2)
    assert loop.trouble() is None and background.troubles() == []


def test_a_passing_fault_is_no_trouble(
    started: Callable[[Loop], Loop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "GRACE_S", MINUTE)
    step = Step(RuntimeError("odd"))
    loop = started(Loop("walk", step, every_s=0.001))
    step.wait_for(3)
    assert loop.trouble() is None


def test_a_loop_that_waits_for_work_is_not_reported_for_ever(
    started: Callable[[Loop], Loop], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(background, "GRACE_S", 0.0)
    monkeypatch.setattr(background, "MEMORY_S", 0.0)
    step = Step(RuntimeError("odd"))
    loop = started(Loop("walk", step, every_s=0.05))
    step.wait_for(2)
    threading.Event().wait(0.01)
    assert loop.trouble() is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_has_died_is_reported_at_once(started: Callable[[Loop], Loop]) -> None:
    loop = started(Loop("walk", Step(KeyboardInterrupt())))
    loop.join()
    assert background.troubles() == ["the thread 'walk' has died; see the log"]


def test_a_stopped_loop_takes_no_more_steps(started: Callable[[Loop], Loop]) -> None:
    step = Step(None)
    loop = started(Loop("walk", step, every_s=0.001))
    step.wait_for(2)
    loop.stop()
    loop.join()
    turns = step.turns
    threading.Event().wait(0.02)
    assert step.turns == turns and background.troubles() == []


def test_a_loop_may_rest_first(started: Callable[[Loop], Loop]) -> None:
    step = Step(None)
    loop = started(Loop("walk", step, every_s=MINUTE, rest_first=True))
    loop.stop()
    loop.join()
    assert step.turns == 0


def test_a_step_that_fails_keeps_no_other_from_its_turn() -> None:
    taken: list[str] = []

    def fail(error: Exception) -> None:
        raise error

    with capture_logs() as logged:
        background.take_steps(
            "not_done",
            {
                "unforeseen": lambda: fail(ZeroDivisionError()),
                "away": lambda: fail(DependencyUnavailable("it is away")),
                "sound": lambda: taken.append("sound"),
            },
        )
    assert taken == ["sound"]
    told = [(each["event"], each["step"], each["log_level"]) for each in logged]
    assert told == [("not_done", "unforeseen", "error"), ("not_done", "away", "warning")]
