//! Python projects as text: one for each build backend, from one package to a compiled module.
//!
//! Limits: the wheels of the backends must be there, see [`crate::PythonTools`].

use std::{fs, path::Path};

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

/// A Python project that is a module: a package whose `mount` and `VERSION` name the version that runs.
#[derive(Debug, Clone)]
pub struct Project {
    /// The distribution's name; the package has `_` for `-`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How it is built.
    pub backend: Backend,
    /// Its dependencies.
    pub dependencies: Vec<String>,
    /// Code at the end of its package's `__init__.py`.
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
