//! A smart HTTP server in front of the real `git upload-pack`, with faults that a caller switches on.
//!
//! One thread per connection; connections are kept open between requests.
//! Limits: no TLS; no pushing; of what it was asked it remembers the last hundred thousand requests.

use std::{
    io::{self, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use super::{
    fault::{Armed, Fault, Faults, lock, without_end},
    message::{Chunks, Request, send, send_chunked_head, send_closing_head},
    pack_stream::{End, PackStream},
    pkt_line::without_capability,
    upload_pack::{Reply, UploadPack},
};

const BODY_START: usize = 16 * 1024;
/// How many requests are remembered.
const MOST_REQUESTS: usize = 100_000;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct RecordedRequest {
    /// `GET` or `POST`.
    pub method: String,
    /// Path and query; the whole URL if the client took this server for its proxy, which works.
    pub target: String,
    /// The repository's name, without `.git`.
    pub repo: String,
    /// The `Git-Protocol` header, such as `version=2`.
    pub protocol: Option<String>,
    /// All headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The first 16 KiB of the body as sent: pkt-lines, unless the client compressed them.
    pub body_start: Vec<u8>,
}

/// The requests and connections since a server started or since [`HttpServer::forget`].
#[derive(Debug, Clone, Default)]
pub struct Stats {
    /// Every request, in order of arrival.
    pub requests: Vec<RecordedRequest>,
    /// TCP connections accepted.
    pub connections: usize,
    /// Times a fault took effect. A test of a fault asserts that this is not 0.
    pub faults_fired: usize,
}

/// A running server for every repository below one directory.
#[derive(Debug)]
pub struct HttpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    git: UploadPack,
    faults: Faults,
    stats: Mutex<Stats>,
    open: Mutex<Vec<TcpStream>>,
    stopping: AtomicBool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("git", &self.git).finish_non_exhaustive()
    }
}

/// Whether the connection can carry another request.
enum After {
    KeepOpen,
    Close,
}

impl HttpServer {
    /// Serves `root` on 127.0.0.1.
    pub fn start(root: &Path) -> Self {
        Self::start_on(root, Ipv4Addr::LOCALHOST)
    }

    /// Serves `root` on an address of this machine, such as the near end of a network that a test can cut.
    ///
    /// # Panics
    /// When there is no port; [`HttpServer::bind`] gives the error.
    pub fn start_on(root: &Path, address: Ipv4Addr) -> Self {
        Self::bind(root, address).expect("the address has a free port")
    }

    /// The same, for programs that go on after an error.
    ///
    /// # Errors
    /// When there is no port.
    pub fn bind(root: &Path, address: Ipv4Addr) -> io::Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            git: UploadPack::new(root),
            faults: Faults::default(),
            stats: Mutex::default(),
            open: Mutex::default(),
            stopping: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accept(&accepting, &listener));
        Ok(Self { address, shared })
    }

    /// `http://127.0.0.1:PORT/<name>.git`.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}.git", self.address)
    }

    /// The same with a user and a password (or token) in it.
    pub fn url_with_secret(&self, name: &str, user: &str, secret: &str) -> String {
        format!("http://{user}:{secret}@{}/{name}.git", self.address)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Switches a fault on for one repository (by name) or for all (`*`), until [`HttpServer::clear`].
    pub fn fault(&self, repo: &str, fault: Fault) {
        self.shared.faults.arm(repo, fault, u64::MAX);
    }

    /// Switches a fault on for its first `times` occasions; what comes after is served well.
    pub fn fault_times(&self, repo: &str, times: u64, fault: Fault) {
        self.shared.faults.arm(repo, fault, times);
    }

    /// Switches a fault on for requests for a pack, while listings are served well.
    pub fn fault_on_fetch(&self, repo: &str, fault: Fault) {
        self.shared.faults.arm_for_fetches(repo, fault);
    }

    /// Switches all faults off; what hangs is closed.
    pub fn clear(&self) {
        self.shared.faults.clear();
    }

    /// The requests and connections so far.
    pub fn stats(&self) -> Stats {
        Stats { faults_fired: self.shared.faults.fired(), ..lock(&self.shared.stats).clone() }
    }

    /// Forgets the requests and connections seen so far.
    pub fn forget(&self) {
        *lock(&self.shared.stats) = Stats::default();
    }

    /// Closes every open connection at once, whatever it is doing.
    pub fn cut_connections(&self) {
        for stream in lock(&self.shared.open).drain(..) {
            // A connection the client has closed already is as cut as can be.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for HttpServer {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; if it is gone there is nothing to wake.
        let _ = TcpStream::connect_timeout(&self.address, Duration::from_secs(1));
        self.clear();
        self.cut_connections();
    }
}

fn accept(shared: &Arc<Shared>, listener: &TcpListener) {
    for stream in listener.incoming() {
        if shared.stopping.load(Ordering::SeqCst) {
            return;
        }
        let Ok(stream) = stream else { continue };
        lock(&shared.stats).connections += 1;
        let shared = Arc::clone(shared);
        std::thread::spawn(move || {
            let client = stream.peer_addr().ok();
            // The client hung up or sent nonsense; it knows.
            let _ = serve(&shared, stream);
            lock(&shared.open).retain(|other| other.peer_addr().is_ok_and(|it| Some(it) != client));
        });
    }
}

fn serve(shared: &Shared, mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    lock(&shared.open).push(stream.try_clone()?);
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(request) = Request::read(&mut reader, &mut stream)? {
        record(shared, &request);
        let after = answer(shared, &request, &mut stream)?;
        if matches!(after, After::Close) || !request.keep_alive() {
            break;
        }
    }
    // The list of open connections holds a clone, so dropping ours would not close it.
    stream.shutdown(Shutdown::Both)
}

fn record(shared: &Shared, request: &Request) {
    let start = request.body.get(..BODY_START).unwrap_or(&request.body);
    let requests = &mut lock(&shared.stats).requests;
    if requests.len() >= MOST_REQUESTS {
        requests.drain(..MOST_REQUESTS / 2);
    }
    requests.push(RecordedRequest {
        method: request.method.clone(),
        target: request.target.clone(),
        repo: request.repo_and_rest().0.to_owned(),
        protocol: request.header("git-protocol").map(str::to_owned),
        headers: request.headers.clone(),
        body_start: start.to_vec(),
    });
}

fn answer(shared: &Shared, request: &Request, to: &mut TcpStream) -> io::Result<After> {
    let faults = shared.faults.of(request.repo_and_rest().0, request.is_fetch());
    for armed in &faults {
        if let Some(after) = instead(shared, armed, request, to)? {
            return Ok(after);
        }
    }
    let old =
        faults.iter().any(|armed| matches!(armed.fault, Fault::ForceProtocolV0) && armed.fires());
    let protocol = request.header("git-protocol").filter(|_| !old);
    let reply = shared.git.answer(request, protocol)?;
    if request.method == "GET" {
        send_advertisement(reply, &faults, to)
    } else {
        send_stream(shared, reply, &faults, request, to)
    }
}

/// What a fault does in place of, or before, the real answer.
fn instead(
    shared: &Shared,
    armed: &Armed,
    request: &Request,
    to: &mut TcpStream,
) -> io::Result<Option<After>> {
    let mut plain = |status: u16, name: &str, value: &str| {
        send(
            to,
            status,
            &[(name.to_owned(), value.to_owned())],
            b"a fault that the test asked for\n",
        )?;
        Ok(Some(After::KeepOpen))
    };
    match &armed.fault {
        Fault::Status(status) if armed.fires() => plain(*status, "Content-Type", "text/plain"),
        Fault::StatusWithHeader(status, name, value) if armed.fires() => {
            plain(*status, name, value)
        }
        Fault::Redirect { to: other } if armed.fires() => {
            plain(302, "Location", &format!("{other}{}", request.repo_and_rest().1))
        }
        Fault::BasicAuth { user, password } if !is_authorised(request, user, password) => {
            armed.fires();
            plain(401, "WWW-Authenticate", "Basic realm=\"test\"")
        }
        Fault::RefuseWant(id) if wants(request, id) && armed.fires() => {
            let said = format!("ERR upload-pack: not our ref {id}");
            let body = format!("{:04x}{said}", said.len() + 4);
            let kind = "application/x-git-upload-pack-result".to_owned();
            send(to, 200, &[("Content-Type".to_owned(), kind)], body.as_bytes())?;
            Ok(Some(After::KeepOpen))
        }
        Fault::HangBeforeReply if armed.fires() => {
            shared.faults.hang(|| is_closed(to));
            Ok(Some(After::Close))
        }
        Fault::CloseBeforeReply if armed.fires() => Ok(Some(After::Close)),
        Fault::BytesWithoutEnd { first, again, pause } if armed.fires() => {
            to.write_all(first)?;
            Err(without_end(to, again, *pause))
        }
        Fault::Delay(ms) if armed.fires() => {
            std::thread::sleep(Duration::from_millis(*ms));
            Ok(None)
        }
        Fault::OnRequest(call) if armed.fires() => {
            call();
            Ok(None)
        }
        _ => Ok(None),
    }
}

/// A small reply, with its length, after capabilities have been taken out.
fn send_advertisement(
    mut reply: Reply,
    faults: &[Arc<Armed>],
    to: &mut TcpStream,
) -> io::Result<After> {
    let mut body = Vec::new();
    reply.body.read_to_end(&mut body)?;
    for armed in faults {
        if let Fault::WithoutCapability(name) = armed.fault
            && armed.fires()
        {
            body = without_capability(&body, name);
        }
    }
    send(to, reply.status, &reply.headers, &body)?;
    Ok(After::KeepOpen)
}

/// A reply that may carry a pack, sent while it is being made.
fn send_stream(
    shared: &Shared,
    mut reply: Reply,
    faults: &[Arc<Armed>],
    request: &Request,
    to: &mut TcpStream,
) -> io::Result<After> {
    if !request.keep_alive() {
        send_closing_head(to, reply.status, &reply.headers)?;
        let end = PackStream::new(to, faults).copy(&mut reply.body)?;
        return Ok(ended(shared, end, to));
    }
    send_chunked_head(to, reply.status, &reply.headers)?;
    let mut chunks = Chunks::new(to);
    let end = PackStream::new(&mut chunks, faults).copy(&mut reply.body)?;
    if end == End::Whole {
        chunks.finish()?;
    }
    Ok(ended(shared, end, to))
}

fn ended(shared: &Shared, end: End, to: &TcpStream) -> After {
    match end {
        End::Whole => After::KeepOpen,
        End::Close => After::Close,
        End::Hang => {
            shared.faults.hang(|| is_closed(to));
            After::Close
        }
    }
}

/// Whether the other side has closed the connection; looks without waiting.
fn is_closed(stream: &TcpStream) -> bool {
    let waits = stream.set_nonblocking(true);
    let closed = matches!(stream.peek(&mut [0]), Ok(0));
    waits.and_then(|()| stream.set_nonblocking(false)).is_err() || closed
}

/// Whether a pack of this object is asked for, in a body that the client has not compressed.
fn wants(request: &Request, id: &str) -> bool {
    let line = format!("want {id}");
    request.body.windows(line.len()).any(|part| part == line.as_bytes())
}

fn is_authorised(request: &Request, user: &str, password: &str) -> bool {
    let right = format!("Basic {}", STANDARD.encode(format!("{user}:{password}")));
    request.header("authorization") == Some(&right)
}
