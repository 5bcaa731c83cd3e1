"""Where the command line is that was installed with this package.

Looks only at places that an installer uses. It never searches PATH: another modstore could be of another version.
"""
import os
import sys
import sysconfig
from typing import Iterator

__all__ = ["ProgramNotFound", "find_program"]


class ProgramNotFound(FileNotFoundError):
    """The package is there and its program is not: it was installed without scripts, or one of them was moved."""


def find_program() -> str:
    """The absolute path of the program `modstore` that belongs to this package. Raises ProgramNotFound."""
    tried = []
    for directory in _directories():
        path = os.path.join(directory, "modstore")
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
        if path not in tried:
            tried.append(path)
    raise ProgramNotFound("the program modstore is not beside its Python package; looked at %s" % ", ".join(tried))


def _directories() -> Iterator[str]:
    # `pip install --target DIR` and `--prefix`: DIR/modstore/ and DIR/bin/, or DIR/lib/pythonX.Y/site-packages/modstore/.
    here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    yield os.path.join(here, "bin")
    if os.path.basename(here) in ("site-packages", "dist-packages"):
        yield os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(here))), "bin")
    yield sysconfig.get_path("scripts")
    if "posix_user" in sysconfig.get_scheme_names():
        yield sysconfig.get_path("scripts", scheme="posix_user")
    yield os.path.dirname(os.path.abspath(sys.executable))
