"""Pins a Python host to the generation of a modstore store that is shown when it starts.

Copy this file into the host, or write it with `modstore helper python`. Call it first of all:

    import modstore_host
    pinned = modstore_host.pin()

From then on every module is imported from one generation, whatever is updated, rolled back or swept meanwhile, in this
process and in those it starts. `pinned.directory` has one link per module, for what is not imported. The generation is
kept until the last of these processes is gone; nothing has to be released.

Only the standard library, Python 3.8 and later, Linux and macOS. What is imported already stays as it is, so call it
before. A child that closes descriptors it does not know (`subprocess` does, unless told `close_fds=False` or
`pass_fds=[pinned.fileno()]`) goes on reading the generation and does not keep it: keep the parent, or pass the descriptor.
"""
import fcntl
import os
import secrets
import sys
import time

__all__ = ["Pinned", "NothingShown", "pin"]


class NothingShown(Exception):
    """The store shows no generation: nothing was ever fetched, or there is no store."""


class Pinned:
    """A generation that is kept. `directory` has one link per module, `number` is the generation's."""

    def __init__(self, home, number, descriptor):
        self.home = home
        self.number = number
        self.directory = os.path.join(home, "generations", str(number))
        self._descriptor = descriptor

    def fileno(self):
        """The descriptor that keeps the generation, for `subprocess`'s `pass_fds`."""
        return self._descriptor

    def path(self, entry):
        """An entry of the import path with the switch taken out; the same, if it does not lead through it."""
        live = os.path.join(os.path.realpath(self.home), "live") + os.sep
        if not entry.startswith(live):
            return entry
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


def store_home():
    """Where the store is: MODSTORE_HOME, else where the XDG directories say."""
    home = os.environ.get("MODSTORE_HOME")
    if not home:
        data = os.environ.get("XDG_DATA_HOME") or os.path.expanduser("~/.local/share")
        home = os.path.join(data, "modstore")
    return os.path.abspath(home)


def pin(home=None, command=None):
    """Pins this process, and all it starts, to the generation that is shown now.

    In a process that was started by `modstore exec`, or by one that is pinned, that is the generation it was given.
    Raises NothingShown, or OSError when the store cannot be read.
    """
    home = os.path.abspath(home or store_home())
    number, descriptor = _lease(home, command or os.path.basename(sys.argv[0] or "python"))
    pinned = Pinned(home, number, descriptor)
    before = list(sys.path)
    sys.path[:] = [pinned.path(entry) for entry in before]
    changed = [entry for entry, was in zip(sys.path, before) if entry != was]
    others = os.environ.get("PYTHONPATH")
    inherited = others.split(os.pathsep) if others else []
    paths = [entry for entry in changed if entry not in inherited] + [pinned.path(entry) for entry in inherited]
    if paths:
        os.environ["PYTHONPATH"] = os.pathsep.join(paths)
    os.environ["MODSTORE_HOME"] = home
    os.environ["MODSTORE_GENERATION"] = str(number)
    os.environ["MODSTORE_MODULES"] = pinned.directory
    sys.path_importer_cache.clear()
    return pinned


def _lease(home, command):
    given = os.environ.get("MODSTORE_GENERATION")
    same_home = os.environ.get("MODSTORE_HOME") and os.path.realpath(os.environ["MODSTORE_HOME"]) == os.path.realpath(home)
    if given and given.isdigit() and same_home:
        descriptor = _lease_of(home, int(given), command)
        if descriptor is not None:
            return int(given), descriptor
    while True:
        number = _shown(home)
        if number is None:
            raise NothingShown("the store in %s shows nothing yet" % home)
        descriptor = _lease_of(home, number, command)
        if descriptor is not None:
            return number, descriptor
        # Another one is shown by now: what is shown is never given up.
        time.sleep(0.001)


def _shown(home):
    try:
        return int(os.path.basename(os.readlink(os.path.join(home, "current"))))
    except (OSError, ValueError):
        return None


def _lease_of(home, number, command):
    """A descriptor that keeps the generation, or None when it is gone or about to go.

    The order matters, see docs/concurrency.md: first the lease, then a look at what is condemned, then at what is there.
    """
    descriptor = _lease_file(home, number, command)
    directory = os.path.join(home, "generations", str(number))
    if descriptor is None:
        # Somebody else's store, or a read-only one: a shared lock on the generation's own directory.
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


def _lease_file(home, number, command):
    text = "%d\n%d\n%s\n" % (os.getpid(), time.time(), "".join(c if c.isprintable() else " " for c in command)[:200])
    while True:
        path = os.path.join(home, "leases", "%d-%s" % (number, secrets.token_hex(8)))
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
        except OSError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Whoever looks for leases may have taken it for a dead one, and removed its name.
            if os.fstat(descriptor).st_nlink > 0:
                os.write(descriptor, text.encode("utf-8", "replace"))
                return descriptor
        except OSError:
            pass
        os.close(descriptor)


def _condemned(home):
    """The generations that a sweep is about to take away."""
    try:
        with open(os.path.join(home, "condemned"), encoding="utf-8", errors="replace") as file:
            return {int(line) for line in file if line.strip().isdigit()}
    except FileNotFoundError:
        return set()
