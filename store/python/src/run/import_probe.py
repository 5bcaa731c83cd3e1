# Imports modules, each in a process of its own, and tells what came of it: one line of JSON for each.
#
# Standard input is one JSON object:
#   modules   [{"module": NAME, "imports": [NAME, ...]}, ...]
#   paths     [[PREFIX, PATH or null], ...]  what is at or below PREFIX on the import path becomes PATH, once, or goes;
#             a PATH that has no such place comes last
#   limit     seconds for each module
#   at_once   how many at once
#   shared    {"imports": [NAME, ...], "distributions": [NAME, ...]}  what several of the modules need: imported once, if it can be
#   scratch   an empty directory: HOME, TMPDIR and working directory of what is imported
#
# Standard error has a line `imported NAME` as each of them is over, for whoever watches.
#
# Each import runs in a fork of this interpreter, so that none sees what another one did, and one that exits,
# crashes or hangs tells nothing but that. Only the standard library, and any Python from 3.8 on.
#
# What several modules need is first imported in one fork, and each module in a fork of that. A module that can be imported
# so can be imported; of any other that says nothing, and it is tried alone.
import importlib, json, os, signal, sys, time, traceback

wanted = json.load(sys.stdin)
# Where the progress goes when standard error is another one; no program that is started has it.
watched = os.dup(2)


def import_path(found):
    left = dict(wanted["paths"])
    result = []
    for entry in found:
        prefix = next((p for p in left if entry == p or entry.startswith(p + os.sep)), None)
        if prefix is None:
            result.append(entry)
        elif left[prefix] is not None:
            result.append(left[prefix])
            left[prefix] = None
    return result + [path for path in left.values() if path is not None]


def told(error, importing):
    # The frames of this file and of the import system come first, and are nobody's business.
    trace = error.__traceback__
    while trace and any(n in trace.tb_frame.f_code.co_filename for n in ("<string>", "importlib")):
        trace = trace.tb_next
    return {
        "type": type(error).__qualname__,
        "message": str(error),
        "name": getattr(error, "name", None) if isinstance(error, ImportError) else None,
        "importing": importing,
        "traceback": "".join(traceback.format_exception(type(error), error, trace)).strip(),
    }


def is_empty(parts, depth=4):
    """Whether a namespace has no code, as far as that can be seen."""
    if parts is None or not depth:
        return False
    parts = list(parts)
    if any(not os.path.isabs(part) for part in parts):
        # A finder has more of it than directories.
        return False
    for part in parts:
        try:
            children = list(os.scandir(part))
        except OSError:
            continue
        ends = (".py", ".so", ".pyd")
        if any(child.name.endswith(ends) for child in children):
            return False
        below = [child.path for child in children if child.name != "__pycache__" and child.is_dir()]
        if below and not is_empty(below, depth - 1):
            return False
    return True


def attempt(names):
    for name in names:
        try:
            found = importlib.import_module(name)
            if getattr(found, "__file__", None) is None and is_empty(getattr(found, "__path__", None)):
                # What an unfinished deletion leaves of a package can be imported, and has nothing in it.
                raise ImportError("%r is a directory with nothing to import in it" % name, name=name)
        except BaseException as error:
            return told(error, name)
    return None


def contain(name):
    """What is imported reads nothing, and what it prints is kept aside."""
    os.setpgid(0, 0)
    scratch = wanted["scratch"]
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(os.path.join(scratch, name + ".said"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 2)
    os.dup2(2, 1)
    os.chdir(scratch)
    os.environ["HOME"] = os.environ["TMPDIR"] = scratch
    sys.dont_write_bytecode = True


def child(name, module, is_alone):
    contain(name)
    os.close(watched)
    if is_alone:
        sys.path[:] = import_path(sys.path)
    tell(name, attempt(module["imports"]))


def tell(name, answer):
    with open(os.path.join(wanted["scratch"], name + ".json"), "x") as to:
        to.write(json.dumps(answer))


def read(name, end):
    try:
        with open(os.path.join(wanted["scratch"], "%s.%s" % (name, end)), errors="replace") as file:
            return file.read()
    except OSError:
        return ""


class Attempt:
    """The import of one module in a process of its own."""

    def __init__(self, name, module, is_alone):
        self.name, self.module = name, module
        self.until = time.monotonic() + wanted["limit"]
        self.pid = os.fork()
        if self.pid == 0:
            try:
                child(name, module, is_alone)
            finally:
                os._exit(0)

    def result(self):
        """What came of it, when it is over."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        late = not pid and time.monotonic() >= self.until
        if not pid and not late:
            return None
        end_group(self.pid)
        if late:
            os.waitpid(self.pid, 0)
            ended = "time limit"
        elif os.WIFSIGNALED(status):
            ended = "signal %d" % os.WTERMSIG(status)
        else:
            ended = "exit code %d" % os.WEXITSTATUS(status)
        try:
            error, ended = json.loads(read(self.name, "json")), None
        except ValueError:
            error = None
        said = read(self.name, "said")[-4096:].strip()
        return {"module": self.module["module"], "error": error, "ended": ended, "said": said}


def end_group(pid):
    try:
        # With all that it started.
        os.killpg(pid, signal.SIGKILL)
    except OSError:
        pass


def try_all(modules, name, is_alone):
    """The results of importing these, as each of them is over."""
    waiting, running = list(enumerate(modules)), []
    while waiting or running:
        while waiting and len(running) < wanted["at_once"]:
            number, module = waiting.pop(0)
            running.append(Attempt("%s%d" % (name, number), module, is_alone))
        for one in list(running):
            result = one.result()
            if result is not None:
                running.remove(one)
                if is_alone or not (result["error"] or result["ended"]):
                    os.write(watched, b"imported %s\n" % result["module"].encode())
                yield result
        time.sleep(0.002)


def top_level(distribution):
    listed = distribution.read_text("top_level.txt")
    if listed:
        return listed.split()
    files = [str(file) for file in distribution.files or ()]
    return [file.split("/")[0] for file in files if file.count("/") == 1 and file.endswith("/__init__.py")]


def import_shared():
    sys.path[:] = import_path(sys.path)
    names = list(wanted["shared"]["imports"])
    if wanted["shared"]["distributions"]:
        from importlib import metadata
        for name in wanted["shared"]["distributions"]:
            try:
                names += top_level(metadata.distribution(name))
            except metadata.PackageNotFoundError:
                pass
    for name in names:
        importlib.import_module(name)
    import threading
    if threading.active_count() > 1:
        raise RuntimeError("a process with threads cannot be forked")


def together(modules):
    """The results of the modules that can be imported after what several of them need."""
    pid = os.fork()
    if pid == 0:
        try:
            contain("shared")
            import_shared()
            tell("begun", None)
            tell("shared", [it for it in try_all(modules, "s", False) if not it["error"] and not it["ended"]])
        finally:
            os._exit(0)
    until = time.monotonic() + wanted["limit"]
    while not os.waitpid(pid, os.WNOHANG)[0]:
        if time.monotonic() >= until and not read("begun", "json"):
            end_group(pid)
            os.waitpid(pid, 0)
            break
        time.sleep(0.002)
    try:
        return json.loads(read("shared", "json"))
    except ValueError:
        return []


left = wanted["modules"]
if len(left) > 1 and any(wanted["shared"].values()):
    good = together(left)
    for result in good:
        print(json.dumps(result), flush=True)
    names = [result["module"] for result in good]
    left = [module for module in left if module["module"] not in names]
for result in try_all(left, "", True):
    print(json.dumps(result), flush=True)
