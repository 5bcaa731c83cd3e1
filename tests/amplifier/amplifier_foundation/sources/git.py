"""Stands in for Amplifier: it clones into a directory, which an update removes first."""
from . import BundleNotFoundError, ResolvedSource, SourceStatus


class GitSourceHandler:
    async def resolve(self, parsed, cache_dir):
        raise BundleNotFoundError("Amplifier would clone here")

    async def get_status(self, parsed, cache_dir):
        return SourceStatus("", False, summary="Amplifier would ask here")

    async def update(self, parsed, cache_dir):
        return ResolvedSource(cache_dir, cache_dir)
