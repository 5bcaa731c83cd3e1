//! [`EnvironmentPaths`]: the directories of an environment, as far as its files tell, and the interpreter that a user
//! names.
//!
//! A virtual environment is read by its files, in a few calls and although its interpreter may be broken. Only Linux
//! and macOS layouts: `bin/`, `lib/pythonX.Y/`.

use std::path::{Path, PathBuf};

use modstore_core::{disk::read_regular_text, program::in_path};
use serde::Deserialize;

use super::limits::small_text;

/// The directories of an environment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct EnvironmentPaths {
    /// The interpreter, absolute. Never resolved: the link `bin/python` is what makes it this environment.
    #[serde(skip)]
    pub executable: PathBuf,
    /// The environment's directory.
    pub prefix: PathBuf,
    /// Where distributions are installed; one directory, or two where compiled ones have another.
    pub site: Vec<PathBuf>,
}

/// A Python's version as far as it is known: major, minor and patch.
pub type PythonVersion = (u32, u32, Option<u32>);

impl EnvironmentPaths {
    /// The directories of the environment of this interpreter, if it is a virtual environment.
    #[must_use]
    pub fn from_files(executable: &Path) -> Option<Self> {
        let prefix = executable.parent()?.parent()?.to_owned();
        let settings = read_regular_text(&prefix.join("pyvenv.cfg")).ok()?;
        let mut site: Vec<PathBuf> = std::fs::read_dir(prefix.join("lib"))
            .ok()?
            .flatten()
            .filter(|child| child.file_name().to_string_lossy().starts_with("python"))
            .map(|child| child.path().join("site-packages"))
            .filter(|path| path.is_dir())
            .collect();
        site.sort();
        if site.len() > 1 {
            // An interpreter that was replaced by a newer one may have left its directory behind.
            let (major, minor) = minor_version(&settings)?;
            let named = format!("python{major}.{minor}");
            site.retain(|path| path.parent().is_some_and(|lib| lib.ends_with(&named)));
        }
        (!site.is_empty()).then(|| Self { executable: executable.to_owned(), prefix, site })
    }

    /// The version of its Python, by its settings or the names of its directories.
    #[must_use]
    pub fn python_version(&self) -> Option<PythonVersion> {
        let settings = small_text(&self.prefix.join("pyvenv.cfg")).unwrap_or_default();
        let of_site = || self.site.first()?.parent()?.file_name()?.to_str()?.strip_prefix("python");
        let mut parts = version_in(&settings).or_else(of_site)?.split('.').map(str::parse);
        let major = parts.next()?.ok()?;
        let minor = parts.next()?.ok()?;
        Some((major, minor, parts.next().and_then(Result::ok)))
    }
}

/// The version in a `pyvenv.cfg`, which names it `version` (venv) or `version_info` (uv, virtualenv).
fn version_in(settings: &str) -> Option<&str> {
    let mut fields = settings.lines().filter_map(|line| line.split_once('='));
    let (_, version) = fields.find(|(key, _)| matches!(key.trim(), "version" | "version_info"))?;
    Some(version.trim())
}

fn minor_version(settings: &str) -> Option<(&str, &str)> {
    let mut parts = version_in(settings)?.split('.');
    Some((parts.next()?, parts.next()?))
}

/// The interpreter that a user names: a path, the directory of an environment, or a name to be found in `PATH`.
/// Absolute, and itself not resolved; the directory of a virtual environment is, so that it is one environment by
/// whichever link it is reached.
pub(crate) fn named_interpreter(given: &Path) -> Option<PathBuf> {
    let absolute = std::path::absolute(given).ok()?;
    if absolute.is_dir() {
        let inside = ["bin/python", "bin/python3"].map(|name| absolute.join(name));
        return inside.into_iter().find(|path| is_named(path)).map(in_resolved_environment);
    }
    if is_named(&absolute) {
        return Some(in_resolved_environment(absolute));
    }
    let name = given.to_str().filter(|name| !name.contains('/'))?;
    in_path(name).map(in_resolved_environment)
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

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(
                named_interpreter(&given).unwrap(),
                venv.join("bin/python"),
                "{}",
                given.display()
            );
        }
        // What is no virtual environment may be two things by two links.
        std::fs::remove_file(venv.join("pyvenv.cfg")).unwrap();
        assert_eq!(named_interpreter(&link).unwrap(), link.join("bin/python"));
    }
}
