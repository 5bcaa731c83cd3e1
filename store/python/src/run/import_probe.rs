//! [`ImportProbe`]: whether modules can be imported, tried in the environment's own Python.
//!
//! One interpreter, one fork for each module with a time limit, and the real exception as the answer. It can import a
//! generation that is not current yet: paths on the import path are replaced by others.
//!
//! An import runs code: it may do anything that the user may do. HOME, TMPDIR and the working directory are an empty
//! directory that is deleted afterwards, there is no terminal, and no byte code is written; nothing else is promised.

use std::{
    cell::Cell,
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use modstore_core::{
    Cancel,
    disk::{DiskError, Verb},
    model::DistributionName,
    program::{Input, ProgramError, Running, Said},
};
use serde::{Deserialize, Serialize};

use super::interpreter::without_misleading;

/// How long the interpreter may take besides the imports.
const OVERHEAD: Duration = Duration::from_secs(20);

/// How a line begins that says that a module is over.
const OVER: &str = "imported ";

/// Modules to be imported, and how.
#[derive(Debug, Clone)]
pub struct ImportProbe<'a> {
    /// The environment's interpreter.
    pub python: &'a Path,
    /// The modules to be imported.
    pub modules: &'a [ImportRequest],
    /// What several of them need.
    pub shared: &'a SharedImports,
    /// A path at or below the first on the import path is replaced by the second, or removed.
    pub paths: &'a [(PathBuf, Option<PathBuf>)],
    /// How long each module may take.
    pub limit: Duration,
    /// An existing directory; a scratch directory is made below it, and removed.
    pub scratch: &'a Path,
}

/// What several modules need: it is imported once, and each of the modules in a fork of that process. A module that fails so is
/// tried alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SharedImports {
    /// Names to be imported.
    pub imports: BTreeSet<String>,
    /// Distributions whose packages are.
    pub distributions: BTreeSet<DistributionName>,
}

/// A module and the names to be imported of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImportRequest {
    /// The name that the result has.
    pub module: String,
    /// One after the other, in one process.
    pub imports: BTreeSet<String>,
}

/// The result of importing a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportResult {
    /// The module.
    pub module: String,
    /// Why it cannot be imported, if it cannot.
    pub failure: Option<Exception>,
}

/// What a Python raised when it imported a module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Deserialize, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[error("{kind}{}{message}", if kind.is_empty() { "" } else { ": " })]
pub struct Exception {
    /// Its type, for example `ModuleNotFoundError`; empty if the process ended without an exception.
    #[serde(rename = "type")]
    pub kind: String,
    /// Its message, or how the process ended.
    pub message: String,
    /// The name that was not found, of an `ImportError`. If it is not one of the module's own, a dependency is missing.
    pub name: Option<String>,
    /// The module that was being imported.
    pub importing: Option<String>,
    /// The traceback, or the end of its standard error.
    pub traceback: String,
}

/// Nothing was imported, or the answers were lost.
#[derive(Debug, thiserror::Error)]
pub enum ImportProbeError {
    /// There is no room for it.
    #[error("cannot try to import the modules")]
    Disk(#[from] DiskError),
    /// The interpreter failed.
    #[error("cannot try to import the modules")]
    Program(#[from] ProgramError),
}

#[derive(Serialize)]
struct Wanted<'a> {
    modules: &'a [ImportRequest],
    shared: &'a SharedImports,
    paths: &'a [(PathBuf, Option<PathBuf>)],
    limit: f64,
    at_once: usize,
    scratch: &'a Path,
}

#[derive(Deserialize)]
struct ForkResult {
    module: String,
    error: Option<Exception>,
    ended: Option<String>,
    said: String,
}

impl ImportProbe<'_> {
    /// Imports, and gives an answer for each module, in their order.
    ///
    /// # Errors
    /// See [`ImportProbeError`]. That a module cannot be imported is no error.
    pub fn run(&self, cancel: &Cancel) -> Result<Vec<ImportResult>, ImportProbeError> {
        self.run_watched(cancel, &|_| {})
    }

    /// The same; `over` is called with how many modules are over, as each of them is.
    ///
    /// # Errors
    /// See [`ImportProbeError`].
    pub fn run_watched(
        &self,
        cancel: &Cancel,
        over: &dyn Fn(usize),
    ) -> Result<Vec<ImportResult>, ImportProbeError> {
        let done = Cell::new(0);
        let told = |line: &str| {
            if line.starts_with(OVER) {
                done.set(done.get() + 1);
                over(done.get());
            }
        };
        let scratch = tempfile::Builder::new()
            .prefix("import-")
            .tempdir_in(self.scratch)
            .map_err(|error| DiskError::new(Verb::CreateDir, self.scratch, error))?;
        // An import may wait for something, and then costs no processor.
        let at_once = std::thread::available_parallelism().map_or(1, usize::from).clamp(4, 8);
        let input = Wanted {
            modules: self.modules,
            shared: self.shared,
            paths: self.paths,
            limit: self.limit.as_secs_f64(),
            at_once,
            scratch: scratch.path(),
        };
        let input = serde_json::to_vec(&input).map_err(|error| {
            let source = std::io::Error::other(error);
            ProgramError::Start { program: self.python.display().to_string(), source }
        })?;
        let rounds = u32::try_from(self.modules.len().div_ceil(at_once)).unwrap_or(u32::MAX);
        // Once for what is shared, together with it, and alone.
        let limit = self.limit.saturating_mul(rounds.saturating_mul(2).saturating_add(1));
        let limit = limit.saturating_add(OVERHEAD);
        let running = Running {
            input: Input::Bytes(&input),
            limit,
            cancel,
            told: &told,
            ends_with_us: false,
        };
        let mut command = Command::new(self.python);
        command.args(["-B", "-c", include_str!("import_probe.py")]);
        command.current_dir(scratch.path());
        without_misleading(&mut command);
        // `python -c` puts the working directory first on the path; the fork's is the same empty one.
        let ran = running.succeed(command)?;
        self.sort(&ran.stdout, ran.stderr)
    }

    fn sort(&self, answers: &[u8], stderr: String) -> Result<Vec<ImportResult>, ImportProbeError> {
        let lines = answers.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let answers: Vec<ForkResult> =
            lines.filter_map(|line| serde_json::from_slice(line).ok()).collect();
        let probed = self.modules.iter().map(|ImportRequest { module, .. }| {
            let answer = answers.iter().find(|answer| answer.module == *module)?;
            Some(ImportResult { module: module.clone(), failure: answer.failure() })
        });
        let program = self.python.display().to_string();
        probed.collect::<Option<Vec<_>>>().ok_or(ImportProbeError::Program(ProgramError::Answer {
            program,
            said: Said::of(stderr),
        }))
    }
}

impl ForkResult {
    fn failure(&self) -> Option<Exception> {
        if self.error.is_some() {
            return self.error.clone();
        }
        let message = match self.ended.as_deref()? {
            "time limit" => "it was not imported within its time limit".to_owned(),
            ended => format!("the process ended with {ended} while it was imported"),
        };
        let traceback = self.said.clone();
        Some(Exception { kind: String::new(), message, name: None, importing: None, traceback })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use modstore_core::program::in_path;

    /// Modules by name and source, and what comes of importing each, if there is a Python.
    fn probe(sources: &[(&str, &str)]) -> Option<Vec<ImportResult>> {
        probe_with(&SharedImports::default(), sources)
    }

    /// The same, after these were imported.
    fn probe_with(shared: &SharedImports, sources: &[(&str, &str)]) -> Option<Vec<ImportResult>> {
        let python = in_path("python3")?;
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        std::fs::create_dir(&root).unwrap();
        let mut modules = Vec::new();
        for (name, source) in sources {
            std::fs::write(root.join(format!("{name}.py")), source).unwrap();
            let imports = BTreeSet::from([(*name).to_owned()]);
            modules.push(ImportRequest { module: format!("module-{name}"), imports });
        }
        let probe = ImportProbe {
            python: &python,
            modules: &modules,
            shared,
            paths: &[("/no/such/place".into(), Some(root))],
            limit: Duration::from_secs(2),
            scratch: place.path(),
        };
        let probed = probe.run(&Cancel::new()).unwrap();
        let left = std::fs::read_dir(place.path()).unwrap().count();
        assert_eq!(left, 1, "the scratch directory is gone");
        Some(probed)
    }

    #[test]
    fn every_way_to_fail_is_reported_as_it_was_and_affects_no_other_module() {
        let Some(probed) = probe(&[
            ("good_a", "import sys; print('noise'); sys.stdin.read(); sys.shared = 1"),
            ("dependency", "import not_there_at_all"),
            (
                "chained",
                "try:\n  import nope\nexcept ImportError as e:\n  raise ImportError('chained') from e",
            ),
            ("syntax", "def"),
            ("exits", "raise SystemExit(3)"),
            (
                "exits_hard",
                "import os, sys; print('last words', file=sys.stderr, flush=True); os._exit(7)",
            ),
            ("crashes", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"),
            ("sleeps", "import time; time.sleep(300)"),
            ("spins", "while True: pass"),
            ("raises", "class Odd(BaseException): pass\nraise Odd('so odd')"),
            (
                "good_b",
                "import sys; assert not hasattr(sys, 'shared'), 'it sees what another one did'",
            ),
        ]) else {
            return;
        };
        let told = |module: &str| {
            let name = format!("module-{module}");
            probed.iter().find(|probed| probed.module == name).unwrap().failure.clone()
        };
        assert_eq!((told("good_a"), told("good_b")), (None, None));
        let dependency = told("dependency").unwrap();
        assert_eq!(
            dependency.to_string(),
            "ModuleNotFoundError: No module named 'not_there_at_all'"
        );
        assert_eq!(dependency.name.as_deref(), Some("not_there_at_all"));
        assert_eq!(dependency.importing.as_deref(), Some("dependency"));
        assert!(dependency.traceback.starts_with("Traceback"), "{}", dependency.traceback);
        assert!(
            dependency.traceback.contains("dependency.py\", line 1"),
            "{}",
            dependency.traceback
        );
        assert!(!dependency.traceback.contains("<string>"), "{}", dependency.traceback);
        let chained = told("chained").unwrap();
        assert_eq!(chained.to_string(), "ImportError: chained");
        assert!(chained.traceback.contains("No module named 'nope'"), "{}", chained.traceback);
        assert_eq!(told("syntax").unwrap().kind, "SyntaxError");
        assert_eq!(told("exits").unwrap().to_string(), "SystemExit: 3");
        let hard = told("exits_hard").unwrap();
        assert!(hard.message.contains("exit code 7") && hard.traceback == "last words", "{hard:?}");
        assert!(told("crashes").unwrap().message.contains("signal 11"));
        for module in ["sleeps", "spins"] {
            assert!(told(module).unwrap().message.contains("time limit"), "{module}");
        }
        assert_eq!(told("raises").unwrap().to_string(), "Odd: so odd");
    }

    fn shared(names: &[&str]) -> SharedImports {
        let imports = names.iter().map(|name| (*name).to_owned()).collect();
        SharedImports { imports, ..SharedImports::default() }
    }

    /// Whether each could be imported.
    fn good(probed: &[ImportResult]) -> Vec<bool> {
        probed.iter().map(|it| it.failure.is_none()).collect()
    }

    #[test]
    fn each_module_is_counted_as_it_is_over_and_once() {
        let Some(python) = in_path("python3") else { return };
        let place = tempfile::tempdir().unwrap();
        let import = |name: &str| ImportRequest {
            module: name.into(),
            imports: BTreeSet::from([name.to_owned()]),
        };
        let modules = [import("json"), import("not_there_at_all"), import("string")];
        let shared = shared(&["this_is_not_there_either"]);
        let probe = ImportProbe {
            python: &python,
            modules: &modules,
            shared: &shared,
            paths: &[],
            limit: Duration::from_secs(9),
            scratch: place.path(),
        };
        let heard = std::cell::RefCell::new(Vec::new());
        probe.run_watched(&Cancel::new(), &|done| heard.borrow_mut().push(done)).unwrap();
        assert_eq!(heard.into_inner(), [1, 2, 3]);
    }

    #[test]
    fn what_several_modules_need_is_imported_once() {
        let count = "import os\nwith open(os.path.join(os.environ['HOME'], 'count'), 'a') as f: f.write('x')\n";
        let user = "import heavy, os\nassert open(os.path.join(os.environ['HOME'], 'count')).read() == 'x'";
        let modules = [("a", user), ("b", user), ("c", user), ("heavy", count)];
        let Some(probed) = probe_with(&shared(&["heavy"]), &modules) else { return };
        assert_eq!(good(&probed), [true; 4], "{probed:?}");
        let alone = probe(&modules).unwrap();
        assert!(good(&alone).contains(&false), "without it each imports it: {alone:?}");
    }

    #[test]
    fn what_fails_beside_what_is_shared_is_judged_alone_and_a_shared_import_that_fails_judges_none()
    {
        let modules = [
            ("alone_only", "import sys; assert 'heavy' not in sys.modules"),
            ("bad", "import not_there_at_all"),
            ("good", "import heavy"),
            ("heavy", ""),
        ];
        let Some(probed) = probe_with(&shared(&["heavy"]), &modules) else { return };
        assert_eq!(good(&probed), [true, false, true, true], "{probed:?}");
        assert_eq!(probed[1].failure.as_ref().unwrap().name.as_deref(), Some("not_there_at_all"));
        for sharing in [
            "raise SystemExit",
            "import os; os._exit(3)",
            "import time; time.sleep(99)",
            "import threading, time; threading.Thread(target=time.sleep, args=(9,), daemon=True).start()",
        ] {
            let modules = [("one", ""), ("two", "import not_there_at_all"), ("odd", sharing)];
            let probed = probe_with(&shared(&["odd"]), &modules).unwrap();
            assert_eq!(good(&probed)[..2], [true, false], "{sharing}: {probed:?}");
        }
    }

    #[test]
    fn a_directory_that_is_all_that_is_left_of_a_package_is_no_package() {
        let Some(python) = in_path("python3") else { return };
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(place.path().join("gone/__pycache__")).unwrap();
        let modules =
            [ImportRequest { module: "m".into(), imports: BTreeSet::from(["gone".into()]) }];
        let paths = [("/no/such/place".into(), Some(place.path().to_owned()))];
        let limit = Duration::from_secs(9);
        let scratch = place.path();
        let probe = ImportProbe {
            python: &python,
            modules: &modules,
            shared: &SharedImports::default(),
            paths: &paths,
            limit,
            scratch,
        };
        let probed = probe.run(&Cancel::new()).unwrap();
        let failure = probed[0].failure.as_ref().unwrap();
        assert_eq!(
            failure.to_string(),
            "ImportError: 'gone' is a directory with nothing to import in it"
        );
    }
}
