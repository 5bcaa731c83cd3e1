//! A port in front of a server that writes down each request, and may change what becomes of it.
//!
//! Connections are kept, as the server keeps them. Limits: HTTP/1.1 without TLS; bodies of requests have a length.

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
};

use crate::http::lock;

/// What becomes of a request before the server has it: its head may be changed, or it has another answer, and the connection ends.
type Change = dyn Fn(&mut String) -> Option<Vec<u8>> + Send + Sync;

/// A forwarding port in front of another.
pub struct RequestLog {
    port: u16,
    state: Arc<State>,
}

struct State {
    server: u16,
    heads: Mutex<Vec<String>>,
    connections: AtomicUsize,
    change: Box<Change>,
    gone: AtomicBool,
}

impl std::fmt::Debug for RequestLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RequestLog").field("port", &self.port).finish_non_exhaustive()
    }
}

impl RequestLog {
    /// Leads to a loopback port.
    pub fn to(server: u16) -> Self {
        Self::changing(server, |_| None)
    }

    /// The same; `change` gets the head of each request.
    pub fn changing(
        server: u16,
        change: impl Fn(&mut String) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let (heads, connections) = (Mutex::default(), AtomicUsize::new(0));
        let (change, gone) = (Box::new(change), AtomicBool::new(false));
        let state = Arc::new(State { server, heads, connections, change, gone });
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.gone.load(Ordering::SeqCst) {
                    return;
                }
                let state = Arc::clone(&accepting);
                state.connections.fetch_add(1, Ordering::SeqCst);
                thread::spawn(move || {
                    // Ends that go away are what it is made for.
                    let _ = state.forward(&client);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Self { port, state }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        lock(&self.state.heads).clone()
    }

    /// How many requests of a method there were.
    pub fn count(&self, method: &str) -> usize {
        self.heads().iter().filter(|head| head.split(' ').next() == Some(method)).count()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.state.connections.load(Ordering::SeqCst)
    }

    /// Forgets what was so far.
    pub fn forget(&self) {
        lock(&self.state.heads).clear();
        self.state.connections.store(0, Ordering::SeqCst);
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        self.state.gone.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; if it is gone there is nothing to wake.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl State {
    fn forward(&self, client: &TcpStream) -> io::Result<()> {
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, self.server))?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        thread::scope(|scope| {
            scope.spawn(|| {
                // However it ended, the client should see the end of the stream.
                let _ = io::copy(&mut &server, &mut &*client);
                let _ = client.shutdown(Shutdown::Both);
            });
            let sent = self.send(client, &server);
            let _ = server.shutdown(if sent.is_ok() { Shutdown::Write } else { Shutdown::Both });
            sent
        })
    }

    /// Sends on each request, one after the other.
    fn send(&self, mut client: &TcpStream, mut server: &TcpStream) -> io::Result<()> {
        let mut from = BufReader::new(client);
        while let Some(mut head) = head(&mut from)? {
            lock(&self.heads).push(head.clone());
            if let Some(answer) = (self.change)(&mut head) {
                client.write_all(&answer)?;
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            server.write_all(head.as_bytes())?;
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            io::copy(&mut from.by_ref().take(length.unwrap_or(0)), &mut server)?;
        }
        Ok(())
    }
}

/// The head of a request, with the empty line at its end; none at the end of the connection.
fn head(from: &mut BufReader<&TcpStream>) -> io::Result<Option<String>> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            return Ok(None);
        }
    }
    Ok(Some(head))
}
