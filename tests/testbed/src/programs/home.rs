//! A store of a test's own, in a home of its own, and the command line run in it.
//!
//! The child sees no variable of the machine but PATH: its HOME, XDG directories, TMPDIR and store are all in one
//! temporary directory that goes away with the value.
//! Limits: knows the store's layout only by the names of its directories.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::running::{Ran, Running};
use crate::{
    declarations::modules_toml,
    repositories::{Item, listing, walk},
};

/// An isolated home with a store in it.
#[derive(Debug)]
pub struct TestHome {
    place: tempfile::TempDir,
    binary: PathBuf,
    store: PathBuf,
    variables: BTreeMap<OsString, Option<OsString>>,
}

impl TestHome {
    /// A fresh home for this binary: `env!("CARGO_BIN_EXE_modstore")` at the caller. The store is not there yet.
    pub fn new(binary: impl AsRef<Path>) -> Self {
        Self::below(&std::env::temp_dir(), binary.as_ref())
    }

    /// The same in memory, where the system offers it as a directory: for tests that sync often and are not
    /// about syncs.
    pub fn in_memory(binary: impl AsRef<Path>) -> Self {
        let memory = Path::new("/dev/shm");
        let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        Self::below(&place, binary.as_ref())
    }

    fn below(place: &Path, binary: &Path) -> Self {
        let place = tempfile::tempdir_in(place).expect("a temporary directory can be made");
        for dir in ["home", "tmp"] {
            fs::create_dir(place.path().join(dir)).expect("an empty directory takes a directory");
        }
        let store = place.path().join("store");
        Self { place, binary: binary.to_owned(), store, variables: BTreeMap::new() }
    }

    /// The same, with the store elsewhere: on a mounted file system, or at an odd path.
    pub fn with_store_at(mut self, store: impl AsRef<Path>) -> Self {
        store.as_ref().clone_into(&mut self.store);
        self
    }

    /// The store's directory, `MODSTORE_HOME`.
    pub fn path(&self) -> &Path {
        &self.store
    }

    /// The command line's program.
    pub(crate) fn binary(&self) -> &Path {
        &self.binary
    }

    /// The HOME of the commands.
    pub fn user_home(&self) -> PathBuf {
        self.place.path().join("home")
    }

    /// A place for files of the test itself, not searched by [`TestHome::grep_bytes`].
    pub fn scratch(&self) -> PathBuf {
        let scratch = self.place.path().join("scratch");
        fs::create_dir_all(&scratch).expect("a temporary directory takes a directory");
        scratch
    }

    /// Sets a variable for every later command.
    pub fn env(&mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.variables.insert(name.as_ref().to_owned(), Some(value.as_ref().to_owned()));
        self
    }

    /// Takes a variable, `MODSTORE_HOME` for one, from every later command.
    pub fn without_env(&mut self, name: impl AsRef<OsStr>) -> &mut Self {
        self.variables.insert(name.as_ref().to_owned(), None);
        self
    }

    /// Writes `~/.gitconfig`.
    pub fn git_config(&self, text: &str) {
        write(&self.user_home().join(".gitconfig"), text);
    }

    /// Writes the store's `modules.toml`, making the store's directory if need be.
    pub fn write_modules(&self, text: &str) {
        fs::create_dir_all(&self.store)
            .unwrap_or_else(|e| panic!("making {}: {e}", self.store.display()));
        write(&self.store.join("modules.toml"), text);
    }

    /// Declares modules by name and source, as [`TestHome::write_modules`] would.
    pub fn declare(&self, modules: &[(&str, &str)]) {
        self.write_modules(&modules_toml(modules.iter().copied()));
    }

    /// A command that has not started, with nothing to read on stdin.
    pub fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        self.command_of(&self.binary, args)
    }

    /// The same surroundings for another program: `strace`, `git`, a shell.
    pub fn command_of<S: AsRef<OsStr>>(&self, program: &Path, args: &[S]) -> Command {
        let home = self.user_home();
        let mut command = Command::new(program);
        command.args(args).env_clear().current_dir(&home).stdin(Stdio::null());
        for kept in ["PATH", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command
            .env("HOME", &home)
            .env("XDG_DATA_HOME", home.join(".local/share"))
            .env("XDG_CONFIG_HOME", home.join(".config"))
            .env("XDG_CACHE_HOME", home.join(".cache"))
            .env("TMPDIR", self.place.path().join("tmp"))
            .env("MODSTORE_HOME", &self.store)
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("LC_ALL", "C");
        for (name, value) in &self.variables {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
    }

    /// Runs git at a place, as the person at this home, and gives what it prints.
    ///
    /// # Panics
    /// When it fails.
    #[track_caller]
    pub fn git(&self, at: &Path, args: &[&str]) -> String {
        let mut command = self.command_of(Path::new("git"), args);
        command.current_dir(at);
        for role in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{role}_NAME"), "me");
            command.env(format!("GIT_{role}_EMAIL"), "me@localhost");
        }
        let out = command.output().unwrap_or_else(|e| panic!("starting git: {e}"));
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).expect("git prints text")
    }

    /// Runs the command line to its end.
    ///
    /// # Panics
    /// When it does not end within two minutes.
    pub fn run<S: AsRef<OsStr>>(&self, args: &[S]) -> Ran {
        self.spawn(args).wait()
    }

    /// Starts the command line, to be signalled or waited for.
    pub fn spawn<S: AsRef<OsStr>>(&self, args: &[S]) -> Running {
        Running::start(self.command(args))
    }

    /// The stable path of a module, whether it exists or not.
    pub fn target(&self, module: &str) -> PathBuf {
        self.store.join("current").join(module)
    }

    /// The current files of the module, by path. Empty if there are none.
    pub fn tree(&self, module: &str) -> BTreeMap<String, Item> {
        listing(&self.target(module))
    }

    /// Leftovers that no finished command should leave: anything in `staging/` and `trash/`, in the temporary directory, and
    /// anything called `.tmp…` anywhere in the store.
    pub fn leftovers(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for dir in
            [self.store.join("staging"), self.store.join("trash"), self.place.path().join("tmp")]
        {
            found.extend(
                fs::read_dir(dir).into_iter().flatten().flatten().map(|child| child.path()),
            );
        }
        walk(&self.store, &mut |path| {
            if path.file_name().is_some_and(|name| name.as_bytes().starts_with(b".tmp")) {
                found.push(path.to_owned());
            }
        });
        found.sort();
        found.dedup();
        found
    }

    /// The processes whose working directory is in the store: builds, also those of a process that was killed.
    pub fn workers(&self) -> Vec<PathBuf> {
        let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
        let working =
            processes.filter_map(|process| fs::read_link(process.path().join("cwd")).ok());
        working.filter(|directory| directory.starts_with(&self.store)).collect()
    }

    /// Every file below HOME, the store and the temporary directory whose name, link text or content holds `needle`.
    pub fn grep_bytes(&self, needle: impl AsRef<[u8]>) -> Vec<PathBuf> {
        let needle = needle.as_ref();
        let mut found = Vec::new();
        for dir in [self.user_home(), self.store.clone(), self.place.path().join("tmp")] {
            walk(&dir, &mut |path| {
                let link = fs::read_link(path).unwrap_or_default();
                let name = path.file_name().unwrap_or_default();
                let content =
                    if path.is_file() { fs::read(path).unwrap_or_default() } else { Vec::new() };
                if [name.as_bytes(), link.as_os_str().as_bytes(), &content]
                    .iter()
                    .any(|place| holds(place, needle))
                {
                    found.push(path.to_owned());
                }
            });
        }
        found
    }
}

fn holds(place: &[u8], needle: &[u8]) -> bool {
    !needle.is_empty() && place.windows(needle.len()).any(|window| window == needle)
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).unwrap_or_else(|e| panic!("writing {}: {e}", path.display()));
}
