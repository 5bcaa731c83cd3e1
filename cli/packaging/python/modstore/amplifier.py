"""Amplifier, with its modules in a modstore store.

    python -m modstore.amplifier on        # in Amplifier's environment: git sources come from the store from now on
    python -m modstore.amplifier status
    python -m modstore.amplifier off       # as it was before

`on` writes one line into `modstore_amplifier.pth` in the environment that runs it, and changes no file of Amplifier's. When
Amplifier then imports its own code, the few functions that clone, install, update and list are replaced by those in this file:

- what a git source stands for is ensured in the store; two spellings of one address are one module;
- modules are bound to this environment all at once, and this process keeps the generation that it began with;
- an update of a module is the store's: the version in use stays until the new one is there and can be imported.

Local paths, zip files and plain downloads stay Amplifier's own. Written for amplifier-foundation d0d96f7 and amplifier-app-cli
f16375f; what a later version does not have any more is left alone, and `status` says so.
"""
from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
import sysconfig
from pathlib import Path
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from . import host
from ._amplifier_start import PATCHED, PTH, START

__all__ = ["main", "off", "on", "patch", "status"]

logger = logging.getLogger(__name__)

#: The module that each source of this process stands for.
_known: Dict[str, host.Module] = {}


class Missing(AttributeError):
    """This version of Amplifier does not have what would be replaced."""


# ---- sources


def _source(parsed: Any, subpath: bool = False) -> str:
    """The address of one of Amplifier's parsed sources, as modstore writes it."""
    scheme = parsed.scheme if parsed.scheme.startswith("git+") else "git+https"
    reference = "" if parsed.ref in ("", None, "HEAD") else "@" + parsed.ref
    part = "#subdirectory=" + parsed.subpath if subpath and parsed.subpath else ""
    return "%s://%s%s%s%s" % (scheme, parsed.host, parsed.path, reference, part)


def _ensured(sources: Iterable[str]) -> List[host.Module]:
    """The modules of these sources, which the store has from now on; those that failed say why."""
    sources = list(sources)
    new = [source for source in dict.fromkeys(sources) if not _is_there(source)]
    if new:
        for source, module in zip(new, host.ensure(new).modules):
            _known[source] = module
    return [_known[source] for source in sources]


def _is_there(source: str) -> bool:
    module = _known.get(source)
    return module is not None and module.code is None and os.path.exists(module.target or "")


def _said(module: host.Module) -> str:
    """Why a source is not there."""
    return ": ".join([module.error or "it is not there", *module.causes])


def _below(root: Path, subpath: str) -> Path:
    """A path in a tree, which does not lead out of it."""
    path = root / subpath
    if not path.exists() or not path.resolve().is_relative_to(root.resolve()):
        raise FileNotFoundError("there is no `%s` in it" % subpath)
    return path


# ---- amplifier_foundation.sources.git


def _patch_sources(sources: Any) -> None:
    handler, not_found = _has(sources, "GitSourceHandler"), _has(sources, "BundleNotFoundError")
    resolved_source, source_status = _has(sources, "ResolvedSource"), _has(sources, "SourceStatus")

    def found(parsed: Any) -> Any:
        source = _source(parsed)
        try:
            [module] = _ensured([source])
        except host.ModstoreError as error:
            raise not_found("%s: %s" % (source, error)) from error
        if module.code is not None:
            raise not_found("%s: %s" % (source, _said(module)))
        root = Path(module.target or "")
        try:
            active = _below(root, parsed.subpath) if parsed.subpath else root
        except FileNotFoundError as error:
            raise not_found("%s: %s" % (source, error)) from None
        return resolved_source(active_path=active, source_root=root)

    async def resolve(self: Any, parsed: Any, cache_dir: Path) -> Any:
        return await asyncio.to_thread(found, parsed)

    async def get_status(self: Any, parsed: Any, cache_dir: Path) -> Any:
        status = await asyncio.to_thread(_status_of, parsed)
        return source_status(**status)

    async def update(self: Any, parsed: Any, cache_dir: Path) -> Any:
        try:
            await asyncio.to_thread(_update, _source(parsed))
        except host.ModstoreError as error:
            raise not_found("%s: %s" % (_source(parsed), error)) from error
        return await resolve(self, parsed, cache_dir)

    handler.resolve, handler.get_status, handler.update = resolve, get_status, update


def _status_of(parsed: Any) -> Dict[str, Any]:
    """What is known of a source, for Amplifier's own table. Nothing is fetched."""
    source = _source(parsed)
    told: Dict[str, Any] = {"source_uri": source, "is_cached": False, "cached_ref": parsed.ref, "remote_ref": parsed.ref}
    try:
        module = next((each for each in _listed() if each["declared"] == source and each["current"]), None)
        if module is None:
            return dict(told, has_update=True, summary="Not in the store")
        [row] = host.outdated([module["module"]])
    except host.ModstoreError as error:
        return dict(told, has_update=None, error=str(error), summary="Error: %s" % error)
    current = module["current"]["revision"]
    new = row["revision"] or current
    told.update(is_cached=True, cached_commit=current, remote_commit=new)
    if row["failure"]:
        failed = _failure(row["failure"])
        return dict(told, has_update=None, error=failed, summary="Error: %s" % failed)
    if row["change"] in ("none", "held", "deferred"):
        return dict(told, has_update=False, summary="Up to date (%s)" % current[:8])
    return dict(told, has_update=True, summary="Update available (%s → %s)" % (current[:8], new[:8]))


def _update(source: str) -> host.Module:
    """Updates the module of a source. Raises ModstoreError if it stays as it was because that failed."""
    [module] = _ensured([source])
    if module.code is not None:
        raise host.ModstoreError(_said(module), module.code, module.hint)
    for failed in host.update([module.name or ""])["failed"]:
        raise host.ModstoreError(_failure(failed), failed.get("code", "failed"), failed.get("hint"))
    _known.pop(source, None)
    return _ensured([source])[0]


def _failure(told: Dict[str, Any]) -> str:
    """The causes of a failure, as one line."""
    return ": ".join([*told.get("causes", [])] or [told.get("message") or told.get("code") or "it failed"])


# ---- amplifier_foundation.modules.activator


def _patch_activator(activator: Any) -> None:
    kind, failure = _has(activator, "ModuleActivator"), _has(activator, "ModuleActivationError")
    own_activate, own_activate_all = _has(kind, "activate"), _has(kind, "activate_all")
    own_install = _has(kind, "_install_dependencies")

    async def activate(self: Any, module_name: str, source_uri: str, progress_callback: Any = None) -> Path:
        if not _is_git(source_uri):
            own: Path = await own_activate(self, module_name, source_uri, progress_callback)
            return own
        if progress_callback:
            progress_callback("activating", module_name)
        [(_, result)] = await _activated(self, [(module_name, source_uri)])
        if isinstance(result, BaseException):
            raise result
        return Path(result)

    async def activate_all(self: Any, modules: List[Dict[str, Any]], progress_callback: Any = None) -> Dict[str, Path]:
        wanted = [(each["module"], each["source"]) for each in modules if each.get("module") and each.get("source")]
        ours = [each for each in wanted if _is_git(each[1])]
        rest = [each for each in modules if not _is_git(each.get("source") or "")]
        for name, _ in ours if progress_callback else []:
            progress_callback("activating", name)
        results = await _activated(self, ours)
        failed = [(name, result) for name, result in results if isinstance(result, BaseException)]
        for name, error in failed:
            logger.error("Failed to activate %s: %s", name, error)
        if failed and self.strict:
            lines = "\n".join("  - %s: %s" % each for each in failed)
            raise failure("%d of %d modules failed to activate (strict mode):\n%s" % (len(failed), len(wanted), lines))
        activated = await own_activate_all(self, rest, progress_callback) if rest else {}
        activated.update((name, result) for name, result in results if isinstance(result, Path))
        return activated

    async def install(self: Any, module_path: Path, *arguments: Any, **named: Any) -> None:
        if not _is_in_store(Path(module_path)):
            await own_install(self, module_path, *arguments, **named)
        elif self.install_deps:
            # What is in the store is bound with all the rest of it, and then there is nothing left to do.
            await asyncio.to_thread(host.activate, [])

    async def _activated(self: Any, wanted: List[Tuple[str, str]]) -> List[Tuple[str, Any]]:
        if not wanted:
            return []
        sources = [source for _, source in wanted]
        call = host.activate if self.install_deps else host.ensure
        told = await asyncio.to_thread(call, sources)
        results: List[Tuple[str, Any]] = []
        for (name, source), module in zip(wanted, told.modules):
            if module.code is None:
                self._activated.add("%s:%s" % (name, source))
                results.append((name, Path(module.target or "")))
            else:
                results.append((name, failure("%s: %s" % (source, _said(module)))))
        return results

    kind.activate, kind.activate_all, kind._install_dependencies = activate, activate_all, install


def _is_git(source: str) -> bool:
    return source.startswith("git+")


def _is_in_store(path: Path) -> bool:
    home = os.path.join(host.store_home(), "")
    return os.path.join(str(path), "").startswith(home) or str(path.resolve()).startswith(os.path.realpath(home) + os.sep)


# ---- amplifier_app_cli.utils.module_cache


def _patch_cache(cache: Any) -> None:
    own_scan = _has(cache, "scan_cached_modules")
    _has(cache, "update_module"), _has(cache, "clear_module_cache")

    def scan_cached_modules(type_filter: str = "all") -> List[Any]:
        ours = [found for found in (_cached(cache, each) for each in _listed()) if found is not None]
        addresses = {_address(found.url) for found in ours}
        # A clone of what the store has is of no use any more: the store's is what runs.
        rest = [each for each in own_scan(type_filter) if _address(each.url) not in addresses]
        ours = [each for each in ours if type_filter in ("all", each.module_type)]
        return sorted(ours + rest, key=lambda each: each.display_name)

    async def update_module(url: str, ref: str, progress_callback: Optional[Callable[[str, str], None]] = None) -> Path:
        source = "git+%s%s" % (url, "" if ref in ("", "HEAD") else "@" + ref)
        if progress_callback:
            progress_callback(url.rstrip("/").rpartition("/")[2], "downloading")
        module = await asyncio.to_thread(_update, source)
        return Path(module.target or "")

    def clear_module_cache(*_: Any, **__: Any) -> Tuple[int, int]:
        # What is in the store is never in the way: an update replaces it, and `modstore gc` takes what nobody needs.
        return 0, len(_listed())

    cache.scan_cached_modules, cache.update_module, cache.clear_module_cache = scan_cached_modules, update_module, clear_module_cache


def _cached(cache: Any, row: Dict[str, Any]) -> Any:
    """A module of the store, as Amplifier's tables show it."""
    current = row["current"] or {}
    target, source = Path(row["target"]), current.get("source") or ""
    if not _is_git(source) or not target.exists():
        return None
    url = source[len("git+"):].partition("#")[0]
    address, _, reference = url.rpartition("@") if "@" in url.rpartition("/")[2] else (url, "", "HEAD")
    if cache.is_bundle(target):
        name, kind = cache.get_bundle_name(target) or row["module"], "bundle"
    else:
        name, kind = cache.get_module_info_from_pyproject(target)
        name, kind = name or row["module"], kind or "module"
    return cache.CachedModuleInfo(
        module_id=name, module_type=kind, ref=reference, sha=(current["revision"] or "")[:8], url=address,
        is_mutable=not cache._is_immutable_ref(reference), cached_at="", cache_path=target, display_name=name)


def _address(url: str) -> str:
    """An address without what two spellings of it differ in most often. Only for what is shown."""
    _, _, rest = url.rpartition("://")
    return rest.rpartition("@")[2].rstrip("/").removesuffix(".git").lower()


def _listed() -> List[Dict[str, Any]]:
    modules: List[Dict[str, Any]] = host.run(["list"]).get("modules", [])
    return modules


def _has(owner: Any, name: str) -> Any:
    found = getattr(owner, name, None)
    if found is None:
        raise Missing("%s has no %s" % (getattr(owner, "__name__", owner), name))
    return found


# ---- on and off


def patch(module: Any) -> None:
    """Replaces what clones in one of Amplifier's modules. If it has changed too much, it stays as it is, and that is said."""
    patches = {
        "amplifier_foundation.sources.git": _patch_sources,
        "amplifier_foundation.modules.activator": _patch_activator,
        "amplifier_app_cli.utils.module_cache": _patch_cache,
    }
    try:
        patches[module.__name__](module)
    except Missing as error:
        logger.warning("modstore: this Amplifier is another one than this was written for, so it clones by itself: %s", error)


def _pth() -> Path:
    return Path(sysconfig.get_path("purelib")) / PTH


def on() -> str:
    """Writes the line that is read when this environment's Python starts. Returns its path."""
    path = _pth()
    spare = path.with_name(path.name + ".new")
    spare.write_text(START + "\n", encoding="utf-8")
    os.replace(spare, path)
    return str(path)


def off() -> bool:
    """Removes it. Whether it was there."""
    try:
        _pth().unlink()
    except FileNotFoundError:
        return False
    return True


def status() -> Dict[str, Any]:
    """Whether it is on, and which parts of this Amplifier are replaced: true, false, or why not."""
    import importlib

    parts: Dict[str, Any] = {}
    for name in PATCHED:
        try:
            module = importlib.import_module(name)
        except ImportError as error:
            parts[name] = str(error)
            continue
        parts[name] = bool(getattr(module, "__modstore__", False))
    return {"on": _pth().exists(), "home": host.store_home(), "parts": parts}


def main(arguments: Optional[List[str]] = None) -> int:
    """`on`, `off` or `status`. Returns the exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    if words == ["on"]:
        print("%s: Amplifier's git sources come from the store in %s" % (on(), host.store_home()))
    elif words == ["off"]:
        print("Amplifier clones by itself again" if off() else "it was not on")
    elif words == ["status"]:
        print(json.dumps(status(), indent=2))
    else:
        print("usage: python -m modstore.amplifier on | off | status", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
