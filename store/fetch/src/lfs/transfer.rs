//! [`Transfer`]: contents brought into the staging, from wherever the repository keeps them.
//!
//! A server is asked for a hundred at once, and these come side by side. Contents that another fetch of the same command has
//! brought, or is bringing from the same host, are not fetched again.
//!
//! Limits: the first content that fails ends all.

use std::{
    collections::HashMap,
    path::Path,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use modstore_core::{
    Cancel,
    disk::{Disk, DiskError, Staging, StreamError, Verb, open_regular},
    events::Step,
};

use super::{
    batch::{BATCH, Offer},
    content::{Body, ContentStream, Failure, Opener},
    endpoint::Endpoint,
    local,
    objects::{Claim, LfsObjects, StagedContent},
    pointer::Oid,
    server::{BatchServer, Fault},
};
use crate::{
    errors::{AcquireError, LfsError, RemoteError, RemoteStage, TransferError, TransportError},
    transport::Access,
};

/// Contents that come at once; as many as git-lfs fetches.
const AT_ONCE: usize = 8;

/// Bytes between two reports of progress.
const REPORT_EVERY: u64 = 1 << 20;

/// A content that is wanted.
#[derive(Debug, Clone)]
pub(super) struct WantedContent {
    pub(super) oid: Oid,
    pub(super) size: u64,
    /// The files that have it, for errors.
    pub(super) files: String,
}

/// See the module.
pub(super) struct Transfer<'t> {
    pub(super) access: &'t Access,
    pub(super) disk: &'t Disk,
    pub(super) staging: &'t Staging,
    pub(super) objects: &'t LfsObjects,
    pub(super) on_step: &'t (dyn Fn(Step<'_>) + Sync),
    pub(super) cancel: &'t Cancel,
    pub(super) progress: Progress,
}

/// How far it has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    bytes: AtomicU64,
    reported: AtomicU64,
    done: AtomicU64,
    of: AtomicU64,
}

/// The contents in the staging.
pub(super) type Contents = HashMap<Oid, StagedContent>;

impl Transfer<'_> {
    /// Brings these contents from `endpoint`.
    pub(super) fn bring(
        &self,
        endpoint: Endpoint,
        wanted: &[WantedContent],
    ) -> Result<Contents, AcquireError> {
        self.progress.expect(wanted.len());
        let there = |content: &WantedContent| Some((content.oid, self.objects.find(&content.oid)?));
        let mut contents: Contents = wanted.iter().filter_map(there).collect();
        let missing = wanted.iter().filter(|content| !contents.contains_key(&content.oid));
        let (empty, missing): (Vec<WantedContent>, Vec<WantedContent>) =
            missing.cloned().partition(|content| content.size == 0 && content.oid == Oid::empty());
        for content in empty {
            let staged = self.write(&content, "", &mut Nowhere)?;
            contents.insert(content.oid, staged);
        }
        let server = match endpoint {
            Endpoint::Http(server) => BatchServer::new(self.access, *server, None),
            Endpoint::Ssh(both) => {
                let (machine, guess) = *both;
                BatchServer::new(self.access, guess, Some(machine))
            }
            Endpoint::Local(repository) => {
                contents.extend(self.bring_local(&repository, &missing)?);
                return Ok(contents);
            }
        };
        for some in missing.chunks(BATCH) {
            contents.extend(self.bring_batch(&server, some)?);
        }
        Ok(contents)
    }

    fn bring_local(
        &self,
        repository: &Path,
        wanted: &[WantedContent],
    ) -> Result<Contents, AcquireError> {
        let at = local::contents_of(repository);
        let bring = |content: &WantedContent| {
            let path = local::place(&at, &content.oid);
            let mut opener = FromFile { path: &path, progress: &self.progress };
            self.write(content, "", &mut opener).map(Some)
        };
        self.side_by_side(wanted, &bring)
    }

    fn bring_batch(
        &self,
        server: &BatchServer<'_>,
        wanted: &[WantedContent],
    ) -> Result<Contents, AcquireError> {
        if self.access.offline && !wanted.is_empty() {
            let url = self.access.remote.redacted.clone();
            let source = RemoteError::Offline { url };
            return Err(LfsError::Exchange { files: summary(wanted), source }.into());
        }
        let question: Vec<(Oid, u64)> = wanted.iter().map(|it| (it.oid, it.size)).collect();
        let mut said = server.ask(&question).map_err(|fault| self.fault(fault, summary(wanted)))?;
        let host = server.host();
        let mut offers = HashMap::new();
        for content in wanted {
            let offer = server.accept(said.remove(&content.oid));
            let offer = offer.map_err(|fault| self.fault(fault, content.files.clone()))?;
            offers.insert(content.oid, offer);
        }
        let offers = Mutex::new(offers);
        let bring = |content: &WantedContent| {
            let offer = offers.lock().unwrap_or_else(PoisonError::into_inner).remove(&content.oid);
            let mut opener =
                FromServer { server, content, offer, progress: &self.progress, transfer: self };
            self.write(content, &host, &mut opener).map(Some)
        };
        self.side_by_side(wanted, &bring)
    }

    /// Calls `bring` for each content, on threads of their own, which wait for servers. Gives those that came.
    pub(super) fn side_by_side(
        &self,
        wanted: &[WantedContent],
        bring: &(dyn Fn(&WantedContent) -> Result<Option<StagedContent>, AcquireError> + Sync),
    ) -> Result<Contents, AcquireError> {
        let (next, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
        let brought = Mutex::new(Ok(Contents::new()));
        std::thread::scope(|scope| {
            let work = || {
                while let Some(content) = wanted.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if is_over.load(Ordering::Relaxed) {
                        return;
                    }
                    let result = bring(content);
                    let mut brought = brought.lock().unwrap_or_else(PoisonError::into_inner);
                    match (&mut *brought, result) {
                        (_, Ok(None)) => {}
                        (Ok(contents), Ok(Some(staged))) => {
                            contents.insert(content.oid, staged);
                            self.progress.one_more(self.on_step);
                        }
                        (Ok(_), Err(error)) => {
                            *brought = Err(error);
                            is_over.store(true, Ordering::Relaxed);
                        }
                        (Err(_), _) => {}
                    }
                }
            };
            for _ in 1..AT_ONCE.min(wanted.len()) {
                scope.spawn(work);
            }
            work();
        });
        brought.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes a content into the staging, unless another does.
    fn write(
        &self,
        content: &WantedContent,
        host: &str,
        opener: &mut dyn Opener,
    ) -> Result<StagedContent, AcquireError> {
        let claimed = match self.objects.claim(content.oid, host, self.cancel) {
            Claim::Done(staged) => return Ok(staged),
            Claim::Cancelled => return Err(AcquireError::Cancelled),
            Claim::Mine(claimed) => claimed,
        };
        let place = opener.shown();
        let mut stream = ContentStream::new(opener, content.oid, content.size);
        match claimed.write(self.disk, self.staging, &mut stream) {
            Ok(staged) => Ok(staged),
            Err(StreamError::Disk(error)) => Err(AcquireError::Write(error)),
            Err(StreamError::Read(_)) => Err(match stream.take_failure() {
                Some(Failure::Wrong(found)) => {
                    let (files, url) = (content.files.clone(), place);
                    LfsError::WrongContent { files, url, found }.into()
                }
                Some(Failure::Fault(fault)) => self.fault(fault, content.files.clone()),
                None => AcquireError::Cancelled,
            }),
        }
    }

    fn fault(&self, fault: Fault, files: String) -> AcquireError {
        match fault {
            Fault::Broken(error)
                if matches!(error.transport(), Some(TransportError::Cancelled)) =>
            {
                AcquireError::Cancelled
            }
            Fault::Broken(source) => LfsError::Exchange { files, source }.into(),
            Fault::Refused { url, status, said, retry_after } => {
                LfsError::Refused { files, url, status, said, retry_after }.into()
            }
            Fault::Answer { url, why } => LfsError::Answer { url, why }.into(),
            Fault::Setting { url, setting } => LfsError::Setting { files, url, setting }.into(),
            Fault::OverSsh { url } => LfsError::OverSsh { files, url }.into(),
            Fault::Ended => {
                let source = RemoteError::Failed {
                    stage: RemoteStage::Fetch,
                    url: self.access.remote.redacted.clone(),
                    source: TransferError::Dropped { source: None }.into(),
                };
                LfsError::Exchange { files, source }.into()
            }
            Fault::File { path, source } if source.kind() == std::io::ErrorKind::NotFound => {
                LfsError::NotThere { files, at: path }.into()
            }
            Fault::File { path, source } => {
                AcquireError::Write(DiskError::new(Verb::Read, &path, source))
            }
            Fault::Unread(source) => {
                let path = Path::new(&self.access.remote.redacted);
                AcquireError::Write(DiskError::new(Verb::Read, path, source))
            }
        }
    }
}

impl Progress {
    /// So many contents are wanted, if there are no more already.
    pub(super) fn expect(&self, contents: usize) {
        self.of.fetch_max(contents as u64, Ordering::Relaxed);
    }

    pub(super) fn came(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Bytes that have come.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    fn one_more(&self, on_step: &(dyn Fn(Step<'_>) + Sync)) {
        let objects = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = self.bytes();
        self.reported.store(bytes, Ordering::Relaxed);
        on_step(Step::Receiving { bytes, objects, of: Some(self.of.load(Ordering::Relaxed)) });
    }

    /// Reports bytes of a content that is still coming.
    fn tell(&self, on_step: &(dyn Fn(Step<'_>) + Sync)) {
        let (bytes, reported) = (self.bytes(), self.reported.load(Ordering::Relaxed));
        if bytes.saturating_sub(reported) >= REPORT_EVERY {
            self.reported.store(bytes, Ordering::Relaxed);
            let (objects, of) =
                (self.done.load(Ordering::Relaxed), self.of.load(Ordering::Relaxed));
            on_step(Step::Receiving { bytes, objects, of: Some(of) });
        }
    }
}

/// One of the files, and how many more.
pub(super) fn summary(wanted: &[WantedContent]) -> String {
    match wanted {
        [] => String::new(),
        [one] => one.files.clone(),
        [first, rest @ ..] => format!("{} and {} more", first.files, rest.len()),
    }
}

/// No bytes at all.
struct Nowhere;

impl Opener for Nowhere {
    fn open(&mut self, _: u64, _: bool) -> Result<(Body, u64), Fault> {
        Ok((Body::Nothing, 0))
    }

    fn pause(&self, _: Duration) -> Result<(), Fault> {
        Ok(())
    }

    fn came(&self, _: u64) {}

    fn shown(&self) -> String {
        String::new()
    }
}

/// A file of this machine.
struct FromFile<'f> {
    path: &'f Path,
    progress: &'f Progress,
}

impl Opener for FromFile<'_> {
    fn open(&mut self, _: u64, _: bool) -> Result<(Body, u64), Fault> {
        let file = open_regular(self.path)
            .map_err(|source| Fault::File { path: self.path.to_owned(), source })?;
        Ok((Body::File(file), 0))
    }

    fn pause(&self, _: Duration) -> Result<(), Fault> {
        Ok(())
    }

    fn came(&self, bytes: u64) {
        self.progress.came(bytes);
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }
}

/// A content that a server has offered.
struct FromServer<'f> {
    server: &'f BatchServer<'f>,
    content: &'f WantedContent,
    offer: Option<Offer>,
    progress: &'f Progress,
    transfer: &'f Transfer<'f>,
}

impl Opener for FromServer<'_> {
    fn open(&mut self, from: u64, anew: bool) -> Result<(Body, u64), Fault> {
        let is_good = |offer: &&Offer| !anew && !offer.is_over(Instant::now());
        let offer = match self.offer.as_ref().filter(is_good) {
            Some(offer) => offer.clone(),
            None => self.server.offer(self.content.oid, self.content.size)?,
        };
        let (download, begins) = self.server.open(&offer, from, self.content.size)?;
        self.offer = Some(offer);
        Ok((Body::Download(download), begins))
    }

    fn pause(&self, time: Duration) -> Result<(), Fault> {
        self.server.pause(time)
    }

    fn came(&self, bytes: u64) {
        self.progress.came(bytes);
        self.progress.tell(self.transfer.on_step);
    }

    fn shown(&self) -> String {
        self.server.shown()
    }
}
