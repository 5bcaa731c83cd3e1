//! [`Interpreter`]: a Python interpreter, queried for its paths, its version and its kind.

use std::{
    io,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use modstore_core::{
    Cancel,
    program::{Input, ProgramError, Running, Said, is_executable},
};
use serde::Deserialize;

use crate::read::{EnvironmentPaths, named_interpreter};

/// An interpreter that has not answered by then is broken.
const LIMIT: Duration = Duration::from_secs(20);

/// A Python interpreter, by its own answer.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Interpreter {
    /// The directories of its environment.
    #[serde(flatten)]
    pub paths: EnvironmentPaths,
    /// Where installers put the programs of distributions.
    pub scripts: PathBuf,
    /// For example `3.12.1`.
    pub version: String,
    /// The platform that compiled files are made for, for example `cpython-312-x86_64-linux-gnu`.
    pub tag: String,
    /// Whether it is a virtual environment.
    pub is_virtual: bool,
    /// Whether it is the operating system's, which installers leave alone.
    pub is_externally_managed: bool,
}

/// A Python cannot be queried. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum PythonError {
    /// There is none.
    #[error(
        "there is no Python at {}: expected an interpreter, or the directory of a virtual environment", given.display()
    )]
    None {
        /// The path or name that was given.
        given: PathBuf,
    },
    /// There is the rest of an environment whose interpreter cannot be run.
    #[error("the interpreter {} cannot be run", executable.display())]
    Broken {
        /// The interpreter.
        executable: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It does not start, does not end in time, or prints something else than the answer.
    #[error("could not query the interpreter {} for its paths", executable.display())]
    NoAnswer {
        /// The interpreter.
        executable: PathBuf,
        /// Why not.
        source: ProgramError,
    },
    /// It runs, and its own library does not know its paths.
    #[error("the interpreter {} does not know its own paths: {exception}", executable.display())]
    NoPaths {
        /// The interpreter.
        executable: PathBuf,
        /// The exception that it raised, with its type.
        exception: String,
    },
    /// It has no virtual environments.
    #[error("the interpreter {} is Python {version}, which is too old", executable.display())]
    TooOld {
        /// The interpreter.
        executable: PathBuf,
        /// Its version.
        version: String,
    },
}

/// The answer of `interpreter.py`.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Interpreter(Interpreter),
    Exception(String),
    TooOld(String),
}

impl Interpreter {
    /// Queries the interpreter that a user names: a path, the directory of an environment, or a name in `PATH`.
    ///
    /// # Errors
    /// See [`PythonError`].
    pub fn query(given: &Path, cancel: &Cancel) -> Result<Self, PythonError> {
        Self::query_executable(executable_of(given)?, &["-I"], cancel)
    }

    fn query_executable(
        executable: PathBuf,
        options: &[&str],
        cancel: &Cancel,
    ) -> Result<Self, PythonError> {
        if !is_executable(&executable) {
            let source = std::fs::metadata(&executable).err().unwrap_or_else(|| {
                io::Error::new(io::ErrorKind::PermissionDenied, "it is no program")
            });
            return Err(PythonError::Broken { executable, source });
        }
        match answer_of(&executable, options, cancel) {
            Ok(Answer::Interpreter(mut interpreter)) => {
                interpreter.paths.executable = executable;
                Ok(interpreter)
            }
            Ok(Answer::Exception(exception)) => Err(PythonError::NoPaths { executable, exception }),
            Ok(Answer::TooOld(version)) => Err(PythonError::TooOld { executable, version }),
            Err(source) => Err(PythonError::NoAnswer { executable, source }),
        }
    }
}

impl EnvironmentPaths {
    /// The directories of the environment that a user names: from files, if it is a virtual environment, and from the
    /// interpreter otherwise.
    ///
    /// # Errors
    /// See [`PythonError`].
    pub fn find(given: &Path, cancel: &Cancel) -> Result<Self, PythonError> {
        let executable = executable_of(given)?;
        if let Some(paths) = Self::from_files(&executable) {
            return Ok(paths);
        }
        // One that a file of its own keeps from starting still has its places.
        let found = Interpreter::query_executable(executable.clone(), &["-I"], cancel);
        let found = found.or_else(|error| match error {
            PythonError::NoAnswer { .. } => {
                Interpreter::query_executable(executable, &["-I", "-S"], cancel).map_err(|_| error)
            }
            error => Err(error),
        });
        found.map(|found| found.paths)
    }
}

fn executable_of(given: &Path) -> Result<PathBuf, PythonError> {
    named_interpreter(given).ok_or_else(|| PythonError::None { given: given.to_owned() })
}

/// Takes the variables out of a call that would lead it to other modules than a plain start of the environment.
pub(super) fn without_misleading(command: &mut Command) {
    for name in ["PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "PYTHONPYCACHEPREFIX"] {
        command.env_remove(name);
    }
}

/// The answer of a Python that is started with these options. `-I` is without the variables and directories that would change
/// the import path.
fn answer_of(executable: &Path, options: &[&str], cancel: &Cancel) -> Result<Answer, ProgramError> {
    let running =
        Running { input: Input::Nothing, limit: LIMIT, cancel, told: &|_| {}, ends_with_us: false };
    let mut command = Command::new(executable);
    // `-B`: no byte code is written.
    command.args(options).args(["-B", "-c", include_str!("interpreter.py")]);
    let ran = running.succeed(command)?;
    serde_json::from_slice(&ran.stdout).map_err(|_| ProgramError::Answer {
        program: executable.display().to_string(),
        said: Said::of(ran.stderr),
    })
}

#[cfg(test)]
mod tests {
    use modstore_core::program::in_path;

    use super::*;

    #[test]
    fn a_virtual_environment_has_the_same_paths_by_its_files_and_by_its_interpreter() {
        let Some(python) = in_path("python3") else { return };
        let place = tempfile::tempdir().unwrap();
        let venv = place.path().canonicalize().unwrap().join("venv");
        let made = Command::new(python).args(["-m", "venv", "--without-pip"]).arg(&venv).status();
        assert!(made.unwrap().success());
        let cancel = Cancel::new();
        let told = Interpreter::query(&venv, &cancel).unwrap();
        assert!(told.is_virtual && !told.is_externally_managed);
        assert_eq!(EnvironmentPaths::find(&venv.join("bin/python"), &cancel).unwrap(), told.paths);
        assert_eq!(told.paths.prefix, venv);
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
        let paths = EnvironmentPaths::find(prefix, &cancel).unwrap();
        assert_eq!(paths.site, [prefix.join("lib/python3.12/site-packages")]);
        let error = Interpreter::query(prefix, &cancel).unwrap_err();
        assert!(matches!(error, PythonError::Broken { .. }), "{error}");
    }

    #[test]
    fn what_is_no_python_is_named_with_what_was_expected() {
        let place = tempfile::tempdir().unwrap();
        let cancel = Cancel::new();
        for given in [place.path(), Path::new("/no/python"), Path::new("no-such-python")] {
            let error = EnvironmentPaths::find(given, &cancel).unwrap_err().to_string();
            assert!(error.contains(&given.display().to_string()) && error.contains("expected"));
        }
    }
}
