//! HTTP on the shared agent: gix's protocol, and plain downloads.
//!
//! The listing is read whole, so that its connection is free again before the pack is asked for; a
//! request's body is a few lines and is sent when the answer is first looked at. Logins are added
//! here and not by gix, because they must also be kept from plain http, and from other places after a
//! redirect; so must the headers that the configuration adds.
//!
//! Limits: basic authentication only. Redirects of a pack's request are followed only where
//! `http.followRedirects` is true.

use std::{
    any::Any,
    io::{self, BufReader},
    sync::{Arc, Mutex},
};

use gix::bstr::BString;
use gix_transport::{
    Protocol,
    client::blocking_io::http::{
        GetResponse, Http, PostBodyDataKind, PostResponse, Transport as OverHttp,
    },
};
use ureq::{
    Agent,
    http::header::{AUTHORIZATION, LOCATION, WWW_AUTHENTICATE},
};

use super::{
    exchange::{Exchange, Headers, Letter, Part, Request, Response, accept, read_whole},
    git_config::{Host, HttpOptions, Redirects, Route},
    http_text::{Place, base64, kinds_of_login, place, resolved, without_password, without_user},
    login::Logins,
    watch::Watch,
};
use crate::errors::Fault;

/// As many as git follows.
const REDIRECTS: usize = 20;

/// gix's HTTP transport on our connections.
pub(crate) fn transport(client: Client, route: &Route, version: Protocol) -> OverHttp<Client> {
    OverHttp::new_http(client, route.url.clone(), version, false)
}

/// One conversation's view of the shared agent.
pub(crate) struct Client {
    courier: Arc<Courier>,
    redirected: Option<String>,
}

/// What all requests of a conversation have in common.
struct Courier {
    agent: Agent,
    options: HttpOptions,
    watch: Arc<Watch>,
    logins: Logins,
    /// The place that the conversation was begun with.
    home: Option<Place>,
}

/// A request, wherever redirects and questions for a login lead.
struct Errand<'e> {
    url: &'e str,
    /// What follows the repository's address in `url`.
    tail: &'e str,
    headers: &'e Headers,
    letter: Option<&'e [u8]>,
    follow: bool,
}

/// The good end of an [`Errand`].
struct Arrived {
    /// The address that answered.
    at: String,
    /// The answer's headers, as lines.
    headers: Vec<u8>,
    response: Response,
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
        let tail = url.strip_prefix(base_url).unwrap_or_default();
        let (headers, body) = match self.listing(url, tail, &parse(headers)) {
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
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
        _kind: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Self::Headers, Self::ResponseBody, Self::PostBody>> {
        let (courier, headers) = (Arc::clone(&self.courier), parse(headers));
        let tail = url.strip_prefix(base_url).unwrap_or_default().to_owned();
        let url = url.to_owned();
        let send = move |letter: &[u8]| {
            let (follow, letter) = (courier.options.redirects == Redirects::Always, Some(letter));
            let errand = Errand { url: &url, tail: &tail, headers: &headers, letter, follow };
            courier.carry(&errand).map(|arrived| (arrived.headers, arrived.response))
        };
        let exchange = Exchange::begin(Box::new(send), &self.courier.watch);
        let exchange = Arc::new(Mutex::new(exchange));
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
        host: &Arc<Host>,
        agent: Agent,
        options: HttpOptions,
        route: &Route,
        watch: &Arc<Watch>,
    ) -> Self {
        let courier = Courier {
            agent,
            options,
            watch: Arc::clone(watch),
            logins: Logins::new(host, route),
            home: place(&route.url.to_bstring().to_string()),
        };
        Client { courier: Arc::new(courier), redirected: None }
    }

    /// Follow redirects to the listing, and read it whole.
    fn listing(
        &mut self,
        url: &str,
        tail: &str,
        headers: &Headers,
    ) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let courier = &self.courier;
        let follow = courier.options.redirects != Redirects::Never;
        let arrived = courier.carry(&Errand { url, tail, headers, letter: None, follow })?;
        if arrived.at != url {
            let base = arrived.at.strip_suffix(tail).map(without_password);
            let base = base.ok_or_else(|| courier.refuse("it is not to a git repository"))?;
            self.redirected = Some(base);
        }
        let body = read_whole(arrived.response, &courier.watch)?;
        Ok((arrived.headers, body))
    }

    /// GET `url`, wherever it redirects to.
    pub(crate) fn download(&self, url: &str) -> io::Result<Response> {
        let follow = self.courier.options.redirects != Redirects::Never;
        let errand = Errand { url, tail: "", headers: &Vec::new(), letter: None, follow };
        self.courier.carry(&errand).map(|arrived| arrived.response)
    }
}

impl Courier {
    fn carry(&self, errand: &Errand<'_>) -> io::Result<Arrived> {
        let (mut at, mut redirects) = (errand.url.to_owned(), 0);
        loop {
            let request = self.request(&at, errand.headers);
            let response = request.send(&self.watch, errand.letter)?;
            if response.status().is_redirection() && errand.follow {
                redirects += 1;
                at = self.redirect(&at, &response, redirects)?;
            } else if !self.has_another_login(&at, errand.tail, &request, &response)? {
                let headers = accept(&self.watch, &response, request.login)?;
                self.watch.during(|| self.logins.accepted(&at));
                return Ok(Arrived { at, headers, response });
            }
        }
    }

    /// Whether the answer is a question for a login, and there is one that was not tried.
    fn has_another_login(
        &self,
        at: &str,
        tail: &str,
        request: &Request,
        response: &Response,
    ) -> io::Result<bool> {
        // A header of the configuration's goes before every login, so another would change nothing.
        if response.status().as_u16() != 401 || has_authorization(&request.headers) != request.login
        {
            return Ok(false);
        }
        let challenges = response.headers().get_all(WWW_AUTHENTICATE).iter();
        let challenges: Vec<BString> = challenges.map(|value| value.as_bytes().into()).collect();
        let kinds = kinds_of_login(&challenges);
        if kinds.iter().any(|kind| kind.eq_ignore_ascii_case("basic")) {
            let base = without_password(at.strip_suffix(tail).unwrap_or(at));
            return Ok(self.watch.during(|| self.logins.another(at, &base, challenges)));
        }
        match kinds.is_empty() {
            true => Ok(false),
            false => Err(self.watch.fail(Fault::KindOfLogin(kinds.join(", ")))),
        }
    }

    fn refuse(&self, why: &str) -> io::Error {
        self.watch.fail(Fault::Redirect(why.to_owned()))
    }

    /// Where `response` sends us, if that is no less secure.
    fn redirect(&self, from: &str, response: &Response, number: usize) -> io::Result<String> {
        if number > REDIRECTS {
            return Err(self.refuse("too often"));
        }
        let location = response.headers().get(LOCATION);
        let to = location
            .and_then(|to| resolved(from, to.as_bytes()))
            .ok_or_else(|| self.refuse("it does not say where"))?;
        let safe = to.starts_with("https://")
            || (to.starts_with("http://") && from.starts_with("http://"));
        if !safe {
            return Err(self.refuse("it is less secure"));
        }
        if place(&to).is_none() {
            return Err(self.refuse("it does not say where"));
        }
        self.logins.redirected(&to);
        Ok(to)
    }

    /// Everything needed to ask for `url`. What was meant for another place is not for this one.
    fn request(&self, url: &str, headers: &Headers) -> Request {
        let default_agent = concat!("git/modstore-", env!("CARGO_PKG_VERSION"));
        let mut headers = headers.clone();
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("user-agent"));
        headers.push((
            "User-Agent".into(),
            self.options.user_agent.as_deref().unwrap_or(default_agent).into(),
        ));
        if self.home.is_some() && place(url) == self.home {
            headers.extend(self.options.extra_headers.iter().cloned());
        }
        let account = self.logins.of(url).filter(|_| !has_authorization(&headers));
        if let Some(account) = &account {
            let pair = format!("{}:{}", account.username, account.password);
            headers.push((AUTHORIZATION.to_string(), format!("Basic {}", base64(pair.as_bytes()))));
        }
        let login = account.is_some();
        Request { agent: self.agent.clone(), url: without_user(url), headers, login }
    }
}

fn has_authorization(headers: &Headers) -> bool {
    headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"))
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
