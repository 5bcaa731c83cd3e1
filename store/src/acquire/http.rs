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
use std::io::{self, BufReader};
use std::sync::{Arc, Mutex, PoisonError};

use gix::bstr::BStr;
use gix_transport::client::blocking_io::http::{
    GetResponse, Http, PostBodyDataKind, PostResponse, Transport as OverHttp,
};
use gix_transport::client::blocking_io::{RequestWriter, SetServiceResponse, Transport};
use gix_transport::client::{Error, MessageKind, TransportWithoutIO, WriteMode};
use gix_transport::{Protocol, Service};
use ureq::Agent;
use ureq::http::header::{AUTHORIZATION, LOCATION};

use crate::acquire::exchange::{
    Exchange, Headers, Letter, Part, Request, Response, accept, read_whole,
};
use crate::acquire::host::{Account, HttpOptions, Route};
use crate::acquire::http_text::{absolute, base64, place, without_user};
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
        let request = self.request(url, parse(headers));
        let exchange = Arc::new(Mutex::new(Exchange::begin(request, &self.watch)));
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
            let body = read_whole(response, &self.watch)?;
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

fn parse(headers: impl IntoIterator<Item = impl AsRef<str>>) -> Headers {
    headers
        .into_iter()
        .filter_map(|line| {
            let (name, value) = line.as_ref().split_once(':')?;
            Some((name.trim().to_owned(), value.trim().to_owned()))
        })
        .collect()
}
