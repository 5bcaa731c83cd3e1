#!/usr/bin/env python3
"""Merges the artifacts of all platforms into one release: `merge.py BUILT DIST TAG`.

BUILT has one directory for each platform. What two of them made must have equal bytes, or nothing is written: the installer, the
npm launcher, the sdist, the crates and the notes do not depend on a platform. Only whole sets are merged: a release that lacks a
platform, or whose tag is of another version, is refused.

DIST gets the files of the GitHub release, `python/` what PyPI is given and `npm/` what npm is given.
"""
import hashlib
import shutil
import sys
from pathlib import Path

from dist import NPM

PER_PLATFORM = ["modstore-{version}-{target}.tar.gz", "modstore-{version}-{target}.cyclonedx.json", "modstore-{system}-{processor}-{version}.tgz"]


def main():
    built, dist, tag = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    files = merged(built)
    version = version_of(files)
    if tag != "v" + version:
        sys.exit("merge: the tag is %s, and what was built is version %s" % (tag, version))
    lacking = [name for name in wanted(version) if name not in files]
    wheels = [name for name in files if name.endswith(".whl")]
    if lacking or len(wheels) != len(NPM):
        sys.exit("merge: lacking %s; %d of %d wheels" % (", ".join(lacking) or "no file", len(wheels), len(NPM)))
    for place in ["", "python", "npm"]:
        (dist / place).mkdir(parents=True)
    for name, path in sorted(files.items()):
        shutil.copyfile(path, dist / name)
        if name.endswith(".whl") or name == "modstore-%s.tar.gz" % version:
            shutil.copyfile(path, dist / "python" / name)
        if name.endswith(".tgz"):
            shutil.copyfile(path, dist / "npm" / name)
    sums = ["%s  %s\n" % (digest(path), name) for name, path in sorted(files.items())]
    (dist / "SHA256SUMS").write_text("".join(sums))


def merged(built):
    """The path of each file by its name. Files of one name have equal bytes."""
    files = {}
    for path in sorted(built.glob("*/*")):
        # Each platform's checksums are of its own files.
        if path.name == "SHA256SUMS":
            continue
        other = files.setdefault(path.name, path)
        if digest(other) != digest(path):
            sys.exit("merge: %s and %s differ" % (other, path))
    return files


def version_of(files):
    versions = {name[len("modstore-"):-len(".tgz")] for name in files if name.startswith("modstore-") and name.endswith(".tgz")}
    versions = {version for version in versions if version[:1].isdigit()}
    if len(versions) != 1:
        sys.exit("merge: there is not one version, but %s" % sorted(versions))
    return versions.pop()


def wanted(version):
    names = ["install.sh", "RELEASE-NOTES.md", "modstore-%s.tgz" % version, "modstore-%s.tar.gz" % version]
    for target, (system, processor) in sorted(NPM.items()):
        fields = {"version": version, "target": target, "system": system, "processor": processor}
        names += [name.format(**fields) for name in PER_PLATFORM]
    return names


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
