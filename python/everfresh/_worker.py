"""The process in which the program `everfresh` runs `python:` steps: `python -P -m everfresh._worker FILE`.

It serves the functions of one file. A line of JSON on standard input is a request, a line on what was standard output
its answer; what a step prints goes to standard error.

    {"do": "look", "function": "score"}
        -> what the function is made of (`items`), its parameters, and what the program has to look at to know without
           Python that this is still so: `observed` (files, variables) and `folders` (where modules are looked for)
    {"do": "compute", "function": "score", "inputs": [["delays", [["/…/part", 64]]]], "params": {},
     "output": "/…/result", "has_ttl": false}
        -> what the function read (`observed`); its result lies at `output`, in Arrow's IPC file format

An answer `{"failed": text}` is an error of the user's code or data.
"""

from __future__ import annotations

import builtins
import json
import os
import queue
import sys
import threading
import traceback

from . import _native
from ._ambient import version as ambient
from ._code_names import FOUND
from ._code_origin import STARTED, USER, _folders, of_file, of_module
from ._code_ran import Ran
from ._observed import CodeNow, Computation, Purity
from ._watch import watching

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType, ModuleType
    from typing import Any

    Request = dict[str, Any]
    Answer = dict[str, Any]

# The user's modules are read after this process has started, so what was written before is what was read; a file
# system's clock ticks a few hundred times a second.
_CLOSE = 0.02
# Any life of a step's results excuses what only the clock would make stale; how long it is the program knows.
_A_DAY = 86_400.0
_PRINTED = "\x00everfresh"


class StepError(Exception):
    """The step cannot be run as the pipeline file says."""


class Step:
    """A function of the file, with what its module read while it was imported."""

    def __init__(self, module: ModuleType, name: str, seen: list[Observed]) -> None:
        function = getattr(module, name, None)
        if function is None:
            own = (value for value in vars(module).values() if getattr(value, "__module__", None) == module.__name__)
            names = sorted(value.__name__ for value in own if hasattr(value, "__code__"))
            raise StepError(f"{module.__file__} has no function `{name}`; it has {', '.join(names) or 'none'}")
        if not callable(function):
            raise StepError(f"`{name}` is a {type(function).__name__}, not a function")
        self.function, self.name = function, name
        #: The import of the file, and all walks so far: what one imports another finds imported.
        self._seen = seen
        self.code = CodeNow(function)

        def walk() -> None:
            with watching, _Packages() as packages, Ran(sources=True):
                self.code.walk_openly()
            packages.observe()

        seen.append(_observe(f"the code of {name}", walk, self.code.version))

    def look(self) -> Answer:
        """What the function is made of, and what tells that it still is."""
        from ._worker_tables import Parameters

        self.code.refresh()
        parameters = Parameters(self.function)
        items = {name: version.hex() for name, version in self.code.items.items()}
        items[f"what `{self.name}` is given and how"] = parameters.fingerprint().hex()
        files = _files_of_code()
        folders, packages = _folders_of_modules()
        # A folder on the path may also be an archive, or not be there yet.
        watched = files | {path for path in folders if not os.path.isdir(path)} | _links(packages)
        seen = [*self._seen, _observe("modules", lambda: _observe_files(watched), _no_version)]
        return {
            "items": items,
            "parameters": parameters.names,
            "observed": [one.found.observations().hex() for one in seen],
            "folders": folders,
            "packages": packages,
            "python": os.path.realpath(sys.executable),
            "storable": all(one.is_steady for one in seen) and not any(_is_fresh(file) for file in files),
        }

    def compute(self, request: Request) -> Answer:
        """Calls the function, and writes its result."""
        from ._worker_tables import Parameters, arrow_of, read, write

        tables = [(name, read(parts)) for name, parts in request["inputs"]]
        args, kwargs = Parameters(self.function).bind(tables, request["params"])
        del tables
        purity = Purity(self.name, strict=False, excused=True)

        def run() -> Any:
            computation = Computation(self.code, purity, [])
            with computation.watching():
                table = arrow_of(self.name, _result(self.function, args, kwargs))
            computation.end()
            return table

        observed = _observe(self.name, run, self.code.version, ttl=_A_DAY if request["has_ttl"] else None)
        found, unstorable = observed.found, observed.found.unstorable
        files = []
        for name in found.versions():
            if name in self.code.items or ambient(name) is not None:
                # What is the same in each process that runs the same code.
                continue
            file = _file_of_item(name)
            if file is None or _is_fresh(file):
                unstorable = unstorable or f"it ran {name}, which no name finds again"
            else:
                files.append(file)
        if files:
            # What such code is made of nobody has walked.
            files = sorted(_files_of_code())
            unstorable = unstorable or next((f"`{file}` is new" for file in files if _is_fresh(file)), None)
        write(found.value, request["output"])
        return {
            "observed": found.observations().hex(),
            "files": files,
            "unstorable": unstorable,
            "impure": [] if request["has_ttl"] else observed.impure,
            "remaining": None if request["has_ttl"] else found.remaining,
        }


def _result(function: Callable[..., Any], args: list[Any], kwargs: dict[str, Any]) -> Any:
    import inspect

    value = function(*args, **kwargs)
    # Nothing else holds the tables now.
    args.clear()
    kwargs.clear()
    if inspect.iscoroutine(value):
        import asyncio

        value = asyncio.run(value)
    return value


class Observed:
    """What something gave, with all that it read, and what it did that no pure function does."""

    def __init__(self, found: _native.Found, impure: list[str]) -> None:
        self.found, self.impure = found, impure

    @property
    def is_steady(self) -> bool:
        """Whether it would give the same again while what it read is the same."""
        return self.found.unstorable is None and not self.impure


def _observe(
    name: str, compute: Callable[[], Any], versions: Callable[[str], bytes | None], ttl: float | None = None
) -> Observed:
    """Computes something, with everything that it reads written down; `versions` tells of code as it is now."""
    impure: list[str] = []

    def run() -> tuple[Any, None, int, None]:
        value = compute()
        impure.extend(_native.impurities())
        return value, None, 0, None

    engine = _native.Engine(name, store=None, ttl=ttl, tags=[], versions=versions, decode=_nothing)
    return Observed(engine.call(bytes(32), [], run), impure)


def _observe_files(files: set[str]) -> None:
    for file in files:
        _native.observe_path("file", file)


def _no_version(_: str) -> None:
    """No code is observed here."""


def _nothing(_: object) -> Any:
    raise TypeError("nothing is stored here")


def _users_modules() -> list[ModuleType]:
    """The modules of the user's that are loaded."""
    return [
        module
        for module in list(sys.modules.values())
        if isinstance(getattr(module, "__file__", None), str) and of_file(str(module.__file__)) == USER
    ]


def _files_of_code() -> set[str]:
    """All files that the user's modules come from, those that nobody finds by a name too, and what they read when they
    were imported."""
    files = {str(module.__file__) for module in _users_modules()} | _sources
    for module in files & set(_native.reading_modules()):
        files |= {os.fspath(path) for path, _ in _native.import_reads(module)}
    return files


def _folders_of_modules() -> tuple[list[str], list[str]]:
    """Where else a module of the user's might appear that would be taken instead, and where packages are."""
    places = [os.path.abspath(path or ".") for path in sys.path]
    folders = {path for path in places if of_file(f"{path}/any.py") == USER}
    for module in list(sys.modules.values()):
        # A namespace has no file.
        inner = getattr(module, "__path__", None) or ()
        folders.update(path for path in inner if isinstance(path, str) and of_file(f"{path}/any.py") == USER)
    folders.update(os.path.dirname(str(module.__file__)) for module in _users_modules())
    packages = {path for path in places if path not in folders and os.path.isdir(path)}
    return sorted(folders), sorted(packages | {str(folder) for folder in _folders.values()})


def _links(packages: list[str]) -> set[str]:
    """Files among packages that lead to the user's code: editable installs."""
    links = {os.path.join(sys.prefix, "pyvenv.cfg")}
    for folder in packages:
        names = os.listdir(folder) if os.path.isdir(folder) else []
        links.update(os.path.join(folder, n) for n in names if n.endswith(".pth") or n.startswith("__editable__"))
    return links


def _is_fresh(file: str) -> bool:
    """Whether a module's file may have been edited since it was imported."""
    try:
        seen = os.stat(file)
    except OSError:
        return True
    return max(seen.st_mtime, seen.st_ctime) >= STARTED - _CLOSE


def _file_of_item(name: str) -> str | None:
    """The file of the module of code that ran and that no name of the function's reaches."""
    if not name.startswith(FOUND):
        return None
    module = sys.modules.get(name[len(FOUND) : -1].partition(":")[0])
    file = getattr(module, "__file__", None)
    return file if isinstance(file, str) else None


#: The user's files that code was read from.
_sources: set[str] = set()


def _read_sources() -> None:
    """Has the user's modules compiled from their sources.

    Python takes a compiled one for fresh whose source has the same size and was written in the same second.
    """
    from importlib.machinery import SourceFileLoader

    compiled = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        if of_file(path) != USER:
            return compiled(self, fullname)
        _sources.add(path)
        code: CodeType = self.source_to_code(self.get_data(path), path)
        return code

    SourceFileLoader.get_code = get_code  # type: ignore[method-assign, assignment]


def _import(file: str) -> tuple[ModuleType, Observed]:
    """Imports the file as a script's folder would have it, with what that reads written down."""
    import importlib.util
    from pathlib import Path

    path = Path(file)
    name = path.stem
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise StepError(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    loader = spec.loader

    def load() -> None:
        with watching, _Packages() as packages, Ran(sources=True):
            loader.exec_module(module)
        packages.observe()

    return module, _observe(f"import of {name}", load, _no_version)


class _Packages:
    """Within it a package that is imported reads files as it likes, since it counts by its version. Variables count."""

    def __init__(self) -> None:
        self._values: dict[str, str | None] = {}

    def __enter__(self) -> _Packages:
        self._import, self._getitem = builtins.__import__, os._Environ.__getitem__

        def imported(name: str, *args: Any, **kwargs: Any) -> ModuleType:
            is_relative = args[3] if len(args) > 3 else kwargs.get("level", 0)
            if is_relative or name.partition(".")[0] in sys.modules or of_module(name) == USER:
                return self._import(name, *args, **kwargs)
            heard = sys.getprofile()
            sys.setprofile(None)
            try:
                return _native.unrecorded(self._import, name, *args, **kwargs)
            finally:
                sys.setprofile(heard)

        def getitem(environ: Any, name: Any) -> Any:
            if isinstance(name, str) and name not in self._values:
                self._values[name] = os.environ._data.get(os.fsencode(name))  # type: ignore[attr-defined]
            return self._getitem(environ, name)

        builtins.__import__, os._Environ.__getitem__ = imported, getitem  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        builtins.__import__, os._Environ.__getitem__ = self._import, self._getitem  # type: ignore[method-assign]

    def observe(self) -> None:
        """Tells of the variables."""
        for name, value in self._values.items():
            if os.environ._data.get(os.fsencode(name)) == value:  # type: ignore[attr-defined]
                _native.observe_env(name)
            else:
                _native.impure(f"it sets the environment variable {name}, which it read")


class Worker:
    """Answers requests for the functions of one file."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._module: ModuleType | None = None
        self._seen: list[Observed] = []
        self._steps: dict[str, Step] = {}

    def answer(self, request: Request) -> Answer:
        """What is asked for, or why it cannot be had."""
        try:
            if self._module is None:
                self._module, imported = _import(self._file)
                self._seen.append(imported)
            name = request["function"]
            if name not in self._steps:
                self._steps[name] = Step(self._module, name, self._seen)
            step = self._steps[name]
            return step.look() if request["do"] == "look" else step.compute(request)
        except StepError as error:
            return {"failed": str(error)}
        except BaseException as error:
            return {"failed": _told(error)}


def _told(error: BaseException) -> str:
    """An error as Python tells it, from the first line of the user's on."""
    trace = error.__traceback__
    while trace is not None and of_file(trace.tb_frame.f_code.co_filename) != USER and trace.tb_next is not None:
        trace = trace.tb_next
    lines = traceback.format_exception(type(error), error, trace)
    return "".join(lines).strip()


def _requests(busy: threading.Event) -> queue.SimpleQueue[str | None]:
    """Lines of standard input, and `None` when it ends: nobody asks any more, or wants what is being computed."""
    source = os.fdopen(os.dup(0), encoding="utf-8")
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    requests: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in source:
            requests.put(line)
        if busy.is_set():
            os._exit(0)
        requests.put(None)

    threading.Thread(target=read, name="everfresh requests", daemon=True).start()
    return requests


def _end_with_the_program() -> None:
    """Has the system end this process if the program is killed, whatever runs here then."""
    if sys.platform == "linux":
        import ctypes
        import signal

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def main() -> None:
    """Serves until standard input ends."""
    _end_with_the_program()
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    busy = threading.Event()
    requests = _requests(busy)
    _read_sources()

    def send(answer: Answer) -> None:
        answers.write(json.dumps(answer) + "\n")
        answers.flush()

    send({"everfresh": _native.__version__})
    worker = Worker(sys.argv[1])
    while (request := requests.get()) is not None:
        busy.set()
        answer = worker.answer(json.loads(request))
        sys.stdout.flush()
        # Whoever reads both knows by this that it has all that was printed before the answer.
        sys.stderr.write(f"{_PRINTED}\n")
        sys.stderr.flush()
        busy.clear()
        send(answer)


if __name__ == "__main__":
    main()
