"""The modules of a modstore store, for a host that is written in Python.

`pin()` makes this process, and all it starts, see one generation of every module. What else there is stands in
`modstore.host`, which is the file that `modstore print-shim python` writes for hosts that copy it.

`find_program()` says where the command line is that was installed with this package.
"""

from . import host as _host
from ._program import ProgramNotFound, find_program
from .host import *  # noqa: F401,F403 - host lists its names

__all__ = ["ProgramNotFound", "find_program", *_host.__all__]
