//! HTTP on the shared agent: gix's protocol, and plain downloads.
//!
//! The listing is read whole, so that its connection is free again before the pack is asked for; a
//! request's body is a few lines and is sent when the answer is first looked at. Logins are added
//! here and not by gix, because they must also be kept from plain http, and from other hosts after a
//! redirect.
//!
//! Limits: basic authentication only. Redirects are followed for the listing, as git does, and for
//! downloads; a redirected POST is an error.

use std::any::Any;
use std::borrow::Cow;
use std::io::{self, BufReader, Cursor, Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gix::bstr::BStr;
use gix_transport::client::blocking_io::http::{
    GetResponse, Http, PostBodyDataKind, PostResponse, Transport as OverHttp,
};
use gix_transport::client::blocking_io::{RequestWriter, SetServiceResponse, Transport};
use gix_transport::client::{
    AuthenticationRequired, Error, MessageKind, TransportWithoutIO, WriteMode,
};
use gix_transport::{Protocol, Service};
use ureq::http::Uri;
use ureq::http::header::{AUTHORIZATION, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use ureq::{Agent, Body};

use crate::acquire::host::{Account, HttpOptions, Route};
use crate::acquire::idle::Watch;
use crate::acquire::network_error::Fault;

/// As many as git follows.
const REDIRECTS: usize = 20;

/// gix's HTTP transport on our connections.
pub(crate) struct HttpTransport {
    inner: OverHttp<Client>,
    login: Arc<Mutex<Login>>,
    watch: Arc<Watch>,
}

#[derive(Default)]
struct Login {
    account: Option<Account>,
    /// Set by a redirect to another place: what was meant for the first is not for the second.
    foreign: bool,
}

impl HttpTransport {
    pub(crate) fn new(
        agent: Agent,
        options: HttpOptions,
        route: &Route,
        version: Protocol,
        watch: &Arc<Watch>,
    ) -> Self {
        let client = Client::new(agent, options, route, watch);
        let login = Arc::clone(&client.login);
        let inner = OverHttp::new_http(client, route.url.clone(), version, false);
        HttpTransport { inner, login, watch: Arc::clone(watch) }
    }
}

impl TransportWithoutIO for HttpTransport {
    fn set_identity(&mut self, identity: Account) -> Result<(), Error> {
        // The refusal was the question; this is the answer.
        self.watch.take_fault();
        self.login.lock().unwrap_or_else(PoisonError::into_inner).account = Some(identity);
        Ok(())
    }

    fn to_url(&self) -> Cow<'_, BStr> {
        self.inner.to_url()
    }

    fn connection_persists_across_multiple_requests(&self) -> bool {
        false
    }

    fn configure(&mut self, config: &dyn Any) -> gix::Result<()> {
        self.inner.configure(config)
    }
}

impl Transport for HttpTransport {
    fn handshake<'a>(
        &mut self,
        service: Service,
        extra: &'a [(&'a str, Option<&'a str>)],
    ) -> Result<SetServiceResponse<'_>, Error> {
        self.inner.handshake(service, extra)
    }

    fn request(
        &mut self,
        mode: WriteMode,
        end: MessageKind,
        trace: bool,
    ) -> Result<RequestWriter<'_>, Error> {
        self.inner.request(mode, end, trace)
    }
}

/// One conversation's view of the shared agent.
pub(crate) struct Client {
    agent: Agent,
    options: HttpOptions,
    watch: Arc<Watch>,
    login: Arc<Mutex<Login>>,
    redirected: Option<String>,
}

type Headers = Vec<(String, String)>;
pub(crate) type Response = ureq::http::Response<Body>;

impl Http for Client {
    type Headers = BufReader<Part>;
    type ResponseBody = BufReader<Part>;
    type PostBody = Letter;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Self::Headers, Self::ResponseBody>> {
        let tail = url.strip_prefix(base_url).unwrap_or_default().to_owned();
        let headers = parse(headers);
        let (headers, body) = match self.listing(url.to_owned(), &tail, &headers) {
            Ok((headers, body)) => (Part::whole(headers), Part::whole(body)),
            Err(error) => (Part::Failed(Some(error)), Part::whole(Vec::new())),
        };
        Ok(GetResponse {
            headers: BufReader::new(headers),
            body: BufReader::with_capacity(64 * 1024, body),
        })
    }

    fn post(
        &mut self,
        url: &str,
        _base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _kind: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Self::Headers, Self::ResponseBody, Self::PostBody>> {
        let exchange = Arc::new(Mutex::new(Exchange {
            watch: Arc::clone(&self.watch),
            state: State::Writing {
                request: self.request(url, parse(headers)),
                letter: Vec::new(),
            },
        }));
        Ok(PostResponse {
            post_body: Letter(Arc::clone(&exchange)),
            headers: BufReader::new(Part::HeadersOf(Arc::clone(&exchange))),
            body: BufReader::with_capacity(64 * 1024, Part::BodyOf(exchange)),
        })
    }

    fn configure(&mut self, _config: &dyn Any) -> gix::Result<()> {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.redirected.clone()
    }
}

impl Client {
    pub(crate) fn new(
        agent: Agent,
        options: HttpOptions,
        route: &Route,
        watch: &Arc<Watch>,
    ) -> Self {
        let login = Login { account: route.login.clone(), foreign: false };
        let (watch, login) = (Arc::clone(watch), Arc::new(Mutex::new(login)));
        Client { agent, options, watch, login, redirected: None }
    }

    /// Follow redirects to the listing, and read it whole.
    fn listing(
        &mut self,
        mut url: String,
        tail: &str,
        headers: &Headers,
    ) -> io::Result<(Vec<u8>, Vec<u8>)> {
        for _ in 0..REDIRECTS {
            let response = self.request(&url, headers.clone()).send(&self.watch, None)?;
            if response.status().is_redirection() && !self.options.never_redirect {
                url = self.redirect(&url, &response)?;
                let base = url.strip_suffix(tail).map(str::to_owned);
                let base = base.ok_or_else(|| self.refuse("it is not to a git repository"))?;
                self.redirected = Some(base);
                continue;
            }
            let headers = accept(&self.watch, &response, self.offers_login())?;
            let mut body = Vec::new();
            let mut reader = response.into_body().into_reader();
            self.watch.during(|| copy(&mut reader, &mut body, &self.watch))?;
            return Ok((headers, body));
        }
        Err(self.refuse("too often"))
    }

    /// GET `url`, wherever it redirects to. `ask` is asked once for a login if the server wants one.
    pub(crate) fn download(
        &mut self,
        mut url: String,
        ask: impl FnOnce() -> Option<Account>,
    ) -> io::Result<Response> {
        let mut ask = Some(ask);
        for _ in 0..REDIRECTS {
            let response = self.request(&url, Vec::new()).send(&self.watch, None)?;
            if response.status().is_redirection() && !self.options.never_redirect {
                url = self.redirect(&url, &response)?;
                continue;
            }
            if response.status().as_u16() == 401
                && self.may_ask()
                && let Some(account) = ask.take().and_then(|ask| ask())
            {
                self.login.lock().unwrap_or_else(PoisonError::into_inner).account = Some(account);
                continue;
            }
            accept(&self.watch, &response, self.offers_login())?;
            return Ok(response);
        }
        Err(self.refuse("too often"))
    }

    fn may_ask(&self) -> bool {
        let login = self.login.lock().unwrap_or_else(PoisonError::into_inner);
        login.account.is_none() && !login.foreign
    }

    fn refuse(&self, why: &str) -> io::Error {
        self.watch.fail(Fault::Redirect(why.to_owned()))
    }

    /// Where `response` sends us, if that is no less secure. To another place no login goes.
    fn redirect(&self, from: &str, response: &Response) -> io::Result<String> {
        let location = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let to = location
            .and_then(|to| absolute(from, to))
            .ok_or_else(|| self.refuse("it does not say where"))?;
        let safe = to.starts_with("https://")
            || (to.starts_with("http://") && from.starts_with("http://"));
        if !safe {
            return Err(self.refuse("it is less secure"));
        }
        if place(from) != place(&to) {
            let mut login = self.login.lock().unwrap_or_else(PoisonError::into_inner);
            login.account = None;
            login.foreign = true;
        }
        Ok(to)
    }

    fn offers_login(&self) -> bool {
        self.login.lock().unwrap_or_else(PoisonError::into_inner).account.is_some()
    }

    /// Everything needed to ask for `url`.
    fn request(&self, url: &str, mut headers: Headers) -> Request {
        let login = self.login.lock().unwrap_or_else(PoisonError::into_inner);
        let default_agent = concat!("git/modstore-", env!("CARGO_PKG_VERSION"));
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("user-agent"));
        headers.push((
            "User-Agent".into(),
            self.options.user_agent.as_deref().unwrap_or(default_agent).into(),
        ));
        if !login.foreign {
            headers.extend(self.options.extra_headers.iter().cloned());
        }
        if let Some(account) = &login.account {
            let pair = format!("{}:{}", account.username, account.password);
            headers.push((AUTHORIZATION.to_string(), format!("Basic {}", base64(pair.as_bytes()))));
        }
        Request {
            agent: self.agent.clone(),
            url: without_user(url),
            headers,
            login: login.account.is_some(),
        }
    }
}

/// A request that can be sent twice.
struct Request {
    agent: Agent,
    url: String,
    headers: Headers,
    login: bool,
}

impl Request {
    /// GET, or POST with `letter`. Tried again once if a kept connection turns out to be closed.
    fn send(&self, watch: &Arc<Watch>, letter: Option<&[u8]>) -> io::Result<Response> {
        watch.proceed()?;
        if self.login && !self.url.starts_with("https://") && !is_loopback(&self.url) {
            return Err(watch.fail(Fault::ClearText));
        }
        let opened = watch.connections();
        let answer = match watch.during(|| self.once(watch, letter)) {
            Err(error)
                if is_broken(&error) && watch.connections() == opened && !watch.has_fault() =>
            {
                watch.during(|| self.once(watch, letter))
            }
            answer => answer,
        };
        answer.map_err(|error| watch.fail(fault(error, watch)))
    }

    fn once(&self, watch: &Watch, letter: Option<&[u8]>) -> Result<Response, ureq::Error> {
        watch.counters.request();
        match letter {
            None => {
                let request = self.agent.get(&self.url);
                self.headers
                    .iter()
                    .fold(request, |request, (name, value)| request.header(name, value))
                    .call()
            }
            Some(letter) => {
                let request = self.agent.post(&self.url);
                self.headers
                    .iter()
                    .fold(request, |request, (name, value)| request.header(name, value))
                    .send(letter)
            }
        }
    }
}

/// One POST: first what we write, then what we read.
pub(crate) struct Exchange {
    watch: Arc<Watch>,
    state: State,
}

enum State {
    Writing { request: Request, letter: Vec<u8> },
    Reading { headers: Cursor<Vec<u8>>, body: Box<dyn Read + Send>, later: Option<io::Error> },
    Failed,
}

impl Exchange {
    fn reading(
        &mut self,
    ) -> io::Result<(
        &Arc<Watch>,
        &mut Cursor<Vec<u8>>,
        &mut Box<dyn Read + Send>,
        &mut Option<io::Error>,
    )> {
        if let State::Writing { request, letter } = &self.state {
            let answer = request.send(&self.watch, Some(letter)).and_then(|response| {
                Ok((accept(&self.watch, &response, request.login)?, response))
            });
            self.state = match answer {
                Ok((headers, response)) => State::Reading {
                    headers: Cursor::new(headers),
                    body: Box::new(response.into_body().into_reader()),
                    later: None,
                },
                Err(error) => {
                    self.state = State::Failed;
                    return Err(error);
                }
            };
        }
        match &mut self.state {
            State::Reading { headers, body, later } => Ok((&self.watch, headers, body, later)),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn read_body(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let (watch, _, body, later) = self.reading()?;
        if let Some(error) = later.take() {
            return Err(error);
        }
        watch.during(|| {
            let read = read_some(body, buf, watch)?;
            // Every answer ends with a flush packet. What follows it is the end of the body, and
            // only who reads that gives the connection back.
            let (filled, rest) = buf.split_at_mut(read);
            if !filled.ends_with(b"0000") || rest.is_empty() {
                return Ok(read);
            }
            match read_some(body, rest, watch) {
                Ok(more) => Ok(read + more),
                Err(error) => {
                    *later = Some(error);
                    Ok(read)
                }
            }
        })
    }
}

/// The writing side of an [`Exchange`].
pub(crate) struct Letter(Arc<Mutex<Exchange>>);

impl Write for Letter {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match &mut self.0.lock().unwrap_or_else(PoisonError::into_inner).state {
            State::Writing { letter, .. } => {
                letter.extend_from_slice(buf);
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
pub(crate) enum Part {
    Whole(Cursor<Vec<u8>>),
    Failed(Option<io::Error>),
    HeadersOf(Arc<Mutex<Exchange>>),
    BodyOf(Arc<Mutex<Exchange>>),
}

impl Part {
    fn whole(bytes: Vec<u8>) -> Self {
        Part::Whole(Cursor::new(bytes))
    }
}

impl Read for Part {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Part::Whole(bytes) => bytes.read(buf),
            Part::Failed(error) => error.take().map_or(Ok(0), Err),
            Part::HeadersOf(exchange) => {
                let mut exchange = exchange.lock().unwrap_or_else(PoisonError::into_inner);
                let (_, headers, ..) = exchange.reading()?;
                headers.read(buf)
            }
            Part::BodyOf(exchange) => {
                exchange.lock().unwrap_or_else(PoisonError::into_inner).read_body(buf)
            }
        }
    }
}

/// The headers of a success, as lines.
fn accept(watch: &Watch, response: &Response, login: bool) -> io::Result<Vec<u8>> {
    let status = response.status().as_u16();
    if status == 401 {
        watch.fail(Fault::Login { tried: login });
        let challenges = response.headers().get_all(WWW_AUTHENTICATE).iter();
        let www_authenticate = challenges.map(|value| value.as_bytes().into()).collect();
        // The one error gix answers by asking the credential helpers.
        let question = AuthenticationRequired { www_authenticate };
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, question));
    }
    if !response.status().is_success() {
        let seconds =
            response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        return Err(
            watch.fail(Fault::Status { status, retry_after: seconds.map(Duration::from_secs) })
        );
    }
    let mut lines = Vec::new();
    for (name, value) in response.headers() {
        lines.extend_from_slice(name.as_str().as_bytes());
        lines.extend_from_slice(b": ");
        // A line that is not text would make gix refuse the whole answer.
        lines.extend_from_slice(String::from_utf8_lossy(value.as_bytes()).as_bytes());
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Read what has come, as the watch of [`Watch::during`] allows.
pub(crate) fn read_some(
    reader: &mut impl Read,
    buf: &mut [u8],
    watch: &Watch,
) -> io::Result<usize> {
    watch.proceed()?;
    let read =
        reader.read(buf).map_err(|error| watch.fail(fault(ureq::Error::from(error), watch)))?;
    watch.admit(read)?;
    Ok(read)
}

fn copy(reader: &mut impl Read, to: &mut Vec<u8>, watch: &Watch) -> io::Result<()> {
    let mut chunk = vec![0; 16 * 1024];
    loop {
        let read = read_some(reader, &mut chunk, watch)?;
        if read == 0 {
            return Ok(());
        }
        to.extend_from_slice(chunk.split_at(read).0);
    }
}

fn is_broken(error: &ureq::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    matches!(error, ureq::Error::Io(error)
        if matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset | UnexpectedEof))
}

/// What `error` of the HTTP library means.
fn fault(error: ureq::Error, watch: &Watch) -> Fault {
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionRefused, HostUnreachable, InvalidData, NetworkUnreachable,
    };
    match error {
        ureq::Error::HostNotFound => Fault::UnknownHost { source: None },
        ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect) => {
            Fault::ConnectLimit(watch.connect)
        }
        ureq::Error::Timeout(_) => Fault::Idle(watch.idle),
        ureq::Error::ConnectProxyFailed(said) => Fault::Proxy(said),
        ureq::Error::InvalidProxyUrl => Fault::Proxy("its address cannot be read".into()),
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::Pem(_) => {
            Fault::Tls { source: error.into() }
        }
        ureq::Error::Io(error) => match error.kind() {
            ConnectionRefused | HostUnreachable | NetworkUnreachable | AddrNotAvailable => {
                Fault::Refused { source: Some(error.into()) }
            }
            InvalidData => Fault::Tls { source: error.into() },
            _ if error.to_string().contains("lookup address") => {
                Fault::UnknownHost { source: Some(error.into()) }
            }
            _ => Fault::Dropped { source: Some(error.into()) },
        },
        ureq::Error::BodyStalled => Fault::Dropped { source: None },
        error => Fault::Protocol { source: error.into() },
    }
}

fn parse(headers: impl IntoIterator<Item = impl AsRef<str>>) -> Headers {
    headers
        .into_iter()
        .filter_map(|line| {
            let (name, value) = line.as_ref().split_once(':')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        })
        .collect()
}

fn absolute(from: &str, to: &str) -> Option<String> {
    if to.contains("://") {
        return Some(to.to_owned());
    }
    let (scheme, rest) = from.split_once("://")?;
    let authority = rest.split('/').next()?;
    to.starts_with('/').then(|| format!("{scheme}://{authority}{to}"))
}

/// Scheme, host and port: what a login is meant for.
fn place(url: &str) -> Option<(String, String, Option<u16>)> {
    let uri: Uri = without_user(url).parse().ok()?;
    Some((uri.scheme_str()?.to_owned(), uri.host()?.to_ascii_lowercase(), uri.port_u16()))
}

fn is_loopback(url: &str) -> bool {
    let host = place(url).map(|(_, host, _)| host).unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn without_user(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte))
            << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let letter =
                LETTERS.get((group >> (18 - 6 * place)) as usize & 63).copied().unwrap_or(b'=');
            text.push(if place > chunk.len() { '=' } else { letter.into() });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{absolute, base64, is_loopback, place};

    #[test]
    fn base64_is_the_standard_one() {
        for (plain, coded) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("user:p\u{e4}ss", "dXNlcjpww6Rzcw=="),
        ] {
            assert_eq!(base64(plain.as_bytes()), coded);
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for (url, expected) in [
            ("http://127.0.0.1:80/x", true),
            ("http://[::1]:80/x", true),
            ("http://localhost/x", true),
            ("http://127.0.0.1.example.com/x", false),
            ("http://127.0.0.1@example.com/x", false),
        ] {
            assert_eq!(is_loopback(url), expected, "{url}");
        }
    }

    #[test]
    fn another_port_is_another_place() {
        assert_ne!(place("http://h/a"), place("http://h:81/a"));
        assert_eq!(place("http://user@H/a"), place("http://h/b"));
        assert_eq!(absolute("http://h:1/a", "/b").as_deref(), Some("http://h:1/b"));
    }
}
