"""Runs `modstore doctor` on editable installs of the projects in projects.txt, healthy and damaged in five ways.

    sh tests/corpus.sh [--cache DIR] [--jobs N] [--count N] [--table FILE] [PROJECT...]
    sh tests/corpus.sh --healthy [--cache DIR] [--table FILE]

The second form inspects healthy environments that other programs made: the system's Python, uv tool, pipx, poetry, a
prefix as conda lays it out, JupyterLab with what people install beside it, and each Python version that is there.

For each project: its source distribution is fetched (pip), installed as an editable into a fresh environment (uv), and
the doctor must find nothing broken. Then it is damaged, one damage after another:

    gone       the project's directory is away, and there is no other: told, with why nothing mends it; put back, it is clean
    renamed    the directory has another name beside the old one: `--fix` leads the installation there
    shadowed   a directory that an uninstall left stands before the package: the printed command takes it away
    stale      the file that Python follows (a .pth file, a finder) names a directory that is not there: `--fix` mends it
    requirement  a requirement was uninstalled: `--fix` installs it again

A damage that Python itself does not notice (a left-over directory behind the project's own path) is no damage: then the
doctor must stay silent. After each mending a second run finds nothing, and a second `--fix` changes nothing.

The answer is a table in Markdown: project x state -> what was said, whether it was mended. `!` marks what is wrong.
Limits: an sdist that does not install within a minute is left out, and said so. Nothing is imported but by this script.
"""

import argparse
import concurrent.futures
import csv
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import time
import tomllib
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
BACKENDS = ["setuptools", "setuptools-scm", "wheel", "hatchling", "hatch-vcs", "hatch-fancy-pypi-readme", "flit_core",
            "poetry-core", "pdm-backend", "uv_build", "meson-python", "ninja", "scikit-build-core", "cmake", "cython", "maturin",
            "setuptools-rust"]
STATES = ["gone", "renamed", "shadowed", "stale", "requirement"]


class LeftOut(Exception):
    """The project is not in the corpus, and why."""


class Machine:
    def __init__(self, options):
        self.cache = Path(options.cache).resolve()
        self.modstore = Path(options.modstore).resolve()
        self.uv = Path(options.uv).resolve()
        self.python = options.python
        self.limit = options.limit
        self.sdists = options.sdists and Path(options.sdists).resolve()
        self.cache.mkdir(parents=True, exist_ok=True)
        home = self.cache / "home"
        home.mkdir(exist_ok=True)
        keep = {name: os.environ[name] for name in os.environ if not name.startswith(
            ("PYTHON", "VIRTUAL_ENV", "CONDA", "MODSTORE", "AMPLIFIER", "XDG_", "UV_TOOL", "UV_PROJECT"))}
        keep |= {
            "HOME": str(home), "MODSTORE_HOME": str(self.cache / "no-store"), "UV_CACHE_DIR": str(self.cache / "uv"),
            "PIP_CACHE_DIR": str(self.cache / "pip"), "PATH": f"{self.uv.parent}:{os.environ['PATH']}",
            "PYTHONDONTWRITEBYTECODE": "1", "UV_NO_PROGRESS": "1", "LANG": "C.UTF-8",
            "UV_PYTHON_INSTALL_DIR": str(self.cache / "pythons"),
        }
        # Rust for the projects that need it: the user's own.
        for name, place in [("RUSTUP_HOME", ".rustup"), ("CARGO_HOME", ".cargo")]:
            keep.setdefault(name, str(Path.home() / place))
        self.variables = keep

    def run(self, *command, limit=None, cwd=None, **variables):
        try:
            return subprocess.run([str(part) for part in command], env=self.variables | variables, cwd=cwd or self.cache,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
                                  timeout=limit or 300)
        except subprocess.TimeoutExpired:
            return subprocess.CompletedProcess(command, 124, "", f"no end after {limit or 300} s")

    def must(self, *command, **more):
        ran = self.run(*command, **more)
        if ran.returncode:
            last = (ran.stderr or ran.stdout).strip().splitlines()[-3:]
            raise LeftOut(" ".join(last)[:200] or f"exit {ran.returncode}")
        return ran.stdout

    # ---- sources

    def tools(self):
        """An environment with pip and build backends, so that pip need not make one for each project it fetches."""
        place = self.cache / "tools"
        if not (place / "ready").exists() or (place / "ready").read_text() != str(BACKENDS):
            shutil.rmtree(place, ignore_errors=True)
            self.must(self.uv, "venv", "-q", "-p", self.python, place)
            self.must(self.uv, "pip", "install", "-q", "-p", place, "pip", *BACKENDS)
            (place / "ready").write_text(str(BACKENDS))
        return place / "bin" / "python"

    def source(self, name):
        """The unpacked source distribution, fetched once."""
        place = self.cache / "src" / name
        if not (place / "ready").exists():
            shutil.rmtree(place, ignore_errors=True)
            fetched = place / "sdist"
            fetched.mkdir(parents=True)
            for there in self.sdists.glob(name.replace("-", "?") + "-[0-9]*") if self.sdists else []:
                shutil.copy(there, fetched)
            if not any(fetched.iterdir()):
                self.fetch(name, fetched)
            archive = next(fetched.iterdir())
            if archive.suffix == ".zip":
                zipfile.ZipFile(archive).extractall(place / "tree")
            else:
                safely = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
                tarfile.open(archive).extractall(place / "tree", **safely)
            (place / "ready").write_text(archive.name)
        return next((place / "tree").iterdir()), (place / "ready").read_text()

    def fetch(self, name, fetched):
        tools = self.tools()
        path = {"PATH": f"{tools.parent}:{self.variables['PATH']}"}
        pip = [tools, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", name, "-d", fetched]
        if self.run(*pip, "--no-build-isolation", name, limit=300, **path).returncode:
            self.must(*pip, name, limit=600)


class Case:
    """A project that is installed as an editable in an environment of its own."""

    def __init__(self, machine, line):
        self.machine = machine
        self.name, *kinds = line.split()
        self.strict = "strict" in kinds
        # Builds at each import, with what has to be in the environment.
        self.in_place = "in-place" in kinds
        self.title = line
        self.place = machine.cache / "work" / line.replace(" ", "-")
        self.project = self.place / "project"
        self.venv = self.place / "venv"
        self.python = self.venv / "bin" / "python"
        self.results = {}
        self.wrong = []

    # ---- the installation

    def install(self):
        tree, archive = self.machine.source(self.name)
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir(parents=True)
        shutil.copytree(tree, self.project, symlinks=True)
        self.machine.must(self.machine.uv, "venv", "-q", "-p", self.machine.python, self.venv)
        more = ["--config-settings", "editable_mode=strict"] if self.strict else []
        if self.in_place:
            more = ["--no-build-isolation"]
            self.machine.must(self.machine.uv, "pip", "install", "-q", "-p", self.venv, "ninja", *self.build_requirements())
        began = time.monotonic()
        self.machine.must(self.machine.uv, "pip", "install", "-q", "-p", self.venv, *more, "-e", self.project,
                          limit=self.machine.limit)
        self.seconds = time.monotonic() - began
        self.archive = archive
        self.site = next((self.venv / "lib").glob("python*/site-packages"))
        self.distribution = re.sub(r"[-_.]+", "-", self.name).lower()
        text = self.info_file("METADATA")
        self.version = re.search(r"^Version: (.*)$", text, re.M).group(1)
        self.backend = self.read_backend()

    def info(self):
        for info in self.site.glob("*.dist-info"):
            if re.sub(r"[-_.]+", "-", info.name.split("-")[0]).lower() == self.distribution:
                return info
        raise LeftOut("it has no .dist-info")

    def info_file(self, name):
        path = self.info() / name
        return path.read_text(errors="replace") if path.exists() else ""

    def read_backend(self):
        settings = self.project / "pyproject.toml"
        found = re.search(r"^build-backend\s*=\s*[\"']([^\"']+)", settings.read_text(errors="replace"), re.M) \
            if settings.exists() else None
        backend = found.group(1).split(".")[0].split(":")[0] if found else "setuptools"
        return f"{backend} (strict)" if self.strict else backend

    def build_requirements(self):
        with open(self.project / "pyproject.toml", "rb") as file:
            return tomllib.load(file)["build-system"]["requires"]

    def followed(self):
        """The files of the installation that lead to the project: path files and finders."""
        rows = csv.reader(self.info_file("RECORD").splitlines())
        files = [self.site / row[0] for row in rows if row and row[0].endswith((".pth", ".py"))]
        project = str(self.project)
        return [file for file in files if file.parent == self.site and file.exists()
                and project in file.read_text(errors="replace")]

    def packages(self):
        """Top-level names of the project that Python finds in its directory."""
        code = (
            "import importlib.metadata as m, importlib.util as u, sys, json, os\n"
            "root, name = os.path.realpath(sys.argv[1]), sys.argv[2]\n"
            "found = {}\n"
            "names = set((m.distribution(name).read_text('top_level.txt') or '').split())\n"
            "names |= {n for n, ds in m.packages_distributions().items() if any(d.lower().replace('_','-').replace('.','-') == name for d in ds)}\n"
            "names |= {name.replace('-', '_'), name.replace('-', '')}\n"
            "for n in sorted(names):\n"
            "    if not n.isidentifier() or n in ('tests', 'test', 'setup', 'docs', 'conftest', 'examples', 'tasks', 'noxfile', 'bench', 'benchmarks', 'scripts'): continue\n"
            "    try: s = u.find_spec(n)\n"
            "    except Exception: continue\n"
            "    if s and s.origin and os.path.realpath(s.origin).startswith(root): found[n] = s.origin\n"
            "print(json.dumps(found))\n")
        ran = self.machine.run(self.python, "-c", code, self.project, self.distribution)
        return json.loads(ran.stdout) if ran.returncode == 0 else {}

    def imports(self, package):
        """Whether Python imports the package, from a file."""
        code = "import importlib, sys; m = importlib.import_module(sys.argv[1]); sys.exit(0 if m.__file__ else 1)"
        return self.machine.run(self.python, "-c", code, package, limit=60).returncode == 0

    # ---- the doctor

    def doctor(self, *more):
        ran = self.machine.run(self.machine.modstore, "--json", "doctor", "--python", self.venv, *more)
        try:
            told = json.loads(ran.stdout)
        except ValueError:
            return {"exit": ran.returncode, "findings": [], "failed_fixes": [], "fixed": [],
                    "crash": (ran.stdout + ran.stderr)[-300:]}
        told["exit"] = ran.returncode
        return told

    def is_wrong(self, state, what):
        self.wrong.append(f"{state}: {what}")

    def expect_clean(self, state, told=None):
        told = told or self.doctor()
        if told["exit"] or told["findings"]:
            self.is_wrong(state, "not clean: " + summary(told))
            return False
        return True

    def fix_twice(self, state):
        """Fixes; a second run finds nothing, and a second fix changes nothing."""
        if self.in_place:
            # The doctor does not run such a build by itself: its command does.
            command = next((it["fix"] for it in self.doctor()["findings"] if it["code"] == "D01" and it["fix"]), "false")
            self.machine.run("sh", "-c", command, limit=600)
        told = self.doctor("--fix")
        if told["exit"] or told["findings"]:
            failed = "; ".join(" / ".join(each["causes"]) for each in told["failed_fixes"])[:300]
            self.is_wrong(state, f"not mended: {summary(told)} {failed}")
            return False
        before = listing(self.venv)
        again = self.doctor("--fix")
        if again["fixed"] or again["exit"] or again["findings"]:
            self.is_wrong(state, "a second --fix: " + summary(again))
        if listing(self.venv) != before:
            self.is_wrong(state, "a second --fix changed files")
        return self.expect_clean(state)

    def expect(self, state, told, code, mentions):
        """A broken finding with this code that names what is meant."""
        found = [it for it in told["findings"] if it["code"] == code]
        if not found:
            self.is_wrong(state, f"no {code}: {summary(told) or 'nothing said'} {told.get('crash', '')}")
            return False
        words = json.dumps(found)
        if str(mentions) not in words and str(mentions) not in re.sub(r"[-_.]+", "-", words).lower():
            self.is_wrong(state, f"{code} does not name {mentions}: {found[0]['message']}")
            return False
        others = [it for it in told["findings"] if it["code"] != code and it["severity"] == "broken"]
        if others:
            self.is_wrong(state, "also broken: " + summary({"findings": others}))
        return True

    # ---- states

    def run(self):
        self.install()
        told = self.doctor()
        self.results["healthy"] = summary(told) or "clean"
        broken = [it for it in told["findings"] if it["severity"] == "broken"]
        check = self.machine.run(self.machine.uv, "pip", "check", "-p", self.venv)
        if told["exit"] or broken or "crash" in told:
            self.is_wrong("healthy", f"{summary(told)} {told.get('crash', '')} (uv pip check: {check.returncode})")
        elif told["findings"]:
            self.is_wrong("healthy", "not silent: " + summary(told))
        imported = self.doctor("--import")
        if imported["exit"] or imported["findings"] != told["findings"]:
            self.results["healthy"] += f", --import: {summary(imported)}"
            oracle = [package for package in self.packages() if not self.imports(package)]
            if not oracle:
                self.is_wrong("healthy", "--import: " + summary(imported))
        for state in STATES:
            problems = len(self.wrong)
            try:
                self.results[state] = getattr(self, state)()
            except Exception as error:  # a state that cannot be made is a fault of this script, and is shown
                self.is_wrong(state, f"cannot be made: {type(error).__name__}: {error}")
                self.results[state] = "?"
            if len(self.wrong) > problems:
                self.results[state] = "! " + self.results[state]
                self.install()

    def leads_out(self):
        return bool(self.followed()) or any(self.packages())

    def gone(self):
        hidden = self.machine.cache / "hidden" / self.title.replace(" ", "-")
        shutil.rmtree(hidden, ignore_errors=True)
        hidden.parent.mkdir(exist_ok=True)
        self.project.rename(hidden)
        told = self.doctor()
        found = self.expect("gone", told, "D01", self.project)
        before = listing(self.venv)
        fixed = self.doctor("--fix")
        if fixed["fixed"] or listing(self.venv) != before:
            self.is_wrong("gone", "--fix changed something, and there is nothing to mend it with")
        hidden.rename(self.project)
        clean = self.expect_clean("gone")
        return f"{codes(told)}, told; put back: clean" if found and clean else codes(told) or "nothing"

    def renamed(self):
        packages = [package for package in self.packages() if self.imports(package)]
        moved = self.place / "project-moved"
        self.project.rename(moved)
        told = self.doctor()
        found = self.expect("renamed", told, "D01", self.project)
        if self.fix_twice("renamed"):
            for package in packages:
                if not self.imports(package):
                    self.is_wrong("renamed", f"{package} cannot be imported after the fix")
            self.project = moved
            how = "mended by its command" if self.in_place else "mended"
            return f"{codes(told)}, {how}" if found else codes(told)
        return codes(told) or "nothing"

    def shadowed(self):
        packages = self.packages()
        package = next((p for p in packages if p == self.distribution.replace("-", "_")), next(iter(packages), None))
        if package is None:
            return "no package of its own"
        left = self.site / package
        if left.exists():
            return "its own directory is there"
        left.mkdir()
        (left / "__init__.py").write_text("")
        wins = self.packages().get(package) is None
        told = self.doctor()
        if not wins:
            shutil.rmtree(left)
            if told["exit"]:
                self.is_wrong("shadowed", "Python loads the project, and it is called broken: " + summary(told))
            return f"{codes(told) or 'silent'}: Python loads the project all the same"
        found = self.expect("shadowed", told, "D20", left)
        command = next((it["fix"] for it in told["findings"] if it["code"] == "D20"), None)
        fixed = self.doctor("--fix")
        if not left.exists():
            self.is_wrong("shadowed", "--fix deleted what nobody has recorded")
        if command:
            self.machine.run("sh", "-c", command)
        if left.exists():
            self.is_wrong("shadowed", f"the printed command does not help: {command}")
            shutil.rmtree(left)
        clean = self.expect_clean("shadowed")
        return f"{codes(told)}, mended by its command" if found and clean else codes(told) or "nothing"

    def stale(self):
        files = self.followed()
        if not files:
            return "no file leads to it"
        old = self.place / "an-older-place"
        for file in files:
            shutil.copy2(file, file.with_suffix(".copy"))
            text = file.with_suffix(".copy").read_text()
            file.unlink()  # it may share its content with a cache
            file.write_text(text.replace(str(self.project), str(old)))
            file.with_suffix(".copy").unlink()
        shutil.rmtree(self.site / "__pycache__", ignore_errors=True)
        told = self.doctor()
        found = self.expect("stale", told, "D01", old)
        if self.fix_twice("stale"):
            how = "mended by its command" if self.in_place else "mended"
            return f"{codes(told)}, {how}" if found else codes(told)
        return codes(told) or "nothing"

    def requirement(self):
        wanted = None
        installed = json.loads(self.machine.must(self.machine.uv, "pip", "list", "-p", self.venv, "--format", "json"))
        names = {re.sub(r"[-_.]+", "-", each["name"]).lower() for each in installed}
        for line in re.findall(r"^Requires-Dist: (.*)$", self.info_file("METADATA"), re.M):
            name = re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", line).group(0)).lower()
            if "extra ==" not in line and name in names and name != self.distribution:
                wanted = name
                break
        if wanted is None:
            return "has none"
        self.machine.must(self.machine.uv, "pip", "uninstall", "-q", "-p", self.venv, wanted)
        told = self.doctor()
        found = self.expect("requirement", told, "D09", wanted)
        if self.fix_twice("requirement"):
            check = self.machine.run(self.machine.uv, "pip", "check", "-p", self.venv)
            if check.returncode:
                self.is_wrong("requirement", "uv pip check: " + check.stderr.strip()[-200:])
            return f"{codes(told)}, mended" if found else codes(told)
        return codes(told) or "nothing"


class Layouts:
    """Healthy environments, each made by the program that people make them with."""

    def __init__(self, machine):
        self.machine = machine
        self.place = machine.cache / "layouts"
        shutil.rmtree(self.place, ignore_errors=True)
        self.place.mkdir()
        self.rows = []
        self.wrong = 0

    def uv(self, *command, **variables):
        return self.machine.must(self.machine.uv, *command, limit=900, **variables)

    def checkout(self, name, place):
        tree, _ = self.machine.source(name)
        shutil.copytree(tree, self.place / place / name, symlinks=True)
        return self.place / place / name

    def inspect(self, title, prefix):
        ran = self.machine.run(self.machine.modstore, "--json", "doctor", "--python", prefix)
        told = json.loads(ran.stdout)
        environment = (told.get("environments") or [{}])[0]
        broken = ran.returncode or any(it["severity"] == "broken" for it in told.get("findings", []))
        self.wrong += bool(broken)
        said = summary(told) if told.get("findings") else "clean" if not ran.returncode else ran.stdout[-200:]
        self.add(title, environment.get("distributions", "?"), environment.get("editables", "?"),
                 ("! " if broken else "") + said)

    def add(self, title, distributions, editables, said):
        row = f"| {title} | {distributions} | {editables} | {said} |"
        self.rows.append(row)
        print(row, flush=True)

    def all(self):
        for name, make in [("the system's Python", self.system), ("uv tool, with an editable", self.tool), ("pipx", self.pipx),
                           ("poetry", self.poetry), ("a prefix as conda has it", self.conda), ("JupyterLab and more", self.jupyter)]:
            try:
                self.inspect(name, make())
            except (LeftOut, OSError) as error:
                self.add(name, "", "", f"not there: {error}")
        for minor in range(8, 15):
            found = self.interpreter(f"3.{minor}")
            if found is None:
                self.add(f"Python 3.{minor}", "", "", "not there, and cannot be fetched here")
                continue
            try:
                venv = self.place / f"python3.{minor}"
                self.uv("venv", "-q", "-p", found, venv)
                projects = [self.checkout(name, f"sources-{minor}") for name in ("six", "charset-normalizer", "toml")]
                self.uv("pip", "install", "-q", "-p", venv, "requests", *[part for it in projects for part in ("-e", it)])
                self.inspect(f"Python 3.{minor}", venv)
            except LeftOut as error:
                self.add(f"Python 3.{minor}", "", "", f"not there: {error}")

    def interpreter(self, version):
        """The program of a Python version: one of pyenv's, or one that uv knows."""
        own = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python3"))
        if own:
            return own[-1]
        found = self.machine.run(self.machine.uv, "python", "find", "--no-python-downloads", version)
        return None if found.returncode else Path(found.stdout.strip())

    def system(self):
        return Path("/usr/bin/python3")

    def tool(self):
        tools = self.place / "uv-tools"
        self.uv("tool", "install", "-q", "-p", self.machine.python, "--with-editable", self.checkout("idna", "tool"), "pipx",
                UV_TOOL_DIR=str(tools), UV_TOOL_BIN_DIR=str(self.place / "bin"))
        return tools / "pipx"

    def pipx(self):
        pipx = self.place / "bin" / "pipx"
        self.machine.must(pipx, "install", "--python", self.machine.python, "build", limit=600,
                          PIPX_HOME=str(self.place / "pipx"), PIPX_BIN_DIR=str(self.place / "pipx-bin"))
        return self.place / "pipx" / "venvs" / "build"

    def poetry(self):
        self.uv("tool", "install", "-q", "-p", self.machine.python, "poetry",
                UV_TOOL_DIR=str(self.place / "uv-tools"), UV_TOOL_BIN_DIR=str(self.place / "bin"))
        project = self.checkout("rich", "poetry")
        self.machine.must(self.place / "bin" / "poetry", "install", "--no-interaction", "--only", "main", limit=900, cwd=project,
                          POETRY_VIRTUALENVS_IN_PROJECT="true", POETRY_CACHE_DIR=str(self.machine.cache / "poetry"))
        return project / ".venv"

    def conda(self):
        """No pyvenv.cfg, everything below one prefix, pip of its own."""
        python = self.interpreter(self.machine.python) or self.machine.python
        base = Path(self.machine.must(python, "-c", "import sys; print(sys.base_prefix)").strip())
        prefix = self.place / "conda"
        shutil.copytree(base, prefix, symlinks=True, ignore=shutil.ignore_patterns("site-packages", "test", "__pycache__"))
        python = next(path for path in (prefix / "bin").glob("python3.*") if re.fullmatch(r"python3\.\d+", path.name))
        self.machine.must(python, "-m", "ensurepip", limit=300)
        self.machine.must(python, "-m", "pip", "install", "-q", "requests", "-e", self.checkout("idna", "conda-sources"), limit=600)
        return python

    def jupyter(self):
        venv = self.place / "jupyter"
        self.uv("venv", "-q", "-p", self.machine.python, venv)
        self.uv("pip", "install", "-q", "-p", venv, "jupyterlab", "notebook", "ipywidgets", "pytest", "sphinx", "black",
                "flake8", "mypy", "boto3", "fastapi", "nbval", "scikit-learn", "matplotlib", "-e", self.checkout("rich", "lab"))
        return venv


def codes(told):
    return "+".join(sorted({it["code"] for it in told["findings"]}))


def summary(told):
    return "; ".join(f"{it['code']} {it['severity']}: {it['message']}" for it in told["findings"])[:400]


def listing(directory):
    """Every file of the environment but byte code, with its content."""
    seen = {}
    for root, directories, files in os.walk(directory):
        directories[:] = [each for each in directories if each != "__pycache__"]
        for file in files:
            path = Path(root, file)
            if path.is_symlink():
                seen[str(path)] = os.readlink(path)
            elif path.name != ".lock":
                seen[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return seen


def work(machine, line, keep_right=False):
    case = Case(machine, line)
    right = machine.cache / "right" / (case.place.name + ".json")
    try:
        if keep_right and right.exists():
            vars(case).update(json.loads(right.read_text()))
            return case, None
        case.run()
        if not case.wrong:
            right.parent.mkdir(exist_ok=True)
            right.write_text(json.dumps({name: getattr(case, name) for name in ("version", "backend", "results")}))
        shutil.rmtree(case.place, ignore_errors=True)
    except LeftOut as error:
        return case, str(error)
    except Exception as error:
        return case, f"{type(error).__name__}: {error}"
    return case, None


def row(case):
    cells = [case.title, case.version, case.backend, case.results.get("healthy", "")]
    cells += [case.results.get(state, "") for state in STATES]
    if any(each.startswith("healthy") for each in case.wrong):
        cells[3] = "! " + cells[3]
    return "| " + " | ".join(cell.replace("|", "/").replace("\n", " ") for cell in cells) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--modstore", default=HERE / "../../target/debug/modstore")
    parser.add_argument("--uv", default=HERE / "../../target/tools/uv/bin/uv")
    parser.add_argument("--cache", default=os.path.expanduser("~/.cache/modstore-corpus"))
    parser.add_argument("--python", default="3.11")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--limit", type=int, default=60, help="seconds that an installation may take")
    parser.add_argument("--keep-right", action="store_true", help="run no project again that was right in an earlier run")
    parser.add_argument("--healthy", action="store_true", help="only environments that other programs made")
    parser.add_argument("--sdists", help="a directory of source distributions, which are taken before any is fetched")
    parser.add_argument("--table", help="where the table is written; printed otherwise")
    parser.add_argument("projects", nargs="*", help="only these lines of projects.txt")
    options = parser.parse_args()
    lines = [line.strip() for line in (HERE / "projects.txt").read_text().splitlines()]
    lines = options.projects or [line for line in lines if line and not line.startswith("#")]
    machine = Machine(options)
    if options.healthy:
        layouts = Layouts(machine)
        layouts.all()
        text = ["| environment | distributions | editables | doctor |", "|---|---|---|---|", *layouts.rows]
        if options.table:
            Path(options.table).write_text("\n".join(text) + "\n")
        sys.exit(1 if layouts.wrong else 0)
    done, left_out = [], []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        waiting = iter(lines)
        running = set()
        while True:
            while len(running) < options.jobs and len(done) + len(running) < options.count:
                line = next(waiting, None)
                if line is None:
                    break
                running.add(pool.submit(work, machine, line, options.keep_right))
            if not running:
                break
            ended, running = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for case, why in (each.result() for each in ended):
                if why:
                    left_out.append((case.title, why))
                    print(f"left out: {case.title}: {why}", flush=True)
                    continue
                done.append(case)
                print(("WRONG " if case.wrong else "right ") + row(case), flush=True)
                for each in case.wrong:
                    print(f"      {each}", flush=True)
    table(options, done, left_out)
    sys.exit(1 if any(case.wrong for case in done) else 0)


def table(options, done, left_out):
    done.sort(key=lambda case: case.title)
    text = ["| project | version | backend | healthy | " + " | ".join(STATES) + " |", "|" + "---|" * (4 + len(STATES))]
    text += [row(case) for case in done]
    alarms = sum(any(w.startswith("healthy") for w in case.wrong) for case in done)
    damages = [(case, state) for case in done for state in STATES if re.search(r"D\d\d", case.results.get(state, ""))]
    bad = sum(case.results[state].startswith("!") for case, state in damages)
    missed = sum(case.results.get(state, "").startswith("!") for case in done for state in STATES)
    text += ["", f"{len(done)} projects, {len({case.backend for case in done})} backends: {alarms} false alarms; "
             f"{len(damages)} damages found, {len(damages) - bad} of them named and mended as they should be; "
             f"{missed} wrong; {len(left_out)} left out"]
    text += [f"- left out: {name}: {why}" for name, why in left_out]
    text += [f"- {case.title}: {each}" for case in done for each in case.wrong]
    if options.table:
        Path(options.table).write_text("\n".join(text) + "\n")
        print(text[3 + len(done)])
    else:
        print("\n".join(text))


if __name__ == "__main__":
    main()
