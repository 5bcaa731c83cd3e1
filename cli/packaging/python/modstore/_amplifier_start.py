"""What runs when a Python starts whose environment has `modstore_amplifier.pth`: it waits for Amplifier's own modules.

Nothing else is imported here. A Python that never imports Amplifier pays for this file and no more.
"""
from __future__ import annotations

import sys

if False:  # for type checkers: `typing` is not imported at each start
    from importlib.machinery import ModuleSpec
    from types import ModuleType
    from typing import Any, Optional

#: The file in the site directory, and its line. An environment from which modstore was removed starts as ever.
PTH = "modstore_amplifier.pth"
START = "import importlib.util as u; u.find_spec('modstore') and __import__('modstore._amplifier_start', fromlist=['start']).start()"

#: Amplifier's modules that are changed once they are imported.
PATCHED = (
    "amplifier_foundation.sources.git",
    "amplifier_foundation.modules.activator",
    "amplifier_app_cli.utils.module_cache",
)


class _Finder:
    """Finds those modules as everybody does, and lets them be patched once they have run."""

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Optional[ModuleSpec]:
        if name not in PATCHED:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec is not None and spec.loader is not None:
                spec.loader = _Loader(spec.loader)  # type: ignore[assignment]
                return spec
        return None


class _Loader:
    """A module's own loader, and then the patch."""

    def __init__(self, own: Any) -> None:
        self._own = own

    def __getattr__(self, name: str) -> Any:
        return getattr(self._own, name)

    def create_module(self, spec: ModuleSpec) -> Any:
        return self._own.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._own.exec_module(module)
        from .amplifier import patch

        patch(module)
        module.__dict__["__modstore__"] = True


def start() -> None:
    """Waits for Amplifier's modules, once in each process."""
    if not any(type(finder).__name__ == "_Finder" and type(finder).__module__ == __name__ for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())
