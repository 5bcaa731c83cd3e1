//! `git daemon` on loopback, for `git://`.
//!
//! Limits: IPv4; read-only; no faults, which the HTTP server has.

use std::path::Path;

use super::process::ServerProcess;
use crate::repositories::{git, helper, isolate};

/// A running `git daemon` that serves every repository below one directory.
#[derive(Debug)]
pub struct GitDaemon {
    server: ServerProcess,
    _place: tempfile::TempDir,
}

impl GitDaemon {
    /// Serves `root`; returns when it listens.
    pub fn start(root: &Path) -> Self {
        let place = tempfile::tempdir().expect("a temporary directory can be made");
        let daemon = helper("git-daemon");
        let server = ServerProcess::start(&place.path().join("log"), "Ready to rumble", |port| {
            let mut command =
                if daemon.exists() { std::process::Command::new(&daemon) } else { git() };
            if !daemon.exists() {
                command.arg("daemon");
            }
            isolate(&mut command);
            command
                .args(["--export-all", "--reuseaddr", "--verbose", "--log-destination=stderr"])
                .args(["--listen=127.0.0.1", &format!("--port={port}")])
                .arg(format!("--base-path={}", root.display()));
            command
        })
        .unwrap_or_else(|said| panic!("git daemon does not start: {said}"));
        Self { server, _place: place }
    }

    /// `git://127.0.0.1:PORT/<name>.git`.
    pub fn url(&self, name: &str) -> String {
        format!("git://127.0.0.1:{}/{name}.git", self.port())
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The log of the daemon: one `Request upload-pack for` line per connection, among others.
    pub fn log(&self) -> String {
        self.server.log()
    }
}
