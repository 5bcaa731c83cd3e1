//! One request and its answer, noted for the call that it belongs to.
//!
//! A request is sent once more where that cannot do harm and is likely to help: its connection was closed before an answer came, or
//! the server said that it has too much to do and when to come back. Every request here may be sent twice: objects never change.

use std::{
    fmt,
    io::{self, ErrorKind, Read as _},
    time::{Duration, SystemTime},
};

use ureq::{
    Agent, Body, Error, Timeout,
    http::{Request, Response, header},
};

use super::{
    connections::agent,
    exchange::{Exchange, Fault, Seen},
};
use crate::TierOptions;

/// The longest pause that is waited for.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// The pause before a server that was ill is asked again, where it names none.
const SHORT_PAUSE: Duration = Duration::from_millis(200);
/// The most that is read of what a server says about an error.
const MOST_SAID: u64 = 64 * 1024;
/// The most characters of it that are printed.
const MOST_SHOWN: usize = 200;

/// What sends requests. Clones share their connections.
#[derive(Clone)]
pub(super) struct Client {
    secure: Agent,
    plain: Agent,
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    pub(super) fn new(options: &TierOptions) -> Result<Self, String> {
        let agent = |scheme| {
            agent(options, scheme)
                .map_err(|_| format!("the address of the proxy for {scheme} cannot be read"))
        };
        Ok(Self { secure: agent("https")?, plain: agent("http")? })
    }

    /// Sends a request. Any status is an answer; the body of an answer that is no success has been read.
    pub(super) fn send(&self, request: &Request<()>, body: &[u8]) -> Result<Response<Body>, Error> {
        let exchange = Exchange::current();
        let host = request.uri().host().unwrap_or_default().to_owned();
        exchange.note(|seen| *seen = Seen { host, ..Seen::default() });
        let (mut is_resent, mut has_waited) = (false, false);
        loop {
            match self.send_once(request, body) {
                Ok(answer) => match pause(&answer).filter(|_| !has_waited) {
                    Some(pause) if exchange.wait(pause) => has_waited = true,
                    _ => return note(&exchange, answer),
                },
                Err(error) if is_dropped(&error) && !is_resent => is_resent = true,
                Err(error) => {
                    exchange.fail(fault(&error));
                    return Err(error);
                }
            }
        }
    }

    fn send_once(&self, request: &Request<()>, body: &[u8]) -> Result<Response<Body>, Error> {
        let is_secure = request.uri().scheme_str() == Some("https");
        let agent = if is_secure { &self.secure } else { &self.plain };
        match body {
            [] => agent.run(request.clone()),
            body => agent.run(request.clone().map(|()| body)),
        }
    }
}

/// How long to wait before the same is asked again, if the answer invites to that.
fn pause(answer: &Response<Body>) -> Option<Duration> {
    let is_ill = matches!(answer.status().as_u16(), 429 | 500 | 502 | 503 | 504);
    let asked = answer.headers().get(header::RETRY_AFTER);
    let pause = match asked.map(|value| value.to_str().unwrap_or_default()) {
        None => SHORT_PAUSE,
        Some(value) => match value.parse() {
            Ok(seconds) => Duration::from_secs(seconds),
            Err(_) => httpdate::parse_http_date(value)
                .ok()?
                .duration_since(SystemTime::now())
                .unwrap_or(SHORT_PAUSE),
        },
    };
    (is_ill && pause <= LONGEST_PAUSE).then_some(pause)
}

/// Whether the connection was closed by the server, as it may do with one that was kept.
fn is_dropped(error: &Error) -> bool {
    use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error, Error::Io(error)
        if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof))
}

/// Notes what an answer says of itself.
fn note(exchange: &Exchange, answer: Response<Body>) -> Result<Response<Body>, Error> {
    let (parts, body) = answer.into_parts();
    let header = |name: &str| parts.headers.get(name).and_then(|value| value.to_str().ok());
    let moved_to = header("location").and_then(|to| to.parse::<ureq::http::Uri>().ok());
    exchange.note(|seen| {
        seen.status = Some(parts.status.as_u16());
        seen.ahead = header("date").and_then(ahead);
        seen.region = header("x-amz-bucket-region").map(shown);
        seen.moved_to = moved_to.and_then(|to| to.host().map(shown));
    });
    if parts.status.is_success() {
        return Ok(Response::from_parts(parts, body));
    }
    let mut said = Vec::new();
    // What was read until then is all that it says.
    let _ = body.into_reader().take(MOST_SAID).read_to_end(&mut said);
    let text = String::from_utf8_lossy(&said);
    exchange.note(|seen| {
        seen.code = element(&text, "Code");
        seen.message = element(&text, "Message");
        seen.region = seen.region.take().or_else(|| element(&text, "Region"));
    });
    Ok(Response::from_parts(parts, Body::builder().data(said)))
}

/// By how many seconds the clock of the server is ahead of ours.
fn ahead(date: &str) -> Option<i64> {
    let theirs = httpdate::parse_http_date(date).ok()?;
    let ours = SystemTime::now();
    let seconds = |by: Duration| i64::try_from(by.as_secs()).ok();
    match theirs.duration_since(ours) {
        Ok(ahead) => seconds(ahead),
        Err(behind) => seconds(behind.duration()).map(|behind| -behind),
    }
}

/// The text of an element of XML that has no attributes.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once("</")?;
    Some(shown(text)).filter(|text| !text.is_empty())
}

/// Foreign text, short and on one line.
pub(super) fn shown(text: &str) -> String {
    let plain = text.trim().chars().map(|each| if each.is_control() { ' ' } else { each });
    plain.take(MOST_SHOWN).collect()
}

/// Why there was no answer.
pub(super) fn fault(error: &Error) -> Fault {
    match error {
        Error::Timeout(Timeout::Resolve) => {
            Fault::NoConnection("its name was not resolved in time".into())
        }
        Error::Timeout(Timeout::Connect) => Fault::NoConnection("no connection in time".into()),
        Error::Timeout(_) => Fault::Broken(ErrorKind::TimedOut, "no byte came in time".into()),
        Error::HostNotFound => Fault::NoConnection("there is no server of this name".into()),
        Error::Io(error) => io_fault(error),
        Error::Protocol(_) => {
            Fault::Broken(ErrorKind::InvalidData, "it does not speak HTTP/1.1".into())
        }
        Error::ConnectProxyFailed(_) => {
            Fault::NoConnection("the proxy does not connect to it".into())
        }
        Error::ConnectionFailed => Fault::NoConnection("no connection".into()),
        Error::Rustls(error) => Fault::NoConnection(format!("TLS: {error}")),
        Error::Tls(error) => Fault::NoConnection(format!("TLS: {error}")),
        error => Fault::Broken(ErrorKind::Other, shown(&error.to_string())),
    }
}

/// The same of an error of the system's, or of one that travels in its clothes.
pub(super) fn io_fault(error: &io::Error) -> Fault {
    use ErrorKind::{
        AddrNotAvailable, ConnectionRefused, HostUnreachable, NetworkUnreachable, PermissionDenied,
    };
    if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        return fault(inner);
    }
    let text = shown(&error.to_string());
    if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
        return Fault::NoConnection(format!("TLS: {text}"));
    }
    match error.kind() {
        ConnectionRefused | HostUnreachable | NetworkUnreachable | AddrNotAvailable
        | PermissionDenied => Fault::NoConnection(text),
        kind => Fault::Broken(kind, text),
    }
}
