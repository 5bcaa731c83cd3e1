//! [`Tiers`]: the tiers of one command, asked in their order.

use std::{
    collections::{HashMap, HashSet},
    io::{self, BufRead, BufReader, Read},
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::SystemTime,
};

use modstore_tier::{
    AddressError, Content, Found, Key, Objects, OpenError, Published, TierAddress, TierError, open,
};

use super::{
    archives::Archives,
    configured::tier_options,
    counts::{Counting, TierCounts, one_more},
    renewals::Renewals,
    trouble::Trouble,
};
use crate::{
    Context,
    events::Event,
    model::{TierMode, TierSettings, causes},
};

/// A tier that is configured cannot be used. Nothing was asked or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TierSetupError {
    /// What is configured is no address.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// This build cannot speak to it, or what goes with the address makes no sense.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// What became of bytes that did not become what was asked for.
pub(crate) enum Refusal<E> {
    /// The object is to be read once more; the next attempt has the next number.
    Again(E),
    /// They do not prove to be what was asked for.
    Proof(E),
    /// It is not the tier's fault: this disk, or the wish to stop.
    Own(E),
}

/// Where a tier that is written to has none of so many commits in a row, git is asked for the next ones first.
const ENOUGH_MISSES: u32 = 8;

/// The tiers of one command: used from many threads.
pub(crate) struct Tiers {
    tiers: Vec<Tier>,
    /// Whether git has said which commits are wanted.
    is_listed: bool,
    counts: Counting,
    archives: Archives,
}

struct Tier {
    settings: TierSettings,
    name: String,
    place: Box<dyn Objects>,
    trouble: Trouble,
    /// What it does not have, and what it has wrong, as far as this command has found out.
    missing: Mutex<HashSet<Key>>,
    wrong: Mutex<HashSet<Key>>,
    /// How many objects in a row it did not have, and what it was not asked for because of that.
    misses: AtomicU32,
    skipped: Mutex<HashSet<Key>>,
    /// What it had and is to be renewed, and how long its objects are, as far as this command has seen them.
    old: Mutex<HashSet<Key>>,
    lengths: Mutex<HashMap<Key, u64>>,
    /// What this command has put there, and what could not be put, or asked for before that.
    put: Mutex<HashSet<Key>>,
    failed: Mutex<HashSet<Key>>,
    /// When its objects were written, as far as this command has seen them, where they are to be renewed.
    times: Mutex<HashMap<Key, SystemTime>>,
}

impl Tiers {
    /// Those that are configured. No request is made. While offline, only those in directories.
    ///
    /// # Errors
    /// See [`TierSetupError`].
    pub(crate) fn open(
        context: Context<'_>,
        settings: &[TierSettings],
    ) -> Result<Self, TierSetupError> {
        let mut tiers = Vec::new();
        for settings in settings {
            let address: TierAddress = settings.url.parse()?;
            if context.offline && address.is_remote() {
                continue;
            }
            let options = tier_options(settings, context.disk.elsewhere());
            tiers.push(Tier {
                name: address.to_string(),
                place: open(&address, &options)?,
                settings: settings.clone(),
                trouble: Trouble::default(),
                missing: Mutex::default(),
                wrong: Mutex::default(),
                misses: AtomicU32::default(),
                skipped: Mutex::default(),
                old: Mutex::default(),
                lengths: Mutex::default(),
                put: Mutex::default(),
                failed: Mutex::default(),
                times: Mutex::default(),
            });
        }
        let (counts, archives) = (Counting::default(), Archives::default());
        Ok(Self { tiers, is_listed: false, counts, archives })
    }

    /// The same for a command in which git says which commits are wanted, and not a lock: a tier that it publishes to is
    /// likely not to have them.
    pub(crate) fn listed_by_git(self, is_listed: bool) -> Self {
        Self { is_listed, ..self }
    }

    /// What they came to so far.
    pub(crate) fn counts(&self) -> TierCounts {
        self.counts.so_far()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.tiers.is_empty()
    }

    /// Whether git must not be asked for content of this origin.
    pub(crate) fn replace_git(&self, origin: &str) -> bool {
        self.tiers.iter().any(|tier| !tier.settings.fallback && tier.settings.is_for(origin))
    }

    /// Whether an object has not proven in this command.
    pub(crate) fn has_refused(&self, key: &Key) -> bool {
        self.tiers.iter().any(|tier| tier.has_wrong(key))
    }

    /// Whether one of them may be asked for objects of this origin.
    pub(crate) fn may_give(&self, origin: &str) -> bool {
        self.tiers.iter().any(|tier| tier.settings.is_for(origin) && !tier.trouble.is_given_up())
    }

    /// Counts a hit that was a thin pack.
    pub(crate) fn count_thin(&self) {
        one_more(&self.counts.thin);
    }

    /// Whether a tier that updates write to has a pack of this commit that is to be written again: it is old, or was refused.
    pub(crate) fn wants_again(&self, commit: &str) -> bool {
        let is_of_it = |keys: &mut HashSet<Key>| keys.iter().any(|key| key.is_of_commit(commit));
        let mut written = self.tiers.iter().filter(|it| it.settings.mode == TierMode::Write);
        written.any(|tier| unlocked(&tier.old, is_of_it) || unlocked(&tier.wrong, is_of_it))
    }

    /// Whether one of them has this object with more bytes than this, as far as that was seen.
    pub(crate) fn is_longer_than(&self, key: &Key, bytes: u64) -> bool {
        let is_long =
            |lengths: &mut HashMap<Key, u64>| lengths.get(key).is_some_and(|it| *it > bytes);
        self.tiers.iter().any(|tier| unlocked(&tier.lengths, is_long))
    }

    /// Gives the bytes of an object to `take`, from the first tier whose bytes it takes. With them it is given a name for
    /// errors, and the number of the attempt, from 0.
    ///
    /// # Errors
    /// Only those of `take` that are not the tier's fault.
    pub(crate) fn get<T, E: std::error::Error + 'static>(
        &self,
        context: Context<'_>,
        (origin, key): (&str, &Key),
        mut take: impl FnMut(&mut dyn BufRead, &str, u32) -> Result<T, Refusal<E>>,
    ) -> Result<Option<T>, E> {
        let mut is_missed = false;
        for tier in self.tiers.iter().filter(|tier| tier.may_be_asked(origin, key)) {
            if self.skips(tier, origin, key) {
                continue;
            }
            let mut attempt = 0;
            while !context.cancel.is_cancelled() {
                let Some(found) = tier.find(self, context, key, &mut is_missed) else { break };
                let mut body = Body::new(found, &self.counts.bytes);
                let at = format!("{key} of {}", tier.name);
                match take(&mut body, &at, attempt) {
                    Ok(taken) => {
                        tier.trouble.answered();
                        tier.misses.store(0, Ordering::Relaxed);
                        one_more(&self.counts.hits);
                        return Ok(Some(taken));
                    }
                    Err(Refusal::Own(error)) => return Err(error),
                    Err(Refusal::Again(_)) if attempt == 0 && body.failed.is_none() => attempt = 1,
                    Err(Refusal::Proof(error) | Refusal::Again(error)) => {
                        match body.failed.take() {
                            Some(source) => tier.broke_off(self, context, source),
                            None => tier.refuse(self, context, key, &error),
                        }
                        break;
                    }
                }
            }
        }
        if is_missed {
            one_more(&self.counts.misses);
        }
        Ok(None)
    }

    /// Whether the question is left to the put that follows: the pack comes from git, and is kept if the tier has none.
    fn skips(&self, tier: &Tier, origin: &str, key: &Key) -> bool {
        let has_nothing = tier.misses.load(Ordering::Relaxed) >= ENOUGH_MISSES;
        let is_written = tier.settings.mode == TierMode::Write;
        let skips = self.is_listed && has_nothing && is_written && !self.replace_git(origin);
        if skips {
            unlocked(&tier.skipped, |keys| keys.insert(key.clone()));
        }
        skips
    }

    /// The tiers that a module of this origin is published to; one that was fetched with a login, only where the tier's
    /// `only` names it.
    pub(crate) fn publishing(
        &self,
        origin: &str,
        is_private: bool,
    ) -> impl Iterator<Item = PublishTo<'_>> {
        let is_meant = move |tier: &&Tier| {
            let settings = &tier.settings;
            match is_private {
                true => settings.names(origin),
                false => settings.is_for(origin),
            }
        };
        let meant = self.tiers.iter().filter(is_meant);
        meant.map(|tier| PublishTo { tier, counts: &self.counts })
    }

    /// Whether any of them is published to after an update.
    pub(crate) fn publishes(&self) -> bool {
        self.tiers.iter().any(|tier| tier.settings.mode == TierMode::Write)
    }

    /// Whether one of them, that updates write to, has objects that are to be renewed.
    pub(crate) fn renew(&self) -> bool {
        self.tiers.iter().any(Tier::is_renewed)
    }

    /// Adds when objects were written, as far as this command has seen them.
    pub(crate) fn tell(&self, renewals: &mut Renewals) {
        for tier in &self.tiers {
            unlocked(&tier.times, |times| {
                times.iter().for_each(|(key, written)| renewals.learn(&tier.name, key, *written));
            });
        }
    }

    /// Keeps an archive that was received, if it may be published after this update. Then it is no longer at `archive`.
    pub(crate) fn keep_archive(&self, context: Context<'_>, sha256: [u8; 32], archive: &Path) {
        if self.publishes() {
            self.archives.keep(context, sha256, archive);
        }
    }

    /// Where an archive is kept that this command has received.
    pub(crate) fn kept_archive(&self, sha256: &[u8; 32]) -> Option<PathBuf> {
        self.archives.find(sha256)
    }
}

impl Tier {
    fn may_be_asked(&self, origin: &str, key: &Key) -> bool {
        self.settings.is_for(origin)
            && !self.trouble.is_given_up()
            && !unlocked(&self.missing, |keys| keys.contains(key))
            && !self.has_wrong(key)
    }

    fn has_wrong(&self, key: &Key) -> bool {
        unlocked(&self.wrong, |keys| keys.contains(key))
    }

    fn is_old(&self, written: Option<SystemTime>) -> bool {
        let Some((written, renew)) = written.zip(self.settings.renew) else { return false };
        SystemTime::now().duration_since(written).is_ok_and(|age| age > renew)
    }

    fn is_renewed(&self) -> bool {
        self.settings.mode == TierMode::Write && self.settings.renew.is_some()
    }

    /// Remembers when an object was written; now, where that is not known.
    fn saw(&self, key: &Key, written: Option<SystemTime>) {
        if self.settings.renew.is_some() {
            let written = written.unwrap_or_else(SystemTime::now);
            unlocked(&self.times, |times| times.insert(key.clone(), written));
        }
    }

    fn find(
        &self,
        all: &Tiers,
        context: Context<'_>,
        key: &Key,
        is_missed: &mut bool,
    ) -> Option<Found> {
        match self.place.get(key, context.cancel) {
            Ok(Some(found)) => {
                self.saw(key, found.written);
                if self.is_old(found.written) {
                    unlocked(&self.old, |keys| keys.insert(key.clone()));
                }
                Some(found)
            }
            Ok(None) => {
                self.trouble.answered();
                self.misses.fetch_add(1, Ordering::Relaxed);
                unlocked(&self.missing, |keys| keys.insert(key.clone()));
                *is_missed = true;
                None
            }
            Err(TierError::Cancelled) => None,
            Err(error) => {
                self.note(&all.counts, context, &error);
                None
            }
        }
    }

    fn note(&self, counts: &Counting, context: Context<'_>, error: &TierError) {
        one_more(&counts.errors);
        if let Some(text) = self.trouble.failed(error, &causes(error).join(": ")) {
            context.events.happened(Event::Notice { text: &text });
        }
    }

    fn broke_off(&self, all: &Tiers, context: Context<'_>, source: io::Error) {
        if !context.cancel.is_cancelled() {
            let error = TierError::Io { place: self.name.clone(), source };
            self.note(&all.counts, context, &error);
        }
    }

    fn refuse(
        &self,
        all: &Tiers,
        context: Context<'_>,
        key: &Key,
        error: &(dyn std::error::Error + 'static),
    ) {
        self.trouble.answered();
        one_more(&all.counts.refused);
        unlocked(&self.wrong, |keys| keys.insert(key.clone()));
        if self.trouble.refused() {
            let why = causes(error).join(": ");
            let text = format!("shared tier: {}: {key} was refused: {why}", self.name);
            context.events.happened(Event::Notice { text: &text });
        }
    }
}

/// A tier that something is to be published to.
pub(crate) struct PublishTo<'t> {
    tier: &'t Tier,
    counts: &'t Counting,
}

impl PublishTo<'_> {
    /// Whether updates publish to it.
    pub(crate) fn is_written_by_updates(&self) -> bool {
        self.tier.settings.mode == TierMode::Write
    }

    /// Whether it does not have an object that is whole and young, as far as can be said without reading it. `None` when
    /// it cannot be asked, or was in vain.
    pub(crate) fn wants(&self, context: Context<'_>, key: &Key) -> Option<bool> {
        if unlocked(&self.tier.put, |keys| keys.contains(key)) {
            return Some(false);
        }
        let has_failed = unlocked(&self.tier.failed, |keys| keys.contains(key));
        if has_failed || self.tier.trouble.is_given_up() {
            return None;
        }
        // This command has just asked for it, or need not: another question would cost a round trip, and a put asks by itself.
        let is_known = |keys: &mut HashSet<Key>| keys.contains(key);
        if [&self.tier.missing, &self.tier.skipped].iter().any(|keys| unlocked(keys, is_known)) {
            return Some(true);
        }
        match self.tier.place.head(key, context.cancel) {
            Ok(found) => {
                self.tier.trouble.answered();
                if let Some((length, written)) = found {
                    self.has_length(key, length);
                    self.tier.saw(key, written);
                }
                let is_old = found.is_some_and(|(_, written)| self.tier.is_old(written));
                if is_old {
                    unlocked(&self.tier.old, |keys| keys.insert(key.clone()));
                }
                Some(found.is_none() || is_old || self.tier.has_wrong(key))
            }
            Err(error) => {
                self.failed(context, key, &error);
                None
            }
        }
    }

    /// Whether an object is to be looked at, which may be old. If so: since when it may be, as far as that is known.
    pub(crate) fn due(&self, renewals: &Renewals, key: &Key) -> Option<Option<SystemTime>> {
        let renew = self.tier.settings.renew.filter(|_| self.tier.is_renewed())?;
        let is_due = renewals.is_due(&self.tier.name, key, renew, SystemTime::now());
        is_due.then(|| renewals.written(&self.tier.name, key))
    }

    /// Remembers that an object was looked at, unless it could not be.
    pub(crate) fn was_looked_at(&self, key: &Key) {
        let has_failed = unlocked(&self.tier.failed, |keys| keys.contains(key));
        let is_seen = unlocked(&self.tier.times, |times| times.contains_key(key));
        if !has_failed && !is_seen && !self.tier.trouble.is_given_up() {
            self.tier.saw(key, None);
        }
    }

    /// How long an object is, if this command has seen it, or has made it.
    pub(crate) fn length(&self, key: &Key) -> Option<u64> {
        unlocked(&self.tier.lengths, |lengths| lengths.get(key).copied())
    }

    /// Remembers how long an object is.
    pub(crate) fn has_length(&self, key: &Key, length: u64) {
        unlocked(&self.tier.lengths, |lengths| lengths.insert(key.clone(), length));
    }

    /// The longest object that it takes.
    pub(crate) const fn most(&self) -> u64 {
        self.tier.settings.max_object
    }

    /// Publishes bytes. What is there and wrong, or old, is replaced.
    pub(crate) fn put(&self, context: Context<'_>, key: &Key, content: Content<'_>) -> bool {
        let is_old = unlocked(&self.tier.old, |keys| keys.contains(key));
        let replace = self.tier.has_wrong(key) || is_old;
        match self.tier.place.put(key, content, replace, context.cancel) {
            Ok(published) => {
                self.tier.trouble.answered();
                if published == Published::Written {
                    one_more(&self.counts.published);
                    self.tier.saw(key, None);
                } else {
                    // It has more than was thought.
                    self.tier.misses.store(0, Ordering::Relaxed);
                }
                let Tier { missing, skipped, wrong, old, .. } = self.tier;
                for keys in [missing, skipped, wrong, old] {
                    unlocked(keys, |keys| keys.remove(key));
                }
                unlocked(&self.tier.put, |keys| keys.insert(key.clone()));
                true
            }
            Err(error) => {
                self.failed(context, key, &error);
                false
            }
        }
    }

    /// Counts an object that is not published.
    pub(crate) fn defer(&self) {
        one_more(&self.counts.deferred);
    }

    fn failed(&self, context: Context<'_>, key: &Key, error: &TierError) {
        unlocked(&self.tier.failed, |keys| keys.insert(key.clone()));
        if !matches!(error, TierError::Cancelled) {
            self.tier.note(self.counts, context, error);
        }
        self.defer();
    }
}

fn unlocked<T, R>(mutex: &Mutex<T>, act: impl FnOnce(&mut T) -> R) -> R {
    act(&mut mutex.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The bytes of an object, counted; remembers whether it was the tier that failed.
struct Body<'c> {
    bytes: BufReader<Box<dyn Read + Send>>,
    counted: &'c AtomicU64,
    failed: Option<io::Error>,
}

impl<'c> Body<'c> {
    fn new(found: Found, counted: &'c AtomicU64) -> Self {
        Self { bytes: BufReader::with_capacity(64 << 10, found.bytes), counted, failed: None }
    }

    fn note<T>(failed: &mut Option<io::Error>, result: io::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            let copy = io::Error::new(error.kind(), error.to_string());
            *failed = Some(error);
            copy
        })
    }
}

impl Read for Body<'_> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = Self::note(&mut self.failed, self.bytes.read(out))?;
        self.counted.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

impl BufRead for Body<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        Self::note(&mut self.failed, self.bytes.fill_buf())
    }

    fn consume(&mut self, amount: usize) {
        self.counted.fetch_add(amount as u64, Ordering::Relaxed);
        self.bytes.consume(amount);
    }
}
