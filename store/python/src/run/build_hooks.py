# Builds several projects as editables (PEP 660) by one backend, in the environment that this Python runs in, and tells which
# of them were built: one line of JSON for each.
#
# Standard input is one JSON object:
#   backend   MODULE or MODULE:OBJECT
#   projects  [{"directory": DIR, "target": DIR}, ...]  what is built, and an empty directory for what it installs
#   complete  whether what the backend needs beside its requirements is there
#   at_once   how many at once
#   limit     seconds for each project
#
# The backend is imported once, and each project is built in a fork of this interpreter. A line is
# {"project": NUMBER, "needs": [REQUIREMENT, ...]}; where it needs nothing, it was built. Of one that fails there is no line.
# A wheel with files that belong outside the import path is taken for a failure: an installer knows where to put them.
# Only the standard library, and any Python from 3.8 on.
import importlib, json, os, re, signal, sys, threading, time, zipfile
from importlib import metadata

wanted = json.load(sys.stdin)
answers = os.dup(1)
os.dup2(2, 1)
os.dup2(os.open(os.devnull, os.O_RDONLY), 0)


def backend_of(text):
    module, _, path = text.partition(":")
    found = importlib.import_module(module)
    for name in path.split(".") if path else []:
        found = getattr(found, name)
    return found


def is_there(requirement):
    """Whether it is a bare name that is installed; anything else is for an installer to say."""
    if not re.fullmatch(r"[A-Za-z0-9._-]+", requirement):
        return False
    try:
        metadata.distribution(requirement)
    except metadata.PackageNotFoundError:
        return False
    return True


def needs(backend):
    hook = getattr(backend, "get_requires_for_build_editable", None)
    if wanted["complete"] or hook is None:
        return []
    return [text for text in hook({}) if not is_there(text)]


def build(backend, target):
    wheels = target + "-wheel"
    os.mkdir(wheels)
    with zipfile.ZipFile(os.path.join(wheels, backend.build_editable(wheels, {}, None))) as wheel:
        names = wheel.namelist()
        if any(name.split("/")[0].endswith(".data") for name in names):
            sys.exit("files for other places than the import path")
        wheel.extractall(target)


def child(backend, number, project):
    os.chdir(project["directory"])
    missing = needs(backend)
    if not missing:
        build(backend, project["target"])
    os.write(answers, (json.dumps({"project": number, "needs": missing}) + "\n").encode())


def start(backend, number, project):
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            child(backend, number, project)
            status = 0
        except BaseException as error:
            print("%s: %s" % (type(error).__name__, error), file=sys.stderr, flush=True)
        finally:
            os._exit(status)
    return pid


def main():
    backend = backend_of(wanted["backend"])
    if threading.active_count() > 1:
        sys.exit("a process with threads cannot be forked")
    waiting, running = list(enumerate(wanted["projects"])), {}
    while waiting or running:
        while waiting and len(running) < wanted["at_once"]:
            number, project = waiting.pop(0)
            running[start(backend, number, project)] = time.monotonic() + wanted["limit"]
        for pid, until in list(running.items()):
            if os.waitpid(pid, os.WNOHANG)[0]:
                del running[pid]
            elif time.monotonic() >= until:
                # What it has started ends with the group of this process.
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                del running[pid]
        time.sleep(0.005)


main()
