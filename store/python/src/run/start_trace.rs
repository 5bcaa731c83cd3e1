//! [`StartTrace`]: the file, and the line in it, that a start of Python does not get past.
//!
//! A start runs lines of `.pth` files of several directories, and modules that customize it. They are run once more, as each
//! start runs them, and nothing else is.

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use modstore_core::{
    Cancel,
    program::{Input, Running, own_directory},
};
use serde::Deserialize;

use super::interpreter::without_misleading;
use crate::read::small_text;

/// A start that takes longer does not end.
const LIMIT: Duration = Duration::from_secs(10);

/// The directories of distributions that this Python would see, by itself and without a start.
const SITES: &str = "import json, site, sys
user = site.getusersitepackages() if site.check_enableusersite() else None
sites = site.getsitepackages([sys.prefix, sys.exec_prefix])
print(json.dumps({'user': user, 'sites': sites}))
";

/// The last thing that a start of Python did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartTrace {
    /// A `.pth`, `sitecustomize.py` or `usercustomize.py`.
    pub file: PathBuf,
    /// The number of its line, and what it is; nothing for a file that is not run line by line.
    pub line: Option<(usize, String)>,
}

/// Where a Python that does not start looks for distributions.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SitesWithoutStart {
    /// The user's own directory, where this Python looks at it.
    pub user: Option<PathBuf>,
    /// Its own; of a virtual environment, those of the Python below it.
    pub sites: Vec<PathBuf>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    File(PathBuf),
    Line(String),
    Ended(()),
}

impl StartTrace {
    /// Starts the interpreter once more, and says where it ended. `None` if it got to the end this time.
    #[must_use]
    pub fn of(python: &Path, cancel: &Cancel) -> Option<Self> {
        let scratch = own_directory().ok()?;
        let trace = scratch.path().join("trace");
        let mut command = Command::new(python);
        command.args(["-S", "-B", "-c", include_str!("start_trace.py")]).arg(&trace);
        command.current_dir(scratch.path());
        // It ends in any way, or not at all: only what it has written counts.
        drop(run(command, cancel));
        Self::read(&small_text(&trace)?)
    }

    fn read(text: &str) -> Option<Self> {
        let mut last: Option<Self> = None;
        for step in text.lines().map_while(|line| serde_json::from_str(line).ok()) {
            match step {
                Step::Ended(_) => return None,
                Step::File(file) => last = Some(Self { file, line: None }),
                Step::Line(line) => {
                    let last = last.as_mut()?;
                    last.line = Some((number_of(&last.file, &line).unwrap_or(1), line));
                }
            }
        }
        last
    }
}

/// The number of the line with this text.
fn number_of(file: &Path, line: &str) -> Option<usize> {
    let text = small_text(file)?;
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    Some(lines.position(|each| each.trim() == line)? + 1)
}

impl SitesWithoutStart {
    /// Asks the interpreter, and runs nothing of what it would name.
    #[must_use]
    pub fn of(python: &Path, cancel: &Cancel) -> Option<Self> {
        let scratch = own_directory().ok()?;
        let mut command = Command::new(python);
        command.args(["-S", "-B", "-c", SITES]).current_dir(scratch.path());
        serde_json::from_slice(&run(command, cancel)?).ok()
    }
}

/// What a Python prints; nothing if it does not end well.
fn run(mut command: Command, cancel: &Cancel) -> Option<Vec<u8>> {
    without_misleading(&mut command);
    let running =
        Running { input: Input::Nothing, limit: LIMIT, cancel, told: &|_| {}, ends_with_us: false };
    running.succeed(command).ok().map(|ran| ran.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_step_of_a_start_is_what_it_did_not_get_past() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("b.pth");
        std::fs::write(&file, "/somewhere\nimport os; x = 1\nimport os; os._exit(3)\n").unwrap();
        let name = serde_json::to_string(&file).unwrap();
        let start =
            format!("{{\"file\": \"/a.pth\"}}\n{{\"line\": \"import x\"}}\n{{\"file\": {name}}}\n");
        let at = |text: &str| StartTrace::read(&format!("{start}{text}"));
        let here = |line| Some(StartTrace { file: file.clone(), line });
        assert_eq!(at(""), here(None));
        let line = "import os; os._exit(3)";
        let step = format!("{{\"line\": {:?}}}\n", line);
        assert_eq!(at(&step), here(Some((3, line.to_owned()))));
        // Cut off while it wrote.
        assert_eq!(at("{\"li"), here(None));
        assert_eq!(at(&format!("{step}{{\"ended\": null}}\n")), None);
        assert_eq!(StartTrace::read(""), None);
    }
}
