//! A home, repositories, and all four kinds of server in front of them.
//!
//! Limits: where there is no working `sshd`, ssh is left out, loudly.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use modstore_testbed::{GitDaemon, HttpServer, Ran, Repo, Running, SshServer, TestHome};
use serde_json::Value;

/// Servers of one directory of repositories.
pub(crate) struct World {
    pub(crate) http: HttpServer,
    daemon: GitDaemon,
    ssh: Option<SshServer>,
    root: tempfile::TempDir,
}

/// What tells a file that was left alone from one that was written again: inode, size, time of change.
type Untouched = BTreeMap<String, (u64, u64, i64, i64)>;

impl World {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory can be made");
        let (http, daemon) = (HttpServer::start(root.path()), GitDaemon::start(root.path()));
        Self { http, daemon, ssh: SshServer::start(root.path()), root }
    }

    pub(crate) fn repo(&self, name: &str) -> Repo {
        Repo::create(self.root.path(), name)
    }

    /// A home whose ssh knows the server.
    pub(crate) fn home(&self) -> TestHome {
        let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        if let Some(ssh) = &self.ssh {
            home.env("GIT_SSH_COMMAND", ssh.ssh_command());
        }
        home
    }

    /// The directory of all repositories.
    pub(crate) fn root(&self) -> &Path {
        self.root.path()
    }

    pub(crate) fn ssh(&self) -> Option<&SshServer> {
        self.ssh.as_ref()
    }

    /// The repository's address at every server, as a source.
    pub(crate) fn sources(&self, repo: &Repo) -> Vec<String> {
        let name = repo.name();
        let ssh = self.ssh.as_ref().map(|ssh| ssh.url(name));
        let urls = [self.daemon.url(name), self.http.url(name), repo.url_file()];
        urls.into_iter().chain(ssh).map(|url| format!("git+{url}")).collect()
    }
}

/// Everything in the home, and whether it was touched.
pub(crate) fn untouched(home: &TestHome) -> Untouched {
    let mut found = BTreeMap::new();
    look(home.path(), &mut found);
    found
}

fn look(path: &Path, found: &mut Untouched) {
    let Ok(meta) = fs::symlink_metadata(path) else { return };
    let size = if meta.is_dir() { 0 } else { meta.size() };
    let stamp = (meta.ino(), size, meta.ctime(), meta.ctime_nsec());
    found.insert(path.display().to_string(), stamp);
    if meta.is_dir() {
        let children = fs::read_dir(path).into_iter().flatten().flatten();
        children.for_each(|child| look(&child.path(), found));
    }
}

/// The one element of a list of the report of `ran`.
#[track_caller]
pub(crate) fn only(ran: &Ran, list: &str) -> Value {
    let report = ran.json();
    // What came of the update that `add` made is an object of its own.
    let report = if report["command"] == "add" { &report["update"] } else { &report };
    let found = report[list].as_array().unwrap_or_else(|| panic!("no {list}: {ran:?}"));
    assert_eq!(found.len(), 1, "{list}: {ran:?}");
    found[0].clone()
}

/// Asserts that an update finds nothing to do, and that not a byte of the home is touched by it.
#[track_caller]
pub(crate) fn is_settled(home: &TestHome) -> Ran {
    let before = untouched(home);
    let ran = home.run(&["update", "--json"]).ok();
    let report = ran.json();
    assert_eq!(
        (&report["updated"], &report["committed"]),
        (&serde_json::json!([]), &false.into()),
        "{ran:?}"
    );
    assert_eq!(untouched(home), before, "an update that changes nothing writes nothing: {ran:?}");
    ran
}

/// Clones with git, as the home is configured.
pub(crate) fn clone_by_git(home: &TestHome, url: &str) -> Ran {
    let place = home.scratch().join("clone");
    let _ = fs::remove_dir_all(&place);
    let args = ["clone", "-q", "--depth=1", url, place.to_str().expect("a plain path")];
    let mut command = home.command_of("git".as_ref(), &args);
    command.env("GIT_TERMINAL_PROMPT", "0");
    Running::start(command).wait()
}
