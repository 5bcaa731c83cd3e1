//! `git http-backend` behind a request: the program that real smart HTTP servers run.
//!
//! Limits: read-only service; one process per request, as CGI is.

use std::io::{self, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::git::{helper, isolate};
use crate::http::{Request, line};

/// What runs for every request below one directory of repositories.
#[derive(Debug)]
pub(crate) struct Backend {
    root: PathBuf,
    program: PathBuf,
}

impl Backend {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), program: helper("git-http-backend") }
    }

    /// Starts the program and reads its headers. `protocol` becomes `GIT_PROTOCOL`, `user` becomes `REMOTE_USER`.
    pub(crate) fn answer(
        &self,
        request: &Request,
        protocol: Option<&str>,
        user: Option<&str>,
    ) -> io::Result<CgiReply> {
        let mut command = Command::new(&self.program);
        self.environment(&mut command, request);
        for (name, value) in [("GIT_PROTOCOL", protocol), ("REMOTE_USER", user)] {
            if let Some(value) = value {
                command.env(name, value);
            }
        }
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        feed(&mut child, request.body.clone());
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("stdout was piped"))?;
        CgiReply::read_headers(child, BufReader::new(stdout))
    }

    fn environment(&self, command: &mut Command, request: &Request) {
        let (path, query) = request.path_and_query();
        isolate(command);
        command
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("REQUEST_METHOD", &request.method)
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("CONTENT_TYPE", request.header("content-type").unwrap_or_default())
            .env("CONTENT_LENGTH", request.body.len().to_string())
            .env("REMOTE_ADDR", "127.0.0.1")
            .env_remove("REMOTE_USER");
        if let Some(encoding) = request.header("content-encoding") {
            command.env("HTTP_CONTENT_ENCODING", encoding);
        }
    }
}

/// A started reply. Dropped early, it kills the program.
#[derive(Debug)]
pub(crate) struct CgiReply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: BufReader<ChildStdout>,
    child: Child,
}

impl CgiReply {
    fn read_headers(child: Child, body: BufReader<ChildStdout>) -> io::Result<Self> {
        let mut reply = Self { status: 200, headers: Vec::new(), body, child };
        while let Some(header) = line(&mut reply.body)?.filter(|line| !line.is_empty()) {
            let Some((name, value)) = header.split_once(": ") else { continue };
            if name == "Status" {
                let code = value.split(' ').next().and_then(|code| code.parse().ok());
                reply.status = code.unwrap_or(500);
            } else if name != "Content-Length" {
                reply.headers.push((name.to_owned(), value.to_owned()));
            }
        }
        Ok(reply)
    }
}

impl Drop for CgiReply {
    fn drop(&mut self) {
        // Both fail only for a child that is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Writes the body from a thread, since the program may answer before it has read all.
fn feed(child: &mut Child, body: Vec<u8>) {
    if let Some(mut stdin) = child.stdin.take().filter(|_| !body.is_empty()) {
        std::thread::spawn(move || drop(stdin.write_all(&body)));
    }
}
