//! `git http-backend` behind a request, as the web servers of forges run it.
//!
//! Limits: read-only; one process for each request, whose whole answer is read before its head is sent.

use std::{
    io::{self, BufRead as _, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{
    message::Request,
    reply::{Reply, Repositories},
};
use crate::repositories::{helper, isolate};

/// The program that answers for the repositories below one directory.
#[derive(Debug)]
pub(crate) struct Backend {
    root: PathBuf,
}

impl Backend {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    fn command(&self, request: &Request, protocol: Option<&str>) -> Command {
        let (path, query) = request.path_and_query();
        let mut command = Command::new(helper("git-http-backend"));
        isolate(&mut command);
        command
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("REQUEST_METHOD", &request.method)
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("REMOTE_ADDR", "127.0.0.1")
            .env("CONTENT_LENGTH", request.body.len().to_string());
        let passed = [
            ("CONTENT_TYPE", request.header("content-type")),
            ("HTTP_CONTENT_ENCODING", request.header("content-encoding")),
            ("GIT_PROTOCOL", protocol),
        ];
        for (variable, value) in passed {
            if let Some(value) = value {
                command.env(variable, value);
            }
        }
        command
    }
}

impl Repositories for Backend {
    fn answer(&self, request: &Request, protocol: Option<&str>) -> io::Result<Reply> {
        let mut child = self
            .command(request, protocol)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let input = request.body.clone();
        if let Some(mut stdin) = child.stdin.take() {
            // From a thread, since the program may answer before it has read all of a long request.
            std::thread::spawn(move || drop(stdin.write_all(&input)));
        }
        let answer = child.wait_with_output()?.stdout;
        reply(answer)
    }
}

/// The answer of a CGI program: headers, of which `Status` is the reply's, an empty line and the body.
fn reply(answer: Vec<u8>) -> io::Result<Reply> {
    let mut rest = io::Cursor::new(answer);
    let (mut status, mut headers) = (200, Vec::new());
    loop {
        let mut line = String::new();
        rest.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        if name == "Status" {
            let number = value.split(' ').next().and_then(|number| number.parse().ok());
            status = number.ok_or_else(|| io::Error::other("the status is no number"))?;
        } else {
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    let mut body = Vec::new();
    rest.read_to_end(&mut body)?;
    Ok(Reply { status, headers, body: Box::new(io::Cursor::new(body)) })
}
