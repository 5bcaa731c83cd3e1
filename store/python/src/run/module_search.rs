//! [`ModuleSearch`]: where an environment's own Python would load modules from, asked of its finders; none of the modules
//! is loaded.
//!
//! The interpreter starts as it always does: lines of `.pth` files that run code are run, as at each start. What it says on
//! standard error meanwhile is kept, for a `.pth` that fails says so there.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use modstore_core::{
    Cancel,
    program::{Input, ProgramError, Running, Said, own_directory},
};
use serde::Deserialize;

use super::interpreter::without_misleading;

/// An interpreter that has not answered by then is broken.
const LIMIT: Duration = Duration::from_secs(30);

/// What a Python says of itself and of modules that it has not loaded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct ModuleSearch {
    /// Its version: `3.12.1`.
    pub version: String,
    /// The values of PEP 508's markers.
    pub markers: BTreeMap<String, String>,
    /// Its import path.
    pub path: Vec<PathBuf>,
    /// The user's own directory of distributions, where this Python looks at it.
    pub user_site: Option<PathBuf>,
    /// The `.dist-info` and `.egg-info` of every distribution on that path, in its order.
    pub installed: Vec<PathBuf>,
    /// Where each module is.
    pub modules: BTreeMap<String, ModulePlace>,
    /// What it said on standard error when it started.
    #[serde(skip)]
    pub said: String,
}

/// Where a module would be loaded from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ModulePlace {
    /// This file.
    File(PathBuf),
    /// It is a namespace, whose parts are in these directories.
    Namespace(Vec<PathBuf>),
    /// The interpreter itself.
    Builtin,
    /// It is not found.
    Nowhere,
    /// A finder raised this exception.
    Failed(String),
}

impl ModuleSearch {
    /// Asks the interpreter `python` where it would load `names` from.
    ///
    /// # Errors
    /// When it does not start, does not end in time, or answers something else. Nothing was changed.
    pub fn ask(
        python: &Path,
        names: &BTreeSet<String>,
        cancel: &Cancel,
    ) -> Result<Self, ProgramError> {
        let program = || python.display().to_string();
        let start = |source| ProgramError::Start { program: program(), source };
        let scratch = own_directory().map_err(start)?;
        let input = serde_json::json!({ "names": names }).to_string();
        let mut command = Command::new(python);
        command.args(["-B", "-c", include_str!("module_search.py")]).current_dir(scratch.path());
        without_misleading(&mut command);
        let running = Running {
            input: Input::Bytes(input.as_bytes()),
            limit: LIMIT,
            cancel,
            told: &|_| {},
            ends_with_us: false,
        };
        let ran = running.succeed(command)?;
        // A `.pth` may print something first.
        let answer = ran.stdout.trim_ascii_end().rsplit(|byte| *byte == b'\n').next();
        let answer: Option<Self> = serde_json::from_slice(answer.unwrap_or_default()).ok();
        let said = ran.stderr;
        match answer {
            Some(answer) => Ok(Self { said, ..answer }),
            None => Err(ProgramError::Answer { program: program(), said: Said::of(said) }),
        }
    }

    /// Whether the interpreter starts without its site directories, which then are at fault when it does not with them.
    #[must_use]
    pub fn starts_without_site(python: &Path, cancel: &Cancel) -> bool {
        let mut command = Command::new(python);
        command.args(["-I", "-S", "-B", "-c", ""]);
        let running = Running {
            input: Input::Nothing,
            limit: LIMIT,
            cancel,
            told: &|_| {},
            ends_with_us: false,
        };
        running.succeed(command).is_ok()
    }
}
