"""Stands in for Amplifier: it installs one module after the other."""


class ModuleActivationError(Exception):
    pass


class ModuleActivator:
    def __init__(self, install_deps=True, strict=False):
        self.install_deps, self.strict, self._activated, self.installed = install_deps, strict, set(), []

    async def activate(self, module_name, source_uri, progress_callback=None):
        return "Amplifier's own: " + source_uri

    async def activate_all(self, modules, progress_callback=None):
        return {each["module"]: await self.activate(each["module"], each["source"]) for each in modules}

    async def _install_dependencies(self, module_path, module_name=None, progress_callback=None, force=False):
        self.installed.append(str(module_path))
