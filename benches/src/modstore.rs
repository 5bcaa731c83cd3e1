//! modstore, as a person runs it: `modstore update` in a home with `modules.toml`.
//!
//! Limits: what the program says about its own cost is kept as it says it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use modstore_testbed::modules_toml;
use serde_json::Value;

use crate::contender::{Contender, Role, Step, Wanted, empty};
use crate::measure::{Usage, run};

/// The program under development, with a home of its own.
#[derive(Debug)]
pub(crate) struct Modstore {
    binary: PathBuf,
    place: PathBuf,
    wanted: Vec<Wanted>,
    said: Mutex<Value>,
    name: &'static str,
    trusted: Option<PathBuf>,
    is_through_git: bool,
    /// What `update` is given besides.
    words: Vec<String>,
    /// A store whose lock is followed.
    leader: Option<PathBuf>,
}

impl Modstore {
    /// A store in a directory of its own below `place`.
    pub(crate) fn new(binary: &Path, place: &Path, wanted: &[Wanted]) -> Self {
        let place = place.join("modstore");
        let (binary, wanted) = (binary.to_owned(), wanted.to_vec());
        let (said, name) = (Mutex::default(), "modstore");
        let (trusted, is_through_git, words, leader) = (None, false, Vec::new(), None);
        Self { binary, place, wanted, said, name, trusted, is_through_git, words, leader }
    }

    /// The same, under another name and in a place of that name.
    pub(crate) fn called(self, name: &'static str) -> Self {
        let place = self.place.join(name.replace(", ", "-").replace(' ', "-"));
        Self { name, place, ..self }
    }

    /// The same, publishing to a shared tier.
    pub(crate) fn publishing(self, tier: &str) -> Self {
        let words = ["--publish", "--tier", tier].map(String::from).into();
        Self { words, ..self }
    }

    /// The same, from a shared tier alone, by the lock of another store.
    pub(crate) fn locked_by(self, leader: &Self, tier: &str) -> Self {
        let words = ["--locked", "--tier", tier, "--tier", "only"].map(String::from).into();
        Self { words, leader: Some(leader.place.join("home/modules.lock")), ..self }
    }

    /// Takes the lock that is followed, as it is now.
    pub(crate) fn take_lock(&self) -> Result<(), String> {
        let Some(leader) = &self.leader else { return Ok(()) };
        fs::copy(leader, self.place.join("home/modules.lock"))
            .map(drop)
            .map_err(|error| format!("{}: {error}", leader.display()))
    }

    /// The lock of this store.
    pub(crate) fn lock(&self) -> Result<Vec<u8>, String> {
        fs::read(self.place.join("home/modules.lock")).map_err(|error| format!("the lock: {error}"))
    }

    /// Gives this store a lock to follow.
    pub(crate) fn put_lock(&self, lock: &[u8]) -> Result<(), String> {
        fs::write(self.place.join("home/modules.lock"), lock)
            .map_err(|error| format!("the lock: {error}"))
    }

    /// The same program, through git's own transport.
    pub(crate) fn through_git(binary: &Path, place: &Path, wanted: &[Wanted]) -> Self {
        let place = place.join("through-git");
        let name = "modstore through git";
        Self { name, is_through_git: true, ..Self::new(binary, &place, wanted) }
    }

    /// The same program as it was before a change.
    pub(crate) fn before(binary: &Path, place: &Path, wanted: &[Wanted]) -> Self {
        let place = place.join("before");
        Self { name: "modstore before", ..Self::new(binary, &place, wanted) }
    }

    /// The same, trusting this certificate's authority.
    pub(crate) fn trusting(self, authority: Option<&Path>) -> Self {
        Self { trusted: authority.map(Path::to_owned), ..self }
    }

    /// Builds the release binary of this source tree, or finds it built.
    pub(crate) fn build(cargo: &Path, target: &Path) -> Result<PathBuf, String> {
        let mut build = Command::new(cargo);
        build.args(["build", "--quiet", "--release", "--package", "modstore-cli", "--target-dir"]);
        run(build.arg(target))?;
        Ok(target.join("release/modstore"))
    }

    /// The main job, not yet started. With `tracer`, that program is started, with the job for its last arguments.
    pub(crate) fn update(&self, tracer: &[&str]) -> Command {
        let mut command = self.command(tracer, &["update"]);
        command.args(&self.words);
        // Whoever has a tier here has one of the testbed's.
        command.env("AWS_ACCESS_KEY_ID", "ci").env("AWS_SECRET_ACCESS_KEY", "ci-secret");
        command
    }

    fn command(&self, tracer: &[&str], words: &[&str]) -> Command {
        let mut command = match tracer.split_first() {
            Some((program, args)) => {
                let mut traced = Command::new(program);
                traced.args(args).arg(&self.binary);
                traced
            }
            None => Command::new(&self.binary),
        };
        command.env_clear().env("HOME", &self.place).env("GIT_CONFIG_NOSYSTEM", "1");
        if let Some(path) = std::env::var_os("PATH") {
            command.env("PATH", path);
        }
        command.envs(self.trusted.iter().map(|authority| ("GIT_SSL_CAINFO", authority)));
        if self.is_through_git {
            command.env("MODSTORE_TRANSPORT", "git");
        }
        command.arg("--home").arg(self.place.join("home"));
        command.args(["--progress", "none", "--json"]).args(words);
        command
    }

    /// What the last run printed.
    pub(crate) fn said(&self) -> Value {
        self.said.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).clone()
    }
}

impl Contender for Modstore {
    fn name(&self) -> &str {
        self.name
    }

    fn role(&self) -> Role {
        Role::Ours
    }

    fn clear(&self) -> Result<(), String> {
        let home = self.place.join("home");
        empty(&self.place)?;
        empty(&home)?;
        let sources = self.wanted.iter().map(|it| (&it.name, format!("git+{}@main", it.url)));
        let declared = modules_toml(sources);
        fs::write(home.join("modules.toml"), declared)
            .map_err(|error| format!("modules.toml: {error}"))?;
        self.take_lock()
    }

    fn run(&self, _: Step) -> Result<Usage, String> {
        let (used, printed) = run(&mut self.update(&[]))?;
        let said: Value = serde_json::from_slice(&printed)
            .map_err(|error| format!("modstore printed something else than JSON: {error}"))?;
        if said.get("ok") != Some(&Value::Bool(true)) {
            return Err(format!("modstore is not ok: {said}"));
        }
        *self.said.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = said;
        Ok(used)
    }

    fn tree(&self, module: &str) -> PathBuf {
        self.place.join("home/current").join(module)
    }

    fn collect(&self, _: &[&str]) -> Result<Usage, String> {
        let words = ["gc", "--keep", "3", "--older-than", "0s"];
        Ok(run(&mut self.command(&[], &words))?.0)
    }

    fn place(&self) -> &Path {
        &self.place
    }
}
