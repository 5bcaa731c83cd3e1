//! [`BuildHooks`]: the hooks of a build backend (PEP 660), run for several projects by one interpreter that has what the
//! backend needs.
//!
//! An installer makes an environment, and starts two interpreters that import the backend, for each project that it builds.
//! What is the same for all projects is done once here. It answers only for those that were built; what went wrong with any
//! other is for an installer to find and to say.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use modstore_core::{
    Cancel,
    program::{Input, ProgramError, Running},
};
use serde::{Deserialize, Serialize};

use super::{installer::LIMIT, interpreter::without_misleading};

/// How long each project may take.
const LIMIT_OF_EACH: Duration = Duration::from_secs(10 * 60);

/// Projects, and the backend that builds them.
pub(crate) struct BuildHooks<'a> {
    /// The environment that has the requirements of the build.
    pub environment: &'a Path,
    /// `module` or `module:object`.
    pub backend: &'a str,
    /// The projects.
    pub projects: &'a [HookProject],
    /// Whether the environment also has what the backend needs for these very projects.
    pub complete: bool,
    /// How many are built at once.
    pub at_once: usize,
    /// Variables for the builds.
    pub variables: &'a [(&'a str, &'a str)],
}

/// A project, and where its build is laid out.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct HookProject {
    /// The project, which its backend may write in.
    pub directory: PathBuf,
    /// An empty directory; the files of its wheel are put here.
    pub target: PathBuf,
}

#[derive(Serialize)]
struct ToBuild<'a> {
    backend: &'a str,
    projects: &'a [HookProject],
    complete: bool,
    at_once: usize,
    limit: f64,
}

#[derive(Deserialize)]
struct HookAnswer {
    project: usize,
    needs: BTreeSet<String>,
}

impl BuildHooks<'_> {
    /// The interpreter of an environment.
    pub(crate) fn python(environment: &Path) -> PathBuf {
        environment.join("bin/python")
    }

    /// The further requirements of each project, by its number. One that needs none was built; one that is missing here
    /// was not.
    ///
    /// # Errors
    /// The interpreter could not be run. Some projects may have been built.
    pub(crate) fn run(
        &self,
        cancel: &Cancel,
        told: &dyn Fn(&str),
    ) -> Result<BTreeMap<usize, BTreeSet<String>>, ProgramError> {
        let python = Self::python(self.environment);
        let input = ToBuild {
            backend: self.backend,
            projects: self.projects,
            complete: self.complete,
            at_once: self.at_once,
            limit: LIMIT_OF_EACH.as_secs_f64(),
        };
        let input = serde_json::to_vec(&input).map_err(|error| {
            let source = std::io::Error::other(error);
            ProgramError::Start { program: python.display().to_string(), source }
        })?;
        let input = Input::Bytes(&input);
        let running = Running { input, limit: LIMIT, cancel, told, ends_with_us: true };
        let mut command = Command::new(&python);
        command.args(["-I", "-c", include_str!("build_hooks.py")]).current_dir("/");
        without_misleading(&mut command);
        command.env("VIRTUAL_ENV", self.environment).envs(self.variables.iter().copied());
        let bin = self.environment.join("bin");
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(std::iter::once(bin).chain(std::env::split_paths(&path)));
        command.envs(path.ok().map(|path| ("PATH", path)));
        let ran = running.run(command)?;
        let lines = ran.stdout.split(|byte| *byte == b'\n');
        let lines = lines.filter_map(|line| serde_json::from_slice::<HookAnswer>(line).ok());
        Ok(lines.map(|line| (line.project, line.needs)).collect())
    }
}
