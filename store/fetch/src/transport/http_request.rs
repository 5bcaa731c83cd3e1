//! One HTTP question and its answer.
//!
//! Limits: the question is held in memory; the answer to a POST is not.

use std::{
    io::{self, Cursor, Read, Write},
    sync::{Arc, Mutex, PoisonError},
};

use ureq::{Agent, Body};

use super::watch::Watch;
use crate::errors::{ConnectError, ServerError, TransferError, TransportError};

/// Header names and values.
pub(crate) type Headers = Vec<(String, String)>;

/// An answer whose body is still to be read.
pub(crate) type Response = ureq::http::Response<Body>;

/// A request that can be sent twice.
pub(crate) struct Request {
    pub agent: Agent,
    pub url: String,
    pub headers: Headers,
    pub login: bool,
}

impl Request {
    /// GET, or POST with `body`. Tried again once if a kept connection turns out to be closed.
    pub(crate) fn send(&self, watch: &Arc<Watch>, body: Option<&[u8]>) -> io::Result<Response> {
        watch.check_cancelled()?;
        let opened = watch.connections();
        let answer = match watch.during(|| self.once(watch, body)) {
            Err(error)
                if is_broken(&error) && watch.connections() == opened && !watch.has_error() =>
            {
                watch.during(|| self.once(watch, body))
            }
            answer => answer,
        };
        answer.map_err(|error| watch.fail(transport_error(error, watch)))
    }

    fn once(&self, watch: &Watch, body: Option<&[u8]>) -> Result<Response, ureq::Error> {
        watch.counters.request();
        match body {
            None => {
                let request = self.agent.get(&self.url);
                self.headers
                    .iter()
                    .fold(request, |request, (name, value)| request.header(name, value))
                    .call()
            }
            Some(body) => {
                let request = self.agent.post(&self.url);
                self.headers
                    .iter()
                    .fold(request, |request, (name, value)| request.header(name, value))
                    .send(body)
            }
        }
    }
}

/// One POST: first what we write, then what we read.
pub(crate) struct LazyPost {
    watch: Arc<Watch>,
    state: PostState,
}

/// Sends a whole question, and gives the headers of its good answer as lines, and the answer.
pub(crate) type SendBody = Box<dyn FnOnce(&[u8]) -> io::Result<(Vec<u8>, Response)> + Send>;

enum PostState {
    Writing { send: SendBody, body: Vec<u8> },
    Reading(OpenResponse),
    Failed,
}

struct OpenResponse {
    headers: Cursor<Vec<u8>>,
    body: Box<dyn Read + Send>,
    /// An error that came after bytes which are read first.
    later: Option<io::Error>,
}

impl LazyPost {
    /// A question that is still to be written.
    pub(crate) fn begin(send: SendBody, watch: &Arc<Watch>) -> Self {
        let state = PostState::Writing { send, body: Vec::new() };
        LazyPost { watch: Arc::clone(watch), state }
    }

    /// The answer; the question is sent first if it was not yet.
    fn answer(&mut self) -> io::Result<&mut OpenResponse> {
        self.state = match std::mem::replace(&mut self.state, PostState::Failed) {
            PostState::Writing { send, body } => {
                let (headers, response) = send(&body)?;
                let body = Box::new(response.into_body().into_reader());
                PostState::Reading(OpenResponse {
                    headers: Cursor::new(headers),
                    body,
                    later: None,
                })
            }
            state => state,
        };
        match &mut self.state {
            PostState::Reading(answer) => Ok(answer),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn read_body(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let watch = Arc::clone(&self.watch);
        let answer = self.answer()?;
        watch.during(|| answer.read_body(buf, &watch))
    }
}

impl OpenResponse {
    fn read_body(&mut self, buf: &mut [u8], watch: &Watch) -> io::Result<usize> {
        if let Some(error) = self.later.take() {
            return Err(error);
        }
        let read = read_some(&mut self.body, buf, watch)?;
        // Every answer ends with a flush packet. What follows it is the end of the body, and only who
        // reads that gives the connection back.
        let (filled, rest) = buf.split_at_mut(read);
        if !filled.ends_with(b"0000") || rest.is_empty() {
            return Ok(read);
        }
        match read_some(&mut self.body, rest, watch) {
            Ok(more) => Ok(read + more),
            Err(error) => {
                self.later = Some(error);
                Ok(read)
            }
        }
    }
}

/// The writing side of an [`LazyPost`].
pub(crate) struct RequestBody(pub(crate) Arc<Mutex<LazyPost>>);

impl Write for RequestBody {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match &mut self.0.lock().unwrap_or_else(PoisonError::into_inner).state {
            PostState::Writing { body, .. } => {
                body.extend_from_slice(buf);
                Ok(buf.len())
            }
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Something of an answer, to be read.
pub(crate) enum ResponsePart {
    Whole(Cursor<Vec<u8>>),
    Failed(Option<io::Error>),
    HeadersOf(Arc<Mutex<LazyPost>>),
    BodyOf(Arc<Mutex<LazyPost>>),
}

impl ResponsePart {
    pub(crate) fn whole(bytes: Vec<u8>) -> Self {
        ResponsePart::Whole(Cursor::new(bytes))
    }
}

impl Read for ResponsePart {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            ResponsePart::Whole(bytes) => bytes.read(buf),
            ResponsePart::Failed(error) => error.take().map_or(Ok(0), Err),
            ResponsePart::HeadersOf(post) => {
                let mut post = post.lock().unwrap_or_else(PoisonError::into_inner);
                post.answer()?.headers.read(buf)
            }
            ResponsePart::BodyOf(post) => {
                post.lock().unwrap_or_else(PoisonError::into_inner).read_body(buf)
            }
        }
    }
}

/// The headers of a success, as lines.
pub(crate) fn header_lines(response: &Response) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value) in response.headers() {
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.extend_from_slice(b": ");
        // A line that is not text would make gix refuse the whole answer.
        lines.extend_from_slice(String::from_utf8_lossy(value.as_bytes()).as_bytes());
        lines.push(b'\n');
    }
    lines
}

pub(crate) fn read_some(
    reader: &mut impl Read,
    buf: &mut [u8],
    watch: &Watch,
) -> io::Result<usize> {
    watch.check_cancelled()?;
    let read = reader
        .read(buf)
        .map_err(|error| watch.fail(transport_error(ureq::Error::from(error), watch)))?;
    watch.count_answer(buf.get(..read).unwrap_or_default())?;
    Ok(read)
}

/// All of the body. Its connection is free again afterwards.
pub(crate) fn read_whole(response: Response, watch: &Arc<Watch>) -> io::Result<Vec<u8>> {
    let mut reader = response.into_body().into_reader();
    let mut whole = Vec::new();
    let mut chunk = vec![0; 16 * 1024];
    watch
        .during(|| {
            loop {
                let read = read_some(&mut reader, &mut chunk, watch)?;
                if read == 0 {
                    return Ok(());
                }
                whole.extend_from_slice(chunk.split_at(read).0);
            }
        })
        .map(|()| whole)
}

fn is_broken(error: &ureq::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error, ureq::Error::Io(error)
        if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof))
}

/// Translates an error of the HTTP library.
fn transport_error(error: ureq::Error, watch: &Watch) -> TransportError {
    match error {
        ureq::Error::HostNotFound => ConnectError::UnknownHost { source: None }.into(),
        ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => {
            ConnectError::Timeout(watch.connect).into()
        }
        ureq::Error::Timeout(_) => TransferError::Idle(watch.idle).into(),
        ureq::Error::ConnectProxyFailed(said) => ConnectError::Proxy(said).into(),
        ureq::Error::InvalidProxyUrl => {
            ConnectError::Proxy("the proxy's address cannot be read".into()).into()
        }
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::Pem(_) => {
            ConnectError::Tls { source: error.into() }.into()
        }
        ureq::Error::Io(error) => from_io(error),
        ureq::Error::BodyStalled => TransferError::Dropped { source: None }.into(),
        error => ServerError::Protocol { source: error.into() }.into(),
    }
}

fn from_io(error: io::Error) -> TransportError {
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, HostUnreachable, InvalidData, NetworkUnreachable,
    };
    match error.kind() {
        ConnectionRefused | HostUnreachable | NetworkUnreachable | AddrNotAvailable => {
            ConnectError::Refused { source: Some(error.into()) }.into()
        }
        // rustls wraps its errors like this.
        InvalidData => ConnectError::Tls { source: error.into() }.into(),
        // The standard library has no kind for a name that is not found.
        _ if error.to_string().contains("lookup address") => {
            ConnectError::UnknownHost { source: Some(error.into()) }.into()
        }
        _ => TransferError::Dropped { source: Some(error.into()) }.into(),
    }
}
