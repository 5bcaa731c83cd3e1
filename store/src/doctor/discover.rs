//! The environments of this machine that a doctor looks at when none is named: those of `uv tool`, the active one, the
//! one beside, and those that the store looks after.
//!
//! By files alone. What is not there is not looked for anywhere else.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use crate::{
    acquire::Cancel,
    environment::{Places, PythonError, Registration},
};

/// An environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) places: Places,
    /// The tool that `uv tool` has installed in it.
    pub(crate) tool: Option<String>,
}

/// The environment of an interpreter, a directory or a name, as a person gives it.
///
/// # Errors
/// When there is none.
pub(crate) fn given(python: &Path, cancel: &Cancel) -> Result<Found, PythonError> {
    let places = Places::find(python, cancel)?;
    let tool = tool_of(&places.prefix);
    Ok(Found { places, tool })
}

/// All that are known without being named. `variable` gives a variable of the surroundings.
pub(crate) fn all(
    registrations: &[Registration],
    variable: impl Fn(&str) -> Option<OsString>,
    working: Option<&Path>,
) -> Vec<Found> {
    let mut prefixes = Vec::new();
    for tools in tool_directories(&variable) {
        let children = std::fs::read_dir(tools).into_iter().flatten().flatten();
        prefixes.extend(children.map(|child| child.path()));
    }
    prefixes.sort();
    prefixes.extend(variable("VIRTUAL_ENV").map(PathBuf::from));
    prefixes.extend(working.map(|working| working.join(".venv")));
    let mut found: Vec<Found> = Vec::new();
    let mut seen = Vec::new();
    let mut add = |places: Places| {
        let real = places.prefix.canonicalize().unwrap_or_else(|_| places.prefix.clone());
        if !seen.contains(&real) {
            seen.push(real);
            found.push(Found { tool: tool_of(&places.prefix), places });
        }
    };
    for prefix in prefixes.iter().filter(|prefix| prefix.is_absolute()) {
        Places::in_files(&prefix.join("bin/python")).into_iter().for_each(&mut add);
    }
    for registration in registrations.iter().filter(|registration| !registration.is_missing()) {
        add(registration.places());
    }
    found
}

/// Where `uv tool` keeps the environments of tools.
fn tool_directories(variable: &impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(named) = absolute("UV_TOOL_DIR") {
        return vec![named];
    }
    let data = absolute("XDG_DATA_HOME").or_else(|| Some(absolute("HOME")?.join(".local/share")));
    data.map(|data| data.join("uv/tools")).into_iter().collect()
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
            found.iter().map(|it| (it.places.prefix.clone(), it.tool.as_deref())).collect();
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
}
