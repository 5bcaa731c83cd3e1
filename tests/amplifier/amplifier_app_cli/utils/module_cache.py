"""Stands in for Amplifier: it lists and updates what is cloned."""
from dataclasses import dataclass
from pathlib import Path


@dataclass
class CachedModuleInfo:
    module_id: str
    module_type: str
    ref: str
    sha: str
    url: str
    is_mutable: bool
    cached_at: str
    cache_path: Path
    display_name: str = ""


def is_bundle(path):
    return (path / "bundle.md").exists()


def get_bundle_name(path):
    return None


def get_module_info_from_pyproject(path):
    return (path.name, "tool") if (path / "pyproject.toml").exists() else (None, None)


def _is_immutable_ref(ref):
    return len(ref) == 40


def scan_cached_modules(type_filter="all"):
    return []


def clear_module_cache(module_id=None, mutable_only=False, progress_callback=None):
    raise AssertionError("a clone would be deleted here")


async def update_module(url, ref, progress_callback=None):
    raise AssertionError("a clone would be deleted here")
