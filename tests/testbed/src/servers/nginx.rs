//! nginx, a web server that others wrote, giving out the files of a directory.
//!
//! Limits: without TLS; one process, which ends with the value.

use std::{
    net::{Ipv4Addr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use super::process::ServerProcess;
use crate::system::skip_loudly;

const START_LIMIT: Duration = Duration::from_secs(10);

/// A running nginx.
#[derive(Debug)]
pub struct Nginx {
    server: ServerProcess,
    place: tempfile::TempDir,
}

impl Nginx {
    /// Starts one for the files below `root`. Where it is not installed it says so loudly and gives `None`.
    ///
    /// # Panics
    /// When it is installed and does not start.
    pub fn start(root: &Path) -> Option<Self> {
        let paths = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/bin/nginx"];
        let Some(program) = paths.iter().map(PathBuf::from).find(|path| path.is_file()) else {
            skip_loudly("nginx is not installed; tests/setup.sh installs it");
            return None;
        };
        let place = tempfile::tempdir().expect("a temporary directory can be made");
        let log = place.path().join("log");
        let server = ServerProcess::start(&log, "", |port| {
            let file = place.path().join("nginx.conf");
            std::fs::write(&file, config(place.path(), root, port)).expect("it can be written to");
            let mut command = Command::new(&program);
            command.arg("-p").arg(place.path()).arg("-c").arg(file).args(["-e", "stderr"]);
            command
        });
        let server = server.unwrap_or_else(|said| panic!("nginx does not start: {said}"));
        let begun = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, server.port())).is_err() {
            assert!(begun.elapsed() < START_LIMIT, "nginx: {}", server.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        Some(Self { server, place })
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The lines of its log of requests: `GET /path 200`.
    pub fn requests(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.place.path().join("requests")).unwrap_or_default();
        log.lines().map(String::from).collect()
    }
}

fn config(place: &Path, root: &Path, port: u16) -> String {
    let (place, root) = (place.display(), root.display());
    let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|kind| format!("{kind}_temp_path {place}/{kind};\n"))
        .concat();
    // As root it would become another user, who may not read what a test made.
    let user = if rustix::process::geteuid().is_root() { "user root;\n" } else { "" };
    format!(
        "daemon off;\nmaster_process off;\npid {place}/pid;\nerror_log stderr;\n{user}events {{}}\n\
         http {{\n{places}log_format short '$request_method $uri $status';\naccess_log {place}/requests short;\n\
         server {{ listen 127.0.0.1:{port}; root {root}; }}\n}}\n"
    )
}
