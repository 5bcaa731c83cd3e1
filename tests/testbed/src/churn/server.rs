//! The server of a churn, in a process of its own, so that its processor time is not counted as the store's.

use std::{
    io::{self, BufRead as _, BufReader},
    net::Ipv4Addr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{failure::LabError, http::HttpServer, measure::cpu_time};

/// A running server. It ends with this value.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Starts a program that calls [`serve`].
    pub(super) fn start(mut program: Command) -> Result<Self, LabError> {
        program.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = program.spawn().map_err(LabError::cannot("start this program"))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            // An empty line is no number, and fails below.
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        let port = line.trim().parse().map_err(|_| LabError::NoServer)?;
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

/// The server's own process: serves the repositories in `root` until standard input ends. `announce` prints the port.
///
/// # Errors
/// When there is no port, or standard input or output fails.
pub fn serve(root: &Path, announce: impl FnOnce(u16) -> io::Result<()>) -> Result<(), LabError> {
    let server = HttpServer::bind(root, Ipv4Addr::LOCALHOST)
        .map_err(LabError::cannot("open a port on 127.0.0.1"))?;
    announce(server.port()).map_err(LabError::cannot("print the port"))?;
    io::copy(&mut io::stdin(), &mut io::sink()).map_err(LabError::cannot("read standard input"))?;
    Ok(())
}
