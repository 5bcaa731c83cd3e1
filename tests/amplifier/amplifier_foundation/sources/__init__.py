"""Stands in for Amplifier: an address in parts, and what stands for it on the disk."""
from dataclasses import dataclass
from pathlib import Path


class BundleNotFoundError(Exception):
    pass


@dataclass
class ParsedURI:
    scheme: str
    host: str
    path: str
    ref: str
    subpath: str


@dataclass
class ResolvedSource:
    active_path: Path
    source_root: Path


@dataclass
class SourceStatus:
    source_uri: str
    is_cached: bool
    cached_ref: object = None
    cached_commit: object = None
    remote_ref: object = None
    remote_commit: object = None
    has_update: object = None
    error: object = None
    summary: str = ""


def parse_uri(uri):
    address, _, fragment = uri.partition("#")
    scheme, _, rest = address.partition("://")
    host, _, path = rest.partition("/")
    path, _, ref = path.partition("@")
    return ParsedURI(scheme, host, "/" + path, ref, fragment.removeprefix("subdirectory="))
