//! As much of HTTP/1.1 as git and its friends speak: requests in, replies out.
//!
//! Limits: no pipelining, no trailers, no HTTP/2; request bodies are held in memory.

use std::{
    io::{self, BufRead, Read, Write},
    net::TcpStream,
};

/// A request, with its body as sent (chunks joined, still gzipped if it was).
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    keep_alive: bool,
}

impl Request {
    /// The next request on a connection, or `None` if the client has closed it.
    pub(crate) fn read(from: &mut dyn BufRead, to: &mut TcpStream) -> io::Result<Option<Self>> {
        let Some(first) = line(from)? else { return Ok(None) };
        let mut words = first.split(' ').map(str::to_owned);
        let (Some(method), Some(target), Some(version)) =
            (words.next(), words.next(), words.next())
        else {
            return Err(bad("request line"));
        };
        let mut headers = Vec::new();
        while let Some(header) = line(from)?.filter(|line| !line.is_empty()) {
            let (name, value) = header.split_once(':').ok_or_else(|| bad("header"))?;
            headers.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Self { method, target, headers, body: Vec::new(), keep_alive: false };
        request.keep_alive = version == "HTTP/1.1" && !request.says("connection", "close");
        if request.says("expect", "100-continue") {
            to.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        request.body = request.read_body(from)?;
        Ok(Some(request))
    }

    /// The value of the first header of this name (lower case).
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// The target's path and query.
    pub(crate) fn path_and_query(&self) -> (&str, &str) {
        let local = self.local_target();
        local.split_once('?').unwrap_or((local, ""))
    }

    /// Whether this asks for a pack, as opposed to a listing. A body too long to be sent plain is never a listing's.
    pub(crate) fn is_fetch(&self) -> bool {
        let lists = self.body.windows(15).any(|part| part == b"command=ls-refs");
        self.method == "POST" && !lists
    }

    /// The target without the host, which clients put in front when they take this server for their proxy.
    fn local_target(&self) -> &str {
        let path = self
            .target
            .strip_prefix("http://")
            .and_then(|rest| rest.find('/').map(|at| rest.split_at(at).1));
        path.unwrap_or(&self.target)
    }

    /// The repository's name, without `.git`, and the rest of the target, from its slash on.
    pub(crate) fn repo_and_rest(&self) -> (&str, &str) {
        let target = self.local_target();
        let path = target.strip_prefix('/').unwrap_or(target);
        let services =
            ["/info/refs", "/git-upload-pack", "/git-receive-pack", "/HEAD", "/objects/"];
        let end =
            services.iter().filter_map(|service| path.find(service)).min().unwrap_or(path.len());
        let (repo, rest) = path.split_at(end);
        (repo.strip_suffix(".git").unwrap_or(repo), rest)
    }

    /// Whether the client can take chunks and another reply on this connection.
    pub(crate) fn keep_alive(&self) -> bool {
        self.keep_alive
    }

    fn says(&self, name: &str, value: &str) -> bool {
        self.header(name).is_some_and(|said| said.eq_ignore_ascii_case(value))
    }

    fn read_body(&self, from: &mut dyn BufRead) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if self.says("transfer-encoding", "chunked") {
            loop {
                let size = line(from)?.ok_or_else(|| bad("chunk"))?;
                let size = size.split(';').next().unwrap_or_default();
                let size = u64::from_str_radix(size.trim(), 16).map_err(|_| bad("chunk size"))?;
                from.take(size).read_to_end(&mut body)?;
                line(from)?;
                if size == 0 {
                    return Ok(body);
                }
            }
        }
        if let Some(length) = self.header("content-length") {
            let length = length.parse().map_err(|_| bad("content length"))?;
            from.take(length).read_to_end(&mut body)?;
        }
        Ok(body)
    }
}

/// Sends a whole reply with its length.
pub(crate) fn send(
    to: &mut TcpStream,
    status: u16,
    headers: &[(String, String)],
    body: &[u8],
) -> io::Result<()> {
    let length = ("Content-Length".to_owned(), body.len().to_string());
    let mut reply = head(status, headers.iter().chain([&length]));
    reply.extend(body);
    to.write_all(&reply)
}

/// Sends a reply's head, after which chunks follow.
pub(crate) fn send_chunked_head(
    to: &mut TcpStream,
    status: u16,
    headers: &[(String, String)],
) -> io::Result<()> {
    let chunked = ("Transfer-Encoding".to_owned(), "chunked".to_owned());
    to.write_all(&head(status, headers.iter().chain([&chunked])))
}

/// Sends a reply's head, after which the body lasts until the connection closes.
pub(crate) fn send_closing_head(
    to: &mut TcpStream,
    status: u16,
    headers: &[(String, String)],
) -> io::Result<()> {
    let close = ("Connection".to_owned(), "close".to_owned());
    to.write_all(&head(status, headers.iter().chain([&close])))
}

/// A body in chunks: written bytes are gathered, and each flush sends a chunk. Dropped without [`Chunks::finish`],
/// it leaves the reply visibly unfinished.
pub(crate) struct Chunks<'a> {
    to: &'a mut TcpStream,
    gathered: Vec<u8>,
}

impl<'a> Chunks<'a> {
    const MOST: usize = 64 * 1024;

    pub(crate) fn new(to: &'a mut TcpStream) -> Self {
        Self { to, gathered: Vec::new() }
    }

    /// Ends the body in good order.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.to.write_all(b"0\r\n\r\n")
    }
}

impl Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.gathered.extend(bytes);
        if self.gathered.len() >= Self::MOST {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.gathered.is_empty() {
            return Ok(());
        }
        let mut chunk = format!("{:x}\r\n", self.gathered.len()).into_bytes();
        chunk.append(&mut self.gathered);
        chunk.extend(b"\r\n");
        self.to.write_all(&chunk)
    }
}

fn head<'a>(status: u16, headers: impl Iterator<Item = &'a (String, String)>) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {status} {}\r\n", reason(status));
    for (name, value) in headers {
        out.push_str(&format!("{name}: {value}\r\n"));
    }
    out.push_str("\r\n");
    out.into_bytes()
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Status",
    }
}

/// One line without its end, or `None` at the end of the stream.
pub(crate) fn line(from: &mut dyn BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    from.take(64 * 1024).read_until(b'\n', &mut bytes)?;
    let text = String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned();
    Ok((!bytes.is_empty()).then_some(text))
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("malformed {what}"))
}
