//! Asking a server what a Source means, and receiving its pack, with no repository on disk.
//!
//! The protocol is chosen for the fewest requests. Version 0 lists in its greeting, and the same
//! greeting serves the fetch: one request when nothing changed, two when something did. Version 2
//! costs one more, and is used where version 0 cannot do: a greeting over the limit, and a commit id,
//! which version 0 refuses or answers with history nobody wanted.
//!
//! Limits: SHA-1 repositories.

use std::{collections::BTreeMap, error::Error, io::BufRead, path::Path, sync::Arc};

pub use super::connection::RemoteNews;
use super::{
    connection::{Conversation, Refusal, Trouble, Wish},
    listing::{Resolved, Tip, Wanted, missing, prefixes, resolve, tip_of},
};
use crate::{
    errors::{Fault, FetchError, NetworkError, RemoteError, Stage},
    limits::{Counters, Counts, Limits},
    transport::{Agents, Download, Host, LongListings, Pace, Route, Watch},
};
use gix::{ObjectId, bstr::BString, protocol::handshake::Ref, url::Scheme};
use gix_transport::Protocol;
use modstore_core::Cancel;

/// Bytes of a listing that no server goes over in good faith: half a million refs.
const LONGEST: usize = 64 * 1024 * 1024;

/// All that conversations share: connections, the host's git configuration, limits. Used from many
/// threads at once.
pub struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    host: Arc<Host>,
    agents: Agents,
    limits: Limits,
    offline: bool,
    counters: Arc<Counters>,
    /// The addresses whose greeting was over the limit, now or in an earlier run: not asked for it again.
    long: LongListings,
}

/// Talks with one server about one repository. Dropping it says goodbye.
pub struct Session {
    shared: Arc<Shared>,
    route: Route,
    cancel: Cancel,
    pace: Arc<Pace>,
    conversation: Option<Conversation>,
    resolutions: Vec<Result<Resolved, RemoteError>>,
    /// How each commit that a name led to is asked for.
    named: BTreeMap<ObjectId, Tip>,
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
        let host = Host::read(scratch, interactive)?;
        let shared = Shared {
            long: LongListings::read(host.memory()),
            host: Arc::new(host),
            agents: Agents::new(limits, Arc::clone(&counters)),
            limits,
            offline,
            counters,
        };
        Ok(Network { shared: Arc::new(shared) })
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
        let version = if by_id { Protocol::V2 } else { Protocol::V1 };
        let pace = self.shared.pace(&route);
        let conversation = self.shared.begin(&route, version, cancel, &pace)?;
        let mut session = Session {
            shared: Arc::clone(&self.shared),
            route,
            cancel: cancel.clone(),
            pace,
            conversation: Some(conversation),
            resolutions: Vec::new(),
            named: BTreeMap::new(),
        };
        session.resolutions = session.resolve(wanted)?;
        session.remember();
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
        let resolved = session.resolutions.pop().expect("one wish has one resolution")?;
        session.resolutions.push(Ok(resolved.clone()));
        Ok((session, resolved))
    }

    /// Ask for the file at `url`, an `http(s)` address with its login, and receive it in pieces.
    pub(crate) fn download(&self, url: &str, cancel: &Cancel) -> Result<Download, RemoteError> {
        let Shared { host, agents, limits, offline, counters, .. } = &*self.shared;
        let route = host.plain_route(url)?;
        if *offline {
            return Err(RemoteError::Offline { url: route.shown });
        }
        let pace = self.shared.pace(&route);
        let watch = Watch::new(cancel.clone(), limits, Arc::clone(counters), pace);
        Download::open(host, agents, route, watch)
    }

    /// What all conversations so far cost.
    pub fn counts(&self) -> Counts {
        self.shared.counters.read()
    }
}

impl Shared {
    /// The time that all about one repository, or one file, may take.
    fn pace(&self, route: &Route) -> Arc<Pace> {
        Arc::new(Pace::new(&self.limits, self.host.low_speed(&route.url)))
    }

    /// Greet the server, with a version that keeps the greeting under the limit.
    fn begin(
        &self,
        route: &Route,
        version: Protocol,
        cancel: &Cancel,
        pace: &Arc<Pace>,
    ) -> Result<Conversation, RemoteError> {
        let failed =
            |stage, source| RemoteError::Failed { stage, url: route.shown.clone(), source };
        let short = self.limits.advertisement;
        // A server that does not know version 2 answers with version 0, and then the whole listing is
        // the only way.
        let attempts: &[_] = match version {
            Protocol::V2 => &[(Protocol::V2, LONGEST)],
            _ if self.long.contains(&route.shown) => &[(Protocol::V2, LONGEST)],
            _ => &[(Protocol::V1, short), (Protocol::V2, LONGEST)],
        };
        for (version, longest) in attempts {
            let counters = Arc::clone(&self.counters);
            let watch = Watch::new(cancel.clone(), &self.limits, counters, Arc::clone(pace));
            let (host, agents, limits) = (&self.host, &self.agents, &self.limits);
            match Conversation::begin(host, agents, route, *version, limits, *longest, watch) {
                Ok(conversation) => return Ok(conversation),
                Err(Refusal::Fault(stage, fault)) => return Err(failed(stage, fault)),
                Err(Refusal::TooLong) => self.long.add(&route.shown),
            }
        }
        Err(failed(Stage::List, Fault::Protocol { source: "the listing has no end".into() }))
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
        self.conversation.as_ref().is_none_or(Conversation::can_shallow)
    }

    /// Receive `commit` and all its files as one pack, without history. With `have`, the server is
    /// told that we have that commit's files, and may leave them out and send differences to them.
    ///
    /// `receive` gets the pack from its `PACK` to its checksum, and what was asked for: where that is a tag, the pack
    /// holds it too. May be called again for another commit; a conversation that cannot go on is then begun anew.
    pub fn fetch<R, E: Error + 'static>(
        &mut self,
        commit: ObjectId,
        have: Option<ObjectId>,
        progress: &dyn Fn(RemoteNews<'_>),
        receive: impl FnOnce(&mut dyn BufRead, Tip) -> Result<R, E>,
    ) -> Result<R, FetchError<E>> {
        let conversation = self.conversation_for(commit).map_err(FetchError::Remote)?;
        let wish = |want| Wish::Alone { want, have };
        self.deliver(conversation, commit, &wish, progress, receive)
    }

    /// Receive `commit` with all its history but for that of `haves`. Where the server does not give
    /// the commit by its id, all its branches and tags come instead, and it may not be among them.
    pub(crate) fn fetch_history<R, E: Error + 'static>(
        &mut self,
        commit: ObjectId,
        haves: &[ObjectId],
        progress: &dyn Fn(RemoteNews<'_>),
        receive: impl FnOnce(&mut dyn BufRead, Tip) -> Result<R, E>,
    ) -> Result<R, FetchError<E>> {
        let conversation = self.conversation_for(commit).map_err(FetchError::Remote)?;
        let given = conversation.may_give(commit) || conversation.gives_unlisted();
        let tips = if given { Vec::new() } else { conversation.listed_tips() };
        let wish = |want| match given {
            true => Wish::History { wants: vec![want], haves },
            false => Wish::History { wants: tips.clone(), haves },
        };
        // Among all tips the tag may not be: nobody asked for it.
        let receive =
            |pack: &mut dyn BufRead, tip| receive(pack, if given { tip } else { commit.into() });
        self.deliver(conversation, commit, &wish, progress, receive)
    }

    /// Whether [`Session::fetch`] can have `commit` alone, as far as can be told before it is asked for.
    pub(crate) fn gives_alone(&mut self, commit: ObjectId) -> Result<bool, RemoteError> {
        let conversation = self.conversation_for(commit)?;
        let gives =
            conversation.may_give(commit) || conversation.gives_unlisted() || self.has_name(commit);
        let gives = gives && conversation.can_shallow();
        self.conversation = Some(conversation);
        Ok(gives)
    }

    /// The error that says that the server has no way to give `commit`.
    pub(crate) fn not_given(&self, commit: ObjectId) -> RemoteError {
        let fault = Fault::NotOurs(format!("no branch or tag reaches {commit}"));
        let source = if self.has_name(commit) { moved(fault) } else { fault };
        RemoteError::Failed { stage: Stage::Fetch, url: self.route.shown.clone(), source }
    }

    /// Receive what `wish` makes of the id that `commit` is asked for by. A server that refuses a commit whose name
    /// nobody told us is asked once more when it lists a tag that leads there.
    fn deliver<'w, R, E: Error + 'static>(
        &mut self,
        conversation: Conversation,
        commit: ObjectId,
        wish: &dyn Fn(ObjectId) -> Wish<'w>,
        progress: &dyn Fn(RemoteNews<'_>),
        receive: impl FnOnce(&mut dyn BufRead, Tip) -> Result<R, E>,
    ) -> Result<R, FetchError<E>> {
        let tip = conversation.listed(commit).or_else(|| self.named.get(&commit).copied());
        let (is_named, tip) = (tip.is_some(), tip.unwrap_or(commit.into()));
        let mut receive = Some(receive);
        let mut once = |pack: &mut dyn BufRead, tip| {
            let receive = receive.take().expect("one of two requests is answered with a pack");
            receive(pack, tip)
        };
        let refused = match self.fetch_in(conversation, tip, wish, progress, &mut once) {
            Err(FetchError::Remote(error)) if !is_named && is_not_ours(&error) => error,
            result => return result,
        };
        match self.find_tag(commit) {
            Some((conversation, tip)) => {
                self.fetch_in(conversation, tip, wish, progress, &mut once)
            }
            None => Err(FetchError::Remote(refused)),
        }
    }

    fn fetch_in<'w, R, E: Error + 'static>(
        &mut self,
        mut conversation: Conversation,
        tip: Tip,
        wish: &dyn Fn(ObjectId) -> Wish<'w>,
        progress: &dyn Fn(RemoteNews<'_>),
        receive: impl FnOnce(&mut dyn BufRead, Tip) -> Result<R, E>,
    ) -> Result<R, FetchError<E>> {
        let url = || self.route.shown.clone();
        match conversation.fetch(wish(tip.wanted()), progress, |pack| receive(pack, tip)) {
            Ok(received) => {
                self.conversation = Some(conversation).filter(Conversation::outlives_a_pack);
                Ok(received)
            }
            Err(Trouble::Fault(fault)) => {
                let source = if self.has_name(tip.commit) { moved(fault) } else { fault };
                Err(FetchError::Remote(RemoteError::Failed {
                    stage: Stage::Fetch,
                    url: url(),
                    source,
                }))
            }
            Err(Trouble::Receive(source)) => Err(FetchError::Receive { url: url(), source }),
        }
    }

    /// The conversation at hand if it can give `commit`, else a new one.
    fn conversation_for(&mut self, commit: ObjectId) -> Result<Conversation, RemoteError> {
        if let Some(conversation) = self.conversation.take().filter(|each| each.may_give(commit)) {
            return Ok(conversation);
        }
        if self.has_name(commit) {
            let again = self.shared.begin(&self.route, Protocol::V1, &self.cancel, &self.pace)?;
            if again.may_give(commit) {
                return Ok(again);
            }
        }
        self.shared.begin(&self.route, Protocol::V2, &self.cancel, &self.pace)
    }

    /// The tag that leads to `commit`, if the server lists one, in a conversation that can go on.
    fn find_tag(&self, commit: ObjectId) -> Option<(Conversation, Tip)> {
        let begun = self.shared.begin(&self.route, Protocol::V2, &self.cancel, &self.pace);
        let mut conversation = begun.ok()?;
        let tags = conversation.refs(vec!["refs/tags/".into()], LONGEST).ok()?;
        let tip = tip_of(&tags, commit).filter(|tip| tip.tag.is_some())?;
        Some((conversation, tip))
    }

    /// Whether `commit` is at the end of a name, as far as we were told.
    fn has_name(&self, commit: ObjectId) -> bool {
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
        let url = self.route.shown.clone();
        let refs = self.refs(wanted.iter().flat_map(prefixes).collect(), LONGEST)?;
        let found: Vec<_> = wanted.iter().map(|each| resolve(&refs, each, &url)).collect();
        let lists_all = self.conversation.as_ref().is_none_or(|each| !each.speaks_v2());
        if lists_all || found.iter().all(Result::is_ok) {
            return Ok(found);
        }
        // Only the asked-for names were listed. What else there is makes a better message, and tells
        // an empty repository from a wrong name; not having it is no reason to fail differently.
        let all_names = vec!["HEAD".into(), "refs/heads/".into(), "refs/tags/".into()];
        match self.refs(all_names, self.shared.limits.advertisement) {
            Err(_) => Ok(found),
            Ok(all) => Ok(found
                .into_iter()
                .zip(wanted)
                .map(|(each, wanted)| better(each, wanted, &all, &url))
                .collect()),
        }
    }

    fn refs(&mut self, prefixes: Vec<BString>, longest: usize) -> Result<Vec<Ref>, RemoteError> {
        let Some(conversation) = &mut self.conversation else { return Ok(Vec::new()) };
        conversation.refs(prefixes, longest).map_err(|source| {
            self.conversation = None;
            RemoteError::Failed { stage: Stage::List, url: self.route.shown.clone(), source }
        })
    }
}

/// A commit that was listed a moment ago and is now refused was pushed over.
fn moved(fault: Fault) -> Fault {
    match fault {
        Fault::NotOurs(_) => Fault::Moved,
        fault => fault,
    }
}

fn is_not_ours(error: &RemoteError) -> bool {
    matches!(error.fault(), Some(Fault::NotOurs(_)))
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
            Err(missing(all, name, url))
        }
        each => each,
    }
}
