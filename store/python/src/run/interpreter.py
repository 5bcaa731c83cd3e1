# Tells where this interpreter has its things, as one line of JSON.
import json, os, sys, sysconfig

paths = sysconfig.get_paths()
stdlib = sysconfig.get_path("stdlib", vars={"base": sys.base_prefix, "installed_base": sys.base_prefix})
print(json.dumps({
    "prefix": sys.prefix,
    "site": list(dict.fromkeys([paths["purelib"], paths["platlib"]])),
    "scripts": paths["scripts"],
    "version": "%d.%d.%d" % sys.version_info[:3],
    "tag": sysconfig.get_config_var("SOABI") or "%s-%s" % (sys.implementation.cache_tag, sysconfig.get_platform()),
    "virtual": sys.prefix != sys.base_prefix,
    "managed": sys.prefix == sys.base_prefix and os.path.exists(os.path.join(stdlib, "EXTERNALLY-MANAGED")),
}))
