"""Modules of a modstore store, for a host that is written in Python.

Copy this file into the host, or write it with `modstore print-shim python`. A host that installs nothing itself needs one
call, first of all:

    import modstore_host
    pinned = modstore_host.pin()

From then on every module is imported from one generation, whatever is updated, rolled back or swept meanwhile, in this
process and in those it starts. `pinned.directory` has one link per module, for what is not imported. The generation is
kept until the last of these processes is gone; nothing has to be released. A host that runs for long takes over what is
current by then with `modstore_host.pin(refresh=True)`; what is imported already stays as it is.

A host that knows which sources it needs makes one call too:

    active = modstore_host.activate([{"source": "git+https://example.com/me/weather@main"}])
    for module in active.failed:
        print(module.source, module.code, module.error)

It ensures that the sources are there, binds them to this Python, pins the generation and puts it on `sys.path`. When all is
there already, that takes milliseconds and no network. `ensure`, `update`, `outdated` and `doctor` call the `modstore`
program and return what it answers; each raises ModstoreError, whose `code` never changes its meaning.

Only the standard library, Python 3.8 and later, Linux and macOS. A child that closes descriptors it does not know
(`subprocess` does, unless told `close_fds=False` or `pass_fds=[pinned.fileno()]`) goes on reading the generation and does
not keep it: keep the parent, or pass the descriptor.
"""
from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field, fields
from typing import Any, Callable, Dict, Iterable, List, Mapping, Optional, Sequence, Set, Tuple, Union

__all__ = [
    "Activated", "Ensured", "Module", "ModstoreError", "NoProgram", "NothingShown", "Pinned",
    "activate", "directory_of", "doctor", "ensure", "outdated", "pin", "run", "store_home", "update",
]

#: What the program's exit codes mean, where the answer has no code of its own.
_CODES = {1: "failed", 2: "usage", 3: "busy", 4: "damaged", 130: "interrupted"}

Source = Union[str, Mapping[str, Any]]
OnEvent = Callable[[Dict[str, Any]], None]


class ModstoreError(Exception):
    """Something failed. `code` is a name for the cause that never changes its meaning: one of a failed module's, or
    `failed`, `usage`, `busy`, `damaged`, `interrupted` for a command, `no-program`, `no-generation`, `no-module`."""

    def __init__(self, message: str, code: str, hint: Optional[str] = None,
                 answer: Optional[Dict[str, Any]] = None) -> None:
        super().__init__(message if hint is None else "%s (hint: %s)" % (message, hint))
        self.message = message
        self.code = code
        self.hint = hint
        #: The whole answer of the program, if there was one.
        self.answer = answer or {}


class NothingShown(ModstoreError):
    """The store has no current generation: nothing was ever fetched, or there is no store."""

    def __init__(self, message: str) -> None:
        super().__init__(message, "no-generation", "`modstore add SOURCE` adds the first module")


class NoProgram(ModstoreError):
    """The `modstore` program is not there."""

    def __init__(self, looked: Sequence[str]) -> None:
        super().__init__(
            "there is no program `modstore` (looked for %s)" % ", ".join(looked), "no-program",
            "install it, or set MODSTORE_BINARY to its path")


@dataclass(frozen=True)
class Module:
    """What came of one source. `error` and `code` are None if it is there."""

    source: str
    name: Optional[str] = None
    origin: Optional[str] = None
    target: Optional[str] = None
    directory: Optional[str] = None
    file: Optional[str] = None
    generation: Optional[int] = None
    revision: Optional[str] = None
    reference: Optional[str] = None
    was: Optional[str] = None
    error: Optional[str] = None
    code: Optional[str] = None
    causes: List[str] = field(default_factory=list)
    hint: Optional[str] = None

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> "Module":
        return cls(**{each.name: told[each.name] for each in fields(cls) if each.name in told})


@dataclass(frozen=True)
class Ensured:
    """What came of the sources, in their order."""

    generation: Optional[int]
    modules: List[Module]
    answer: Dict[str, Any]

    @property
    def failed(self) -> List[Module]:
        """The sources that are not there, or not what they had to be."""
        return [module for module in self.modules if module.code is not None]

    @property
    def changed(self) -> bool:
        """Whether something was fetched."""
        return self.answer.get("update") is not None


@dataclass(frozen=True)
class Activated(Ensured):
    """The same, with the generation that this process is pinned to, and what it has on `sys.path` of it. `pinned` is None
    if there is no generation, because nothing could ever be fetched."""

    pinned: Optional["Pinned"]
    import_path: List[str]


class Pinned:
    """A generation that is kept. `directory` has one link per module, `number` is the generation's."""

    def __init__(self, home: str, number: int, descriptor: int) -> None:
        self.home = home
        self.number = number
        self.directory = os.path.join(home, "generations", str(number))
        self._descriptor = descriptor

    def fileno(self) -> int:
        """The descriptor that keeps the generation, for `subprocess`'s `pass_fds`."""
        return self._descriptor

    def directory_of(self, module: str) -> str:
        """The directory, or the file, that a module is in this generation. It stays while the generation is kept."""
        link = os.path.join(self.directory, module)
        if os.sep in module or not os.path.lexists(link):
            raise ModstoreError("generation %d has no module `%s`" % (self.number, module), "no-module",
                                "`modstore list` shows the modules there are")
        return os.path.realpath(link)

    def path(self, entry: str) -> str:
        """An entry of the import path with the switch taken out; the same, if it does not lead through it.

        Leads through it: `live/<module>/…`, as bound environments have it, `current/<module>/…`, as hosts write it, and a
        generation that this process was pinned to before.
        """
        for home in dict.fromkeys([os.path.realpath(self.home), self.home]):
            live = os.path.join(home, "live") + os.sep
            if entry.startswith(live):
                return self._through_live(live, entry)
            current = os.path.join(home, "current")
            if entry == current or entry.startswith(current + os.sep):
                return os.path.normpath(self.directory + entry[len(current):])
            generations = os.path.join(home, "generations") + os.sep
            if entry.startswith(generations):
                _, separator, below = entry[len(generations):].partition(os.sep)
                return os.path.normpath(os.path.join(self.directory, below)) if separator else self.directory
        return entry

    def _through_live(self, live: str, entry: str) -> str:
        module, _, rest = entry[len(live):].partition(os.sep)
        first, _, below = rest.partition(os.sep)
        if first != "current":
            # A link such as `cpython-312-x86_64-linux-gnu -> current/.modstore/…`.
            try:
                text = os.readlink(os.path.join(live + module, first))
            except OSError:
                return entry
            if text.partition(os.sep)[0] != "current":
                return entry
            below = os.path.join(text.partition(os.sep)[2], below)
        return os.path.normpath(os.path.join(self.directory, module, below))


#: The pin of this process.
_pinned: Optional[Pinned] = None


def store_home() -> str:
    """Where the store is: MODSTORE_HOME, else where the XDG directories say."""
    home = os.environ.get("MODSTORE_HOME")
    if not home:
        data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
        home = os.path.join(data, "modstore")
    return os.path.abspath(home)


# ---- what the program does


def ensure(modules: Iterable[Source], home: Optional[str] = None, on_event: Optional[OnEvent] = None) -> Ensured:
    """Makes sure that these sources are there. Each is a text, or `{"source", "name"?, "file"?}`.

    What fails is in the answer (`failed`), and no error. Raises ModstoreError if nothing could be done at all.
    """
    told = _ask(["ensure"], home, on_event, _list(modules), "modules")
    return Ensured(told["generation"], [Module.of(each) for each in told["modules"]], told)


def activate(modules: Iterable[Source], python: Optional[str] = None, home: Optional[str] = None,
             constraints: Optional[str] = None, on_event: Optional[OnEvent] = None) -> Activated:
    """Ensures sources, binds them to a Python (this one, unless another is named), pins this process to the generation
    and puts it on `sys.path`."""
    global _pinned
    arguments = ["activate", "--python", python or sys.executable]
    if constraints is not None:
        arguments += ["--constraints", constraints]
    listed = _list(modules)
    home = os.path.abspath(home or store_home())
    while True:
        told = _ask(arguments, home, on_event, listed, "modules")
        found = [Module.of(each) for each in told["modules"]]
        if told["generation"] is None:
            return Activated(None, found, told, None, [])
        descriptor = _lease_of(home, told["generation"], _name_of_this())
        if descriptor is not None:
            break
        # A sweep came in between: what is current by now is activated.
        on_event = None
    pinned = _show(Pinned(home, told["generation"], descriptor))
    import_path = list(told["import_path"])
    if python is None:
        # What was bound only now has no line in this process's `sys.path` yet.
        sys.path.extend(entry for entry in import_path if entry not in sys.path)
    return Activated(told["generation"], found, told, pinned, import_path)


def update(names: Iterable[str] = (), due: bool = False, home: Optional[str] = None,
           on_event: Optional[OnEvent] = None) -> Dict[str, Any]:
    """Fetches what changed and switches all modules at once. `due`: skips what failed and is not due for another try.

    What failed is in the answer, `failed` and `deferred`, each with its `code`; it is no error.
    """
    return _ask(["scan" if due else "update", *names], home, on_event, None, "failed")


def outdated(names: Iterable[str] = (), home: Optional[str] = None,
             on_event: Optional[OnEvent] = None) -> List[Dict[str, Any]]:
    """What an update would do to each module, or to these: `module`, `change`, `current`, `revision`, `hold`, …"""
    modules: List[Dict[str, Any]] = _ask(["outdated", *names], home, on_event, None, "modules")["modules"]
    return modules


def doctor(python: Optional[str] = None, fix: bool = False, quick: bool = False,
           home: Optional[str] = None) -> List[Dict[str, Any]]:
    """What is wrong with a Python environment, this one unless another is named: `code`, `severity`, `path`, …"""
    arguments = ["doctor", "--python", python or sys.executable]
    arguments += ["--fix"] if fix else []
    arguments += ["--quick"] if quick else []
    findings: List[Dict[str, Any]] = _ask(arguments, home, None, None, "findings")["findings"]
    return findings


def run(arguments: Sequence[str], home: Optional[str] = None, input: Optional[str] = None,
        on_event: Optional[OnEvent] = None) -> Dict[str, Any]:
    """Runs a command of the program with `--json`, and returns its answer, whether it is ok or not.

    `on_event` is called with each progress event, from a thread of its own: `{"event", "module", "done", "of", …}`.
    """
    command = [_program(), "--json", "--progress", "none" if on_event is None else "json"]
    command += ["--home", home] if home is not None else []
    command += [str(argument) for argument in arguments]
    try:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", errors="replace")
    except OSError as error:
        raise NoProgram([command[0]]) from error
    said: List[str] = []
    listener = threading.Thread(target=_listen, args=(child.stderr, on_event, said), daemon=True)
    listener.start()
    try:
        if child.stdin is not None:
            try:
                child.stdin.write(input or "")
                child.stdin.close()
            except BrokenPipeError:
                pass  # It has ended before it read all; its answer says why.
        assert child.stdout is not None
        text = child.stdout.read()
        status = child.wait()
    except BaseException:
        # Whoever interrupts the host interrupts the program: it ends in time, and undoes its work.
        child.terminate()
        child.wait()
        raise
    listener.join()
    try:
        answer: Dict[str, Any] = json.loads(text)
        return answer
    except ValueError:
        message = said[-1] if said else "it printed no answer"
        raise ModstoreError("`modstore %s` ended with %d: %s" % (arguments[0], status, message),
                            _CODES.get(status, "failed")) from None


def _ask(arguments: Sequence[str], home: Optional[str], on_event: Optional[OnEvent], input: Optional[str],
         needed: str) -> Dict[str, Any]:
    """The answer of a command, as long as it has the part that is `needed`: then failures are in it."""
    told = run(arguments, home, input, on_event)
    if needed in told:
        return told
    error = told.get("error") or {}
    message = ": ".join([error.get("message", "it failed"), *error.get("causes", [])])
    raise ModstoreError(message, _CODES.get(error.get("exit", 1), "failed"), error.get("hint"), told)


def _list(modules: Iterable[Source]) -> str:
    items = [{"source": each} if isinstance(each, str) else dict(each) for each in modules]
    return json.dumps({"modules": items})


def _listen(stream: Any, on_event: Optional[OnEvent], said: List[str]) -> None:
    for line in stream:
        try:
            event = json.loads(line)
        except ValueError:
            said.append(line.strip())
            continue
        if on_event is not None and isinstance(event, dict):
            on_event(event)


def _program() -> str:
    """MODSTORE_BINARY, else the one beside this Python, else the one in PATH."""
    named = os.environ.get("MODSTORE_BINARY")
    if named:
        return named
    beside = os.path.join(os.path.dirname(sys.executable or ""), "modstore")
    if os.access(beside, os.X_OK):
        return beside
    found = shutil.which("modstore")
    if found is None:
        raise NoProgram(["MODSTORE_BINARY", beside, "PATH"])
    return found


# ---- what this process sees


def pin(home: Optional[str] = None, command: Optional[str] = None, refresh: bool = False) -> Pinned:
    """Pins this process, and all it starts, to the generation that is current now.

    In a process that was started by `modstore exec`, or by one that is pinned, that is the generation it was given, and
    in a process that is pinned already the same one again; unless `refresh` asks for what is current by now. Raises
    NothingShown, or OSError when the store cannot be read.
    """
    home = os.path.abspath(home or (_pinned.home if _pinned is not None else store_home()))
    if _pinned is not None and not refresh and _is_same(_pinned.home, home):
        return _pinned
    number, descriptor = _lease(home, command or _name_of_this(), not refresh)
    if _pinned is not None and _is_same(_pinned.home, home) and _pinned.number == number:
        os.close(descriptor)
        return _pinned
    return _show(Pinned(home, number, descriptor))


def directory_of(module: str, home: Optional[str] = None) -> str:
    """The directory, or the file, that a module is in the generation that this process is pinned to; without a pin, now.

    Raises ModstoreError with the code `no-module`, or NothingShown.
    """
    if _pinned is not None and (home is None or _is_same(_pinned.home, home)):
        return _pinned.directory_of(module)
    home = os.path.abspath(home or store_home())
    number = _shown(home)
    if number is None:
        raise NothingShown("the store in %s has no current generation" % home)
    return Pinned(home, number, -1).directory_of(module)


def _show(pinned: Pinned) -> Pinned:
    """Makes a pin the one of this process: its import path and its environment lead there. The pin before is let go."""
    global _pinned
    before, _pinned = _pinned, pinned
    paths = list(sys.path)
    sys.path[:] = [pinned.path(entry) for entry in paths]
    changed = [entry for entry, was in zip(sys.path, paths) if entry != was]
    others = os.environ.get("PYTHONPATH")
    inherited = [pinned.path(entry) for entry in others.split(os.pathsep)] if others else []
    new = [entry for entry in dict.fromkeys(changed) if entry not in inherited]
    if new or inherited:
        os.environ["PYTHONPATH"] = os.pathsep.join(new + inherited)
    os.environ["MODSTORE_HOME"] = pinned.home
    os.environ["MODSTORE_GENERATION"] = str(pinned.number)
    os.environ["MODSTORE_MODULES"] = pinned.directory
    sys.path_importer_cache.clear()
    if before is not None and before.fileno() >= 0:
        os.close(before.fileno())
    return pinned


def _name_of_this() -> str:
    return os.path.basename(sys.argv[0] or "python") if getattr(sys, "argv", None) else "python"


def _is_same(one: str, other: str) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _lease(home: str, command: str, as_given: bool) -> Tuple[int, int]:
    given = os.environ.get("MODSTORE_GENERATION") if as_given else None
    named = os.environ.get("MODSTORE_HOME")
    if given and given.isdigit() and named and _is_same(named, home):
        descriptor = _lease_of(home, int(given), command)
        if descriptor is not None:
            return int(given), descriptor
    while True:
        number = _shown(home)
        if number is None:
            raise NothingShown("the store in %s has no current generation" % home)
        descriptor = _lease_of(home, number, command)
        if descriptor is not None:
            return number, descriptor
        # Another one is current by now: what is current is never given up.
        time.sleep(0.001)


def _shown(home: str) -> Optional[int]:
    try:
        return int(os.path.basename(os.readlink(os.path.join(home, "current"))))
    except (OSError, ValueError):
        return None


def _lease_of(home: str, number: int, command: str) -> Optional[int]:
    """A descriptor that keeps the generation, or None when it is gone or about to go.

    The order matters, see docs/concurrency.md: first the lease, then a look at what is condemned, then at what is there.
    """
    descriptor = _lease_file(home, number, command)
    directory = os.path.join(home, "generations", str(number))
    if descriptor is None:
        # Another user's store, or a read-only one: a shared lock on the generation's own directory.
        try:
            descriptor = os.open(directory, os.O_RDONLY)
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return None
        same = os.path.samestat(os.fstat(descriptor), os.stat(directory)) if os.path.isdir(directory) else False
    else:
        same = True
    shown = None if number in _condemned(home) or not same or not os.path.isdir(directory) else _shown(home)
    if shown is None or shown < number:
        os.close(descriptor)
        return None
    os.set_inheritable(descriptor, True)
    return descriptor


def _lease_file(home: str, number: int, command: str) -> Optional[int]:
    text = "%d\n%d\n%s\n" % (os.getpid(), time.time(), "".join(c if c.isprintable() else " " for c in command)[:200])
    while True:
        path = os.path.join(home, "leases", "%d-%s" % (number, secrets.token_hex(8)))
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # A process that looks for leases may have taken it for a dead one, and removed its name.
            if os.fstat(descriptor).st_nlink > 0:
                os.write(descriptor, text.encode("utf-8", "replace"))
                return descriptor
        except OSError:
            pass
        os.close(descriptor)


def _condemned(home: str) -> Set[int]:
    """The generations that a sweep is about to take away."""
    try:
        with open(os.path.join(home, "condemned"), encoding="utf-8", errors="replace") as file:
            return {int(line) for line in file if line.strip().isdigit()}
    except FileNotFoundError:
        return set()
