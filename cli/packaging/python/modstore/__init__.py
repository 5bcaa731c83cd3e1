"""The modules of a modstore store, for a host that is written in Python.

`pin()` makes this process, and all it starts, see one generation of every module. What else there is stands in
`modstore.host`, which is the file that `modstore print-shim python` writes for hosts that copy it.

`find_program()` says where the command line is that was installed with this package.
"""
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._program import ProgramNotFound, find_program
    from .host import (
        Activated, Ensured, Module, ModstoreError, NoProgram, NothingShown, Pinned,
        activate, directory_of, doctor, ensure, outdated, pin, run, store_home, update,
    )

__all__ = [
    "Activated", "Ensured", "Module", "ModstoreError", "NoProgram", "NothingShown", "Pinned", "ProgramNotFound",
    "activate", "directory_of", "doctor", "ensure", "find_program", "outdated", "pin", "run", "store_home", "update",
]


def __getattr__(name: str) -> Any:
    # Imported when they are used: a Python that starts in a bound environment may import this package and need none of it.
    from importlib import import_module

    if name == "host":
        return import_module("modstore.host")
    if name not in __all__:
        raise AttributeError("module `modstore` has no attribute `%s`" % name)
    home = "modstore._program" if name in ("ProgramNotFound", "find_program") else "modstore.host"
    return getattr(import_module(home), name)
