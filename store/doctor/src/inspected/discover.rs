//! The environments of this machine that a doctor inspects when none is named: those of `uv tool`, the active one,
//! `./.venv`, and those that follow the store.
//!
//! By files alone. Nothing is searched anywhere else. An environment that was only found, and may come from another user,
//! is read and never run: a clone may bring a `.venv`, whose `python` is any program.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use modstore_core::Cancel;
use modstore_python::{EnvironmentPaths, PythonError, Registration};

use crate::ownership::{Foreign, foreign};

/// An environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub paths: EnvironmentPaths,
    /// The tool that `uv tool` has installed in it.
    pub tool: Option<String>,
    /// Why nothing of it is run or changed, if the user did not ask for that.
    pub unasked: Option<Unasked>,
}

/// Why nothing of an environment is run that was only found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unasked {
    /// It lies in the working directory, and may have come with a repository.
    Beside,
    /// Another user may have written it.
    Foreign(Foreign),
}

impl std::fmt::Display for Unasked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Beside => f.write_str("it was only found in the working directory"),
            Self::Foreign(foreign) => write!(f, "it was only found, and {foreign}"),
        }
    }
}

/// The environment that a user names by an interpreter, a directory or a name.
///
/// # Errors
/// When there is none.
pub(crate) fn given(python: &Path, cancel: &Cancel) -> Result<Found, PythonError> {
    let paths = EnvironmentPaths::find(python, cancel)?;
    let tool = tool_of(&paths.prefix);
    Ok(Found { paths, tool, unasked: None })
}

/// All that are known without being named. `variable` gives a variable of the surroundings.
pub(crate) fn all(
    registrations: &[Registration],
    variable: impl Fn(&str) -> Option<OsString>,
    working: Option<&Path>,
) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for prefix in tools(&variable) {
        let unasked = foreign(&prefix.join("bin")).map(Unasked::Foreign);
        add(&mut found, EnvironmentPaths::from_files(&prefix.join("bin/python")), unasked);
    }
    // A user who activates an environment runs its programs by their bare names.
    let active = variable("VIRTUAL_ENV").map(PathBuf::from);
    let beside = working.map(|working| working.join(".venv"));
    for (prefix, unasked) in [(active, None), (beside, Some(Unasked::Beside))] {
        let prefix = prefix.filter(|prefix| prefix.is_absolute());
        let paths =
            prefix.and_then(|prefix| EnvironmentPaths::from_files(&prefix.join("bin/python")));
        add(&mut found, paths, unasked);
    }
    for registration in registrations.iter().filter(|registration| !registration.is_missing()) {
        add(&mut found, Some(registration.paths()), None);
    }
    found
}

/// Adds an environment; one that is there already is run if any way to it allows that.
fn add(found: &mut Vec<Found>, paths: Option<EnvironmentPaths>, unasked: Option<Unasked>) {
    let Some(paths) = paths else { return };
    let real = |paths: &EnvironmentPaths| {
        paths.prefix.canonicalize().unwrap_or_else(|_| paths.prefix.clone())
    };
    let known = found.iter_mut().find(|known| real(&known.paths) == real(&paths));
    match known {
        Some(known) if unasked.is_none() => known.unasked = None,
        Some(_) => {}
        None => found.push(Found { tool: tool_of(&paths.prefix), paths, unasked }),
    }
}

/// The environments of `uv tool`, by path.
fn tools(variable: &impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let Some(directory) = tool_directory(variable) else { return Vec::new() };
    let children = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut prefixes: Vec<PathBuf> = children.map(|child| child.path()).collect();
    prefixes.sort();
    prefixes
}

/// Where `uv tool` keeps the environments of tools.
fn tool_directory(variable: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let data =
        || absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    absolute("UV_TOOL_DIR").or_else(|| Some(data()?.join("uv/tools")))
}

/// The tool that is installed in this environment, as `uv tool` has recorded it.
fn tool_of(prefix: &Path) -> Option<String> {
    let is_tool = prefix.join("uv-receipt.toml").is_file();
    is_tool.then(|| prefix.file_name().map(|name| name.to_string_lossy().into_owned()))?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(prefix: &Path) {
        std::fs::create_dir_all(prefix.join("lib/python3.12/site-packages")).unwrap();
        std::fs::write(prefix.join("pyvenv.cfg"), "version = 3.12.1\n").unwrap();
    }

    #[test]
    fn environments_are_found_where_tools_and_shells_keep_them_and_each_once() {
        let place = tempfile::tempdir().unwrap();
        let tools = place.path().join("data/uv/tools");
        for name in ["data/uv/tools/b", "data/uv/tools/a", "work/.venv"] {
            environment(&place.path().join(name));
        }
        std::fs::write(tools.join("a/uv-receipt.toml"), "").unwrap();
        std::fs::write(tools.join(".lock"), "").unwrap();
        let variable = |name: &str| match name {
            "XDG_DATA_HOME" => Some(place.path().join("data").into_os_string()),
            "VIRTUAL_ENV" => Some(tools.join("a").into_os_string()),
            _ => None,
        };
        let found = all(&[], variable, Some(&place.path().join("work")));
        let named: Vec<_> =
            found.iter().map(|it| (it.paths.prefix.clone(), it.tool.as_deref())).collect();
        let expected = [
            (tools.join("a"), Some("a")),
            (tools.join("b"), None),
            (place.path().join("work/.venv"), None),
        ];
        assert_eq!(named, expected);
        let elsewhere = |name: &str| {
            (name == "UV_TOOL_DIR").then(|| place.path().join("work").into_os_string())
        };
        assert_eq!(all(&[], elsewhere, None).len(), 1);
    }

    #[test]
    fn what_was_only_found_is_run_when_it_is_active_or_the_stores_or_in_ones_own_hands() {
        let place = tempfile::tempdir().unwrap();
        let (tools, work) = (place.path().join("tools"), place.path().join("work"));
        for prefix in [tools.join("a"), work.join(".venv")] {
            environment(&prefix);
            std::fs::create_dir(prefix.join("bin")).unwrap();
        }
        let tool = |name: &str| (name == "UV_TOOL_DIR").then(|| tools.clone().into_os_string());
        let unasked = |found: Vec<Found>| -> Vec<Option<Unasked>> {
            found.into_iter().map(|it| it.unasked).collect()
        };
        let found = all(&[], tool, Some(&work));
        assert_eq!(unasked(found), [None, Some(Unasked::Beside)]);
        let active =
            |name: &str| (name == "VIRTUAL_ENV").then(|| work.join(".venv").into_os_string());
        assert_eq!(unasked(all(&[], active, Some(&work))), [None]);
        // Others may write where the tools are.
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(&tools, mode).unwrap();
        let found = unasked(all(&[], tool, None));
        assert!(matches!(&found[..], [Some(Unasked::Foreign(_))]), "{found:?}");
    }
}
