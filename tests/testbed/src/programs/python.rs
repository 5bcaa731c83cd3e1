//! Real Python and real uv: environments of a test's own.
//!
//! uv and the wheels of every backend are fetched once, by `tests/setup.sh`, into `target/tools`; from then on nothing
//! here needs a network, and nothing a test does reaches the machine's own caches.
//! Limits: no conda; the Pythons are those found on the machine.

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    home::TestHome,
    running::{Ran, Running},
};
use crate::system::skip_loudly;

/// uv and the wheels, where `tests/setup.sh` puts them.
#[derive(Debug, Clone)]
pub struct PythonTools {
    uv: PathBuf,
    wheels: PathBuf,
}

/// An interpreter of the machine.
#[derive(Debug, Clone)]
pub struct Python {
    /// For example (3, 12).
    pub version: (u32, u32),
    /// Its program.
    pub executable: PathBuf,
}

/// A virtual environment, in the surroundings of a [`TestHome`].
#[derive(Debug)]
pub struct Venv<'h> {
    home: &'h TestHome,
    tools: PythonTools,
    prefix: PathBuf,
}

impl PythonTools {
    /// The tools; says loudly when they are not there.
    pub fn find() -> Option<Self> {
        let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
        let tools = tools.canonicalize().unwrap_or(tools);
        let found = Self { uv: tools.join("uv/bin/uv"), wheels: tools.join("wheels") };
        if found.uv.is_file() && found.wheels.join("complete").is_file() {
            return Some(found);
        }
        skip_loudly(
            "uv and the wheels of build backends are not in target/tools; tests/setup.sh fetches them",
        );
        None
    }

    /// The program.
    pub fn uv(&self) -> &Path {
        &self.uv
    }

    /// A directory of wheels: build backends and a few small distributions.
    pub fn wheels(&self) -> &Path {
        &self.wheels
    }

    /// Makes every installer that is started in this home find the wheels, and uv, and no network.
    pub fn lead(&self, home: &mut TestHome) {
        // uv has no variable against the use of the index.
        let settings = home.user_home().join(".config/uv");
        fs::create_dir_all(&settings).expect("a home takes a directory");
        let text = format!("no-index = true\nfind-links = [{:?}]\n", self.wheels);
        fs::write(settings.join("uv.toml"), text).expect("a directory takes a file");
        home.env("UV_PYTHON_DOWNLOADS", "never");
        home.env("PIP_FIND_LINKS", &self.wheels).env("PIP_NO_INDEX", "1");
        home.env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let own = self.uv.parent().expect("a program is in a directory");
        // uv alone: its environment's own `python` and `pip` stay out of the PATH.
        let only = home.scratch().join("uv-only");
        fs::create_dir_all(&only).expect("a scratch takes a directory");
        let link = only.join("uv");
        if !link.exists() {
            std::os::unix::fs::symlink(own.join("uv"), &link).expect("a directory takes a link");
        }
        let all = std::iter::once(only).chain(std::env::split_paths(&path));
        home.env("PATH", std::env::join_paths(all).expect("PATH can be put together again"));
    }
}

impl Python {
    /// Every Python of the machine from 3.11 on, one for each minor version, oldest first. Never empty: a machine
    /// without any cannot run these tests, and the caller skips loudly.
    pub fn all() -> Vec<Self> {
        let mut found = BTreeMap::new();
        for executable in candidates() {
            let Some(version) = version_of(&executable) else { continue };
            if version >= (3, 11) {
                found.entry(version).or_insert(executable);
            }
        }
        found.into_iter().map(|(version, executable)| Self { version, executable }).collect()
    }

    /// The oldest of them; says loudly when there is none.
    pub fn any() -> Option<Self> {
        let first = Self::all().into_iter().next();
        if first.is_none() {
            skip_loudly("there is no Python 3.11 or later");
        }
        first
    }
}

/// Interpreters by place: those of pyenv, and those in PATH. A shim of pyenv is none.
fn candidates() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let roots = [home.join(".pyenv/versions"), home.join(".local/share/uv/python")];
    for root in roots {
        let children = fs::read_dir(root).into_iter().flatten().flatten();
        found.extend(children.map(|child| child.path().join("bin/python3")));
    }
    for directory in std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()) {
        if !directory.ends_with("shims") {
            found.extend((11..=15).map(|minor| directory.join(format!("python3.{minor}"))));
        }
    }
    found.retain(|path| path.is_file());
    found.sort();
    found
}

fn version_of(executable: &Path) -> Option<(u32, u32)> {
    let script = "import sys, venv, ensurepip; print(*sys.version_info[:2])";
    let ran = Command::new(executable).args(["-I", "-c", script]).output().ok()?;
    let text = String::from_utf8(ran.stdout).ok()?;
    let (major, minor) = text.trim().split_once(' ')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

impl<'h> Venv<'h> {
    /// An environment made by uv, without pip in it, as `uv tool install` makes them.
    pub fn create(home: &'h TestHome, tools: &PythonTools, python: &Python, name: &str) -> Self {
        let venv = Self { home, tools: tools.clone(), prefix: home.scratch().join(name) };
        let python = python.executable.as_os_str();
        venv.uv_with(&[
            OsStr::new("venv"),
            "-q".as_ref(),
            "--python".as_ref(),
            python,
            venv.prefix.as_os_str(),
        ])
        .ok();
        venv
    }

    /// An environment made by Python itself, with pip in it.
    pub fn with_pip(home: &'h TestHome, tools: &PythonTools, python: &Python, name: &str) -> Self {
        let venv = Self { home, tools: tools.clone(), prefix: home.scratch().join(name) };
        let args = [OsStr::new("-m"), "venv".as_ref(), venv.prefix.as_os_str()];
        Running::start(home.command_of(&python.executable, &args)).wait().ok();
        venv
    }

    /// An existing one, for example from `uv tool install`.
    pub fn at(home: &'h TestHome, tools: &PythonTools, prefix: PathBuf) -> Self {
        Self { home, tools: tools.clone(), prefix }
    }

    /// Its directory.
    pub fn prefix(&self) -> &Path {
        &self.prefix
    }

    /// Its interpreter.
    pub fn python(&self) -> PathBuf {
        self.prefix.join("bin/python")
    }

    /// The same as text, for a command line.
    pub fn python_text(&self) -> String {
        self.python().to_str().expect("a test's own path is text").to_owned()
    }

    /// Its directory of distributions.
    pub fn site(&self) -> PathBuf {
        let lib = fs::read_dir(self.prefix.join("lib")).expect("an environment has lib").flatten();
        let mut sites = lib.map(|child| child.path().join("site-packages"));
        sites.find(|site| site.is_dir()).expect("an environment has a site")
    }

    /// Runs Python code in it.
    pub fn run(&self, code: &str) -> Ran {
        Running::start(self.home.command_of(&self.python(), &["-c", code])).wait()
    }

    /// The output of Python code, without the line end.
    pub fn says(&self, code: &str) -> String {
        self.run(code).ok().stdout.trim_end().to_owned()
    }

    /// Runs `uv pip …` on it.
    pub fn uv_pip<S: AsRef<OsStr>>(&self, command: &str, args: &[S]) -> Ran {
        let python = self.python();
        let mut all =
            vec![OsStr::new("pip"), command.as_ref(), "--python".as_ref(), python.as_os_str()];
        all.extend(args.iter().map(AsRef::as_ref));
        self.uv_with(&all)
    }

    /// Runs uv in its surroundings.
    pub fn uv_with<S: AsRef<OsStr>>(&self, args: &[S]) -> Ran {
        Running::start(self.home.command_of(&self.tools.uv, args)).wait()
    }

    /// Runs its own pip.
    pub fn pip<S: AsRef<OsStr>>(&self, args: &[S]) -> Ran {
        let mut all = vec![OsStr::new("-m"), "pip".as_ref()];
        all.extend(args.iter().map(AsRef::as_ref));
        Running::start(self.home.command_of(&self.python(), &all)).wait()
    }

    /// Every file of the site that ends in `.pth`, by name, with its text.
    pub fn pth_files(&self) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        for child in fs::read_dir(self.site()).expect("a site can be read").flatten() {
            let path = child.path();
            if path.extension() == Some(OsStr::new("pth")) {
                let text = fs::read_to_string(&path).expect("a .pth file is text");
                found.insert(child.file_name().to_string_lossy().into_owned(), text);
            }
        }
        found
    }
}
