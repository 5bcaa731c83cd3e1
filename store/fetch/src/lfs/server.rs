//! [`BatchServer`]: a server that speaks the batch protocol, and those that it names.
//!
//! A login belongs to the place that asks for it: the server gets the one that git has for it, or the headers that
//! `git-lfs-authenticate` has printed; another place that the server names gets the headers that the server gave for it, and
//! no others, or a login of its own when it asks for one.
//!
//! Limits: Basic logins only.

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::{
    authenticate::{authenticate, gives_by_transfer},
    batch::{self, LONGEST_ANSWER, MEDIA_TYPE, Offer, Said},
    endpoint::HttpEndpoint,
    pointer::Oid,
};
use crate::{
    errors::{RemoteError, RemoteStage, ServerError, TransportError},
    transport::{
        Access, Download, Headers, HttpClient, HttpOrigin, PlainDownload, RemoteUrl, Response,
        SideQuestion, Watch, asked_wait, cause, http_origin, resolved,
    },
};

/// Bytes of the text of a refusal.
const LONGEST_REFUSAL: usize = 64 * 1024;

/// The longest wait that a server may ask for in the course of a fetch.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Waits for one question.
const WAITS: usize = 3;

/// Why a server did not give what it was asked for.
#[derive(Debug)]
pub(super) enum Fault {
    /// The exchange failed.
    Broken(RemoteError),
    /// It was refused.
    Refused { url: String, status: u16, said: String, retry_after: Option<Duration> },
    /// The answer is not understood.
    Answer { url: String, why: String },
    /// It ended before all was there.
    Ended,
    /// This setting decides about the connection, and is git's own.
    Setting { url: String, setting: String },
    /// The machine speaks `git-lfs-transfer` only.
    OverSsh { url: String },
    /// A file of this machine cannot be opened.
    File { path: PathBuf, source: io::Error },
    /// A file of this machine cannot be read on.
    Unread(io::Error),
}

/// See the module.
pub(super) struct BatchServer<'a> {
    access: &'a Access,
    /// The machine to ask by ssh where the server is.
    machine: Option<RemoteUrl>,
    place: Mutex<Place>,
    clients: Mutex<Vec<(HttpOrigin, bool, HttpClient)>>,
}

/// Where the server is, and the headers that it gets.
#[derive(Clone)]
struct Place {
    endpoint: HttpEndpoint,
    headers: Headers,
    /// When a machine has to be asked again.
    until: Option<Instant>,
    is_known: bool,
}

impl<'a> BatchServer<'a> {
    /// Nothing is asked yet.
    pub(super) fn new(
        access: &'a Access,
        endpoint: HttpEndpoint,
        machine: Option<RemoteUrl>,
    ) -> Self {
        let is_known = machine.is_none();
        let place = Place { endpoint, headers: Vec::new(), until: None, is_known };
        Self { access, machine, place: Mutex::new(place), clients: Mutex::default() }
    }

    /// What is the same for all whose content comes from the same servers.
    pub(super) fn host(&self) -> String {
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let remote = self.machine.as_ref().unwrap_or(&place.endpoint.remote);
        let (host, port) = (remote.url.host().unwrap_or_default(), remote.url.port_or_default());
        format!("{} {host} {port:?}", remote.url.scheme)
    }

    /// Asks where these contents are.
    pub(super) fn ask(&self, wanted: &[(Oid, u64)]) -> Result<HashMap<Oid, Said>, Fault> {
        let body = batch::question(wanted, self.access.branch.as_deref());
        let mut waits = 0;
        loop {
            match self.ask_once(&body) {
                Err(Fault::Refused { status: 429 | 503, retry_after: Some(wait), .. })
                    if wait <= LONGEST_WAIT && waits < WAITS =>
                {
                    waits += 1;
                    self.pause(wait)?;
                }
                asked => return asked,
            }
        }
    }

    fn ask_once(&self, body: &[u8]) -> Result<HashMap<Oid, Said>, Fault> {
        let watch = self.access.watch();
        let Place { endpoint, headers: own_headers, .. } = self.place(&watch)?;
        let base = endpoint.remote.url.to_bstring().to_string();
        let url = format!("{base}/objects/batch");
        let kind = |name: &str| (name.to_owned(), MEDIA_TYPE.to_owned());
        let question = SideQuestion {
            url: &url,
            tail: &format!("{}/objects/batch", endpoint.tail),
            headers: vec![kind("Accept"), kind("Content-Type")],
            own_headers: &own_headers,
            body: Some(body),
            asks_for_login: "lfs-authenticate",
        };
        let shown = &endpoint.remote.redacted;
        let client = self.client(&endpoint.remote, endpoint.is_own, &watch)?;
        let response = send(&client, &question, &watch, shown)?;
        let download = Download::of(response, watch, shown.clone());
        let mut download = PlainDownload::of(download, None);
        let bytes = read_whole(&mut download, LONGEST_ANSWER, shown)?;
        batch::answer(&bytes, Instant::now())
            .map_err(|why| Fault::Answer { url: shown.clone(), why })
    }

    /// Asks where one content is now.
    pub(super) fn offer(&self, oid: Oid, size: u64) -> Result<Offer, Fault> {
        self.accept(self.ask(&[(oid, size)])?.remove(&oid))
    }

    /// The offer in what the server says of a content.
    pub(super) fn accept(&self, said: Option<Said>) -> Result<Offer, Fault> {
        let (url, retry_after) = (self.shown(), None);
        match said {
            Some(Said::Offered(offer)) => Ok(offer),
            Some(Said::Refused { status, said }) => {
                Err(Fault::Refused { url, status, said, retry_after })
            }
            None => Err(Fault::Answer { url, why: "it says nothing about a content".into() }),
        }
    }

    /// The server's address, fit to be printed.
    pub(super) fn shown(&self) -> String {
        self.place.lock().unwrap_or_else(PoisonError::into_inner).endpoint.remote.redacted.clone()
    }

    /// Opens a content of `size` bytes that is offered, from its byte `from` on. Gives the body and the byte that it begins
    /// with.
    pub(super) fn open(
        &self,
        offer: &Offer,
        from: u64,
        size: u64,
    ) -> Result<(PlainDownload, u64), Fault> {
        let watch = self.access.watch();
        let place = self.place.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let base = place.endpoint.remote.url.to_bstring().to_string();
        let bad = |why: &str| Fault::Answer {
            url: place.endpoint.remote.redacted.clone(),
            why: why.to_owned(),
        };
        let href = resolved(&format!("{base}/"), offer.href.as_bytes());
        let href = href.filter(|href| http_origin(href).is_some());
        let href = href.ok_or_else(|| bad("the address of a content cannot be used"))?;
        let has_secret =
            offer.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("authorization"));
        if has_secret && base.starts_with("https://") && !href.starts_with("https://") {
            return Err(bad("the address of a content is less secure than the server's own"));
        }
        let remote = self.access.config.plain_url(&href).map_err(Fault::Broken)?;
        let url = remote.url.to_bstring().to_string();
        let tail = url.find('?').map_or("", |at| url.split_at(at).1);
        let range = ("Range".to_owned(), format!("bytes={from}-"));
        let question = SideQuestion {
            url: &url,
            tail,
            headers: if from > 0 { vec![range] } else { Vec::new() },
            own_headers: &offer.headers,
            body: None,
            asks_for_login: "lfs-authenticate",
        };
        let client = self.client(&remote, false, &watch)?;
        let response = send(&client, &question, &watch, &remote.redacted)?;
        let begins = match response.status().as_u16() {
            206 => first_byte(&response)
                .filter(|begins| *begins == from)
                .ok_or_else(|| bad("another part of a content came than was asked for"))?,
            _ => 0,
        };
        let download = Download::of(response, watch, remote.redacted);
        let download = PlainDownload::of(download, Some(size).filter(|_| begins == 0));
        if begins > 0 && !download.is_as_sent() {
            return Err(bad("a part of a content came compressed"));
        }
        Ok((download, begins))
    }

    /// Waits as a server wishes.
    pub(super) fn pause(&self, time: Duration) -> Result<(), Fault> {
        let watch = self.access.watch();
        let end = Instant::now() + time;
        let is_over = |slice: Duration| {
            std::thread::sleep(slice.min(end.saturating_duration_since(Instant::now())));
            (Instant::now() >= end).then_some(())
        };
        let never = || TransportError::Cancelled;
        watch
            .wait_within(time + LONGEST_WAIT, never, is_over)
            .map_err(|error| broken(&watch, error, &self.access.remote.redacted))
    }

    /// Where the server is now, which may take a question by ssh.
    fn place(&self, watch: &Arc<Watch>) -> Result<Place, Fault> {
        let mut place = self.place.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(machine) = &self.machine else { return Ok(place.clone()) };
        let is_over = |until: Instant| {
            until.saturating_duration_since(Instant::now()) < Duration::from_secs(5)
        };
        if place.is_known && !place.until.is_some_and(is_over) {
            return Ok(place.clone());
        }
        if let Some((action, asked)) =
            authenticate(self.access, machine, watch).map_err(Fault::Broken)?
        {
            place.until = action.until(asked);
            if let Some(href) = action.href() {
                let named = self.access.config.plain_url(href).map_err(Fault::Broken)?;
                place.endpoint = HttpEndpoint { remote: named, tail: String::new(), is_own: false };
            }
            place.headers = action.headers();
        } else if gives_by_transfer(self.access, machine, watch).map_err(Fault::Broken)? {
            return Err(Fault::OverSsh { url: machine.redacted.clone() });
        }
        place.is_known = true;
        Ok(place.clone())
    }

    /// The client for a place; it keeps the login that the place has accepted.
    fn client(
        &self,
        remote: &RemoteUrl,
        is_own: bool,
        watch: &Arc<Watch>,
    ) -> Result<HttpClient, Fault> {
        let shown = &remote.redacted;
        let origin = http_origin(&remote.url.to_bstring().to_string());
        let unfit = || Fault::Answer { url: shown.clone(), why: "no http address".into() };
        let origin = origin.ok_or_else(unfit)?;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |each: &&(HttpOrigin, bool, HttpClient)| each.0 == origin && each.1 >= is_own;
        if let Some((_, _, client)) = clients.iter().find(is_it) {
            return Ok(client.watched_by(watch));
        }
        let missing = watch.during(|| self.access.config.needs_more_for_content(&remote.url));
        if let Some(setting) = missing {
            return Err(Fault::Setting { url: shown.clone(), setting });
        }
        let client = self.access.client(remote, is_own, watch);
        let client = client.map_err(|error| failed(error, shown))?;
        clients.push((origin, is_own, client.watched_by(watch)));
        Ok(client)
    }
}

/// Sends a question and gives the answer, if it is a good one.
fn send(
    client: &HttpClient,
    question: &SideQuestion<'_>,
    watch: &Arc<Watch>,
    shown: &str,
) -> Result<Response, Fault> {
    let asked = client.ask(question);
    let response = asked.map_err(|error| broken(watch, error, shown))?;
    let status = response.status().as_u16();
    if response.status().is_success() {
        return Ok(response);
    }
    if response.status().is_redirection() {
        let why = "the git configuration does not allow to follow it".to_owned();
        return Err(failed(ServerError::Redirect(why).into(), shown));
    }
    let retry_after = asked_wait(&response);
    let download = Download::of(response, Arc::clone(watch), shown.to_owned());
    let mut download = PlainDownload::of(download, None);
    let body = read_whole(&mut download, LONGEST_REFUSAL, shown).unwrap_or_default();
    let said = batch::complaint(&body, status);
    Err(Fault::Refused { url: shown.to_owned(), status, said, retry_after })
}

fn broken(watch: &Watch, error: io::Error, shown: &str) -> Fault {
    failed(cause(watch, error), shown)
}

fn failed(source: TransportError, shown: &str) -> Fault {
    Fault::Broken(RemoteError::Failed { stage: RemoteStage::Fetch, url: shown.to_owned(), source })
}

fn read_whole(download: &mut PlainDownload, most: usize, shown: &str) -> Result<Vec<u8>, Fault> {
    let (mut whole, mut chunk) = (Vec::new(), vec![0; 16 * 1024]);
    loop {
        let read = download.read(&mut chunk).map_err(Fault::Broken)?;
        whole.extend_from_slice(chunk.split_at(read).0);
        if read == 0 {
            return Ok(whole);
        }
        if whole.len() > most {
            let why = format!("it has more than {most} bytes");
            return Err(Fault::Answer { url: shown.to_owned(), why });
        }
    }
}

/// The first byte of a part, in `bytes 5-9/10`.
fn first_byte(response: &Response) -> Option<u64> {
    let range = response.headers().get("content-range")?.to_str().ok()?;
    range.trim().strip_prefix("bytes ")?.split('-').next()?.trim().parse().ok()
}
