"""The Celery app: configuration, logging context and the life of a worker process."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import structlog
from celery import Celery, signals
from celery.worker import state
from kombu.transport import redis

from visearch import background, contract, logs
from visearch.background import Loop
from visearch.errors import DependencyUnavailable
from visearch.settings import Settings
from visearch.store.redis import broker, presence, queues
from workers.context import Context
from workers.farewell import OneSigterm, leaving
from workers.loop import STUCK_S, Marking, turning
from workers.reaping import Reaping
from workers.roles import ROLES
from workers.task import Task

P = ParamSpec("P")
T = TypeVar("T")
log = structlog.get_logger(__name__)
settings = Settings.from_env()
role = ROLES[os.environ.get("VISEARCH_ROLE", "maintain")]

TICKS = {
    contract.RECONCILE: 3.0,
    contract.COMPACT: 5.0,
    contract.COMPARE: 10.0,
    contract.REINDEX: 2.0,
    contract.PURGE: 300.0,
    contract.FEEDS: 2.0,
    contract.GOLDEN: 2.0,
}
"""What the clock asks for, and how often, in seconds."""

broker.mend(redis.Transport)
app = Celery("visearch", broker=settings.broker, set_as_current=True, task_cls=Task)
app.conf.update(
    **contract.celery_config(),
    include=list(role.modules),
    task_acks_late=True,
    # A chunk's row decides about another try, not the broker: acknowledge whatever happens.
    task_acks_on_failure_or_timeout=True,
    task_reject_on_worker_lost=False,
    worker_prefetch_multiplier=1,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_soft_shutdown_timeout=10.0,
    worker_enable_soft_shutdown_on_idle=False,
    worker_hijack_root_logger=False,
    worker_send_task_events=False,
    worker_max_tasks_per_child=500,
    broker_connection_max_retries=None,
    broker_channel_error_retry=True,
    task_publish_retry_policy={"max_retries": 1, "interval_start": 0.1, "interval_max": 0.1},
    beat_scheduler="workers.beat:Scheduler",
    beat_schedule={name: {"task": name, "schedule": every_s} for name, every_s in TICKS.items()},
)
app.steps["consumer"].update([Marking, Reaping])
app.steps["worker"].add(OneSigterm)
context = Context(app, settings, role.name)
_details: Callable[[], dict[str, Any]] = dict


def at_start(make: Callable[[], T]) -> Callable[[], T]:
    """Run ``make`` once, before the worker takes its first task; its name then gives the result.

    If ``make`` fails, the process ends: Celery only logs what a signal's handler raises, and
    would go on without it.
    """
    made: list[T] = []

    def run(**_: Any) -> None:
        logs.configure(settings.log_format)  # Celery does so later
        try:
            made.append(make())
        except Exception as error:
            log.exception("start_failed", role=role.name)
            raise SystemExit(1) from error

    @wraps(make)
    def result() -> T:
        assert made, f"{make.__name__} is made when a worker of its role starts"
        return made[0]

    signals.worker_init.connect(run, weak=False)
    return result


def on_time(name: str) -> Callable[[Callable[P, None]], Callable[P, None]]:
    """Drop a tick that comes too soon after the last one: one of many that had to wait.

    How long a tick has waited is not asked: that would compare the clocks of two machines.
    """

    def decorate(work: Callable[P, None]) -> Callable[P, None]:
        @wraps(work)
        def unless_too_soon(*args: P.args, **kwargs: P.kwargs) -> None:
            if queues.is_first(context.redis, name, TICKS[name] / 2):
                work(*args, **kwargs)

        return unless_too_soon

    return decorate


def one_at_a_time(work: Callable[P, None]) -> Callable[P, None]:
    """Make ``work`` return at once, without doing anything, while another thread does it."""
    busy = threading.Lock()

    @wraps(work)
    def unless_busy(*args: P.args, **kwargs: P.kwargs) -> None:
        if busy.acquire(blocking=False):
            try:
                work(*args, **kwargs)
            finally:
                busy.release()

    return unless_busy


@signals.setup_logging.connect
def _configure_logging(**_: Any) -> None:
    logs.configure(settings.log_format)


@signals.worker_process_init.connect
def _forked(**_: Any) -> None:
    context.forked()


@signals.task_prerun.connect
def _bind(task_id: str, task: Any, kwargs: dict[str, Any], **_: Any) -> None:
    structlog.contextvars.bind_contextvars(
        task_id=task_id, task=task.name, request_id=kwargs.get("request_id", "")
    )
    task.request.visearch_started = time.perf_counter()


@signals.task_postrun.connect
def _unbind(task: Any, state: str, **_: Any) -> None:
    if contract.QUEUE_OF.get(task.name) != contract.MAINTAIN:  # those tick all the time
        spent = time.perf_counter() - task.request.visearch_started
        log.info("task", state=state, ms=round(spent * 1e3, 1))
    structlog.contextvars.clear_contextvars()


@signals.worker_ready.connect
def _ready(**_: Any) -> None:
    _heartbeat.start()
    log.info(contract.READY_LINE, worker=context.name, role=role.name)


def tell(details: Callable[[], dict[str, Any]]) -> None:
    """Let the operator's view show what ``details()`` returns, as JSON, with every beat."""
    global _details
    _details = details


def _beat() -> None:
    if turning.is_stuck():
        # Silence is how others notice: what this worker holds is released, and it is restarted.
        log.error("loop_stuck", role=role.name, for_s=STUCK_S)
        return
    health = {"queues": role.queues(settings), "troubles": background.troubles()}
    work = {"holding": _holding(), "leaving": leaving.is_set()}
    presence.beat(context.redis, context.name, role.name, **health, **work, **_details())


def _holding() -> list[str]:
    """Name the chunks and plans that this worker vouches for, its child processes' too."""
    given = [request.kwargs for request in [*state.active_requests]]
    chunks = [each for each in given if "chunk" in each]
    plans = [each for each in given if "import_id" in each and "chunk" not in each]
    return [
        *(contract.chunk_name(c["import_id"], c["chunk"], c["attempt"]) for c in chunks),
        *(contract.plan_name(p["import_id"], p["attempt"]) for p in plans),
    ]


_heartbeat = Loop("heartbeat", _beat, every_s=presence.BEAT_S)


@signals.worker_shutting_down.connect
def _begin_to_leave(**_: Any) -> None:
    """Let the beats say it when another signal ends this worker, as Ctrl-C does."""
    leaving.set()


# At the very end: until then the worker finishes, and vouches for, what it holds.
@signals.worker_shutdown.connect
def _leave(**_: Any) -> None:
    _heartbeat.stop()
    try:
        presence.leave(context.redis, context.name)
    except DependencyUnavailable as error:
        log.warning("farewell_failed", error=error.detail)
