//! A server that gives a written answer to every request, and keeps the heads of the requests.
//!
//! Limits: one request for each connection, one connection at a time; request bodies stay unread.

use std::{
    io::Read as _,
    net::{Ipv4Addr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use crate::http::lock;

/// A running server. It answers until the process ends.
#[derive(Debug)]
pub struct ScriptedServer {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl ScriptedServer {
    /// Starts one on 127.0.0.1. `answer` gets the head of each request, and the connection to write to.
    pub fn start(answer: impl Fn(&str, &mut TcpStream) + Send + 'static) -> Self {
        let listener =
            TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has a free port");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let recorded = Arc::clone(&heads);
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let head = read_head(&mut stream);
                lock(&recorded).push(head.clone());
                answer(&head, &mut stream);
            }
        });
        Self { port, heads }
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The heads of all requests so far.
    pub fn heads(&self) -> Vec<String> {
        lock(&self.heads).clone()
    }
}

fn read_head(stream: &mut TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).unwrap_or(0) > 0 {
        head.extend(byte);
    }
    String::from_utf8_lossy(&head).into_owned()
}
