"""Threads, executors, tasks and processes that work for a cached function: what they read is its own, or unseen."""

from __future__ import annotations

import sys
import threading

from . import _native
from ._watch_silence import silence, tells

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any


def _start_wrapper(original: Callable[[Any], None]) -> Callable[[Any], None]:
    def start(self: Any) -> None:
        if not tells():
            return original(self)
        from ._code_ran import carried

        context, run = _native.Context(), carried(self.run)

        def run_in_context() -> None:
            # What the thread holds of itself would keep it alive.
            self.__dict__.pop("run", None)
            context.run(run)

        self.run = run_in_context
        _native.set_carried(True)
        try:
            return original(self)
        finally:
            _native.set_carried(False)

    return start


def _submit_wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
    def submit(self: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        if not _native.is_recording():
            return original(self, function, *args, **kwargs)
        from ._code_ran import carried

        context = _native.Context()
        work = carried(lambda: function(*args, **kwargs))
        # The pool's own threads outlive the computation and work for others: they start without a context.
        _native.set_carried(True)
        try:
            with silence:
                return original(self, context.run, work)
        finally:
            _native.set_carried(False)

    return submit


def _refusing_wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        _native.unseen("it hands work to other processes or to a pool, and what those read is not seen")
        return original(self, *args, **kwargs)

    return wrapper


def _create_task_wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
    def create_task(self: Any, coro: Any, **kwargs: Any) -> Any:
        if _native.is_recording():
            from ._async import Child

            coro = Child(coro, _native.Context().run)
        return original(self, coro, **kwargs)

    return create_task


def _call_wrapper(original: Callable[..., Any], place: int) -> Callable[..., Any]:
    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        # The steps of tasks, and what asyncio itself calls back, know what they work for.
        if _native.is_recording() and len(args) > place and _is_users(args[place]):
            args = (*args[:place], _native.Context().run, *args[place:])
        return original(self, *args, **kwargs)

    return call


def _is_users(callback: Any) -> bool:
    callback = getattr(callback, "func", callback)
    return hasattr(callback, "__code__") and not (callback.__module__ or "").startswith("asyncio")


def _threadsafe_wrapper(original: Callable[..., Any]) -> Callable[..., Any]:
    def run_coroutine_threadsafe(coro: Any, loop: Any) -> Any:
        if not _native.is_recording():
            return original(coro, loop)
        from ._async import Child
        from ._code_active import blocks

        context, open_blocks = _native.Context(), blocks()

        def run(step: Callable[..., Any], *args: Any) -> Any:
            if not open_blocks:
                return context.run(step, *args)
            with open_blocks[0].here():
                return context.run(step, *args)

        return original(Child(coro, run), loop)

    return run_coroutine_threadsafe


def wrappers() -> Iterator[tuple[Any, str, Any]]:
    """What is replaced, where, and by what."""
    yield threading.Thread, "start", _start_wrapper(threading.Thread.start)


def _thread_pools(module: Any) -> Iterator[tuple[Any, str, Any]]:
    pool = module.ThreadPoolExecutor
    yield pool, "submit", _submit_wrapper(pool.submit)


def _process_pools(module: Any) -> Iterator[tuple[Any, str, Any]]:
    pool = module.ProcessPoolExecutor
    yield pool, "submit", _refusing_wrapper(pool.submit)


def _pools(module: Any) -> Iterator[tuple[Any, str, Any]]:
    for name in ("apply_async", "_map_async", "imap", "imap_unordered"):
        yield module.Pool, name, _refusing_wrapper(getattr(module.Pool, name))


def _processes(module: Any) -> Iterator[tuple[Any, str, Any]]:
    yield module.BaseProcess, "start", _refusing_wrapper(module.BaseProcess.start)


def _loops(module: Any) -> Iterator[tuple[Any, str, Any]]:
    loop = module.BaseEventLoop
    yield loop, "create_task", _create_task_wrapper(loop.create_task)
    yield loop, "call_soon", _call_wrapper(loop.call_soon, 0)
    yield loop, "call_at", _call_wrapper(loop.call_at, 1)
    yield loop, "call_soon_threadsafe", _call_wrapper(loop.call_soon_threadsafe, 0)


def _uvloop(module: Any) -> Iterator[tuple[Any, str, Any]]:
    loop = module.Loop
    yield loop, "create_task", _create_task_wrapper(loop.create_task)
    yield loop, "call_soon", _call_wrapper(loop.call_soon, 0)
    yield loop, "call_later", _call_wrapper(loop.call_later, 1)
    yield loop, "call_at", _call_wrapper(loop.call_at, 1)
    yield loop, "call_soon_threadsafe", _call_wrapper(loop.call_soon_threadsafe, 0)


def _tasks(module: Any) -> Iterator[tuple[Any, str, Any]]:
    wrapper = _threadsafe_wrapper(module.run_coroutine_threadsafe)
    yield module, "run_coroutine_threadsafe", wrapper
    yield sys.modules["asyncio"], "run_coroutine_threadsafe", wrapper


# By the module that has to be loaded.
LATE: dict[str, Callable[[Any], Iterator[tuple[Any, str, Any]]]] = {
    "concurrent.futures.thread": _thread_pools,
    "concurrent.futures.process": _process_pools,
    "multiprocessing.pool": _pools,
    "multiprocessing.process": _processes,
    "asyncio.base_events": _loops,
    "asyncio.tasks": _tasks,
    "uvloop": _uvloop,
}
