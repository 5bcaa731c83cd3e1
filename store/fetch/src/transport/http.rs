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
    http::header::{AUTHORIZATION, LOCATION, WWW_AUTHENTICATE},
};

use super::{
    git_config::{GitConfig, HttpOptions, Redirects, RemoteUrl},
    http_refusal::refused,
    http_request::{
        Headers, LazyPost, Request, RequestBody, Response, ResponsePart, header_lines, read_whole,
    },
    http_text::{
        HttpOrigin, http_origin, kinds_of_login, resolved, without_password, without_user,
    },
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
    logins: Logins,
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
            let plan = RequestPlan { url: &url, tail: &tail, headers: &headers, body, follow };
            sender.send(&plan).map(|response_at| (response_at.headers, response_at.response))
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
            logins: Logins::new(config, remote),
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
        let response_at = sender.send(&RequestPlan { url, tail, headers, body: None, follow })?;
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
        let plan = RequestPlan { url, tail: "", headers: &Vec::new(), body: None, follow };
        self.sender.send(&plan).map(|response_at| response_at.response)
    }
}

impl RequestSender {
    fn send(&self, plan: &RequestPlan<'_>) -> io::Result<FinalResponse> {
        let mut at = plan.url.to_owned();
        let mut redirects = 0;
        loop {
            let request = self.request(&at, plan.headers);
            let response = request.send(&self.watch, plan.body)?;
            if response.status().is_redirection() && plan.follow {
                redirects += 1;
                at = self.redirect(&at, &response, redirects)?;
            } else if !self.has_another_login(&at, plan.tail, &request, &response)? {
                if !response.status().is_success() {
                    let error = refused(response, request.login, &self.watch);
                    return Err(self.watch.fail(self.logins.explain(error)));
                }
                self.watch.during(|| self.logins.accepted(&at));
                return Ok(FinalResponse { at, headers: header_lines(&response), response });
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
        let is_basic = kinds.iter().any(|kind| kind.eq_ignore_ascii_case("basic"));
        let base = without_password(at.strip_suffix(tail).unwrap_or(at));
        let found =
            self.watch.during(|| self.logins.try_another(at, &base, &challenges, is_basic))?;
        if found || is_basic || kinds.is_empty() {
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
    fn request(&self, url: &str, headers: &Headers) -> Request {
        let default_agent = concat!("git/modstore-", env!("CARGO_PKG_VERSION"));
        let mut headers = headers.clone();
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
        Request { agent: self.agent.clone(), url: without_user(url), headers, login: has_login }
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
