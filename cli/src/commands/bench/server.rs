//! A smart HTTP server on loopback, in a process of its own, so that what it takes is not counted as ours.
//!
//! `git upload-pack` does the work, one process for each request, as behind any web server; connections stay open between
//! requests. Enough for the client in this program: no TLS, no compressed questions, no faults.

use std::{
    ffi::OsString,
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
    time::Duration,
};

use modstore::Exit;

use super::args::BenchServeArgs;
use crate::{commands::scratch::cannot, output::Output, report::Failure};

/// The server, as the one who started it has it. It ends when this goes.
#[derive(Debug)]
pub(super) struct Server {
    child: Child,
    port: u16,
}

impl Server {
    /// Serves the repositories in `root`.
    pub(super) fn start(root: &Path, variables: &[(OsString, OsString)]) -> Result<Self, Failure> {
        let program =
            std::env::current_exe().map_err(|error| cannot("find this program", &error))?;
        let mut command = Command::new(program);
        command.env_clear().envs(variables.iter().cloned()).args(["bench", "serve"]).arg(root);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| cannot("start this program", &error))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            // Nothing that was read is no number, which is said below.
            let _ = BufReader::new(stdout).read_line(&mut line);
        }
        let port = line.trim().parse();
        let port = port.map_err(|_| Failure::new(Exit::Failed, "the server did not start"));
        Ok(Self { child, port: port? })
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// The processor time of the server and its programs so far; nothing where the system does not say.
    pub(super) fn cpu(&self) -> Option<Duration> {
        const TICK: Duration = Duration::from_millis(10);
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // The name, in brackets, may hold anything; the fields that count come after it.
        let fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11).take(4);
        Some(TICK * fields.filter_map(|field| field.parse::<u32>().ok()).sum())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // The end of its standard input is what it waits for; if it is gone already, so much the better.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The other side: serves until standard input ends.
pub(super) fn run(output: &Output, args: &BenchServeArgs) -> Result<(), Failure> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let address = |listener: TcpListener| Ok((listener.local_addr()?.port(), listener));
    let (port, listener) = listener
        .and_then(address)
        .map_err(|error: io::Error| cannot("open a port on 127.0.0.1", &error))?;
    output.for_people(|to| writeln!(to, "{port}"))?;
    let root = Arc::new(args.root.clone());
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let root = Arc::clone(&root);
            // A client that hangs up knows it.
            thread::spawn(move || serve(&root, &client));
        }
    });
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

/// A question that was understood.
struct Question {
    repository: String,
    /// The body of a request for a pack; nothing for a listing.
    body: Option<Vec<u8>>,
    protocol: String,
}

fn serve(root: &Path, client: &TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut from = BufReader::new(client.try_clone()?);
    while let Some(question) = read(&mut from)? {
        answer(root, &question, client)?;
    }
    Ok(())
}

/// The next question; nothing when the client is done.
fn read(from: &mut impl BufRead) -> io::Result<Option<Question>> {
    let bad = || io::Error::from(io::ErrorKind::InvalidData);
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let target = line.split(' ').nth(1).ok_or_else(bad)?;
    let (repository, rest) = target.trim_start_matches('/').split_once('/').ok_or_else(bad)?;
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
    let is_plain = repository.bytes().all(plain) && !repository.starts_with('.');
    if !is_plain || !repository.ends_with(".git") {
        return Err(bad());
    }
    let (repository, asks_for_pack) = (repository.to_owned(), rest == "git-upload-pack");
    let (mut length, mut protocol) = (0, String::new());
    loop {
        line.clear();
        from.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.trim().parse().map_err(|_| bad())?,
            "git-protocol" => value.trim().clone_into(&mut protocol),
            _ => {}
        }
    }
    let mut body = Vec::new();
    from.take(length).read_to_end(&mut body)?;
    Ok(Some(Question { repository, body: asks_for_pack.then_some(body), protocol }))
}

fn answer(root: &Path, question: &Question, mut client: &TcpStream) -> io::Result<()> {
    let mut child = upload_pack(root.join(&question.repository), question)?;
    if let (Some(mut stdin), Some(body)) = (child.stdin.take(), &question.body) {
        // It has read all of it before it says anything, and hangs up if it does not like it.
        let _ = stdin.write_all(body);
    }
    let mut stdout = child.stdout.take().ok_or_else(|| io::Error::other("stdout was piped"))?;
    let kind = if question.body.is_some() { "result" } else { "advertisement" };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-{kind}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let mut first = head.into_bytes();
    if question.body.is_none() && question.protocol != "version=2" {
        first.extend_from_slice(b"22\r\n001e# service=git-upload-pack\n0000\r\n");
    }
    let mut part = vec![0; 64 << 10];
    loop {
        let read = stdout.read(&mut part)?;
        let read = part.get(..read).unwrap_or_default();
        first.extend_from_slice(format!("{:x}\r\n", read.len()).as_bytes());
        first.extend_from_slice(read);
        first.extend_from_slice(b"\r\n");
        client.write_all(&first)?;
        first.clear();
        if read.is_empty() {
            break;
        }
    }
    child.wait().map(drop)
}

fn upload_pack(repository: PathBuf, question: &Question) -> io::Result<Child> {
    let mut git = Command::new("git");
    git.args(["upload-pack", "--stateless-rpc"]);
    if question.body.is_none() {
        git.arg("--advertise-refs");
    }
    git.arg(repository).env("GIT_PROTOCOL", &question.protocol);
    git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_names_a_repository_and_nothing_outside() {
        let ask = |text: &str| read(&mut text.as_bytes());
        let listing =
            "GET /m00001.git/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: h\r\n\r\n";
        let listing = ask(listing).unwrap().unwrap();
        assert_eq!((listing.repository.as_str(), listing.body), ("m00001.git", None));
        let pack = "POST /m.git/git-upload-pack HTTP/1.1\r\nContent-Length: 3\r\nGit-Protocol: version=2\r\n\r\nabc";
        let pack = ask(pack).unwrap().unwrap();
        assert_eq!(
            (pack.body.as_deref(), pack.protocol.as_str()),
            (Some(&b"abc"[..]), "version=2")
        );
        assert!(ask("").unwrap().is_none());
        for bad in ["GET /../x/info/refs", "GET /a%2fb/info/refs", "GET /", "nonsense"] {
            assert!(ask(&format!("{bad} HTTP/1.1\r\n\r\n")).is_err(), "{bad}");
        }
    }
}
