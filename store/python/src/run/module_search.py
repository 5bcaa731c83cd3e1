# Says where this Python would load modules from, and loads none of them. One line of JSON.
#
# Standard input is one JSON object: {"names": [NAME, ...]}.
#
# Asked are the finders that stand on sys.meta_path after the start of the interpreter, as an import asks them. The parent
# of a dotted name is not imported, as importlib.util.find_spec would do: its own spec says where its parts are looked for.
# A finder that builds when it is asked is passed over. Only the standard library, and any Python from 3.6 on.
import json, os, platform, sys

# Where the standard library is: nothing that is installed is ever found before it.
STANDARD = os.path.dirname(os.__file__) + os.sep
BUILDING = ("MesonpyMetaFinder", "ScikitBuildRedirectingFinder", "ScikitBuildInplaceFinder")
specs = {}
# Modules of ours that stand for parents which are not imported.
stand_ins = set()


def builds(finder):
    kind = finder if isinstance(finder, type) else type(finder)
    return kind.__name__ in BUILDING and getattr(finder, "rebuild_flag", True)


def spec_of(name):
    """The spec by which `name` would be imported, or None."""
    if name not in specs:
        specs[name] = ask(name)
    return specs[name]


def ask(name):
    parent, _, _ = name.rpartition(".")
    path = None
    if parent:
        known = sys.modules.get(parent)
        above = spec_of(parent)
        path = getattr(known, "__path__", None) or (above and (shared(above) or above.submodule_search_locations))
        if path is None:
            return None
        if known is None:
            # The path of a namespace within another one is computed from the module of that. This one runs nothing.
            stand_in = type(sys)(parent)
            stand_in.__path__ = path
            sys.modules[parent] = stand_in
            stand_ins.add(parent)
    for finder in sys.meta_path:
        find = getattr(finder, "find_spec", None)
        if find is None or builds(finder):
            continue
        spec = find(name, path)
        if spec is not None:
            return spec
    return None


def shared(spec):
    """The parts of a package whose own code would share its name with others (pkgutil, pkg_resources), or None."""
    if not spec.submodule_search_locations or not spec.origin or not spec.origin.endswith("__init__.py"):
        return None
    try:
        with open(spec.origin, "rb") as file:
            text = file.read(65536)
    except OSError:
        return None
    if b"extend_path" not in text and b"declare_namespace" not in text:
        return None
    import pkgutil

    return pkgutil.extend_path(list(spec.submodule_search_locations), spec.name)


def is_standard(origin):
    below = origin[len(STANDARD) :] if origin.startswith(STANDARD) else ""
    return below != "" and not below.startswith(("site-packages", "dist-packages"))


def located(name):
    if name in sys.modules and name not in specs and name not in stand_ins:
        # A -nspkg.pth has put it there.
        specs[name] = getattr(sys.modules[name], "__spec__", None) or ask(name)
    try:
        spec = spec_of(name)
        parts = [os.fspath(part) for part in spec and spec.submodule_search_locations or []]
    except BaseException as error:
        return {"failed": "%s: %s" % (type(error).__name__, error)}
    if spec is None:
        return "nowhere"
    known = None if name in stand_ins else getattr(sys.modules.get(name), "__path__", None)
    parts += [part for part in known or [] if part not in parts]
    if spec.origin in ("built-in", "frozen") or is_standard(spec.origin or ""):
        return "builtin"
    parts_of_all = shared(spec)
    if parts_of_all:
        return {"namespace": [os.fspath(part) for part in parts_of_all]}
    if spec.has_location or spec.origin not in (None, "namespace"):
        return {"file": spec.origin}
    return {"namespace": parts}


def installed():
    """Every distribution on the path, by the names of its directories, the one that is found first leading."""
    for directory in sys.path:
        if directory.endswith(".egg"):
            yield os.path.join(directory, "EGG-INFO")
            continue
        try:
            names = sorted(os.listdir(directory or "."))
        except OSError:
            names = sorted(names_in_archive(directory))
        for name in names:
            stem, end = os.path.splitext(name)
            if end in (".dist-info", ".egg-info") and not stem.startswith("~"):
                yield os.path.join(directory, name)


def names_in_archive(path):
    """The names at the top of a file that Python imports from as if it were a directory."""
    import zipfile

    try:
        with zipfile.ZipFile(path) as archive:
            return {name.split("/")[0] for name in archive.namelist()}
    except (OSError, zipfile.BadZipFile, NotImplementedError):
        return ()


def markers():
    # PEP 508; computed as there.
    version = platform.python_version()
    implementation = sys.implementation
    of = implementation.version
    full = "%d.%d.%d" % of[:3]
    if of.releaselevel != "final":
        full += of.releaselevel[0] + str(of.serial)
    return {
        "implementation_name": implementation.name,
        "implementation_version": full,
        "os_name": os.name,
        "platform_machine": platform.machine(),
        "platform_python_implementation": platform.python_implementation(),
        "platform_release": platform.release(),
        "platform_system": platform.system(),
        "platform_version": platform.version(),
        "python_full_version": version,
        "python_version": ".".join(platform.python_version_tuple()[:2]),
        "sys_platform": sys.platform,
    }


# `python -c` puts the working directory first.
if sys.path and sys.path[0] == "":
    del sys.path[0]
sys.dont_write_bytecode = True
wanted = json.load(sys.stdin)
site = sys.modules.get("site")
answer = {
    "version": "%d.%d.%d" % sys.version_info[:3],
    "markers": markers(),
    "path": [part for part in sys.path if isinstance(part, str)],
    "user_site": site.getusersitepackages() if site and site.ENABLE_USER_SITE else None,
    "installed": list(installed()),
    "modules": {name: located(name) for name in wanted["names"]},
}
print(json.dumps(answer))
