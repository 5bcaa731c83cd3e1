//! [`Network`] and [`Session`]: asking a server which commit a name means, and receiving its pack, with no repository on
//! disk.
//!
//! The protocol is chosen for the fewest requests. Version 0 lists in its handshake, and the same
//! handshake serves the fetch: one request when nothing changed, two when something did. Version 2
//! costs one more, and is used where version 0 cannot do: a handshake over the limit, and a commit id,
//! which version 0 refuses or answers with history that was not asked for.
//!
//! A commit that the server does not give alone is fetched with the history of all branches and tags, which a clone
//! would have too.
//!
//! Limits: SHA-1 repositories.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    io::BufRead,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use gix::{ObjectId, bstr::BString, protocol::handshake::Ref, url::Scheme};
use gix_transport::Protocol;
use modstore_core::{
    Cancel,
    events::Step,
    model::{Origin, RemoteUrl as Address},
};

use super::{
    connection::{Connection, FetchRequest, HandshakeError, ReceiveError},
    listing::{
        Resolved, Tip, Wanted, is_short_id, missing, prefix_of_newer, prefixes, resolve,
        resolve_in_all, tip_of, tips_in,
    },
};
use crate::{
    errors::{
        FetchError, NetworkError, RemoteError, RemoteStage, ServerError, SubmoduleError,
        TransportError,
    },
    limits::{Counters, Counts, Limits},
    submodules::{Submodule, address},
    transport::{
        Access, Dialing, Download, GitConfig, HttpAgents, LANES, LOGINS, LONG_LISTINGS, Lanes,
        Link, PLACE, Pace, Remembered, RemoteUrl, Watch, Way, WayTaken, Ways, because_of,
        git_may_do_better, is_dropped, is_of_a_crowd, truer,
    },
};

/// Bytes of a listing that no server goes over in good faith: half a million refs.
const LONGEST: usize = 64 * 1024 * 1024;

/// The lanes of a network that was opened without any.
const USUAL: usize = 64;

/// All that connections share: connections, the host's git configuration, limits. Used from many
/// threads at once.
pub struct Network {
    shared: Arc<NetworkState>,
}

struct NetworkState {
    config: Arc<GitConfig>,
    agents: Arc<HttpAgents>,
    limits: Limits,
    offline: bool,
    counters: Arc<Counters>,
    lanes: Arc<Lanes>,
    /// The addresses whose handshake was over the limit, now or in an earlier run: not asked for it again.
    long: Remembered,
    /// What a login has opened, now or in an earlier run, by its origin.
    logins: Arc<Remembered>,
    /// By which way each host is reached.
    ways: Ways,
    /// Whether a server that lists only what it is asked for is asked for the tags of versions.
    newer: AtomicBool,
}

/// Talks with one server about one repository. Dropping it says goodbye.
pub struct Session {
    shared: Arc<NetworkState>,
    remote: RemoteUrl,
    cancel: Cancel,
    pace: Arc<Pace>,
    connection: Option<Connection>,
    resolutions: Vec<Result<Resolved, RemoteError>>,
    /// How each commit that a name led to is asked for.
    named: BTreeMap<ObjectId, Tip>,
    /// The commits that the server has refused to give by their ids.
    refused: BTreeSet<ObjectId>,
}

/// Where a repository keeps the content of its large files, as far as it takes to ask.
pub struct ContentSource {
    pub(crate) access: Access,
}

impl Network {
    /// Reads the host's git configuration. `scratch` is a directory in which a minimal bare
    /// repository is made, because gix reads configuration through one; it holds nothing of value.
    /// Nothing is asked of any server.
    pub fn open(
        scratch: &Path,
        limits: Limits,
        interactive: bool,
        offline: bool,
    ) -> Result<Network, NetworkError> {
        Network::open_with_lanes(scratch, limits, interactive, offline, Lanes::new(USUAL))
    }

    /// The same, for a caller that works on as many repositories at once as there are `lanes`: they grow with the wait, and
    /// begin with what this store remembers of each host.
    pub fn open_with_lanes(
        scratch: &Path,
        limits: Limits,
        interactive: bool,
        offline: bool,
        lanes: Arc<Lanes>,
    ) -> Result<Network, NetworkError> {
        let config = GitConfig::read(scratch, interactive)?;
        let logins = Arc::new(Remembered::read(config.memory(), LOGINS));
        lanes.recall(config.memory().map(|place| place.join(LANES)));
        let counters = Arc::new(Counters::default());
        let shared = NetworkState {
            long: Remembered::read(config.memory(), LONG_LISTINGS),
            config: Arc::new(config),
            agents: Arc::new(HttpAgents::new(limits, Arc::clone(&counters))),
            limits,
            offline,
            counters,
            logins,
            lanes,
            ways: Ways::default(),
            newer: AtomicBool::new(false),
        };
        Ok(Network { shared: Arc::new(shared) })
    }

    /// Reaches the server at `url` (as written, login included) and finds out which commit each of `wanted`
    /// means there: one connection, one listing. A name that is not there is an error of that name
    /// alone, in [`Session::resolutions`].
    pub fn connect(
        &self,
        url: &str,
        wanted: &[Wanted],
        cancel: &Cancel,
    ) -> Result<Session, RemoteError> {
        let remote = self.shared.config.about(url)?.remote_url(url)?;
        if self.shared.offline && remote.url.scheme != Scheme::File {
            return Err(RemoteError::Offline { url: remote.redacted });
        }
        let by_id = wanted.iter().any(|each| matches!(each, Wanted::Commit(_)));
        let version = if by_id { Protocol::V2 } else { Protocol::V1 };
        let pace = self.shared.pace(&remote)?;
        let connection = self.shared.begin(&remote, version, cancel, &pace)?;
        let mut session = Session {
            shared: Arc::clone(&self.shared),
            remote,
            cancel: cancel.clone(),
            pace,
            connection: Some(connection),
            resolutions: Vec::new(),
            named: BTreeMap::new(),
            refused: BTreeSet::new(),
        };
        session.resolutions = session.resolve(wanted)?;
        session.remember();
        Ok(session)
    }

    /// A submodule as this machine's own configuration has it: `submodule.<name>.url`, `update` and `active`.
    #[must_use]
    pub fn submodule_as_configured(&self, submodule: &Submodule) -> Submodule {
        self.shared.config.submodule(submodule)
    }

    /// The address of a submodule, as git takes `url` in a repository that came from `parent` (as written, login
    /// included).
    ///
    /// # Errors
    /// It is none, or git would not let a repository ask for it.
    pub fn submodule_address(&self, parent: &str, url: &str) -> Result<Address, SubmoduleError> {
        let config = &self.shared.config;
        let address = address(parent, url);
        if address.contains(char::is_control) {
            return Err(SubmoduleError::Url { url: url.escape_debug().to_string() });
        }
        if let Some(scheme) = config.forbidden_to_repositories(&address) {
            return Err(SubmoduleError::Protocol { scheme });
        }
        let read = address.parse::<Address>();
        read.or_else(|error| {
            // An abbreviation of this machine's configuration reads as nothing else.
            let rewritten = config.rewritten(&address).parse();
            rewritten.map_err(|_| SubmoduleError::Url { url: error.text })
        })
    }

    /// [`Network::connect`] for a single name.
    pub fn connect_for(
        &self,
        url: &str,
        wanted: &Wanted,
        cancel: &Cancel,
    ) -> Result<(Session, Resolved), RemoteError> {
        let mut session = self.connect(url, std::slice::from_ref(wanted), cancel)?;
        let resolved = session.resolutions.pop().expect("one name has one resolution")?;
        session.resolutions.push(Ok(resolved.clone()));
        Ok((session, resolved))
    }

    /// Where the repository at `url` (as written, login included) keeps its large files. Nothing is asked yet.
    pub fn content_source(&self, url: &str, cancel: &Cancel) -> Result<ContentSource, RemoteError> {
        let NetworkState { config, agents, limits, offline, counters, logins, .. } = &*self.shared;
        let config = config.about(url)?;
        let remote = config.remote_url(url)?;
        let access = Access {
            config,
            agents: Arc::clone(agents),
            limits: *limits,
            offline: *offline,
            counters: Arc::clone(counters),
            logins: Arc::clone(logins),
            cancel: cancel.clone(),
            pace: self.shared.pace(&remote)?,
            remote,
            branch: None,
        };
        Ok(ContentSource { access })
    }

    /// Asks for the file at `url`, an `http(s)` address with its login, and receives it in pieces.
    pub(crate) fn download(&self, url: &str, cancel: &Cancel) -> Result<Download, RemoteError> {
        let NetworkState { config, agents, limits, offline, counters, .. } = &*self.shared;
        let remote = config.plain_url(url)?;
        if *offline {
            return Err(RemoteError::Offline { url: remote.redacted });
        }
        let pace = self.shared.pace(&remote)?;
        let watch = Watch::new(cancel.clone(), limits, Arc::clone(counters), pace);
        watch.tell(&self.shared.lanes, &host_of(&remote));
        watch.remember_logins(&self.shared.logins, &remote.origin());
        Download::open(config, agents, remote, watch)
    }

    /// Lets git's own transport speak to every HTTP server from now on.
    pub fn force_git(&self) {
        self.shared.ways.force_git();
    }

    /// Finds the tags of newer versions from now on also where a listing is so long that only what is asked for is listed.
    pub fn look_for_newer(&self) {
        self.shared.newer.store(true, Ordering::Relaxed);
    }

    /// By which way each HTTP host was reached so far.
    pub fn ways(&self) -> Vec<WayTaken> {
        self.shared.ways.taken()
    }

    /// Whether a login has opened what is of this origin, as far as this store has asked for it: credentials of whatever kind
    /// over HTTP, and git's own transport over HTTP, which does not say.
    #[must_use]
    pub fn was_opened_with_login(&self, origin: &Origin) -> bool {
        self.shared.logins.may_contain(origin.as_str())
    }

    /// Remembers the same of an origin if the store does whose network has its `scratch` there.
    pub fn learn_of_logins(&self, scratch: &Path, origin: &Origin) {
        let other = Remembered::read(Some(&scratch.join(PLACE)), LOGINS);
        if other.may_contain(origin.as_str()) {
            self.shared.logins.add_for_good(origin.as_str());
        }
    }

    /// What all connections so far cost.
    pub fn counts(&self) -> Counts {
        self.shared.counters.read()
    }
}

impl ContentSource {
    /// The same, for a commit that this reference led to: a server may have rules for branches.
    #[must_use]
    pub fn of_reference(mut self, name: Option<&str>) -> Self {
        let branch = name.filter(|name| name.starts_with("refs/heads/"));
        self.access.branch = branch.map(str::to_owned);
        self
    }
}

impl NetworkState {
    /// The time that all about one repository, or one file, may take.
    fn pace(&self, remote: &RemoteUrl) -> Result<Arc<Pace>, RemoteError> {
        let low_speed = self.config.about(&remote.redacted)?.low_speed(&remote.url);
        Ok(Arc::new(Pace::new(&self.limits, low_speed)))
    }

    /// Connects: in this process, unless a setting asks for git's own transport, or it does better.
    fn begin(
        &self,
        remote: &RemoteUrl,
        version: Protocol,
        cancel: &Cancel,
        pace: &Arc<Pace>,
    ) -> Result<Connection, RemoteError> {
        let failed = |(stage, source)| {
            let url = remote.redacted.clone();
            RemoteError::Failed { stage, url, source }
        };
        let watch = || {
            let counters = Arc::clone(&self.counters);
            let watch = Watch::new(cancel.clone(), &self.limits, counters, Arc::clone(pace));
            watch.tell(&self.lanes, &host_of(remote));
            watch.remember_logins(&self.logins, &remote.origin());
            watch
        };
        let config = self.config.about(&remote.redacted)?;
        let dialing = Dialing { config: &config, agents: &self.agents, limits: &self.limits };
        let (way, reason) = self.ways.to(remote, &config);
        if way == Way::Git {
            let reason = reason.unwrap_or_default();
            let begun = begin_by_git(dialing, remote, &reason, &watch);
            return begun
                .inspect(|_| {
                    self.ways.remember(remote, way, Some(reason));
                    self.by_git(remote);
                })
                .map_err(failed);
        }
        match self.begin_in_process(dialing, remote, version, &watch) {
            Ok(connection) => {
                self.ways.remember(remote, way, None);
                Ok(connection)
            }
            Err((stage, error)) => {
                let has_proxy = config.has_proxy(&remote.url);
                if !git_may_do_better(&error, remote, has_proxy) {
                    return Err(failed((stage, error)));
                }
                let reason = because_of(&error);
                match begin_by_git(dialing, remote, &reason, &watch) {
                    // git takes any page for a repository of plain files that has no commits.
                    Ok(connection) if connection.lists_nothing() => Err(failed((stage, error))),
                    Ok(connection) => {
                        self.ways.remember(remote, Way::Git, Some(reason));
                        self.by_git(remote);
                        Ok(connection)
                    }
                    Err((_, git)) => Err(failed((stage, truer(error, git)))),
                }
            }
        }
    }

    /// Over HTTP, git does not say whether it used a login.
    fn by_git(&self, remote: &RemoteUrl) {
        if matches!(remote.url.scheme, Scheme::Http | Scheme::Https) {
            self.logins.add_for_good(&remote.origin());
        }
    }

    /// Connects in this process, with a protocol version that keeps the first answer under the limit.
    fn begin_in_process(
        &self,
        dialing: Dialing<'_>,
        remote: &RemoteUrl,
        version: Protocol,
        watch: &impl Fn() -> Arc<Watch>,
    ) -> Result<Connection, (RemoteStage, TransportError)> {
        let short = self.limits.advertisement;
        // A server that does not know version 2 answers with version 0, and then the whole listing is
        // the only way.
        let attempts: &[_] = match version {
            Protocol::V2 => &[(Protocol::V2, LONGEST)],
            _ if self.long.contains(&remote.redacted) => &[(Protocol::V2, LONGEST)],
            _ => &[(Protocol::V1, short), (Protocol::V2, LONGEST)],
        };
        for (version, longest) in attempts {
            let dial = |watch: &Arc<Watch>| dialing.dial(remote, *version, watch);
            match self.begin_in_a_crowd(remote, *longest, watch, dial) {
                Ok(connection) => return Ok(connection),
                Err(HandshakeError::Failed(stage, error)) => return Err((stage, error)),
                Err(HandshakeError::TooLong) => self.long.add(&remote.redacted),
            }
        }
        Err(endless())
    }
}

/// Connects through git. Version 2 is its own choice; without it the whole listing is the only way.
fn begin_by_git(
    dialing: Dialing<'_>,
    remote: &RemoteUrl,
    reason: &str,
    watch: &impl Fn() -> Arc<Watch>,
) -> Result<Connection, (RemoteStage, TransportError)> {
    let dial = |watch: &Arc<Watch>| dialing.dial_git(remote, reason, watch);
    Connection::begin(dial, LONGEST, watch()).map_err(|error| match error {
        HandshakeError::Failed(stage, error) if is_dropped(&error) => {
            let alert = dialing.alert_to_git(remote, &watch());
            alert.map_or((stage, error), |alert| (RemoteStage::Connect, alert))
        }
        HandshakeError::Failed(stage, error) => (stage, error),
        HandshakeError::TooLong => endless(),
    })
}

fn endless() -> (RemoteStage, TransportError) {
    let endless = ServerError::Protocol { source: "the listing has no end".into() };
    (RemoteStage::List, endless.into())
}

impl NetworkState {
    /// Connects by `dial`. Tried again while a server that has answered others drops one connection of many. Over HTTP every
    /// single request is.
    fn begin_in_a_crowd(
        &self,
        remote: &RemoteUrl,
        longest: usize,
        watch: &impl Fn() -> Arc<Watch>,
        dial: impl Fn(&Arc<Watch>) -> Result<Link, TransportError>,
    ) -> Result<Connection, HandshakeError> {
        let is_http = matches!(remote.url.scheme, Scheme::Http | Scheme::Https);
        let host = host_of(remote);
        let mut attempt = self.lanes.begin(&host);
        loop {
            let watch = watch();
            let cancel = watch.cancel().clone();
            match Connection::begin(&dial, longest, watch) {
                Err(HandshakeError::Failed(_, error))
                    if !is_http
                        && is_of_a_crowd(&error)
                        && self.lanes.back_off(&host, &mut attempt, None, &cancel) => {}
                Ok(connection) => {
                    self.lanes.answered(&host);
                    return Ok(connection);
                }
                failed => return failed,
            }
        }
    }
}

/// The host under whose name the caller takes lanes: that of the address as it was written.
fn host_of(remote: &RemoteUrl) -> String {
    let url = remote.redacted.parse::<Address>().ok();
    let origin = url.map(|url| url.origin());
    origin.as_ref().and_then(Origin::host).unwrap_or_default().to_owned()
}

impl Session {
    /// The commit that each name means, in the order in which they were given.
    pub fn resolutions(&self) -> &[Result<Resolved, RemoteError>] {
        &self.resolutions
    }

    /// The same, given away, so that the errors of single names can be kept.
    pub fn take_resolutions(&mut self) -> Vec<Result<Resolved, RemoteError>> {
        std::mem::take(&mut self.resolutions)
    }

    /// The address, fit to be printed.
    pub fn url(&self) -> &str {
        &self.remote.redacted
    }

    /// Whether the server can give one commit without its history. If not, [`Session::fetch`] fails
    /// before anything is sent.
    pub fn server_can_shallow(&self) -> bool {
        self.connection.as_ref().is_none_or(Connection::can_shallow)
    }

    /// Receives `commit` and all its files as one pack, without history. With `have`, the server
    /// learns that we have that commit's files, and may leave them out and send differences to them.
    ///
    /// `receive` gets the pack from its `PACK` to its checksum, and what was asked for: where that is a tag, the pack
    /// holds it too. May be called again for another commit; a connection that cannot go on is then replaced by a new one.
    pub fn fetch<R, E: Error + 'static>(
        &mut self,
        commit: ObjectId,
        have: Option<ObjectId>,
        on_step: &dyn Fn(Step<'_>),
        receive: impl FnOnce(&mut dyn BufRead, Tip) -> Result<R, E>,
    ) -> Result<R, FetchError<E>> {
        let connection = self.connection_for(commit).map_err(FetchError::Remote)?;
        let request = |want| FetchRequest::Alone { want, have };
        self.fetch_tip(connection, commit, &request, on_step, receive)
    }

    /// Receives `commit` with all its history but for that of `haves`. Where the server does not give
    /// the commit by its id, all its branches and tags come instead, and it may not be among them.
    pub(crate) fn fetch_history<R, E: Error + 'static>(
        &mut self,
        commit: ObjectId,
        haves: &[ObjectId],
        on_step: &dyn Fn(Step<'_>),
        receive: impl FnOnce(&mut dyn BufRead, Tip) -> Result<R, E>,
    ) -> Result<R, FetchError<E>> {
        let mut connection = self.connection_for(commit).map_err(FetchError::Remote)?;
        let given = self.gives(&connection, commit);
        let tips = if given {
            Vec::new()
        } else {
            self.tips(&mut connection).map_err(FetchError::Remote)?
        };
        // A server that does not say what it is may demand to be allowed thin packs, which are whole when we have nothing.
        let haves = if connection.is_anonymous() { &[] } else { haves };
        let request = |want| {
            if given {
                FetchRequest::History { wants: vec![want], haves }
            } else {
                FetchRequest::History { wants: tips.clone(), haves }
            }
        };
        // The tag may not be among all tips: it was not asked for.
        let receive =
            |pack: &mut dyn BufRead, tip| receive(pack, if given { tip } else { commit.into() });
        self.fetch_tip(connection, commit, &request, on_step, receive)
    }

    /// Receives `commit` and what it has come from since `have`, at most `depth` commits deep. A server that can leave
    /// files out does; of another one, the pack has them behind the commits.
    pub(crate) fn fetch_commits<R, E: Error + 'static>(
        &mut self,
        commit: ObjectId,
        have: Option<ObjectId>,
        depth: usize,
        on_step: &dyn Fn(Step<'_>),
        receive: impl FnOnce(&mut dyn BufRead) -> Result<R, E>,
    ) -> Result<R, FetchError<E>> {
        let connection = self.connection_for(commit).map_err(FetchError::Remote)?;
        let request = |want| FetchRequest::Commits { want, have, depth };
        self.fetch_tip(connection, commit, &request, on_step, |pack, _| receive(pack))
    }

    /// Whether [`Session::fetch`] can have `commit` alone, as far as is known before it is asked for.
    pub(crate) fn gives_alone(&mut self, commit: ObjectId) -> Result<bool, RemoteError> {
        let connection = self.connection_for(commit)?;
        let gives = self.gives(&connection, commit) || self.has_name(commit);
        let gives = gives && connection.can_shallow();
        self.connection = Some(connection);
        Ok(gives)
    }

    /// Whether the server has refused to give `commit` by its id, without which it may come with its branch.
    pub(crate) fn has_refused(&self, commit: ObjectId) -> bool {
        self.refused.contains(&commit)
    }

    /// Whether `commit` can be asked for by its id.
    fn gives(&self, connection: &Connection, commit: ObjectId) -> bool {
        let may_give = connection.may_give(commit) || connection.gives_unlisted();
        may_give && !self.has_refused(commit)
    }

    /// The ids that all branches and tags can be asked for by.
    fn tips(&self, connection: &mut Connection) -> Result<Vec<ObjectId>, RemoteError> {
        let names = ["HEAD", "refs/heads/", "refs/tags/"].map(BString::from).to_vec();
        let listed = connection.refs(names, LONGEST);
        let failed = |source| self.failed(RemoteStage::List, source);
        Ok(tips_in(&listed.map_err(failed)?))
    }

    fn failed(&self, stage: RemoteStage, source: TransportError) -> RemoteError {
        RemoteError::Failed { stage, url: self.remote.redacted.clone(), source }
    }

    /// The error that says that the server has no way to give `commit`.
    pub(crate) fn not_given(&self, commit: ObjectId) -> RemoteError {
        let source = if self.has_name(commit) {
            ServerError::Moved
        } else {
            ServerError::NotGiven(format!("no branch or tag reaches {commit}"))
        };
        self.failed(RemoteStage::Fetch, source.into())
    }

    /// Sends the request that `request` makes of the id by which `commit` is asked for. A server that refuses a commit
    /// whose name we do not know is asked once more when it lists a tag that leads there.
    fn fetch_tip<'w, R, E: Error + 'static>(
        &mut self,
        connection: Connection,
        commit: ObjectId,
        request: &dyn Fn(ObjectId) -> FetchRequest<'w>,
        on_step: &dyn Fn(Step<'_>),
        receive: impl FnOnce(&mut dyn BufRead, Tip) -> Result<R, E>,
    ) -> Result<R, FetchError<E>> {
        let tip = connection.listed(commit).or_else(|| self.named.get(&commit).copied());
        let (is_named, is_git) = (tip.is_some(), connection.is_git());
        let is_final = is_git && connection.speaks_v2();
        let tip = tip.unwrap_or(commit.into());
        let mut receive = Some(receive);
        let mut once = |pack: &mut dyn BufRead, tip| {
            let receive = receive.take().expect("one of two requests is answered with a pack");
            receive(pack, tip)
        };
        let refused = match self.fetch_over(connection, tip, request, on_step, &mut once) {
            Err(FetchError::Remote(error)) if !is_named && error.may_be_refusal(is_git) => error,
            result => return result,
        };
        self.refused.insert(commit);
        match self.find_tag(commit) {
            Some((connection, tip)) => {
                self.fetch_over(connection, tip, request, on_step, &mut once)
            }
            // In version 2 git gives each commit that is there.
            None if is_final && refused.is_not_given() => {
                self.refused.remove(&commit);
                let source =
                    ServerError::NotGiven(format!("the repository has no commit {commit}"));
                Err(FetchError::Remote(self.failed(RemoteStage::Fetch, source.into())))
            }
            None => Err(FetchError::Remote(refused)),
        }
    }

    fn fetch_over<'w, R, E: Error + 'static>(
        &mut self,
        mut connection: Connection,
        tip: Tip,
        request: &dyn Fn(ObjectId) -> FetchRequest<'w>,
        on_step: &dyn Fn(Step<'_>),
        receive: impl FnOnce(&mut dyn BufRead, Tip) -> Result<R, E>,
    ) -> Result<R, FetchError<E>> {
        let url = || self.remote.redacted.clone();
        match connection.fetch(request(tip.wanted()), on_step, |pack| receive(pack, tip)) {
            Ok(received) => {
                self.connection = Some(connection).filter(Connection::outlives_a_pack);
                Ok(received)
            }
            Err(ReceiveError::Failed(error)) => {
                let source = if self.has_name(tip.commit) { or_moved(error) } else { error };
                Err(FetchError::Remote(self.failed(RemoteStage::Fetch, source)))
            }
            Err(ReceiveError::Receive(source)) => Err(FetchError::Receive { url: url(), source }),
        }
    }

    /// The connection at hand if it can give `commit`, else a new one.
    fn connection_for(&mut self, commit: ObjectId) -> Result<Connection, RemoteError> {
        if let Some(connection) = self.connection.take().filter(|each| each.may_give(commit)) {
            return Ok(connection);
        }
        if self.has_name(commit) {
            let again = self.shared.begin(&self.remote, Protocol::V1, &self.cancel, &self.pace)?;
            if again.may_give(commit) {
                return Ok(again);
            }
        }
        self.shared.begin(&self.remote, Protocol::V2, &self.cancel, &self.pace)
    }

    /// The tag that leads to `commit`, if the server lists one, in a connection that can go on.
    fn find_tag(&self, commit: ObjectId) -> Option<(Connection, Tip)> {
        let begun = self.shared.begin(&self.remote, Protocol::V2, &self.cancel, &self.pace);
        let mut connection = begun.ok()?;
        let tags = connection.refs(vec!["refs/tags/".into()], LONGEST).ok()?;
        let tip = tip_of(&tags, commit).filter(|tip| tip.tag.is_some())?;
        Some((connection, tip))
    }

    /// Whether a name leads to `commit`, as far as the listing showed.
    pub(crate) fn has_name(&self, commit: ObjectId) -> bool {
        self.named.contains_key(&commit)
    }

    /// Remembers how the commits that names lead to are asked for.
    fn remember(&mut self) {
        let named = self.resolutions.iter().flatten().filter(|each| each.name.is_some());
        for Resolved { commit, tag, .. } in named {
            let tip = self.named.entry(*commit).or_insert(Tip { commit: *commit, tag: *tag });
            // A name that leads straight there will do without the tag.
            tip.tag = tip.tag.filter(|_| tag.is_some());
        }
    }

    fn resolve(
        &mut self,
        wanted: &[Wanted],
    ) -> Result<Vec<Result<Resolved, RemoteError>>, RemoteError> {
        let url = self.remote.redacted.clone();
        let newer = self.shared.newer.load(Ordering::Relaxed);
        let newer = wanted.iter().filter(|_| newer).filter_map(prefix_of_newer);
        let named = wanted.iter().flat_map(prefixes);
        let refs = self.refs(named.chain(newer).collect(), LONGEST)?;
        let lists_all = self.connection.as_ref().is_none_or(|each| !each.speaks_v2());
        if lists_all {
            return Ok(wanted.iter().map(|each| resolve_in_all(&refs, each, &url)).collect());
        }
        let found: Vec<_> = wanted.iter().map(|each| resolve(&refs, each, &url)).collect();
        if found.iter().all(Result::is_ok) {
            return Ok(found);
        }
        // Only the asked-for names were listed. What else there is makes a better message, and tells
        // an empty repository from a wrong name; not having it is no reason to fail differently.
        let all_names = vec!["HEAD".into(), "refs/heads/".into(), "refs/tags/".into()];
        let is_needed = wanted.iter().zip(&found).any(|(wanted, found)| {
            found.is_err() && matches!(wanted, Wanted::Named(name) if is_short_id(name))
        });
        let longest = if is_needed { LONGEST } else { self.shared.limits.advertisement };
        match self.refs(all_names, longest) {
            Err(_) => Ok(found),
            Ok(all) => Ok(found
                .into_iter()
                .zip(wanted)
                .map(|(each, wanted)| better(each, wanted, &all, &url))
                .collect()),
        }
    }

    fn refs(&mut self, prefixes: Vec<BString>, longest: usize) -> Result<Vec<Ref>, RemoteError> {
        let Some(connection) = &mut self.connection else { return Ok(Vec::new()) };
        connection.refs(prefixes, longest).map_err(|source| {
            self.connection = None;
            self.failed(RemoteStage::List, source)
        })
    }
}

/// A commit that was listed a moment ago and is now refused was pushed over.
fn or_moved(error: TransportError) -> TransportError {
    match error {
        TransportError::Server(ServerError::NotGiven(_)) => ServerError::Moved.into(),
        error => error,
    }
}

/// The error again, with the names that exist.
fn better(
    each: Result<Resolved, RemoteError>,
    wanted: &Wanted,
    all: &[Ref],
    url: &str,
) -> Result<Resolved, RemoteError> {
    let name = match wanted {
        Wanted::Head => "HEAD",
        Wanted::Named(name) => name,
        Wanted::Commit(_) => return each,
    };
    match each {
        Err(RemoteError::NoSuchRef { .. } | RemoteError::Empty { .. }) => {
            resolve_in_all(all, wanted, url).map_err(|error| match error {
                RemoteError::AmbiguousId { .. } => error,
                _ => missing(all, name, url),
            })
        }
        each => each,
    }
}
