# Prints the paths and the kind of this interpreter as one line of JSON: {"interpreter": {...}}, or why it cannot: {"exception": TEXT} or
# {"too_old": VERSION}.
import json, os, sys


def interpreter():
    import sysconfig

    found = sysconfig.get_paths()
    stdlib = sysconfig.get_path("stdlib", vars={"base": sys.base_prefix, "installed_base": sys.base_prefix})
    is_virtual = sys.prefix != sys.base_prefix
    return {
        "prefix": sys.prefix,
        "site": list(dict.fromkeys([found["purelib"], found["platlib"]])),
        "scripts": found["scripts"],
        "version": version,
        "tag": sysconfig.get_config_var("SOABI") or "%s-%s" % (sys.implementation.cache_tag, sysconfig.get_platform()),
        "is_virtual": is_virtual,
        "is_externally_managed": not is_virtual and os.path.exists(os.path.join(stdlib, "EXTERNALLY-MANAGED")),
    }


version = "%d.%d.%d" % sys.version_info[:3]
if sys.version_info < (3, 3):
    answer = {"too_old": version}
else:
    try:
        answer = {"interpreter": interpreter()}
    except Exception as error:
        answer = {"exception": "%s: %s" % (type(error).__name__, error)}
print(json.dumps(answer))
