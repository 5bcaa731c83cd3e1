//! `git upload-pack` behind a request, as any smart HTTP server runs it.
//!
//! `git http-backend` would do the same with one process more, and is a package of its own on some systems.
//! Limits: read-only service, one process for each request; no dumb protocol.

use std::{
    io::{self, Read, Write as _},
    path::{Component, Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
};

use flate2::read::GzDecoder;

use super::{
    message::Request,
    reply::{Reply, Repositories},
};
use crate::repositories::isolate;

/// The first lines of a listing in protocol v0; v2 does without.
const SERVICE: &[u8] = b"001e# service=git-upload-pack\n0000";

/// The programs that answer for the repositories below one directory.
#[derive(Debug)]
pub(crate) struct UploadPack {
    root: PathBuf,
}

impl UploadPack {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// The repository of this name, with or without `.git`; never anything outside of the root.
    fn repository(&self, name: &str) -> Option<PathBuf> {
        let name = Path::new(name.trim_start_matches('/'));
        let plain = name.components().all(|part| matches!(part, Component::Normal(_)));
        let place = self.root.join(name);
        let exists = ["HEAD", ".git/HEAD"].iter().any(|head| place.join(head).is_file());
        let longer = PathBuf::from(format!("{}.git/HEAD", place.display()));
        (plain && (exists || longer.is_file())).then_some(place)
    }
}

impl Repositories for UploadPack {
    /// Starts the program. `protocol` becomes `GIT_PROTOCOL`.
    fn answer(&self, request: &Request, protocol: Option<&str>) -> io::Result<Reply> {
        let (path, query) = request.path_and_query();
        let lists = request.method == "GET" && path.ends_with("/info/refs");
        let (service, kind) =
            if lists { ("/info/refs", "advertisement") } else { ("/git-upload-pack", "result") };
        if !lists && request.method != "POST" || lists && query != "service=git-upload-pack" {
            return Ok(Reply::failed(403));
        }
        let Some(repository) = path.strip_suffix(service).and_then(|name| self.repository(name))
        else {
            return Ok(Reply::failed(404));
        };
        let mut git = Command::new("git");
        isolate(&mut git);
        git.args(["upload-pack", "--stateless-rpc"]);
        if lists {
            git.arg("--advertise-refs");
        }
        if let Some(protocol) = protocol {
            git.env("GIT_PROTOCOL", protocol);
        }
        let program = Program::start(git.arg(repository), body(request)?)?;
        let has_service_lines = lists && !protocol.is_some_and(|asked| asked.contains("version=2"));
        let first = if has_service_lines { SERVICE } else { &[] };
        Ok(Reply::git(kind, first.chain(program)))
    }
}

/// The body as the program reads it: git compresses long requests.
fn body(request: &Request) -> io::Result<Vec<u8>> {
    if request.header("content-encoding") != Some("gzip") {
        return Ok(request.body.clone());
    }
    let mut plain = Vec::new();
    GzDecoder::new(request.body.as_slice()).read_to_end(&mut plain)?;
    Ok(plain)
}

/// The program's output. Dropped early, it kills the program.
struct Program {
    child: Child,
    stdout: ChildStdout,
}

impl Program {
    fn start(command: &mut Command, input: Vec<u8>) -> io::Result<Self> {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let stdout = child.stdout.take().ok_or_else(|| io::Error::other("stdout was piped"))?;
        if let Some(mut stdin) = child.stdin.take().filter(|_| !input.is_empty()) {
            // From a thread, since the program may answer before it has read all of a long request.
            std::thread::spawn(move || drop(stdin.write_all(&input)));
        }
        Ok(Self { child, stdout })
    }
}

impl Read for Program {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stdout.read(buffer)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only for a child that has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    fn ask(root: &Path, text: &str) -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut to = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let request = Request::read(&mut text.as_bytes(), &mut to).unwrap().unwrap();
        UploadPack::new(root).answer(&request, None).unwrap().status
    }

    #[test]
    fn a_request_names_a_repository_and_nothing_outside() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        crate::Repo::create(&root, "m00001").write(&[("a", "1")]);
        crate::Repo::create(place.path(), "outside").write(&[("a", "1")]);
        let listing = |name: &str| {
            ask(&root, &format!("GET /{name}/info/refs?service=git-upload-pack HTTP/1.1\r\n\r\n"))
        };
        for good in ["m00001.git", "m00001"] {
            assert_eq!(listing(good), 200, "{good}");
        }
        for bad in ["../outside.git", "a/../../outside.git", "%2e%2e/outside.git", "other", ""] {
            assert_eq!(listing(bad), 404, "{bad}");
        }
        assert_eq!(ask(&root, "POST /m00001.git/git-upload-pack HTTP/1.1\r\n\r\n"), 200);
        assert_eq!(ask(&root, "POST /m00001.git/git-receive-pack HTTP/1.1\r\n\r\n"), 404);
        assert_eq!(ask(&root, "GET /m00001.git/HEAD HTTP/1.1\r\n\r\n"), 403);
    }
}
