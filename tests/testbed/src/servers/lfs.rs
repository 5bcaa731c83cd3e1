//! A Git LFS server with faults that a caller switches on, and, at the same address, the git server that it is for.
//!
//! What is not for Git LFS goes on to the git server, so that a repository's own address leads to both. `real_lfs` has a
//! server that others wrote.
//! Limits: nothing can be uploaded; no TLS.

use std::{
    collections::HashMap,
    io::{self, BufReader, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard},
};

use crate::http::{HttpMessage, lock, send_reply};

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct LfsRequest {
    /// `GET` or `POST`.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// All headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// What goes wrong with the content of files.
#[derive(Debug, Clone)]
pub enum LfsFault {
    /// Other bytes, as many.
    Wrong,
    /// The right bytes and more.
    Longer,
    /// Bytes without an end.
    Endless,
    /// The connection breaks after so many bytes.
    Cut(usize),
    /// Parts are not known: everything is sent each time, and the connection breaks after so many bytes.
    CutWhole(usize),
    /// Another part than the one that was asked for, and a connection that breaks first.
    OtherPart(usize),
    /// This status.
    Status(u16),
    /// A redirect to this address.
    Redirect(String),
}

type HeaderList = Vec<(String, String)>;

/// A running server.
#[derive(Debug)]
pub struct LfsServer {
    port: u16,
    state: Arc<Mutex<LfsState>>,
}

#[derive(Debug, Default)]
struct LfsState {
    git: Option<u16>,
    contents: HashMap<String, Vec<u8>>,
    requests: Vec<LfsRequest>,
    login: Option<String>,
    /// For this many occasions.
    fault: Option<(u64, LfsFault)>,
    /// Status, headers and body of the answer to the next questions about contents.
    batch: Option<(u64, (u16, HeaderList, String))>,
    /// Where contents are offered, and the headers for there.
    elsewhere: Option<(String, HeaderList)>,
    /// Refusals of single contents.
    refused: HashMap<String, (u16, String)>,
    expires_in: Option<i64>,
}

impl LfsServer {
    /// Starts one on 127.0.0.1, in front of the git server at port `git`.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start(git: Option<u16>) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let state = Arc::new(Mutex::new(LfsState { git, ..LfsState::default() }));
        let shared = Arc::clone(&state);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = Arc::clone(&shared);
                // A client that hangs up knows why.
                std::thread::spawn(move || serve(&state, port, stream));
            }
        });
        Self { port, state }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:PORT/<name>.git`: the address of a repository that the git server has.
    pub fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}.git", self.port)
    }

    /// The address of the server itself, as `lfs.url` has it.
    pub fn lfs_url(&self) -> String {
        format!("http://127.0.0.1:{}/info/lfs", self.port)
    }

    /// Keeps a content under its SHA-256, in hex.
    pub fn put(&self, sha256: &str, content: impl AsRef<[u8]>) {
        self.state().contents.insert(sha256.to_owned(), content.as_ref().to_vec());
    }

    /// Wants this login from everybody.
    pub fn want_login(&self, user: &str, password: &str) {
        use base64::Engine as _;
        let pair = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        self.state().login = Some(format!("Basic {pair}"));
    }

    /// Switches a fault of contents on for its first `times` occasions.
    pub fn fault(&self, times: u64, fault: LfsFault) {
        self.state().fault = Some((times, fault));
    }

    /// Answers the next `times` questions where contents are like this.
    pub fn answer(&self, times: u64, status: u16, headers: &[(&str, &str)], body: &str) {
        let headers = owned(headers);
        self.state().batch = Some((times, (status, headers, body.to_owned())));
    }

    /// Offers contents below `base` (`<base>/<sha256>`), with headers for there.
    pub fn offer_elsewhere(&self, base: &str, headers: &[(&str, &str)]) {
        self.state().elsewhere = Some((base.to_owned(), owned(headers)));
    }

    /// Refuses one content.
    pub fn refuse(&self, sha256: &str, code: u16, message: &str) {
        self.state().refused.insert(sha256.to_owned(), (code, message.to_owned()));
    }

    /// Says so long offers are good, in seconds.
    pub fn expire(&self, seconds: i64) {
        self.state().expires_in = Some(seconds);
    }

    /// Everything is well again, and all requests are forgotten.
    pub fn clear(&self) {
        let mut state = self.state();
        let (git, contents) = (state.git, std::mem::take(&mut state.contents));
        *state = LfsState { git, contents, ..LfsState::default() };
    }

    /// The requests for Git LFS so far.
    pub fn requests(&self) -> Vec<LfsRequest> {
        self.state().requests.clone()
    }

    /// The targets of requests for contents so far.
    pub fn downloads(&self) -> Vec<LfsRequest> {
        self.requests().into_iter().filter(|request| request.method == "GET").collect()
    }

    fn state(&self) -> MutexGuard<'_, LfsState> {
        lock(&self.state)
    }
}

impl LfsRequest {
    /// The value of the first header of this name (lower case).
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn owned(headers: &[(&str, &str)]) -> HeaderList {
    headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn serve(state: &Mutex<LfsState>, port: u16, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(message) = HttpMessage::read(&mut reader, &mut stream)? {
        let is_lfs = message.target.contains("/info/lfs") || message.target.starts_with("/content");
        let git = lock(state).git.filter(|_| !is_lfs);
        if let Some(git) = git {
            return forward(&message, git, &mut stream);
        }
        let request = LfsRequest {
            method: message.method.clone(),
            target: message.target.clone(),
            headers: message.headers.clone(),
            body: message.body.clone(),
        };
        lock(state).requests.push(request);
        if !answer(state, port, &message, &mut stream)? {
            return stream.shutdown(std::net::Shutdown::Both);
        }
    }
    Ok(())
}

/// Sends a request on, and its answer back; then hangs up.
fn forward(message: &HttpMessage, git: u16, to: &mut TcpStream) -> io::Result<()> {
    let mut server = TcpStream::connect((Ipv4Addr::LOCALHOST, git))?;
    write!(server, "{} {} HTTP/1.1\r\nConnection: close\r\n", message.method, message.target)?;
    for (name, value) in &message.headers {
        if !["connection", "transfer-encoding", "content-length", "expect"].contains(&&**name) {
            write!(server, "{name}: {value}\r\n")?;
        }
    }
    write!(server, "Content-Length: {}\r\n\r\n", message.body.len())?;
    server.write_all(&message.body)?;
    io::copy(&mut server, to)?;
    to.shutdown(std::net::Shutdown::Both)
}

/// Answers; whether the connection can go on.
fn answer(
    state: &Mutex<LfsState>,
    port: u16,
    message: &HttpMessage,
    to: &mut TcpStream,
) -> io::Result<bool> {
    let wanted = lock(state).login.clone();
    let given = message.header("authorization").map(str::to_owned);
    let is_content = message.target.starts_with("/content");
    // An offer of our own is as good as a login.
    if wanted.is_some() && given != wanted && given.as_deref() != Some("Offer") {
        let ask = [("LFS-Authenticate".to_owned(), "Basic realm=\"lfs\"".to_owned())];
        send_reply(to, 401, &ask, b"{\"message\":\"Credentials needed\"}")?;
        return Ok(true);
    }
    if is_content {
        let name = message.target.rsplit('/').next().unwrap_or_default();
        return content(state, message, name.split('?').next().unwrap_or_default(), to);
    }
    let scripted = {
        let mut state = lock(state);
        match &mut state.batch {
            Some((times @ 1.., answer)) => {
                *times -= 1;
                Some(answer.clone())
            }
            _ => None,
        }
    };
    if let Some((status, headers, body)) = scripted {
        send_reply(to, status, &headers, body.as_bytes())?;
        return Ok(true);
    }
    let body = offers(&lock(state), port, &message.body);
    let kind = [("Content-Type".to_owned(), "application/vnd.git-lfs+json".to_owned())];
    send_reply(to, 200, &kind, body.to_string().as_bytes())?;
    Ok(true)
}

/// What is offered of what is asked for.
fn offers(state: &LfsState, port: u16, question: &[u8]) -> serde_json::Value {
    let asked: serde_json::Value = serde_json::from_slice(question).unwrap_or_default();
    let objects = asked.get("objects").and_then(|list| list.as_array()).cloned();
    let said = objects.unwrap_or_default().into_iter().map(|object| {
        let oid = object.get("oid").and_then(|oid| oid.as_str()).unwrap_or_default();
        said_of(state, port, oid, object.get("size"))
    });
    serde_json::json!({ "transfer": "basic", "objects": said.collect::<Vec<_>>() })
}

fn said_of(
    state: &LfsState,
    port: u16,
    oid: &str,
    size: Option<&serde_json::Value>,
) -> serde_json::Value {
    let refused = |code: u16, message: &str| {
        let error = serde_json::json!({ "code": code, "message": message });
        serde_json::json!({ "oid": oid, "size": size, "error": error })
    };
    if let Some((code, message)) = state.refused.get(oid) {
        return refused(*code, message);
    }
    if state.elsewhere.is_none() && !state.contents.contains_key(oid) {
        return refused(404, "Object does not exist");
    }
    let own = (format!("http://127.0.0.1:{port}/content"), Vec::new());
    let (base, headers) = state.elsewhere.as_ref().unwrap_or(&own);
    let header: HashMap<&String, &String> =
        headers.iter().map(|(name, value)| (name, value)).collect();
    let action = serde_json::json!({
        "href": format!("{base}/{oid}"),
        "header": header,
        "expires_in": state.expires_in,
    });
    serde_json::json!({ "oid": oid, "size": size, "actions": { "download": action } })
}

fn content(
    state: &Mutex<LfsState>,
    message: &HttpMessage,
    oid: &str,
    to: &mut TcpStream,
) -> io::Result<bool> {
    let (mut whole, fault) = {
        let mut state = lock(state);
        let fault = match &mut state.fault {
            Some((times @ 1.., fault)) => {
                *times -= 1;
                Some(fault.clone())
            }
            _ => None,
        };
        (state.contents.get(oid).cloned(), fault)
    };
    match &fault {
        Some(LfsFault::Status(status)) => {
            send_reply(to, *status, &[], b"")?;
            return Ok(true);
        }
        Some(LfsFault::Redirect(location)) => {
            let location = [("Location".to_owned(), location.clone())];
            send_reply(to, 302, &location, b"")?;
            return Ok(true);
        }
        _ => {}
    }
    let Some(content) = whole.as_mut() else {
        send_reply(to, 404, &[], b"")?;
        return Ok(true);
    };
    let from = message
        .header("range")
        .and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-')?.parse::<usize>().ok());
    let size = content.len();
    match fault {
        None => part(to, content, from, size),
        Some(LfsFault::Wrong) => {
            content.iter_mut().for_each(|byte| *byte ^= 1);
            part(to, content, from, size)
        }
        Some(LfsFault::Longer) => {
            content.extend(b"and more");
            let size = content.len();
            part(to, content, from, size)
        }
        Some(LfsFault::Cut(bytes)) => part(to, content, from, bytes.min(size)),
        Some(LfsFault::CutWhole(bytes)) => part(to, content, None, bytes.min(size)),
        Some(LfsFault::OtherPart(bytes)) => {
            part(to, content, from.map(|from| from + 1), bytes.min(size))
        }
        Some(LfsFault::Endless) => {
            to.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")?;
            to.write_all(content)?;
            loop {
                to.write_all(&[b'x'; 65536])?;
            }
        }
        Some(LfsFault::Status(_) | LfsFault::Redirect(_)) => Ok(true),
    }
}

/// Sends a content from byte `from` on, and breaks off after `most` bytes.
fn part(to: &mut TcpStream, content: &[u8], from: Option<usize>, most: usize) -> io::Result<bool> {
    let rest = content.get(from.unwrap_or(0)..).unwrap_or_default();
    let (status, range) = match from {
        Some(from) => {
            let range =
                format!("Content-Range: bytes {from}-{}/{}\r\n", content.len(), content.len());
            ("206 Partial Content", range)
        }
        None => ("200 OK", String::new()),
    };
    write!(to, "HTTP/1.1 {status}\r\n{range}Content-Length: {}\r\n\r\n", rest.len())?;
    to.write_all(rest.get(..most).unwrap_or(rest))?;
    Ok(most >= rest.len())
}
