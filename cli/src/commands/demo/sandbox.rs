//! A temporary directory with a store, repositories, and nothing of the machine's configuration.
//!
//! It goes with the value, unless it is kept. Needs `git` in the PATH.

use std::{
    ffi::{OsStr, OsString},
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

use modstore::Cancel;

use crate::{
    commands::scratch::{Scratch, cannot},
    exit::Exit,
    report::Failure,
};

/// The place.
#[derive(Debug)]
pub(super) struct Sandbox {
    place: Scratch,
    program: PathBuf,
    cancel: Cancel,
}

/// What a command said.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) code: Option<i32>,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Sandbox {
    pub(super) fn new(cancel: Cancel) -> Result<Self, Failure> {
        let program =
            std::env::current_exe().map_err(|error| cannot("find this program", &error))?;
        let place = Scratch::new("modstore-demo-", None)?;
        Ok(Self { place, program, cancel })
    }

    pub(super) fn path(&self) -> &Path {
        self.place.path()
    }

    pub(super) fn store(&self) -> PathBuf {
        self.path().join("store")
    }

    /// The number of the generation that is shown.
    pub(super) fn shown(&self) -> Option<u64> {
        crate::output::shown(&self.store())
    }

    /// Whether no staging is left, by name, in the store.
    pub(super) fn is_tidy(&self) -> bool {
        fs::read_dir(self.store().join("staging")).is_ok_and(|mut entries| entries.next().is_none())
    }

    /// Leaves the directory where it is.
    pub(super) fn keep(self) {
        self.place.keep();
    }

    /// Runs this program on the sandbox's store.
    pub(super) fn modstore(&self, arguments: &[&str]) -> Result<Ran, Failure> {
        let mut command = Command::new(&self.program);
        command.args(["--progress", "none"]).args(arguments);
        let output = self.run(&mut command).map_err(|error| cannot("run this program", &error))?;
        if self.cancel.is_cancelled() {
            return Err(Failure::new(Exit::Interrupted, "interrupted"));
        }
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Ok(Ran {
            code: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        })
    }

    /// Commits files to a repository, which the first commit makes.
    pub(super) fn commit(&self, repository: &str, files: &[(&str, &[u8])]) -> Result<(), Failure> {
        let place = self.path().join(repository);
        if !place.exists() {
            self.git(
                self.path(),
                &["init", "--quiet", "--template=", "--initial-branch=main", repository],
            )?;
        }
        for (path, content) in files {
            let path = place.join(path);
            let written = fs::create_dir_all(path.parent().unwrap_or(&place))
                .and_then(|()| fs::write(&path, content));
            written.map_err(|error| cannot("write a file of a repository", &error))?;
        }
        self.git(&place, &["add", "--all"])?;
        self.git(&place, &["commit", "--quiet", "--message=A change"])
    }

    fn git(&self, place: &Path, arguments: &[&str]) -> Result<(), Failure> {
        let output = self.run(Command::new("git").arg("-C").arg(place).args(arguments)).map_err(
            |error| {
                cannot("start git, which the demo makes its repositories with", &error)
                    .hint("install git, and run it again")
            },
        )?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Failure::new(Exit::Failed, format!("`git {}` failed", arguments.join(" ")))
            .because(vec![said]))
    }

    fn run(&self, command: &mut Command) -> io::Result<Output> {
        command.env_clear().envs(self.git_variables()).env("MODSTORE_HOME", self.store());
        command.current_dir(self.path()).stdin(Stdio::null()).output()
    }

    /// The variables every program here runs with.
    pub(super) fn git_variables(&self) -> Vec<(OsString, OsString)> {
        let kept = ["PATH", "TMPDIR", "TZ", "LD_LIBRARY_PATH", "LLVM_PROFILE_FILE"];
        let kept = kept.into_iter().filter_map(|name| Some((name.into(), std::env::var_os(name)?)));
        let own = [
            ("HOME", self.path().as_os_str()),
            ("GIT_CONFIG_NOSYSTEM", OsStr::new("1")),
            ("GIT_AUTHOR_NAME", OsStr::new("modstore demo")),
            ("GIT_AUTHOR_EMAIL", OsStr::new("demo@example.com")),
            ("GIT_COMMITTER_NAME", OsStr::new("modstore demo")),
            ("GIT_COMMITTER_EMAIL", OsStr::new("demo@example.com")),
            ("LC_ALL", OsStr::new("C")),
        ];
        kept.chain(own.map(|(name, value)| (name.into(), value.to_owned()))).collect()
    }
}
