//! A smart HTTP server in front of the real `git upload-pack`, with faults that a caller switches on.
//!
//! One thread per connection; connections are kept open between requests.
//! Limits: no TLS; no pushing; it remembers the last hundred thousand requests only.

use std::{
    io::{self, BufReader},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    answer::{After, Answers, answer},
    fault::{Fault, Faults, lock},
    message::Request,
    pack_server::ServedPack,
    reply::Repositories,
    upload_pack::UploadPack,
};
#[cfg(feature = "full")]
use super::{backend::Backend, plain_files::PlainFiles};

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
    answers: Answers,
    stats: Mutex<Stats>,
    open: Mutex<Vec<TcpStream>>,
    stopping: AtomicBool,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("stats", &self.stats).finish_non_exhaustive()
    }
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
        Self::serve(Box::new(UploadPack::new(root)), address)
    }

    /// Serves `root` by `git http-backend`, as the web servers of forges do, on 127.0.0.1.
    ///
    /// # Panics
    /// When there is no port.
    #[cfg(feature = "full")]
    pub fn start_with_backend(root: &Path) -> Self {
        Self::serve(Box::new(Backend::new(root)), Ipv4Addr::LOCALHOST)
            .expect("loopback has a free port")
    }

    /// Serves the files of `root` and knows nothing of git: the "dumb" protocol, on 127.0.0.1. Repositories need
    /// `git update-server-info`.
    ///
    /// # Panics
    /// When there is no port.
    #[cfg(feature = "full")]
    pub fn start_with_files(root: &Path) -> Self {
        Self::serve(Box::new(PlainFiles::new(root)), Ipv4Addr::LOCALHOST)
            .expect("loopback has a free port")
    }

    /// Serves packs that were made by hand, on 127.0.0.1.
    ///
    /// # Panics
    /// When there is no port.
    pub fn start_with_packs(packs: Vec<ServedPack>) -> Self {
        Self::serve(Box::new(packs), Ipv4Addr::LOCALHOST).expect("loopback has a free port")
    }

    fn serve(repositories: Box<dyn Repositories>, address: Ipv4Addr) -> io::Result<Self> {
        let listener = TcpListener::bind((address, 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            answers: Answers { repositories, faults: Faults::default() },
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
        self.shared.answers.faults.arm(repo, fault, u64::MAX);
    }

    /// Switches a fault on for its first `times` occasions; later requests are served well.
    pub fn fault_times(&self, repo: &str, times: u64, fault: Fault) {
        self.shared.answers.faults.arm(repo, fault, times);
    }

    /// Switches a fault on for requests for a pack, while listings are served well.
    pub fn fault_on_fetch(&self, repo: &str, fault: Fault) {
        self.shared.answers.faults.arm_for_fetches(repo, fault);
    }

    /// Switches all faults off; hanging connections are closed.
    pub fn clear(&self) {
        self.shared.answers.faults.clear();
    }

    /// The requests and connections so far.
    pub fn stats(&self) -> Stats {
        Stats {
            faults_fired: self.shared.answers.faults.fired(),
            ..lock(&self.shared.stats).clone()
        }
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
        let after = answer(&shared.answers, &request, &mut stream)?;
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
