//! The servers, and a repository that each of them has in the same state.
//!
//! Limits: where there is no working `sshd`, cells with ssh are left out, loudly.

use std::{path::PathBuf, process::Command};

use modstore_testbed::{
    Certificate, Change, Fault, GitDaemon, HttpServer, Proxy, RefusedPort, Repo, SshServer,
    TlsFront,
};

/// What a server wants of its clients; a repository of this name stands behind each.
pub(crate) const GATES: [&str; 4] = ["open", "basic", "header", "cookie"];

pub(crate) const USER: &str = "me";
pub(crate) const PASSWORD: &str = "s3cr3t";

pub(crate) struct World {
    pub(crate) backend: HttpServer,
    pub(crate) upload_pack: HttpServer,
    pub(crate) files: HttpServer,
    pub(crate) signed: TlsFront,
    pub(crate) self_signed: TlsFront,
    pub(crate) other_name: TlsFront,
    pub(crate) known_clients: TlsFront,
    pub(crate) daemon: GitDaemon,
    pub(crate) ssh: Option<SshServer>,
    pub(crate) proxy: Proxy,
    pub(crate) guarded_proxy: Proxy,
    pub(crate) dead: RefusedPort,
    pub(crate) ids: Ids,
    root: tempfile::TempDir,
}

/// Commits of the repository.
#[derive(Debug, Default)]
pub(crate) struct Ids {
    pub(crate) tip: String,
    pub(crate) old: String,
    /// One that no branch leads to.
    pub(crate) alone: String,
}

impl World {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory can be made");
        let ids = repositories(&root);
        let (backend, upload_pack) =
            (HttpServer::start_with_backend(root.path()), HttpServer::start(root.path()));
        let files = HttpServer::start_with_files(root.path());
        for server in [&backend, &upload_pack, &files] {
            guard(server);
        }
        let port = backend.port();
        Self {
            signed: TlsFront::to(port),
            self_signed: TlsFront::with_certificate(port, Certificate::SelfSigned),
            other_name: TlsFront::with_certificate(port, Certificate::OtherName),
            known_clients: TlsFront::for_known_clients(port),
            daemon: GitDaemon::start(root.path()),
            ssh: SshServer::start(root.path()),
            proxy: Proxy::open(),
            guarded_proxy: Proxy::with_login("pu", "pp"),
            dead: RefusedPort::reserve(),
            backend,
            upload_pack,
            files,
            ids,
            root,
        }
    }

    /// A directory among the repositories.
    pub(crate) fn place(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }
}

fn guard(server: &HttpServer) {
    for gate in GATES {
        let moved = format!("moved-{gate}");
        let to = server.url(gate);
        server.fault(&moved, Fault::Redirect { to });
    }
    server.fault("basic", Fault::BasicAuth { user: USER, password: PASSWORD });
    server.fault("header", Fault::NeedsHeader { name: "x-pass", value: "let-me" });
    server.fault("cookie", Fault::NeedsHeader { name: "cookie", value: "o=git-me" });
}

/// The repository, behind each gate and in each form.
fn repositories(root: &tempfile::TempDir) -> Ids {
    let repo = Repo::create(root.path(), "open");
    let ids = fill(&repo);
    let shell = |script: &str| {
        let mut sh = Command::new("sh");
        sh.args(["-ec", script]).current_dir(root.path());
        sh.env("HOME", "/nonexistent").env("GIT_CONFIG_NOSYSTEM", "1");
        let out = sh.output().expect("a shell starts");
        assert!(out.status.success(), "{script}: {}", String::from_utf8_lossy(&out.stderr));
    };
    shell("git -C open.git update-server-info");
    for gate in GATES.into_iter().filter(|gate| *gate != "open") {
        shell(&format!("cp -R open.git {gate}.git"));
    }
    shell(
        "mkdir tree; cp -R open.git tree/.git; git -C tree config core.bare false; git -C tree reset -q --hard
         git -C tree worktree add -q -b linked ../linked
         git init -q --bare -b main shallow.git
         git -C shallow.git fetch -q --depth 1 file://$PWD/open.git '+refs/*:refs/*'
         git clone -q --mirror --shared open.git alternates.git",
    );
    ids
}

fn fill(repo: &Repo) -> Ids {
    let old = repo.write(&[("a", "1"), ("d/b", "2")]);
    repo.commit(
        "main",
        &[
            Change::exec("run", "#!/bin/sh\n"),
            Change::symlink("d/link", "../a"),
            Change::write("\u{fc}ber/leer", ""),
        ],
    );
    let tip = repo.commit("main", &[Change::write("a", "3"), Change::delete("d/b")]);
    repo.branch("dev", &old);
    repo.commit("dev", &[Change::write("dev", "4")]);
    repo.branch("feature/one", &old);
    repo.commit("feature/one", &[Change::write("feature", "5")]);
    repo.tag("light", &old);
    repo.annotated_tag("v1", &old);
    repo.branch("passing", &tip);
    let alone = repo.commit("passing", &[Change::write("alone", "6")]);
    repo.annotated_tag("alone", &alone);
    let inner = repo.annotated_tag("inner", &alone);
    repo.annotated_tag("nested", &inner);
    repo.git(&["update-ref", "-d", "refs/heads/passing"]);
    repo.annotated_tag("a-tree", &format!("{tip}^{{tree}}"));
    repo.annotated_tag("a-blob", &format!("{tip}:a"));
    Ids { tip, old, alone }
}
