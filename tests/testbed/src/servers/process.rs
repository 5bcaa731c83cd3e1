//! A server program that ends with the value that started it, or with the test process, whichever is first.
//!
//! The program runs in a process group of its own under a shell that waits on a pipe from us: when the pipe closes,
//! because we dropped it or were killed, the shell kills the group.
//! Limits: a process that leaves the group (sshd's sessions do) ends only when its connection does.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, TcpListener},
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

const WATCHER: &str = r#"("$@" </dev/null; kill -9 0) & cat >/dev/null; kill -9 0"#;
const PORTS_TO_TRY: u32 = 20;
const START_LIMIT: Duration = Duration::from_secs(20);

/// A running server and the port it listens on.
#[derive(Debug)]
pub(crate) struct ServerProcess {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl ServerProcess {
    /// Starts what `command` gives for a free port, again with another port if that was taken meanwhile, and waits
    /// until the log (its stderr) contains `ready`. The error is the log of the last try.
    pub(crate) fn start(
        log: &Path,
        ready: &str,
        command: impl Fn(u16) -> Command,
    ) -> Result<Self, String> {
        let mut said = String::new();
        for _ in 0..PORTS_TO_TRY {
            let port = free_port();
            let mut server =
                Self { child: watched(&command(port), log), port, log: log.to_owned() };
            if server.becomes_ready(ready) {
                return Ok(server);
            }
            said = server.log();
            if !said.to_lowercase().contains("in use") && !said.contains("unable to bind") {
                break;
            }
        }
        Err(said)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Everything the server has said so far.
    pub(crate) fn log(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    fn becomes_ready(&mut self, ready: &str) -> bool {
        let started = Instant::now();
        while started.elapsed() < START_LIMIT {
            if self.log().contains(ready) {
                return true;
            }
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        false
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        if let Some(group) = Pid::from_raw(self.child.id().cast_signed()) {
            // Already gone is as good as killed.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.child.wait();
    }
}

/// A loopback port that was free a moment ago.
fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .expect("loopback has a free port")
        .port()
}

fn watched(command: &Command, log: &Path) -> Child {
    let log_file = File::create(log).unwrap_or_else(|e| panic!("making {}: {e}", log.display()));
    let mut watcher = Command::new("/bin/sh");
    watcher.args(["-c", WATCHER, "watcher"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => watcher.env(name, value),
            None => watcher.env_remove(name),
        };
    }
    watcher
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(log_file)
        .spawn()
        .expect("a shell can be started")
}
