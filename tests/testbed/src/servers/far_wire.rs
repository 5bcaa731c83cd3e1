//! A wire to a server that is far away: every byte takes half a round trip, and a connection a whole one.
//!
//! For any protocol. It counts connections, and can drop those above a number, as servers do that are asked too much.
//! Limits: loopback only. The kernel makes connections at once, so the round trip of making one is added to the first
//! bytes that the client sends. Of a line it has the length, and no width unless one is given; no packet is lost.

use std::{
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// A forwarding port in front of another.
#[derive(Debug)]
pub struct FarWire {
    port: u16,
    server: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    half: Duration,
    /// Bytes a second in each direction of a connection; 0 is no limit.
    width: AtomicUsize,
    most: AtomicUsize,
    open: AtomicUsize,
    accepted: AtomicUsize,
    dropped: AtomicUsize,
    most_open: AtomicUsize,
    /// Connections when the server's first byte arrived; 0 until then.
    before_an_answer: AtomicUsize,
    gone: AtomicBool,
}

impl FarWire {
    /// Leads to a loopback port, that far away.
    pub fn to(server: u16, round_trip: Duration) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let state = Arc::new(State {
            half: round_trip / 2,
            width: AtomicUsize::new(0),
            most: AtomicUsize::new(usize::MAX),
            open: AtomicUsize::new(0),
            accepted: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
            most_open: AtomicUsize::new(0),
            before_an_answer: AtomicUsize::new(0),
            gone: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.gone.load(Ordering::SeqCst) {
                    return;
                }
                accepting.take(client, server);
            }
        });
        Self { port, server, state }
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A URL of the server, made to lead through here.
    pub fn url(&self, url: &str) -> String {
        url.replacen(&format!(":{}/", self.server), &format!(":{}/", self.port), 1)
    }

    /// From now on each new connection carries this many bytes a second in each direction.
    pub fn set_width(&self, bytes: usize) {
        self.state.width.store(bytes, Ordering::SeqCst);
    }

    /// From now on a connection is dropped, before a byte is read, while this many are open.
    pub fn drop_above(&self, connections: usize) {
        self.state.most.store(connections, Ordering::SeqCst);
    }

    /// Connections so far, those that were dropped too.
    pub fn connections(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }

    /// Those that were dropped.
    pub fn dropped(&self) -> usize {
        self.state.dropped.load(Ordering::SeqCst)
    }

    /// The most that were open at one time.
    pub fn most_open(&self) -> usize {
        self.state.most_open.load(Ordering::SeqCst)
    }

    /// Those that were made before a byte of any answer arrived.
    pub fn before_an_answer(&self) -> usize {
        self.state.before_an_answer.load(Ordering::SeqCst)
    }

    /// Forgets the connections so far.
    pub fn forget(&self) {
        let State { accepted, dropped, most_open, before_an_answer, .. } = &*self.state;
        for count in [accepted, dropped, most_open, before_an_answer] {
            count.store(0, Ordering::SeqCst);
        }
    }
}

impl Drop for FarWire {
    fn drop(&mut self) {
        self.state.gone.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; if it is gone there is nothing to wake.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

impl State {
    fn take(self: &Arc<Self>, client: TcpStream, server: u16) {
        self.accepted.fetch_add(1, Ordering::SeqCst);
        let open = self.open.fetch_add(1, Ordering::SeqCst) + 1;
        if open > self.most.load(Ordering::SeqCst) {
            self.dropped.fetch_add(1, Ordering::SeqCst);
            self.open.fetch_sub(1, Ordering::SeqCst);
            return;
        }
        self.most_open.fetch_max(open, Ordering::SeqCst);
        let state = Arc::clone(self);
        thread::spawn(move || {
            // A wire is made for ends that are missing or go away.
            let _ = state.forward(&client, server);
            state.open.fetch_sub(1, Ordering::SeqCst);
        });
    }

    fn forward(&self, client: &TcpStream, server: u16) -> io::Result<()> {
        let connected_at = Instant::now() + self.half * 2;
        let server = TcpStream::connect((Ipv4Addr::LOCALHOST, server))?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        thread::scope(|scope| {
            scope.spawn(|| self.carry(client, &server, connected_at, || {}));
            self.carry(&server, client, connected_at, || {
                let so_far = self.accepted.load(Ordering::SeqCst);
                let first = &self.before_an_answer;
                let _ = first.compare_exchange(0, so_far, Ordering::SeqCst, Ordering::SeqCst);
            });
            // What the client sends now, it sends to a server that has gone.
            let _ = client.shutdown(Shutdown::Both);
        });
        Ok(())
    }

    /// Carries all bytes of one direction; none arrives before the connection has been made.
    fn carry(
        &self,
        from: &TcpStream,
        to: &TcpStream,
        connected_at: Instant,
        arrives: impl Fn() + Send,
    ) {
        let (send, receive) = channel();
        thread::scope(|scope| {
            scope.spawn(move || deliver(&receive, to, arrives));
            // However it ended, the other end should see the end of the stream.
            let _ = self.read(from, &send, connected_at);
            drop(send);
        });
        let _ = to.shutdown(Shutdown::Write);
    }

    fn read(
        &self,
        mut from: &TcpStream,
        to: &Sender<(Instant, Vec<u8>)>,
        connected_at: Instant,
    ) -> io::Result<()> {
        let width = self.width.load(Ordering::SeqCst);
        let mut part = [0; 16 * 1024];
        let mut free_at = connected_at;
        loop {
            let read = from.read(&mut part)?;
            let bytes = part.get(..read).unwrap_or_default().to_vec();
            if bytes.is_empty() {
                return Ok(());
            }
            let sent_at = free_at.max(Instant::now());
            let takes = Duration::from_secs_f64(read as f64 / width.max(1) as f64);
            free_at = if width == 0 { sent_at } else { sent_at + takes };
            to.send((free_at + self.half, bytes)).map_err(io::Error::other)?;
        }
    }
}

/// Writes each piece when its time has come.
fn deliver(pieces: &Receiver<(Instant, Vec<u8>)>, mut to: &TcpStream, arrives: impl Fn()) {
    while let Ok((at, bytes)) = pieces.recv() {
        thread::sleep(at.saturating_duration_since(Instant::now()));
        arrives();
        if to.write_all(&bytes).is_err() {
            return;
        }
    }
}
