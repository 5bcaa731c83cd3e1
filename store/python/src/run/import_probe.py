# Imports modules, each in a process of its own, and tells what came of it: one line of JSON for each.
#
# Standard input is one JSON object:
#   modules   [{"module": NAME, "imports": [NAME, ...]}, ...]
#   paths     [[PREFIX, PATH or null], ...]  what is at or below PREFIX on the import path becomes PATH, once, or goes;
#             a PATH that has no such place comes last
#   limit     seconds for each module
#   at_once   how many at once
#   scratch   an empty directory: HOME, TMPDIR and working directory of what is imported
#
# Each import runs in a fork of this interpreter, so that none sees what another one did, and one that exits,
# crashes or hangs tells nothing but that. Only the standard library, and any Python from 3.8 on.
import importlib, json, os, signal, sys, time, traceback

wanted = json.load(sys.stdin)


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


def child(number, module):
    """Imports; what is imported reads nothing, and what it prints is kept aside."""
    os.setpgid(0, 0)
    scratch = wanted["scratch"]
    answer, said = (os.path.join(scratch, "%d.%s" % (number, end)) for end in ("json", "said"))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(said, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), 2)
    os.dup2(2, 1)
    os.chdir(scratch)
    os.environ["HOME"] = os.environ["TMPDIR"] = scratch
    sys.dont_write_bytecode = True
    sys.path[:] = import_path(sys.path)
    text = json.dumps(attempt(module["imports"]))
    with open(answer, "x") as to:
        to.write(text)


class Attempt:
    def __init__(self, number, module):
        self.number, self.module = number, module
        self.until = time.monotonic() + wanted["limit"]
        self.pid = os.fork()
        if self.pid == 0:
            try:
                child(number, module)
            finally:
                os._exit(0)

    def is_over(self):
        """Reports it, if it is."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        late = not pid and time.monotonic() >= self.until
        if not pid and not late:
            return False
        try:
            # With all that it started.
            os.killpg(self.pid, signal.SIGKILL)
        except OSError:
            pass
        if late:
            os.waitpid(self.pid, 0)
            ended = "time limit"
        elif os.WIFSIGNALED(status):
            ended = "signal %d" % os.WTERMSIG(status)
        else:
            ended = "exit code %d" % os.WEXITSTATUS(status)
        try:
            error, ended = json.loads(self.read("json")), None
        except ValueError:
            error = None
        said = self.read("said")[-4096:].strip()
        print(json.dumps({"module": self.module["module"], "error": error, "ended": ended, "said": said}), flush=True)
        return True

    def read(self, end):
        try:
            with open(os.path.join(wanted["scratch"], "%d.%s" % (self.number, end)), errors="replace") as file:
                return file.read()
        except OSError:
            return ""


waiting, running = list(enumerate(wanted["modules"])), []
while waiting or running:
    while waiting and len(running) < wanted["at_once"]:
        running.append(Attempt(*waiting.pop(0)))
    running = [each for each in running if not each.is_over()]
    time.sleep(0.002)
