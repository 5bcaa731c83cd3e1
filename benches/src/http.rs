//! A bare HTTP client: what no real one can be quicker than. For the floors.
//!
//! Limits: one server, HTTP/1.1, replies read to memory and dropped; no redirects, no TLS.

use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::net::TcpStream;

/// A connection that stays open between requests.
pub(crate) struct Kept {
    server: String,
    stream: BufReader<TcpStream>,
}

impl Kept {
    /// Connects to `server`, a host and a port.
    pub(crate) fn to(server: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(server)?;
        stream.set_nodelay(true)?;
        Ok(Self { server: server.to_owned(), stream: BufReader::with_capacity(1 << 16, stream) })
    }

    /// The body of the reply to a GET.
    pub(crate) fn get(&mut self, path: &str) -> io::Result<Vec<u8>> {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.server).as_bytes())
    }

    /// The body of the reply to a request for a pack.
    pub(crate) fn post(&mut self, path: &str, body: &str) -> io::Result<Vec<u8>> {
        let (server, length) = (&self.server, body.len());
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: {server}\r\nContent-Length: {length}\r\n");
        let kind = "Content-Type: application/x-git-upload-pack-request\r\n\r\n";
        self.ask((head + kind + body).as_bytes())
    }

    fn ask(&mut self, request: &[u8]) -> io::Result<Vec<u8>> {
        self.stream.get_mut().write_all(request)?;
        let status = self.line()?;
        let (mut length, mut chunked) = (0, false);
        loop {
            let header = self.line()?.to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            chunked |= header == "transfer-encoding: chunked";
            if let Some(value) = header.strip_prefix("content-length: ") {
                length = value.parse().map_err(|_| bad(&header))?;
            }
        }
        let body = if chunked { self.chunks()? } else { self.bytes(length)? };
        if status.contains(" 200 ") { Ok(body) } else { Err(bad(&status)) }
    }

    fn chunks(&mut self) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let size = self.line()?;
            let size = u64::from_str_radix(&size, 16).map_err(|_| bad(&size))?;
            body.extend(self.bytes(size)?);
            self.line()?;
            if size == 0 {
                return Ok(body);
            }
        }
    }

    fn bytes(&mut self, count: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        (&mut self.stream).take(count).read_to_end(&mut bytes)?;
        if bytes.len() as u64 == count { Ok(bytes) } else { Err(bad("a reply cut short")) }
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stream.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
