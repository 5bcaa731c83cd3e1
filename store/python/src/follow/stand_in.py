"""A build backend (PEP 660) that installs a stand-in for a module of a modstore store.

What an installer records of the module is in `stand-in.json`, as the module's own backend told it. What goes on the
import path leads through `current`, so that one rename in the store moves it. Needs nothing, runs nothing of the
module's, and gives the same bytes for the same file. Do not edit: modstore writes it anew.
"""
import base64, hashlib, json, os, sys, sysconfig, zipfile

HERE = os.path.dirname(os.path.realpath(__file__))


def get_requires_for_build_editable(config_settings=None):
    return []


def get_requires_for_build_wheel(config_settings=None):
    raise SystemExit("%s is a stand-in for a module of a store: install it with -e" % HERE)


build_wheel = get_requires_for_build_sdist = build_sdist = get_requires_for_build_wheel


def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    with open(os.path.join(HERE, "stand-in.json"), encoding="utf-8") as file:
        what = json.load(file)
    name = "%s-%s" % (what["file_name"], what["version"].replace("-", "_"))
    info = name + ".dist-info/"
    lines = ["# modstore %s %s" % (what["module"], what["digest"])]
    lines += [os.path.join(HERE, path) if path else HERE for path in paths(what)]
    files = {
        "_modstore_%s.pth" % what["file_name"]: "\n".join(lines) + "\n",
        info + "METADATA": what["metadata"],
        info + "WHEEL": "Wheel-Version: 1.0\nGenerator: modstore\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    if what["entry_points"] is not None:
        files[info + "entry_points.txt"] = what["entry_points"]
    record = ""
    wheel = name + "-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w") as archive:
        for path, text in files.items():
            data = text.encode("utf-8")
            archive.writestr(zipfile.ZipInfo(path), data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            record += "%s,sha256=%s,%d\n" % (path, digest, len(data))
        archive.writestr(zipfile.ZipInfo(info + "RECORD"), record + info + "RECORD,,\n")
    return wheel


def paths(what):
    tag = sysconfig.get_config_var("SOABI")
    tag = tag or "%s-%s" % (sys.implementation.cache_tag, sysconfig.get_platform())
    if os.path.lexists(os.path.join(HERE, tag)):
        return [tag]
    if what["per_python"]:
        raise SystemExit("%s is compiled, and not for %s: run `modstore bind --python PYTHON %s`"
                         % (what["module"], tag, what["module"]))
    return what["paths"]
