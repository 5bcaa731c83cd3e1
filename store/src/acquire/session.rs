//! Asking a server what a Source means, and receiving its pack, with no repository on disk.
//!
//! The protocol is chosen for the fewest requests. Version 0 lists in its greeting, and the same
//! greeting serves the fetch: one request when nothing changed, two when something did. Version 2
//! costs one more, and is used where version 0 cannot do: a greeting over the limit, and a commit id,
//! which version 0 refuses or answers with history nobody wanted.
//!
//! Limits: SHA-1 repositories. One commit per pack, without its history. Whether the pack is thin is
//! the server's choice, and the receiver's to find out.

use std::collections::HashSet;
use std::error::Error;
use std::io::{self, BufRead, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use gix::ObjectId;
use gix::bstr::{BString, ByteSlice};
use gix::progress::Discard;
use gix::protocol::fetch::{Arguments, Response};
use gix::protocol::handshake::Ref;
use gix::protocol::ls_refs::RefPrefixes;
use gix::protocol::{Command, Handshake, LsRefsCommand};
use gix::url::Scheme;
use gix_transport::client::blocking_io::ExtendedBufRead;
use gix_transport::{Protocol, Service};

use crate::acquire::connect::{Link, dial};
use crate::acquire::diagnosis::{diagnose, from_server};
use crate::acquire::download::Download;
use crate::acquire::host::{Host, Route};
use crate::acquire::http_agent::Agents;
use crate::acquire::idle::Watch;
use crate::acquire::limits::{Cancel, Counters, Counts, Limits};
use crate::acquire::listing::{Resolved, Wanted, missing, prefixes, resolve};
use crate::acquire::network_error::{Fault, FetchError, NetworkError, RemoteError, Stage};

/// What this program calls itself in the protocol.
const AGENT: &str = concat!("modstore/", env!("CARGO_PKG_VERSION"));

/// All that conversations share: connections, the host's git configuration, limits. Used from many
/// threads at once.
pub struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    host: Host,
    agents: Agents,
    limits: Limits,
    offline: bool,
    counters: Arc<Counters>,
    /// The addresses whose greeting was over the limit: not asked for it again.
    long: Mutex<HashSet<String>>,
}

/// What a server reports while a pack is made and received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteNews<'a> {
    /// A line of text: `Counting objects: 100% (3/3), done.`
    Says(&'a str),
    /// Bytes of the pack received so far.
    Received(u64),
}

/// A conversation with one server about one repository. Dropping it says goodbye.
pub struct Session {
    shared: Arc<Shared>,
    route: Route,
    cancel: Cancel,
    open: Option<Open>,
    resolutions: Vec<Result<Resolved, RemoteError>>,
}

/// A conversation that can go on.
struct Open {
    link: Link,
    watch: Arc<Watch>,
    greeting: Handshake,
}

/// Why there is no greeting.
enum Refusal {
    TooLong,
    Fault(Stage, Fault),
}

impl Network {
    /// Read the host's git configuration. `scratch` is a directory in which a minimal bare
    /// repository is made, because gix reads configuration through one; it holds nothing of value.
    /// Nothing is asked of any server.
    pub fn open(
        scratch: &Path,
        limits: Limits,
        interactive: bool,
        offline: bool,
    ) -> Result<Network, NetworkError> {
        let counters = Arc::new(Counters::default());
        Ok(Network {
            shared: Arc::new(Shared {
                host: Host::read(scratch, interactive)?,
                agents: Agents::new(limits, Arc::clone(&counters)),
                limits,
                offline,
                counters,
                long: Mutex::new(HashSet::new()),
            }),
        })
    }

    /// Reach the server at `url` (as written, login included) and find out what each of `wanted`
    /// means there: one connection, one listing. A name that is not there is an error of that name
    /// alone, in [`Session::resolutions`].
    pub fn connect(
        &self,
        url: &str,
        wanted: &[Wanted],
        cancel: &Cancel,
    ) -> Result<Session, RemoteError> {
        let route = self.shared.host.route(url)?;
        if self.shared.offline && route.url.scheme != Scheme::File {
            return Err(RemoteError::Offline { url: route.shown });
        }
        let by_id = wanted.iter().any(|each| matches!(each, Wanted::Commit(_)));
        let version =
            if by_id || self.shared.is_long(&route) { Protocol::V2 } else { Protocol::V1 };
        let open = self.shared.open(&route, version, cancel)?;
        let mut session = Session {
            shared: Arc::clone(&self.shared),
            route,
            cancel: cancel.clone(),
            open: Some(open),
            resolutions: Vec::new(),
        };
        session.resolutions = session.resolve(wanted)?;
        Ok(session)
    }

    /// [`Network::connect`] for a single wish.
    pub fn connect_for(
        &self,
        url: &str,
        wanted: &Wanted,
        cancel: &Cancel,
    ) -> Result<(Session, Resolved), RemoteError> {
        let mut session = self.connect(url, std::slice::from_ref(wanted), cancel)?;
        let resolved = session
            .resolutions
            .pop()
            .unwrap_or_else(|| resolve(&[], wanted, &session.route.shown))?;
        session.resolutions.push(Ok(resolved.clone()));
        Ok((session, resolved))
    }

    /// Ask for the file at `url`, an `http(s)` address with its login, and receive it in pieces.
    pub(super) fn download(&self, url: &str, cancel: &Cancel) -> Result<Download, RemoteError> {
        let Shared { host, agents, limits, offline, counters, .. } = &*self.shared;
        let route = host.plain_route(url)?;
        if *offline {
            return Err(RemoteError::Offline { url: route.shown });
        }
        let watch = Watch::new(cancel.clone(), limits, Arc::clone(counters));
        Download::open(host, agents, route, watch)
    }

    /// What all conversations so far cost.
    pub fn counts(&self) -> Counts {
        self.shared.counters.read()
    }
}

impl Shared {
    fn is_long(&self, route: &Route) -> bool {
        self.long.lock().unwrap_or_else(PoisonError::into_inner).contains(&route.shown)
    }

    /// Greet the server, with a version that keeps the greeting under the limit.
    fn open(&self, route: &Route, version: Protocol, cancel: &Cancel) -> Result<Open, RemoteError> {
        // A server that does not know version 2 answers with version 0, and then the whole listing
        // is the only way.
        let attempts = [
            (version, self.limits.advertisement),
            (Protocol::V2, self.limits.advertisement),
            (Protocol::V2, usize::MAX - 1),
        ];
        for (version, limit) in attempts {
            match self.greet(route, version, limit, cancel) {
                Ok(open) => return Ok(open),
                Err(Refusal::TooLong) => {
                    self.long
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .insert(route.shown.clone());
                }
                Err(Refusal::Fault(stage, source)) => {
                    return Err(RemoteError::Failed { stage, url: route.shown.clone(), source });
                }
            }
        }
        let source = Fault::Protocol { source: "the listing has no end".into() };
        Err(RemoteError::Failed { stage: Stage::List, url: route.shown.clone(), source })
    }

    fn greet(
        &self,
        route: &Route,
        version: Protocol,
        limit: usize,
        cancel: &Cancel,
    ) -> Result<Open, Refusal> {
        let watch = Watch::new(cancel.clone(), &self.limits, Arc::clone(&self.counters));
        watch.proceed().map_err(|_| Refusal::Fault(Stage::Connect, Fault::Cancelled))?;
        let mut link = dial(&self.host, &self.agents, route, version, &self.limits, &watch)
            .map_err(|fault| Refusal::Fault(Stage::Connect, fault))?;
        watch.allow(limit);
        count(&link, &watch);
        let login = self.host.authenticate(route);
        let greeting = gix::protocol::handshake(
            &mut link.transport,
            Service::UploadPack,
            login,
            Vec::new(),
            &mut Discard,
        );
        match greeting {
            Ok(greeting) => {
                watch.allow(usize::MAX);
                Ok(Open { link, watch, greeting })
            }
            Err(_) if watch.exceeded() => Err(Refusal::TooLong),
            Err(error) => {
                let fault = diagnose(&error, &watch, link.stderr.as_ref());
                Err(Refusal::Fault(stage_of(&fault), fault))
            }
        }
    }
}

impl Session {
    /// What each wish means, in the order in which they were given.
    pub fn resolutions(&self) -> &[Result<Resolved, RemoteError>] {
        &self.resolutions
    }

    /// The same, given away; errors of single wishes can then be kept.
    pub fn take_resolutions(&mut self) -> Vec<Result<Resolved, RemoteError>> {
        std::mem::take(&mut self.resolutions)
    }

    /// The address, fit to be shown.
    pub fn url(&self) -> &str {
        &self.route.shown
    }

    /// Whether the server can give one commit without its history. If not, [`Session::fetch`] fails
    /// before anything is sent.
    pub fn server_can_shallow(&self) -> bool {
        self.open.as_ref().is_none_or(|open| can_shallow(&open.greeting))
    }

    /// Receive `commit` and all its files as one pack, without history. With `have`, the server is
    /// told that we have that commit's files, and may leave them out and send differences to them.
    ///
    /// `receive` gets the pack from its `PACK` to its checksum. May be called again for another
    /// commit; a conversation that cannot go on is then begun anew.
    pub fn fetch<R, E: Error + 'static>(
        &mut self,
        commit: ObjectId,
        have: Option<ObjectId>,
        progress: &dyn Fn(RemoteNews<'_>),
        receive: impl FnOnce(&mut dyn BufRead) -> Result<R, E>,
    ) -> Result<R, FetchError<E>> {
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self
                .shared
                .open(&self.route, self.version_for(&commit), &self.cancel)
                .map_err(FetchError::Remote)?,
        };
        let received = open.fetch(commit, have, progress, receive);
        let url = || self.route.shown.clone();
        match received {
            Ok(received) => {
                // A lasting connection in version 0 is over after its pack.
                let lasting = open.link.transport.connection_persists_across_multiple_requests();
                if !lasting || open.greeting.server_protocol_version == Protocol::V2 {
                    self.open = Some(open);
                }
                Ok(received)
            }
            Err(Trouble::Fault(source)) => Err(FetchError::Remote(RemoteError::Failed {
                stage: Stage::Fetch,
                url: url(),
                source,
            })),
            Err(Trouble::Receive(source)) => Err(FetchError::Receive { url: url(), source }),
        }
    }

    fn version_for(&self, commit: &ObjectId) -> Protocol {
        let named = self
            .resolutions
            .iter()
            .flatten()
            .any(|each| each.commit == *commit && each.name.is_some());
        if named && !self.shared.is_long(&self.route) { Protocol::V1 } else { Protocol::V2 }
    }

    fn resolve(
        &mut self,
        wanted: &[Wanted],
    ) -> Result<Vec<Result<Resolved, RemoteError>>, RemoteError> {
        let url = self.route.shown.clone();
        let mut asked: Vec<BString> = wanted.iter().flat_map(prefixes).collect();
        asked.dedup();
        let refs = self.refs(asked)?;
        let resolve_all = |refs: &[Ref]| -> Vec<_> {
            wanted.iter().map(|each| resolve(refs, each, &url)).collect()
        };
        let resolutions = resolve_all(&refs);
        if resolutions.iter().all(Result::is_ok) || !self.speaks_v2() {
            return Ok(resolutions);
        }
        // Only the asked-for names were listed. What else there is makes a better message, and tells
        // an empty repository from a wrong name; not having it is no reason to fail differently.
        self.shared.limit(&self.open);
        match self.refs(vec!["HEAD".into(), "refs/heads/".into(), "refs/tags/".into()]) {
            Ok(all) => Ok(resolutions
                .into_iter()
                .zip(wanted)
                .map(|(each, wanted)| better(each, wanted, &all, &url))
                .collect()),
            Err(_) => Ok(resolutions),
        }
    }

    fn speaks_v2(&self) -> bool {
        self.open.as_ref().is_some_and(|open| open.greeting.server_protocol_version == Protocol::V2)
    }

    /// The refs of the greeting, or in version 2 those that begin with `prefixes`.
    fn refs(&mut self, prefixes: Vec<BString>) -> Result<Vec<Ref>, RemoteError> {
        let Some(open) = &mut self.open else { return Ok(Vec::new()) };
        if let Some(refs) = &open.greeting.refs {
            return Ok(refs.clone());
        }
        if prefixes.is_empty() {
            return Ok(Vec::new());
        }
        let listed = open.list(prefixes);
        open.watch.allow(usize::MAX);
        listed.map_err(|source| {
            self.open = None;
            RemoteError::Failed { stage: Stage::List, url: self.route.shown.clone(), source }
        })
    }
}

impl Shared {
    fn limit(&self, open: &Option<Open>) {
        if let Some(open) = open {
            open.watch.allow(self.limits.advertisement);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(open) = &mut self.open {
            // A server that is hung up on without a word writes a complaint into its log.
            let _ = gix::protocol::indicate_end_of_interaction(&mut open.link.transport, false);
        }
    }
}

/// Why a pack was not received.
enum Trouble<E> {
    Fault(Fault),
    Receive(E),
}

impl Open {
    fn list(&mut self, prefixes: Vec<BString>) -> Result<Vec<Ref>, Fault> {
        count(&self.link, &self.watch);
        let mut wanted = RefPrefixes::new();
        wanted.extend(prefixes);
        let command = LsRefsCommand::new(
            Some(wanted),
            &self.greeting.capabilities,
            ("agent", Some(AGENT.into())),
        );
        command
            .invoke_blocking(&mut self.link.transport, &mut Discard, false)
            .map_err(|error| diagnose(&error, &self.watch, self.link.stderr.as_ref()))
    }

    fn fetch<R, E>(
        &mut self,
        commit: ObjectId,
        have: Option<ObjectId>,
        progress: &dyn Fn(RemoteNews<'_>),
        receive: impl FnOnce(&mut dyn BufRead) -> Result<R, E>,
    ) -> Result<R, Trouble<E>> {
        let Open { link, watch, greeting } = self;
        let version = greeting.server_protocol_version;
        let mut arguments = arguments(greeting, commit, have).map_err(Trouble::Fault)?;
        let stderr = link.stderr.clone();
        let trouble =
            |error: &(dyn Error + 'static)| Trouble::Fault(diagnose(error, watch, stderr.as_ref()));
        count(link, watch);
        let mut reader =
            arguments.send(&mut link.transport, true).map_err(|error| trouble(&error))?;
        let response = Response::from_line_reader(version, &mut reader, true, false)
            .map_err(|error| trouble(&error))?;
        if !response.has_pack() {
            return Err(trouble(&io::Error::from(io::ErrorKind::UnexpectedEof)));
        }
        reader.set_progress_handler(Some(Box::new(|is_error, text| {
            hear(is_error, text, watch, progress)
        })));
        let mut pack = Pack { reader, watch, progress, received: 0, left: 0 };
        let result = receive(&mut pack);
        match result {
            Err(_) if watch.has_fault() => {
                drop(pack);
                Err(trouble(&io::Error::from(io::ErrorKind::UnexpectedEof)))
            }
            Err(error) => Err(Trouble::Receive(error)),
            Ok(received) => {
                // What is left is the end of the answer, and it must be read for the connection to be
                // of use again. The pack is whole, whatever happens now.
                let _ = io::copy(&mut pack, &mut io::sink());
                drop(pack);
                watch.take_fault();
                Ok(received)
            }
        }
    }
}

/// The request for one commit.
fn arguments(
    greeting: &Handshake,
    commit: ObjectId,
    have: Option<ObjectId>,
) -> Result<Arguments, Fault> {
    let version = greeting.server_protocol_version;
    let mut features = Command::Fetch.default_features(version, &greeting.capabilities);
    // Of all that the server can do, what this one question needs. A pack without side band could
    // not be told from an error.
    features.retain(|(name, _)| {
        matches!(
            *name,
            "shallow"
                | "thin-pack"
                | "side-band"
                | "side-band-64k"
                | "ofs-delta"
                | "multi_ack_detailed"
                | "object-format"
        )
    });
    let lacks = |what: &str| Fault::Protocol { source: format!("the server lacks {what}").into() };
    if !can_shallow(greeting) {
        return Err(lacks("shallow fetches"));
    }
    if version != Protocol::V2 && !features.iter().any(|(name, _)| name.starts_with("side-band")) {
        return Err(lacks("side-band answers"));
    }
    if version == Protocol::V2 || greeting.capabilities.contains("agent") {
        features.push(("agent", Some(AGENT.into())));
    }
    let mut arguments = Arguments::new(version, features, false);
    arguments.want(commit);
    if let Some(have) = have {
        arguments.shallow(have);
        arguments.have(have);
    }
    arguments.deepen(1);
    Ok(arguments)
}

fn can_shallow(greeting: &Handshake) -> bool {
    match greeting.server_protocol_version {
        Protocol::V2 => {
            let fetch = greeting.capabilities.capability("fetch");
            fetch.and_then(|fetch| fetch.supports("shallow")).unwrap_or(false)
        }
        _ => greeting.capabilities.contains("shallow"),
    }
}

/// Side band text: news, or the server's last words.
fn hear(
    is_error: bool,
    text: &[u8],
    watch: &Watch,
    progress: &dyn Fn(RemoteNews<'_>),
) -> ControlFlow<()> {
    let text = text.to_str_lossy();
    if is_error {
        watch.fail(from_server(&text));
        return ControlFlow::Break(());
    }
    for line in text.split(['\r', '\n']).map(str::trim).filter(|line| !line.is_empty()) {
        progress(RemoteNews::Says(line));
    }
    ControlFlow::Continue(())
}

/// The pack, counted, and with its failures noted.
struct Pack<'a> {
    reader: Box<dyn ExtendedBufRead<'a> + Unpin + 'a>,
    watch: &'a Watch,
    progress: &'a dyn Fn(RemoteNews<'_>),
    received: u64,
    left: usize,
}

impl BufRead for Pack<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.watch.proceed()?;
        let filled = self.reader.fill_buf().map_err(|error| {
            let what = Some(error.to_string().into());
            self.watch.fail(Fault::Dropped { source: what })
        })?;
        if self.left == 0 && !filled.is_empty() {
            self.received += filled.len() as u64;
            self.left = filled.len();
            (self.progress)(RemoteNews::Received(self.received));
        }
        Ok(filled)
    }

    fn consume(&mut self, amount: usize) {
        self.left = self.left.saturating_sub(amount);
        self.reader.consume(amount);
    }
}

impl Read for Pack<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut filled = self.fill_buf()?;
        let read = filled.read(buf)?;
        self.consume(read);
        Ok(read)
    }
}

/// HTTP counts its own requests; on a lasting connection a message is one.
fn count(link: &Link, watch: &Watch) {
    if link.transport.connection_persists_across_multiple_requests() {
        watch.counters.request();
    }
}

fn stage_of(fault: &Fault) -> Stage {
    match fault {
        Fault::UnknownHost { .. }
        | Fault::Refused { .. }
        | Fault::ConnectLimit(_)
        | Fault::Tls { .. }
        | Fault::Proxy(_)
        | Fault::Start { .. }
        | Fault::HostKey(_)
        | Fault::ClearText => Stage::Connect,
        _ => Stage::List,
    }
}

/// The error again, with the names that exist.
fn better(
    each: Result<Resolved, RemoteError>,
    wanted: &Wanted,
    all: &[Ref],
    url: &str,
) -> Result<Resolved, RemoteError> {
    match (each, wanted) {
        (Err(RemoteError::NoSuchRef { .. } | RemoteError::Empty { .. }), Wanted::Named(name)) => {
            Err(missing(all, name, url))
        }
        (Err(RemoteError::Empty { .. }), Wanted::Head) => Err(missing(all, "HEAD", url)),
        (each, _) => each,
    }
}
