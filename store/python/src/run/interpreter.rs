//! [`Interpreter`]: a Python interpreter and where it has its things; [`Places`]: as much of that as files tell.
//!
//! A virtual environment tells its places by its files, in a few calls and although its interpreter may be
//! broken; any other Python has to be started. Only Linux and macOS layouts: `bin/`, `lib/pythonX.Y/`.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use modstore_core::{
    Cancel,
    disk::read_regular_text,
    program::{ProgramError, Running, Said, in_path, is_executable},
};
use serde::Deserialize;

/// An interpreter that has not answered by then is broken.
const LIMIT: Duration = Duration::from_secs(20);

/// Where an environment has its things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// The interpreter, absolute. Never resolved: the link `bin/python` is what makes it this environment.
    pub executable: PathBuf,
    /// The environment's directory.
    pub prefix: PathBuf,
    /// Where distributions are installed; one directory, or two where compiled ones have another.
    pub site: Vec<PathBuf>,
}

/// A Python interpreter, as it tells itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interpreter {
    /// Where it has its things.
    pub places: Places,
    /// Where installers put the programs of distributions.
    pub scripts: PathBuf,
    /// For example `3.12.1`.
    pub version: String,
    /// What compiled files are made for, for example `cpython-312-x86_64-linux-gnu`.
    pub tag: String,
    /// Whether it is a virtual environment.
    pub is_virtual: bool,
    /// Whether it is the operating system's, which installers leave alone.
    pub is_externally_managed: bool,
}

/// A Python cannot be looked at. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PythonError {
    /// There is none.
    #[error(
        "there is no Python at {}: expected an interpreter, or the directory of a virtual environment", given.display()
    )]
    None {
        /// What was given.
        given: PathBuf,
    },
    /// There is the rest of an environment whose interpreter cannot be run.
    #[error("the interpreter {} cannot be run", executable.display())]
    Broken {
        /// The interpreter.
        executable: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It does not say where it has its things.
    #[error("the interpreter {} does not say where it has its things", executable.display())]
    Silent {
        /// The interpreter.
        executable: PathBuf,
        /// Why not.
        source: ProgramError,
    },
}

/// What the script prints.
#[derive(Deserialize)]
struct Told {
    prefix: PathBuf,
    site: Vec<PathBuf>,
    scripts: PathBuf,
    version: String,
    tag: String,
    #[serde(rename = "virtual")]
    is_virtual: bool,
    managed: bool,
}

/// The interpreter that a person means: a path, the directory of an environment, or a name to be found in
/// `PATH`. Absolute, and itself not resolved; the directory of a virtual environment is, so that it is one environment by
/// whatever link it is reached.
///
/// # Errors
/// [`PythonError::None`].
pub(crate) fn meant(given: &Path) -> Result<PathBuf, PythonError> {
    let none = || PythonError::None { given: given.to_owned() };
    let absolute = std::path::absolute(given).map_err(|_| none())?;
    if absolute.is_dir() {
        let inside = ["bin/python", "bin/python3"].map(|name| absolute.join(name));
        let found = inside.into_iter().find(|path| is_named(path)).ok_or_else(none)?;
        return Ok(in_resolved_environment(found));
    }
    if is_named(&absolute) {
        return Ok(in_resolved_environment(absolute));
    }
    let name = given.to_str().filter(|name| !name.contains('/')).ok_or_else(none)?;
    in_path(name).map(in_resolved_environment).ok_or_else(none)
}

/// The same interpreter, below the resolved directory of its virtual environment.
fn in_resolved_environment(executable: PathBuf) -> PathBuf {
    let resolved = || {
        let prefix = executable.parent()?.parent()?;
        let below = executable.strip_prefix(prefix).ok()?;
        let is_virtual = prefix.join("pyvenv.cfg").is_file();
        is_virtual.then(|| prefix.canonicalize().ok().map(|prefix| prefix.join(below)))?
    };
    resolved().unwrap_or(executable)
}

/// Whether there is anything of this name: the interpreter of an environment may be a link to one that is gone.
fn is_named(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|meta| !meta.is_dir())
}

impl Places {
    /// The places of the environment of this interpreter: from files, if it is a virtual environment, and
    /// from the interpreter otherwise.
    ///
    /// # Errors
    /// See [`PythonError`].
    pub fn find(python: &Path, cancel: &Cancel) -> Result<Self, PythonError> {
        let executable = meant(python)?;
        match Self::in_files(&executable) {
            Some(places) => Ok(places),
            None => Interpreter::ask(&executable, cancel).map(|interpreter| interpreter.places),
        }
    }

    /// As its files tell, if it is a virtual environment.
    #[must_use]
    pub fn in_files(executable: &Path) -> Option<Self> {
        let prefix = executable.parent()?.parent()?.to_owned();
        let settings = read_regular_text(&prefix.join("pyvenv.cfg")).ok()?;
        let minor = minor_version(&settings);
        let mut site: Vec<PathBuf> = std::fs::read_dir(prefix.join("lib"))
            .ok()?
            .flatten()
            .filter(|child| child.file_name().to_string_lossy().starts_with("python"))
            .map(|child| child.path().join("site-packages"))
            .filter(|path| path.is_dir())
            .collect();
        site.sort();
        if site.len() > 1 {
            // Of an interpreter that was exchanged for a newer one, the older one's directory may be left.
            let named = format!("python{}", minor?);
            site.retain(|path| path.parent().is_some_and(|lib| lib.ends_with(&named)));
        }
        (!site.is_empty()).then(|| Self { executable: executable.to_owned(), prefix, site })
    }
}

/// `3.12` of a `pyvenv.cfg`, which names it `version` (venv) or `version_info` (uv, virtualenv).
fn minor_version(settings: &str) -> Option<String> {
    let mut fields = settings.lines().filter_map(|line| line.split_once('='));
    let (_, version) = fields.find(|(key, _)| matches!(key.trim(), "version" | "version_info"))?;
    let mut parts = version.trim().split('.');
    Some(format!("{}.{}", parts.next()?, parts.next()?))
}

impl Interpreter {
    /// Asks the interpreter.
    ///
    /// # Errors
    /// See [`PythonError`].
    pub fn ask(python: &Path, cancel: &Cancel) -> Result<Self, PythonError> {
        let executable = meant(python)?;
        if !is_executable(&executable) {
            let source = std::fs::metadata(&executable).err().unwrap_or_else(|| {
                std::io::Error::new(std::io::ErrorKind::PermissionDenied, "it is no program")
            });
            return Err(PythonError::Broken { executable, source });
        }
        let running =
            Running { input: b"", limit: LIMIT, cancel, told: &|_| {}, ends_with_us: false };
        // Without what the surroundings add to the path, and without writing byte code anywhere.
        let mut command = Command::new(&executable);
        command.args(["-I", "-B", "-c", include_str!("interpreter.py")]);
        let silent = |source| PythonError::Silent { executable: executable.clone(), source };
        let ran = running.succeed(command).map_err(silent)?;
        let told: Told = serde_json::from_slice(&ran.stdout).map_err(|_| {
            let program = executable.display().to_string();
            silent(ProgramError::Answer { program, said: Said::of(ran.stderr) })
        })?;
        let Told { prefix, site, scripts, version, tag, is_virtual, managed } = told;
        let places = Places { executable: executable.clone(), prefix, site };
        let is_externally_managed = managed;
        Ok(Self { places, scripts, version, tag, is_virtual, is_externally_managed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_files_tell_of_a_virtual_environment_is_what_its_interpreter_tells() {
        let Some(python) = in_path("python3") else { return };
        let place = tempfile::tempdir().unwrap();
        let venv = place.path().canonicalize().unwrap().join("venv");
        let made = Command::new(python).args(["-m", "venv", "--without-pip"]).arg(&venv).status();
        assert!(made.unwrap().success());
        let cancel = Cancel::new();
        let told = Interpreter::ask(&venv, &cancel).unwrap();
        assert!(told.is_virtual && !told.is_externally_managed);
        assert_eq!(Places::find(&venv.join("bin/python"), &cancel).unwrap(), told.places);
        assert_eq!(told.places.prefix, venv);
    }

    #[test]
    fn an_environment_is_the_same_by_whatever_link_it_is_reached() {
        let place = tempfile::tempdir().unwrap();
        let place = place.path().canonicalize().unwrap();
        let (venv, link) = (place.join("venv"), place.join("link"));
        std::fs::create_dir_all(venv.join("bin")).unwrap();
        std::fs::write(venv.join("pyvenv.cfg"), "").unwrap();
        std::os::unix::fs::symlink("/some/python", venv.join("bin/python")).unwrap();
        std::os::unix::fs::symlink("venv", &link).unwrap();
        for given in [venv.clone(), venv.join("bin/python"), link.clone(), link.join("bin/python")]
        {
            assert_eq!(meant(&given).unwrap(), venv.join("bin/python"), "{}", given.display());
        }
        // What is no virtual environment may be two things by two links.
        std::fs::remove_file(venv.join("pyvenv.cfg")).unwrap();
        assert_eq!(meant(&link).unwrap(), link.join("bin/python"));
    }

    #[test]
    fn an_environment_whose_interpreter_is_gone_still_has_places() {
        let place = tempfile::tempdir().unwrap();
        let prefix = &place.path().canonicalize().unwrap();
        for directory in ["bin", "lib/python3.11/site-packages", "lib/python3.12/site-packages"] {
            std::fs::create_dir_all(prefix.join(directory)).unwrap();
        }
        std::fs::write(prefix.join("pyvenv.cfg"), "home = /gone\nversion_info = 3.12.1\n").unwrap();
        std::os::unix::fs::symlink("/gone/python", prefix.join("bin/python")).unwrap();
        let cancel = Cancel::new();
        let places = Places::find(prefix, &cancel).unwrap();
        assert_eq!(places.site, [prefix.join("lib/python3.12/site-packages")]);
        let error = Interpreter::ask(prefix, &cancel).unwrap_err();
        assert!(matches!(error, PythonError::Broken { .. }), "{error}");
    }

    #[test]
    fn what_is_no_python_is_named_with_what_was_expected() {
        let place = tempfile::tempdir().unwrap();
        let cancel = Cancel::new();
        for given in [place.path(), Path::new("/no/python"), Path::new("no-such-python")] {
            let error = Places::find(given, &cancel).unwrap_err().to_string();
            assert!(error.contains(&given.display().to_string()) && error.contains("expected"));
        }
    }
}
