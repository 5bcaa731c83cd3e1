# Starts as this Python does, and writes before each file and each line of a .pth that is run which it is: the last one
# written is the one that Python did not get past. Run with -S, so that nothing of it has been run before.
#
# The first argument is the file to which it writes, one line of JSON for each step. Only the standard library, and any
# Python from 3.6 on.
import builtins, json, os, site, sys

trace = os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
# The rest of the start is not to see them.
sys.argv = [""]
if sys.path and sys.path[0] == "":
    del sys.path[0]


def note(**step):
    os.write(trace, json.dumps(step).encode() + b"\n")


def run_line(line, *rest):
    # Lines of old namespace packages look up where they are in the variables of their caller.
    caller = sys._getframe(1)
    sitedir = caller.f_locals.get("sitedir")
    note(line=line.strip() if isinstance(line, str) else "")
    return builtins.exec(line, caller.f_globals, dict(caller.f_locals, sitedir=sitedir))


def before(function, file):
    def noting(*arguments):
        name = file(*arguments)
        if name:
            note(file=os.path.abspath(name))
        return function(*arguments)

    return noting


def customizing(name):
    # Without loading it.
    for directory in sys.path:
        file = os.path.join(directory, name + ".py")
        if os.path.isfile(file):
            return file


site.exec = run_line
site.addpackage = before(site.addpackage, lambda sitedir, name, *_: os.path.join(sitedir, name))
site.execsitecustomize = before(site.execsitecustomize, lambda: customizing("sitecustomize"))
site.execusercustomize = before(site.execusercustomize, lambda: customizing("usercustomize"))
site.main()
note(ended=None)
