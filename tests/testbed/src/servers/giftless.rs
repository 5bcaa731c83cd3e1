//! giftless, a Git LFS server that others wrote.
//!
//! `tests/setup.sh` installs it. Limits: anybody may read and write; contents lie in a directory of its own.

use std::{path::Path, process::Command};

use super::process::ServerProcess;
use crate::system::skip_loudly;

/// A running giftless.
#[derive(Debug)]
pub struct Giftless {
    server: ServerProcess,
    place: tempfile::TempDir,
}

impl Giftless {
    /// Starts one. Where it is not installed it says so loudly and gives `None`.
    ///
    /// # Panics
    /// When it is installed and does not start.
    pub fn start() -> Option<Self> {
        let tools = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools/giftless");
        let python = Path::new(tools).join("bin/python");
        if !python.is_file() {
            skip_loudly("giftless is not installed; tests/setup.sh installs it");
            return None;
        }
        let place = tempfile::tempdir().expect("a temporary directory can be made");
        let config = format!(
            "LEGACY_ENDPOINTS: false\nAUTH_PROVIDERS:\n  - giftless.auth.allow_anon:read_write\n\
             TRANSFER_ADAPTERS:\n  basic:\n    options:\n      storage_options:\n        path: {}\n",
            place.path().join("contents").display()
        );
        let file = place.path().join("giftless.yaml");
        std::fs::write(&file, config).expect("a temporary directory can be written to");
        let server = ServerProcess::start(&place.path().join("log"), "Running on", |port| {
            let mut command = Command::new(&python);
            command.args(["-m", "flask", "--app", "giftless.wsgi_entrypoint:app", "run"]);
            command.args(["--port", &port.to_string()]).env("GIFTLESS_CONFIG_FILE", &file);
            command
        });
        let server = server.unwrap_or_else(|said| panic!("giftless does not start: {said}"));
        Some(Self { server, place })
    }

    /// The address of the server for the repository `<owner>/<name>`, as `lfs.url` has it.
    pub fn url(&self, repository: &str) -> String {
        format!("http://127.0.0.1:{}/{repository}.git/info/lfs", self.server.port())
    }

    /// Where the contents lie.
    pub fn contents(&self) -> std::path::PathBuf {
        self.place.path().join("contents")
    }

    /// What it has said.
    pub fn log(&self) -> String {
        self.server.log()
    }
}
