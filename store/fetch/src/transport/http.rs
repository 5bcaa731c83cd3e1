//! HTTP on the shared agent: gix's protocol, and plain downloads.
//!
//! The listing is read whole, so that its connection is free again before the pack is asked for; a
//! request's body is a few lines and is sent when the answer is first looked at. Logins are added
//! here and not by gix, because they must also be kept from other places after a redirect; so must the headers that
//! the configuration adds.
//!
//! Limits: basic authentication, and what helpers make. Redirects of a pack's request are followed only where
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
    http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION, WWW_AUTHENTICATE},
};

use super::{
    git_config::{GitConfig, HttpOptions, RemoteUrl},
    http_refusal::{pause_asked, refused},
    http_request::{
        Headers, LazyPost, Request, RequestBody, Response, ResponsePart, header_lines, read_whole,
    },
    http_settings::Redirects,
    http_text::{HttpOrigin, as_sent, http_origin, kinds_of_login, resolved, without_password},
    lanes::is_of_a_crowd,
    login::Logins,
    watch::Watch,
};
use crate::errors::{LoginError, ServerError};

/// As many as git follows.
const REDIRECTS: usize = 20;

/// gix's HTTP transport on our connections.
pub(crate) fn transport(
    client: HttpClient,
    remote: &RemoteUrl,
    version: Protocol,
) -> OverHttp<HttpClient> {
    OverHttp::new_http(client, remote.url.clone(), version, false)
}

/// One connection's view of the shared agent.
pub(crate) struct HttpClient {
    sender: Arc<RequestSender>,
    redirected: Option<String>,
}

/// What all requests of a connection have in common.
struct RequestSender {
    agent: Agent,
    options: HttpOptions,
    watch: Arc<Watch>,
    logins: Arc<Logins>,
    /// The origin of the first request.
    home: Option<HttpOrigin>,
}

/// A request, wherever redirects and questions for a login lead.
struct RequestPlan<'e> {
    url: &'e str,
    /// What follows the repository's address in `url`.
    tail: &'e str,
    headers: &'e Headers,
    body: Option<&'e [u8]>,
    follow: bool,
    /// Set for a question that is not git's own.
    side: Option<&'e SideQuestion<'e>>,
}

/// A question that is not git's own.
pub(crate) struct SideQuestion<'e> {
    pub url: &'e str,
    /// What follows, in `url`, the address that credential helpers know.
    pub tail: &'e str,
    pub headers: Headers,
    /// Headers that no other origin may see than that of `url`.
    pub own_headers: &'e Headers,
    /// With a body it is a POST.
    pub body: Option<&'e [u8]>,
    /// A header beside `WWW-Authenticate` that names kinds of login; where neither is there, Basic is meant.
    pub asks_for_login: &'static str,
}

/// The good end of an [`RequestPlan`].
struct FinalResponse {
    /// The address that answered.
    at: String,
    /// The answer's headers, as lines.
    headers: Vec<u8>,
    response: Response,
}

impl Http for HttpClient {
    type Headers = BufReader<ResponsePart>;
    type ResponseBody = BufReader<ResponsePart>;
    type PostBody = RequestBody;

    fn get(
        &mut self,
        url: &str,
        base_url: &str,
        headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Self::Headers, Self::ResponseBody>> {
        let tail = url.strip_prefix(base_url).unwrap_or_default();
        let (headers, body) = match self.listing(url, tail, &parse(headers)) {
            Ok((headers, body)) => (ResponsePart::whole(headers), ResponsePart::whole(body)),
            Err(error) => (ResponsePart::Failed(Some(error)), ResponsePart::whole(Vec::new())),
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
        let sender = Arc::clone(&self.sender);
        let headers = parse(headers);
        let tail = url.strip_prefix(base_url).unwrap_or_default().to_owned();
        let url = url.to_owned();
        let send = move |body: &[u8]| {
            let follow = sender.options.redirects == Redirects::Always;
            let body = Some(body);
            let (url, tail, headers) = (&url, &tail, &headers);
            let plan = RequestPlan { url, tail, headers, body, follow, side: None };
            let answer = sender.send(&plan)?;
            // git looks at the type of the first answer only.
            let is_page = is_page(&answer.response);
            let headers = if is_page { answer.headers } else { RESULT.to_vec() };
            Ok((headers, answer.response))
        };
        let post = LazyPost::begin(Box::new(send), &self.sender.watch);
        let post = Arc::new(Mutex::new(post));
        Ok(PostResponse {
            post_body: RequestBody(Arc::clone(&post)),
            headers: BufReader::new(ResponsePart::HeadersOf(Arc::clone(&post))),
            body: BufReader::with_capacity(64 * 1024, ResponsePart::BodyOf(post)),
        })
    }

    fn configure(&mut self, _config: &dyn Any) -> gix::Result<()> {
        Ok(())
    }

    fn redirected_base_url(&self) -> Option<String> {
        self.redirected.clone()
    }
}

impl HttpClient {
    pub(crate) fn new(
        config: &Arc<GitConfig>,
        agent: Agent,
        options: HttpOptions,
        remote: &RemoteUrl,
        watch: &Arc<Watch>,
    ) -> Self {
        let sender = RequestSender {
            agent,
            options,
            watch: Arc::clone(watch),
            logins: Arc::new(Logins::new(config, remote)),
            home: http_origin(&remote.url.to_bstring().to_string()),
        };
        HttpClient { sender: Arc::new(sender), redirected: None }
    }

    /// Follows redirects to the listing, and reads it whole.
    fn listing(
        &mut self,
        url: &str,
        tail: &str,
        headers: &Headers,
    ) -> io::Result<(Vec<u8>, Vec<u8>)> {
        let sender = &self.sender;
        let follow = sender.options.redirects != Redirects::Never;
        let plan = RequestPlan { url, tail, headers, body: None, follow, side: None };
        let response_at = sender.send(&plan)?;
        if response_at.at != url {
            let base = response_at.at.strip_suffix(tail).map(without_password);
            let base = base
                .ok_or_else(|| sender.refuse("the new address is not that of a git repository"))?;
            self.redirected = Some(base);
        }
        let body = read_whole(response_at.response, &sender.watch)?;
        Ok((response_at.headers, body))
    }

    /// GET `url`, wherever it redirects to.
    pub(crate) fn download(&self, url: &str) -> io::Result<Response> {
        let follow = self.sender.options.redirects != Redirects::Never;
        let headers = &Vec::new();
        let plan = RequestPlan { url, tail: "", headers, body: None, follow, side: None };
        self.sender.send(&plan).map(|response_at| response_at.response)
    }

    /// Asks a question that is not git's own, wherever redirects and questions for a login lead. The answer may have any
    /// status but that of a missing login.
    pub(crate) fn ask(&self, question: &SideQuestion<'_>) -> io::Result<Response> {
        let SideQuestion { url, tail, headers, body, .. } = question;
        let follow = self.sender.options.redirects != Redirects::Never;
        let side = Some(question);
        let plan = RequestPlan { url, tail, headers, body: *body, follow, side };
        let (at, response, login) = self.sender.answer(&plan)?;
        if response.status().as_u16() == 401 {
            return Err(self.sender.fail(response, login));
        }
        if response.status().is_success() {
            self.sender.succeeded(login);
            self.sender.watch.during(|| self.sender.logins.accepted(&at));
        }
        Ok(response)
    }

    /// The same client with the same logins, for an exchange that another watch looks after.
    pub(crate) fn watched_by(&self, watch: &Arc<Watch>) -> Self {
        let RequestSender { agent, options, logins, home, .. } = &*self.sender;
        let sender = RequestSender {
            agent: agent.clone(),
            options: options.clone(),
            watch: Arc::clone(watch),
            logins: Arc::clone(logins),
            home: home.clone(),
        };
        HttpClient { sender: Arc::new(sender), redirected: None }
    }
}

impl RequestSender {
    fn send(&self, plan: &RequestPlan<'_>) -> io::Result<FinalResponse> {
        let (at, response, login) = self.answer(plan)?;
        if !response.status().is_success() {
            return Err(self.fail(response, login));
        }
        self.succeeded(login);
        self.watch.during(|| {
            self.logins.accepted(&at);
            self.logins.proxy_let_through(self.options.connection.proxy.as_deref());
        });
        Ok(FinalResponse { at, headers: header_lines(&response), response })
    }

    /// Remembers whether a login has opened it: one of ours, or what the configuration adds to each request.
    fn succeeded(&self, had_login: bool) {
        if had_login || has_authorization(&self.options.extra_headers) {
            self.watch.opened_with_login();
        }
    }

    /// Why an answer is no success.
    fn fail(&self, response: Response, login: bool) -> io::Error {
        let error = refused(response, login, &self.watch);
        self.watch.fail(self.logins.explain(error))
    }

    /// The address that answered in the end, what it answered, and whether it was sent a login.
    fn answer(&self, plan: &RequestPlan<'_>) -> io::Result<(String, Response, bool)> {
        let mut at = plan.url.to_owned();
        let mut redirects = 0;
        loop {
            let request = self.request(&at, plan);
            let response = self.send_in_a_crowd(&request, plan.body)?;
            if request.login && refuses(&response) && self.logins.take_back(&at) {
                continue;
            }
            if response.status().is_redirection() && plan.follow {
                redirects += 1;
                at = self.redirect(&at, &response, redirects)?;
            } else if !self.has_another_login(&at, plan, &request, &response)? {
                return Ok((at, response, request.login));
            }
        }
    }

    /// Sends one request, and sends it again while a server that has answered others has too many of them.
    fn send_in_a_crowd(&self, request: &Request, body: Option<&[u8]>) -> io::Result<Response> {
        let mut attempt = self.watch.begin();
        loop {
            match request.send(&self.watch, body) {
                Ok(response) => match pause_asked(&response) {
                    None => {
                        self.watch.answered();
                        return Ok(response);
                    }
                    pause if self.watch.back_off(&mut attempt, pause) => {}
                    Some(_) => return Ok(response),
                },
                Err(sent_up) => {
                    let Some(error) = self.watch.take_error() else { return Err(sent_up) };
                    if !is_of_a_crowd(&error) || !self.watch.back_off(&mut attempt, None) {
                        return Err(self.watch.fail(error));
                    }
                }
            }
        }
    }

    /// Whether the answer is a question for a login, and there is one that was not tried.
    fn has_another_login(
        &self,
        at: &str,
        plan: &RequestPlan<'_>,
        request: &Request,
        response: &Response,
    ) -> io::Result<bool> {
        // A header of the configuration's goes before every login, so another would change nothing.
        if response.status().as_u16() != 401 || has_authorization(&request.headers) != request.login
        {
            return Ok(false);
        }
        let named = |name: &str| response.headers().get_all(name).iter();
        let challenges = named(WWW_AUTHENTICATE.as_str())
            .chain(plan.side.into_iter().flat_map(|side| named(side.asks_for_login)));
        let challenges: Vec<BString> = challenges.map(|value| value.as_bytes().into()).collect();
        let kinds = kinds_of_login(&challenges);
        let is_silent = challenges.is_empty() && plan.side.is_some();
        let is_basic = |kind: &String| kind.eq_ignore_ascii_case("basic");
        let takes_passwords = is_silent || kinds.iter().any(is_basic);
        let base = without_password(at.strip_suffix(plan.tail).unwrap_or(at));
        let (logins, had) = (&self.logins, request.login);
        let found = self
            .watch
            .during(|| logins.try_another(at, &base, &challenges, (takes_passwords, had)))?;
        // Where there is no login to refuse, git may have one of another kind.
        if found || kinds.iter().all(is_basic) || (takes_passwords && had) {
            Ok(found)
        } else {
            Err(self.watch.fail(LoginError::UnknownKind(kinds.join(", "))))
        }
    }

    fn refuse(&self, why: &str) -> io::Error {
        self.watch.fail(ServerError::Redirect(why.to_owned()))
    }

    /// Where `response` sends us, if that is no less secure.
    fn redirect(&self, from: &str, response: &Response, number: usize) -> io::Result<String> {
        if number > REDIRECTS {
            return Err(self.refuse("too many redirects"));
        }
        let location = response.headers().get(LOCATION);
        let to = location
            .and_then(|to| resolved(from, to.as_bytes()))
            .ok_or_else(|| self.refuse("the new address is missing or unusable"))?;
        let safe = to.starts_with("https://")
            || (to.starts_with("http://") && from.starts_with("http://"));
        if !safe {
            return Err(self.refuse("the new address is less secure"));
        }
        if http_origin(&to).is_none() {
            return Err(self.refuse("the new address is missing or unusable"));
        }
        self.logins.redirected(&to);
        Ok(to)
    }

    /// Everything needed to ask for `url`. Headers configured for another origin are left out.
    fn request(&self, url: &str, plan: &RequestPlan<'_>) -> Request {
        let default_agent = concat!("git/modstore-", env!("CARGO_PKG_VERSION"));
        let mut headers = plan.headers.clone();
        if let Some(side) = plan.side.filter(|side| http_origin(url) == http_origin(side.url)) {
            headers.extend(side.own_headers.iter().cloned());
        }
        headers.retain(|(name, _)| !name.eq_ignore_ascii_case("user-agent"));
        headers.push((
            "User-Agent".into(),
            self.options.user_agent.as_deref().unwrap_or(default_agent).into(),
        ));
        if self.home.is_some() && http_origin(url) == self.home {
            headers.extend(self.options.extra_headers.iter().cloned());
        }
        let login = self.logins.for_url(url).filter(|_| !has_authorization(&headers));
        let has_login = login.is_some();
        headers.extend(login.map(|value| (AUTHORIZATION.to_string(), value)));
        Request { agent: self.agent.clone(), url: as_sent(url), headers, login: has_login }
    }
}

/// The type of an answer with a pack.
const RESULT: &[u8] = b"content-type: application/x-git-upload-pack-result\n";

/// Whether the answer says that it is a page for people.
fn is_page(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().to_ascii_lowercase().starts_with(b"text/html"))
}

/// Whether the answer may be another without the login that was sent.
fn refuses(response: &Response) -> bool {
    matches!(response.status().as_u16(), 400 | 401 | 403 | 404)
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
