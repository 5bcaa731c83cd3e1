//! Real Python, real uv and real build backends: environments of a test's own, and projects to install in them.
//!
//! uv and the wheels of every backend are fetched once, by `tests/setup.sh`, into `target/tools`; from then on nothing
//! here needs a network, and nothing a test does reaches the machine's own caches.
//! Limits: no conda; the Pythons are those found on the machine.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::home::TestHome;
use super::running::{Ran, Running};
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
        // uv has no variable that keeps it from the index.
        let settings = home.user_home().join(".config/uv");
        fs::create_dir_all(&settings).expect("a home takes a directory");
        let text = format!("no-index = true\nfind-links = [{:?}]\n", self.wheels);
        fs::write(settings.join("uv.toml"), text).expect("a directory takes a file");
        home.env("UV_PYTHON_DOWNLOADS", "never");
        home.env("PIP_FIND_LINKS", &self.wheels).env("PIP_NO_INDEX", "1");
        home.env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let own = self.uv.parent().expect("a program is in a directory");
        // uv alone: its environment's own `python` and `pip` are not to be found.
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
    /// without any cannot run these tests, and that is said loudly by the caller's skip.
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

    /// One that somebody else made, for example `uv tool install`.
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

    /// What Python code prints, without the line end.
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

/// How a project is built, and how its files lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is named after its backend")]
pub enum Backend {
    Hatchling,
    HatchlingFlat,
    HatchlingExact,
    Setuptools,
    SetuptoolsFlat,
    Flit,
    FlitSrc,
    Pdm,
    Poetry,
    UvBuild,
    ScikitBuildCore,
    Maturin,
}

impl Backend {
    /// Those that need no compiler.
    pub const PURE: [Self; 10] = [
        Self::Hatchling,
        Self::HatchlingFlat,
        Self::HatchlingExact,
        Self::Setuptools,
        Self::SetuptoolsFlat,
        Self::Flit,
        Self::FlitSrc,
        Self::Pdm,
        Self::Poetry,
        Self::UvBuild,
    ];

    fn system(self) -> (&'static str, &'static str) {
        match self {
            Self::Hatchling | Self::HatchlingFlat | Self::HatchlingExact => {
                ("hatchling", "hatchling.build")
            }
            Self::Setuptools | Self::SetuptoolsFlat => ("setuptools", "setuptools.build_meta"),
            Self::Flit | Self::FlitSrc => ("flit_core", "flit_core.buildapi"),
            Self::Pdm => ("pdm-backend", "pdm.backend"),
            Self::Poetry => ("poetry-core", "poetry.core.masonry.api"),
            Self::UvBuild => ("uv_build", "uv_build"),
            Self::ScikitBuildCore => ("scikit-build-core", "scikit_build_core.build"),
            Self::Maturin => ("maturin", "maturin"),
        }
    }

    /// Where its package lies below the project.
    pub fn root(self) -> &'static str {
        match self {
            Self::HatchlingFlat | Self::SetuptoolsFlat | Self::Flit => "",
            _ => "src/",
        }
    }
}

/// A Python project that is a module: a package whose `mount` and `VERSION` tell which version runs.
#[derive(Debug, Clone)]
pub struct Project {
    /// The distribution's name; the package has `_` for `-`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How it is built.
    pub backend: Backend,
    /// What it needs.
    pub dependencies: Vec<String>,
    /// What its package's `__init__.py` says at the end.
    pub code: String,
    /// More of its `pyproject.toml`.
    pub settings: String,
}

impl Project {
    /// Version 1.0 of a project that needs nothing.
    pub fn new(name: &str, backend: Backend) -> Self {
        Self {
            name: name.into(),
            version: "1.0".into(),
            backend,
            dependencies: Vec::new(),
            code: String::new(),
            settings: String::new(),
        }
    }

    /// The package's name.
    pub fn package(&self) -> String {
        self.name.replace('-', "_")
    }

    /// The same with this code at the end of its `__init__.py`.
    pub fn with_code(&self, code: &str) -> Self {
        Self { code: code.into(), ..self.clone() }
    }

    /// The same as another version.
    pub fn with_version(&self, version: &str) -> Self {
        Self { version: version.into(), ..self.clone() }
    }

    /// The same needing these as well.
    pub fn needing(&self, dependencies: &[&str]) -> Self {
        let dependencies = dependencies.iter().map(|text| (*text).to_owned()).collect();
        Self { dependencies, ..self.clone() }
    }

    /// Its files, by path. The entry points are `host.modules` and a program `run-NAME`.
    pub fn files(&self) -> Vec<(String, String)> {
        let (package, root) = (self.package(), self.backend.root());
        let init = format!(
            "\"\"\"A module.\"\"\"\n__version__ = {:?}\n\n\ndef mount():\n    return __version__\n\n\ndef main():\n    print(mount())\n\n{}\n",
            self.version, self.code
        );
        let mut files = vec![
            ("pyproject.toml".into(), self.pyproject()),
            (format!("{root}{package}/__init__.py"), init),
        ];
        match self.backend {
            Backend::ScikitBuildCore => files.extend([
                ("CMakeLists.txt".into(), cmake(&package)),
                (format!("{root}{package}/_core.c"), c_module()),
            ]),
            Backend::Maturin => files.extend([
                ("Cargo.toml".into(), cargo(&package)),
                ("rust/lib.rs".into(), RUST_MODULE.into()),
                ("pyo3-ffi/Cargo.toml".into(), FFI_CRATE.into()),
                ("pyo3-ffi/src/lib.rs".into(), FFI.into()),
            ]),
            _ => {}
        }
        files
    }

    fn pyproject(&self) -> String {
        let (requires, build) = self.backend.system();
        let (name, package, version) = (&self.name, self.package(), &self.version);
        let dependencies: Vec<String> =
            self.dependencies.iter().map(|text| format!("{text:?}")).collect();
        let more = match self.backend {
            Backend::HatchlingExact => "[tool.hatch.build]\ndev-mode-exact = true\n".to_owned(),
            Backend::Maturin => format!(
                "[tool.maturin]\npython-source = \"src\"\nmodule-name = \"{package}._core\"\n"
            ),
            _ => String::new(),
        };
        format!(
            "[build-system]\nrequires = [{requires:?}]\nbuild-backend = {build:?}\n\n\
             [project]\nname = {name:?}\nversion = {version:?}\ndescription = \"A module\"\ndependencies = [{}]\n\n\
             [project.scripts]\nrun-{name} = \"{package}:main\"\n\n\
             [project.entry-points.\"host.modules\"]\n{name} = \"{package}:mount\"\n\n{more}{}",
            dependencies.join(", "),
            self.settings,
        )
    }

    /// The files as a test's repository takes them, below `directory` of it (`""` for its top).
    pub fn below(&self, directory: &str) -> Vec<(String, String)> {
        let files = self.files().into_iter();
        files.map(|(path, text)| (format!("{directory}{path}"), text)).collect()
    }

    /// Writes the files below a directory.
    pub fn write_to(&self, directory: &Path) {
        for (path, text) in self.files() {
            let path = directory.join(path);
            fs::create_dir_all(path.parent().expect("a file is in a directory"))
                .expect("directories can be made");
            fs::write(&path, text).unwrap_or_else(|e| panic!("writing {}: {e}", path.display()));
        }
    }
}

fn cmake(package: &str) -> String {
    format!(
        "cmake_minimum_required(VERSION 3.15)\nproject({package} LANGUAGES C)\n\
         find_package(Python COMPONENTS Interpreter Development.Module REQUIRED)\n\
         python_add_library(_core MODULE src/{package}/_core.c WITH_SOABI)\n\
         install(TARGETS _core DESTINATION {package})\n"
    )
}

/// A C extension whose `answer()` is 42.
fn c_module() -> String {
    "#include <Python.h>\n\
     static PyObject *answer(PyObject *s, PyObject *a) { return PyLong_FromLong(42); }\n\
     static PyMethodDef methods[] = {{\"answer\", answer, METH_NOARGS, 0}, {0}};\n\
     static struct PyModuleDef def = {PyModuleDef_HEAD_INIT, \"_core\", 0, -1, methods};\n\
     PyMODINIT_FUNC PyInit__core(void) { return PyModule_Create(&def); }\n"
        .into()
}

/// A crate that needs nothing of any registry. maturin knows an extension module by a crate of this name, and this one
/// lies in the project.
fn cargo(package: &str) -> String {
    format!(
        "[package]\nname = {package:?}\nversion = \"1.0.0\"\nedition = \"2024\"\n\n[lib]\npath = \"rust/lib.rs\"\n\
         crate-type = [\"cdylib\"]\n\n[dependencies]\npyo3-ffi = {{ path = \"pyo3-ffi\" }}\n\n[workspace]\n"
    )
}

const FFI_CRATE: &str =
    "[package]\nname = \"pyo3-ffi\"\nversion = \"0.26.0\"\nedition = \"2024\"\n";

const FFI: &str = r#"
use std::ffi::{c_char, c_int, c_long, c_void};
unsafe extern "C" {
    pub fn PyModule_Create2(definition: *mut c_void, api: c_int) -> *mut c_void;
    pub fn PyModule_AddIntConstant(module: *mut c_void, name: *const c_char, value: c_long) -> c_int;
}
"#;

/// An extension module whose `ANSWER` is 42.
const RUST_MODULE: &str = r#"
use std::ffi::c_void;

// A PyModuleDef: its head of five words, a name, no text, a size of -1.
static mut DEFINITION: [usize; 13] = [0; 13];

#[unsafe(no_mangle)]
pub unsafe extern "C" fn PyInit__core() -> *mut c_void {
    unsafe {
        DEFINITION[0] = 1;
        DEFINITION[5] = c"_core".as_ptr() as usize;
        DEFINITION[7] = usize::MAX;
        let module = pyo3_ffi::PyModule_Create2((&raw mut DEFINITION).cast(), 1013);
        pyo3_ffi::PyModule_AddIntConstant(module, c"ANSWER".as_ptr(), 42);
        module
    }
}
"#;
