//! A forwarding HTTP proxy: `CONNECT`, and requests with a whole URL. It knows every name below `.invalid` as this machine, so
//! that such a name is reached through the proxy or not at all.
//!
//! Limits: loopback only; one request with a whole URL for each connection; Basic logins only.

use std::{
    io::{self, BufReader, Read as _, Write as _},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::http::line;

const REFUSED: &[u8] =
    b"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"proxy\"\r\n\
                         Content-Length: 0\r\nConnection: close\r\n\r\n";
const BAD: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// A running proxy.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    gone: Arc<AtomicBool>,
}

impl Proxy {
    /// For every client.
    pub fn open() -> Self {
        Self::start(None)
    }

    /// For this user and password.
    pub fn with_login(user: &str, password: &str) -> Self {
        Self::start(Some(format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))))
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn start(login: Option<String>) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let gone = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&gone);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if ended.load(Ordering::SeqCst) {
                    return;
                }
                let login = login.clone();
                thread::spawn(move || {
                    // Clients that go away, and servers that are not there, are what it is made for.
                    let _ = serve(&client, login.as_deref());
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Self { port, gone }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::SeqCst);
        // Wakes the accepting thread; if it is gone there is nothing to wake.
        let _ = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port));
    }
}

/// The lines of a request's head.
fn head(from: &mut BufReader<&TcpStream>) -> io::Result<Vec<String>> {
    let mut lines = Vec::new();
    while let Some(next) = line(from)?.filter(|next| !next.is_empty()) {
        lines.push(next);
    }
    Ok(lines)
}

fn serve(mut client: &TcpStream, login: Option<&str>) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut from = BufReader::new(client);
    let lines = head(&mut from)?;
    let value = |name: &str| {
        lines.iter().find_map(|line| {
            let (known, value) = line.split_once(": ")?;
            known.eq_ignore_ascii_case(name).then_some(value)
        })
    };
    if login.is_some() && value("proxy-authorization") != login {
        client.write_all(REFUSED)?;
        // Read to the client's end, since a connection closed on unread bytes loses the answer.
        client.shutdown(Shutdown::Write)?;
        return io::copy(&mut from, &mut io::sink()).map(drop);
    }
    let mut words = lines.first().map(String::as_str).unwrap_or_default().split(' ');
    let (Some(method), Some(target)) = (words.next(), words.next()) else {
        return client.write_all(BAD);
    };
    if method == "CONNECT" {
        let Some(server) = connect(target) else { return client.write_all(BAD) };
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
        return both_ways(from, client, &server);
    }
    let rest = target.strip_prefix("http://").unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let Some(mut server) = connect(authority) else { return client.write_all(BAD) };
    let mut request = format!("{method} /{path} HTTP/1.1\r\n");
    for line in lines.iter().skip(1) {
        let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
        if !["proxy-authorization", "proxy-connection", "connection"].contains(&name.as_str()) {
            request.push_str(&format!("{line}\r\n"));
        }
    }
    request.push_str("Connection: close\r\n\r\n");
    server.write_all(request.as_bytes())?;
    both_ways(from, client, &server)
}

/// A connection to a host and port; every host is this machine.
fn connect(authority: &str) -> Option<TcpStream> {
    let (_, address) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (host, port) = address.rsplit_once(':')?;
    let is_here = host == "127.0.0.1" || host == "localhost" || host.ends_with(".invalid");
    let port = port.parse().ok().filter(|_| is_here)?;
    let server = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).ok()?;
    server.set_nodelay(true).ok()?;
    Some(server)
}

/// Copies until the server has ended.
fn both_ways(
    mut from: BufReader<&TcpStream>,
    mut client: &TcpStream,
    server: &TcpStream,
) -> io::Result<()> {
    thread::scope(|scope| {
        scope.spawn(move || {
            let mut part = [0; 16 * 1024];
            let mut to = server;
            while let Ok(read @ 1..) = from.read(&mut part) {
                if to.write_all(part.get(..read).unwrap_or_default()).is_err() {
                    break;
                }
            }
            // The server may have closed already.
            let _ = server.shutdown(Shutdown::Write);
        });
        let mut back = server;
        let copied = io::copy(&mut back, &mut client);
        // Ends the other direction as well.
        let _ = client.shutdown(Shutdown::Both);
        copied.map(drop)
    })
}
