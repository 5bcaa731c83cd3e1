//! The server of a churn, in a process of its own, so that its processor time is not counted as the store's.

use std::{
    io::{self, BufRead as _, BufReader},
    net::Ipv4Addr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use modstore_testbed::{HttpServer, cpu_time};

use super::args::BenchServeArgs;
use crate::{commands::cannot::cannot, exit::Exit, output::Output, report::Failure};

/// A running server. It ends with this value.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Serves the repositories in `root`.
    pub(super) fn start(root: &Path) -> Result<Self, Failure> {
        let program =
            std::env::current_exe().map_err(|error| cannot("find this program", &error))?;
        let mut command = Command::new(program);
        command.args(["bench", "serve"]).arg(root).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| cannot("start this program", &error))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            // An empty line is no number, and fails below.
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        let port = line.trim().parse();
        let port = port.map_err(|_| Failure::new(Exit::Failed, "the server did not start"))?;
        Ok(Self { child, port })
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// The processor time of the server and its programs so far; nothing where the system does not say.
    pub(super) fn cpu(&self) -> Option<Duration> {
        cpu_time(self.child.id())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It waits for the end of its standard input. If it has ended already, so much the better.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The server's own process: serves until standard input ends.
pub(super) fn run(output: &Output, args: &BenchServeArgs) -> Result<(), Failure> {
    let server = HttpServer::bind(&args.root, Ipv4Addr::LOCALHOST)
        .map_err(|error| cannot("open a port on 127.0.0.1", &error))?;
    output.for_people(|to| writeln!(to, "{}", server.port()))?;
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}
