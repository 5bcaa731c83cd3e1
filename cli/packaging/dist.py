#!/usr/bin/env python3
"""Makes every artifact of a release that this machine can make, into `dist/`. `make dist` runs it.

    python3 cli/packaging/dist.py                      the release: wheel, sdist, archive, npm, crates, checksums, notes
    python3 cli/packaging/dist.py --quick              the same with the debug build of this machine: to try the scripts, not to publish
    python3 cli/packaging/dist.py --binary PATH        the same around a program that is there, without wheel, sdist and crates

The same commit gives the same bytes, wherever it is built: times come from the commit (SOURCE_DATE_EPOCH), paths are mapped
away, entries of archives are sorted and owned by root. The program in the archive and in the npm package is the one in the wheel.

Needs cargo, git, and for the wheel maturin, ziglang and zopfli, which are installed from PyPI into target/tools/packaging when they are
missing. Uploads nothing. Limits: builds for the architecture of this machine unless --target names another.
"""
import argparse
import base64
import contextlib
import datetime
import gzip
import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
# The oldest glibc that the program runs on, as maturin and zig name it.
MANYLINUX = "manylinux2014"
TOOLS = ["maturin==1.16.0", "ziglang==0.17.1", "zopfli==0.4.3"]
# From the ground up: each needs only those before it.
CRATES = ["modstore-testbed", "modstore-core", "modstore-fetch", "modstore-python", "modstore-doctor", "modstore-tier", "modstore", "modstore-cli"]
# The files of what stands in for a crate of crates.io.
PATCHED = ["cli/packaging/crc-fast/Cargo.toml", "cli/packaging/crc-fast/src/lib.rs"]
NPM = {
    "x86_64-unknown-linux-gnu": ("linux", "x64"),
    "aarch64-unknown-linux-gnu": ("linux", "arm64"),
    "x86_64-apple-darwin": ("darwin", "x64"),
    "aarch64-apple-darwin": ("darwin", "arm64"),
}


def main():
    options = arguments()
    dist = options.out.resolve()
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)
    release = Release(options.target, dist)
    if options.binary:
        binary = options.binary.resolve().read_bytes()
    else:
        binary = release.quick_wheel() if options.quick else release.wheel(options.profile)
        release.sdist()
        release.sbom()
        if not options.no_crates:
            release.crates()
    release.archive(binary)
    release.npm(binary)
    release.installer()
    release.notes()
    release.checksums()
    for path in sorted(dist.iterdir()):
        print("%10d  %s" % (path.stat().st_size, path.name))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where the artifacts go [default: dist]")
    parser.add_argument("--binary", type=Path, help="a program that is there already; builds nothing")
    parser.add_argument("--target", default=this_machine(), choices=sorted(NPM), help="the platform [default: this one]")
    parser.add_argument("--profile", default="dist", help="cargo's profile [default: dist]")
    parser.add_argument("--quick", action="store_true", help="the debug build, for this machine alone")
    parser.add_argument("--no-crates", action="store_true", help="do not package the crates")
    return parser.parse_args()


def this_machine():
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.machine().lower(), platform.machine().lower())
    return machine + ("-apple-darwin" if sys.platform == "darwin" else "-unknown-linux-gnu")


class Release:
    """One version for one platform."""

    def __init__(self, target, dist):
        self.target = target
        self.dist = dist
        self.version = re.search(r'^version = "([^"]+)"', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
        self.time = int(os.environ.get("SOURCE_DATE_EPOCH") or time_of_commit())
        self.name = "modstore-%s-%s" % (self.version, target)

    def environment(self):
        """Variables by which the same sources give the same bytes."""
        home = os.environ.get("CARGO_HOME") or os.path.expanduser("~/.cargo")
        target = os.environ.get("CARGO_TARGET_DIR") or str(ROOT / "target")
        # The last one that fits is taken: what is compiled may lie within the sources.
        maps = [(home, "/cargo"), (str(ROOT), "/modstore"), (target, "/target")]
        flags = ["--remap-path-prefix=%s=%s" % pair for pair in maps]
        return dict(
            os.environ,
            SOURCE_DATE_EPOCH=str(self.time),
            CARGO_ENCODED_RUSTFLAGS="\x1f".join(flags),
            CARGO_INCREMENTAL="0",
            LC_ALL="C.UTF-8",
            TZ="UTC",
        )

    def wheel(self, profile):
        """Builds the wheel for the oldest system that is supported, and gives the program in it."""
        arguments = ["build", "--locked", "--profile", profile, "--out", str(self.dist), "--target", self.target]
        if "linux" in self.target:
            arguments += ["--zig", "--compatibility", MANYLINUX]
        self.maturin(arguments, self.environment())
        with smaller_zips():
            return self.program()

    def quick_wheel(self):
        """The same from what cargo has compiled already: no other C library, no other paths."""
        self.maturin(["build", "--locked", "--profile", "dev", "--out", str(self.dist), "--compatibility", "linux"], dict(os.environ))
        return self.program()

    def program(self):
        """The program in the wheel, whose bytes are first made independent of this machine."""
        settle(next(self.dist.glob("*.whl")), self.time)
        with zipfile.ZipFile(next(self.dist.glob("*.whl"))) as wheel:
            (name,) = [name for name in wheel.namelist() if name.endswith(".data/scripts/modstore")]
            return wheel.read(name)

    def sdist(self):
        """The sources, with the crate that `[patch]` in Cargo.toml names: maturin leaves it out."""
        self.maturin(["sdist", "--out", str(self.dist)], self.environment())
        top = "modstore-%s" % self.version
        path = self.dist / (top + ".tar.gz")
        with tarfile.open(path) as tar:
            files = {member.name[len(top) + 1 :]: tar.extractfile(member).read() for member in tar if member.isfile()}
        for name in PATCHED:
            files[name] = (ROOT / name).read_bytes()
        write_tar(path, top, files, self.time)

    def maturin(self, arguments, environment):
        tools = packaging_tools()
        environment["PATH"] = "%s%s%s" % (tools, os.pathsep, environment["PATH"])
        run([str(tools / "maturin"), *arguments], cwd=ROOT / "cli", env=environment)

    def sbom(self):
        """What is in the program, in the form of CycloneDX: maturin writes it into the wheel."""
        with zipfile.ZipFile(next(self.dist.glob("*.whl"))) as wheel:
            for name in wheel.namelist():
                if "/sboms/" in name:
                    (self.dist / ("%s.cyclonedx.json" % self.name)).write_bytes(wheel.read(name))

    def crates(self):
        """Packages every crate that is published, as `cargo publish` would upload it."""
        with tempfile.TemporaryDirectory() as place:
            environment = dict(self.environment(), CARGO_TARGET_DIR=place)
            packages = [word for crate in CRATES for word in ("--package", crate)]
            run(["cargo", "package", "--locked", "--no-verify", "--allow-dirty", *packages], cwd=ROOT, env=environment)
            for path in sorted((Path(place) / "package").glob("*.crate")):
                shutil.copyfile(path, self.dist / path.name)

    def archive(self, binary):
        """The program with its manual pages and completions, for the installer and for people."""
        files = {"bin/modstore": binary}
        for name in ["README.md", "CHANGELOG.md", "LICENSE-MIT", "LICENSE-APACHE"]:
            files[name] = (ROOT / name).read_bytes()
        with tempfile.TemporaryDirectory() as place:
            program = Path(place) / "modstore"
            program.write_bytes(binary)
            program.chmod(0o755)
            files.update(described(program))
        write_tar(self.dist / (self.name + ".tar.gz"), self.name, files, self.time)

    def npm(self, binary):
        """The package that has the program, and the one that finds it."""
        system, processor = NPM[self.target]
        licences = {name: (ROOT / name).read_bytes() for name in ["LICENSE-MIT", "LICENSE-APACHE"]}
        common = {
            "version": self.version,
            "license": "MIT OR Apache-2.0",
            "repository": {"type": "git", "url": "git+https://github.com/modstore/modstore.git"},
        }
        ours = {
            "name": "@modstore/%s-%s" % (system, processor),
            **common,
            "description": "The program modstore for %s on %s" % (system, processor),
            "os": [system],
            "cpu": [processor],
            "files": ["bin/modstore"],
        }
        files = {"package.json": as_json(ours), "bin/modstore": binary, **licences}
        write_tar(self.dist / ("modstore-%s-%s-%s.tgz" % (system, processor, self.version)), "package", files, self.time)
        launcher = {
            "name": "modstore",
            **common,
            "description": "A transactional, content-addressed store for the modules that a program installs from git",
            "bin": {"modstore": "modstore.js"},
            "main": "index.js",
            "types": "index.d.ts",
            "engines": {"node": ">=18"},
            "optionalDependencies": {"@modstore/%s-%s" % pair: self.version for pair in sorted(NPM.values())},
        }
        names = ["modstore.js", "index.js", "index.d.ts", "README.md"]
        files = {"package.json": as_json(launcher), **licences, **{name: (HERE / "npm" / name).read_bytes() for name in names}}
        write_tar(self.dist / ("modstore-%s.tgz" % self.version), "package", files, self.time)

    def installer(self):
        text = (HERE / "install.sh").read_text()
        assert text.count("@VERSION@") == 1, "install.sh says its version once"
        path = self.dist / "install.sh"
        path.write_text(text.replace("@VERSION@", self.version))
        path.chmod(0o755)

    def notes(self):
        (self.dist / "RELEASE-NOTES.md").write_text(notes_of(self.version, (ROOT / "CHANGELOG.md").read_text()))

    def checksums(self):
        lines = []
        for path in sorted(self.dist.iterdir()):
            lines.append("%s  %s\n" % (hashlib.sha256(path.read_bytes()).hexdigest(), path.name))
        (self.dist / "SHA256SUMS").write_text("".join(lines))


def settle(path, time):
    """Rewrites a wheel so that its bytes depend on the sources only: the list of what is in it has the place, the time and
    a random number of the build."""
    with zipfile.ZipFile(path) as wheel:
        files = [(entry.filename, entry.external_attr, wheel.read(entry)) for entry in wheel.infolist()]
    files = [(name, mode, settled(data, time) if "/sboms/" in name else data) for name, mode, data in files]
    date = datetime.datetime.fromtimestamp(time, datetime.timezone.utc).timetuple()[:6]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as wheel:
        # Installers find the metadata at the end.
        for name, mode, data in sorted(files, key=lambda file: (".dist-info/" in file[0], file[0])):
            if name.endswith(".dist-info/RECORD"):
                data = recorded(name, files)
            entry = zipfile.ZipInfo(name, max(date, (1980, 1, 1, 0, 0, 0)))
            entry.external_attr = mode
            entry.compress_type = zipfile.ZIP_DEFLATED
            wheel.writestr(entry, data)


@contextlib.contextmanager
def smaller_zips():
    """Within it, zip files are deflated by zopfli: 4 % smaller than by zlib, in 20 s."""
    sys.path.append(str(next((packaging_tools().parent / "lib").glob("python*/site-packages"))))
    import zopfli.zlib

    class Deflater:
        def __init__(self):
            self.data = []

        def compress(self, data):
            self.data.append(data)
            return b""

        def flush(self):
            # A zip has the bare stream, without the header and the checksum of zlib.
            return zopfli.zlib.compress(b"".join(self.data), numiterations=5)[2:-4]

    # zipfile has no other place for it.
    before, zipfile._get_compressor = zipfile._get_compressor, lambda *_: Deflater()
    try:
        yield
    finally:
        zipfile._get_compressor = before


def settled(data, time):
    """A list of what is in a program, without where and when it was made."""
    value = json.loads(data.decode().replace("file://%s" % ROOT, "file:///modstore"))
    value.pop("serialNumber", None)
    date = datetime.datetime.fromtimestamp(time, datetime.timezone.utc)
    value["metadata"]["timestamp"] = date.strftime("%Y-%m-%dT%H:%M:%SZ")
    return as_json(value)


def recorded(name, files):
    """The RECORD of a wheel: the name, hash and size of each of its other files."""
    lines = []
    for other, _, data in sorted(files):
        if other != name:
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
            lines.append("%s,sha256=%s,%d" % (other, digest, len(data)))
    return "\n".join([*lines, name + ",,", ""]).encode()


def notes_of(version, changelog):
    """The section of a version; while it has none, the one that is being written, under a line that says so."""
    sections = re.split(r"^## ", changelog, flags=re.M)[1:]
    for section in sections:
        heading, _, body = section.partition("\n")
        if re.match(r"\[?%s\]?(\s|$)" % re.escape(version), heading):
            return "# modstore %s\n%s\n" % (version, body.rstrip())
    heading, _, body = sections[0].partition("\n")
    return "# modstore %s\n\nNot a release. What CHANGELOG.md lists as `%s`:\n%s\n" % (version, heading.strip(), body.rstrip())


def described(program):
    """The manual pages and completions that a program gives of itself."""
    files = {}
    with tempfile.TemporaryDirectory() as place:
        environment = {"HOME": place, "PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}
        run([str(program), "man", "--dir", place + "/man"], env=environment, stdout=subprocess.DEVNULL)
        for page in (Path(place) / "man").iterdir():
            files["man/man1/" + page.name] = page.read_bytes()
        for shell, name in [("bash", "modstore.bash"), ("zsh", "_modstore"), ("fish", "modstore.fish")]:
            files["completions/" + name] = subprocess.check_output([str(program), "completions", shell], env=environment)
    return files


def write_tar(path, top, files, time):
    """Writes a .tar.gz whose bytes depend on its arguments only."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(files):
            member = tarfile.TarInfo("%s/%s" % (top, name))
            member.size = len(files[name])
            member.mtime = time
            member.mode = 0o755 if name.startswith("bin/") or name == "modstore.js" else 0o644
            tar.addfile(member, io.BytesIO(files[name]))
    with open(path, "wb") as file, gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0, compresslevel=9) as zipped:
        zipped.write(plain.getvalue())


def as_json(value):
    return (json.dumps(value, indent=2) + "\n").encode()


def time_of_commit():
    return subprocess.check_output(["git", "log", "-1", "--format=%ct"], cwd=ROOT, text=True)


def packaging_tools():
    """The directory with maturin and zig's wrapper; installed once for each choice of versions."""
    place = ROOT / "target" / "tools" / "packaging"
    stamp = place / "complete"
    if not stamp.is_file() or stamp.read_text() != " ".join(TOOLS):
        shutil.rmtree(place, ignore_errors=True)
        run([sys.executable, "-m", "venv", str(place)])
        run([str(place / "bin" / "python"), "-m", "pip", "install", "--quiet", *TOOLS])
        stamp.write_text(" ".join(TOOLS))
    return place / "bin"


def run(command, **options):
    try:
        subprocess.run(command, check=True, **options)
    except FileNotFoundError:
        sys.exit("dist: %s is missing" % command[0])
    except subprocess.CalledProcessError as error:
        sys.exit("dist: %s ended with %s" % (" ".join(command[:3]), error.returncode))


if __name__ == "__main__":
    main()
