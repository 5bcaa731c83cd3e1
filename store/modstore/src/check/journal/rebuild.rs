//! The records of a new journal: from the frames that are left, the generations on the disk, the manifests, and what
//! is otherwise known of the modules.
//!
//! Decides only, and writes nothing. An unbroken chain of frames has precedence over a directory of links, and that over
//! nothing. Nothing is invented: a binding whose source is known nowhere says so, and the next update asks again.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Component, Path, PathBuf},
    time::UNIX_EPOCH,
};

use super::{directories_of, hints::Hints, salvage::Salvage};
use crate::{
    check::report::RebuiltJournal,
    commit::{EntryInfo, Record, changes, read_built},
    disk::{DiskError, Layout, is_directory, names_in, read_manifest},
    model::{
        Binding, Bound, Digest, Generation, LinkedPath, ModuleName, RecordedSource, Source,
        Subdirectory,
    },
};

/// The reason of a generation of which nothing is known but its links.
const UNKNOWN_REASON: &str = "unknown";

/// A journal that can be written, and the history that it has.
pub(super) struct Rebuilding {
    pub(super) records: Vec<Record>,
    pub(super) rebuilt: RebuiltJournal,
}

/// One generation as it will be recorded.
#[derive(Debug, Clone)]
struct Past {
    at: u64,
    reason: String,
    restores: Option<Generation>,
    modules: BTreeMap<ModuleName, Binding>,
}

/// The frames so far, added up. The modules are not known behind a gap.
struct Fold {
    modules: Option<BTreeMap<ModuleName, Binding>>,
    now: Option<(Generation, Past)>,
    past: BTreeMap<Generation, Past>,
}

/// Everything the journal can be made of.
struct Evidence<'a> {
    layout: &'a Layout,
    hints: &'a Hints,
    bindings: Vec<(&'a ModuleName, &'a Binding)>,
    entries: BTreeMap<Digest, EntryInfo>,
    /// How modules failed, which are held, and where they are exposed.
    notes: Vec<Record>,
}

/// The records of a journal of all that is still known. `current` is the generation that the switch names.
pub(super) fn rebuild(
    layout: &Layout,
    salvage: &Salvage,
    hints: &Hints,
    current: Option<Generation>,
    now: u64,
    reason: &str,
) -> Result<Rebuilding, DiskError> {
    let sources = Evidence {
        layout,
        hints,
        bindings: salvage.bindings(),
        entries: salvage.entries(),
        notes: [
            salvage.attempts(),
            salvage.holds(),
            salvage.exposed(),
            salvage.sightings(),
            salvage.inputs(),
            salvage.built_on(),
        ]
        .concat(),
    };
    let mut rebuilt = RebuiltJournal { frames: salvage.frames.len(), ..RebuiltJournal::default() };
    let mut past = sources.generations_in_frames(salvage, &mut rebuilt);
    let recorded = past.keys().next_back().copied();
    for number in directories_of(layout)? {
        if !past.contains_key(&number)
            && let Some(found) = sources.generation_on_disk(number, &mut rebuilt)
        {
            past.insert(number, found);
        }
    }
    let head = head_of(&past, recorded, current);
    let retired = salvage.retired();
    rebuilt.lost.extend(past.keys().filter(|number| Some(**number) < head));
    past.retain(|number, past| {
        let is_there = || {
            is_directory(&layout.generation(*number))
                || past.modules.values().all(|to| sources.is_there(to))
        };
        Some(*number) == head || (Some(*number) < head && !retired.contains(number) && is_there())
    });
    if let Some(again) = current.and_then(|current| above(current, &past, now, reason)) {
        past.insert(again.0, again.1);
    }
    rebuilt.lost.retain(|number| !past.contains_key(number) && !retired.contains(number));
    rebuilt.lost.sort();
    rebuilt.lost.dedup();
    rebuilt.unclear.retain(|(number, _)| past.contains_key(number));
    rebuilt.generations = past.keys().copied().collect();
    Ok(Rebuilding { records: sources.records(&past, now, reason)?, rebuilt })
}

/// When `current` names a generation of which nothing is left: numbers only go up, so the newest that is
/// known is recorded once more, as the one after it.
fn above(
    current: Generation,
    past: &BTreeMap<Generation, Past>,
    at: u64,
    reason: &str,
) -> Option<(Generation, Past)> {
    let (last, newest) = past.last_key_value().filter(|(last, _)| current > **last)?;
    let again = Past { at, reason: reason.into(), restores: Some(*last), ..newest.clone() };
    Some((current.next(), again))
}

/// The generation to be current: the newest in any frame, or the one that the switch names when that is newer.
/// A directory that neither knows was being made when its process died.
fn head_of(
    past: &BTreeMap<Generation, Past>,
    recorded: Option<Generation>,
    current: Option<Generation>,
) -> Option<Generation> {
    let current = current.filter(|current| past.contains_key(current));
    let known = recorded.max(current);
    known.or_else(|| past.keys().next_back().copied())
}

impl Evidence<'_> {
    /// The generations of whole frames. After a gap, the links of the generation before, or of the
    /// generation itself, stand in for what is missing.
    fn generations_in_frames(
        &self,
        salvage: &Salvage,
        rebuilt: &mut RebuiltJournal,
    ) -> BTreeMap<Generation, Past> {
        let mut fold = Fold { modules: Some(BTreeMap::new()), now: None, past: BTreeMap::new() };
        for (frame, follows) in salvage.in_order() {
            if !follows {
                fold.modules = None;
            }
            frame.records.iter().for_each(|record| self.fold(&mut fold, record, rebuilt));
            self.close(&mut fold, rebuilt);
        }
        fold.past
    }

    fn fold(&self, fold: &mut Fold, record: &Record, rebuilt: &mut RebuiltJournal) {
        match record {
            Record::Checkpoint { .. } => fold.modules = Some(BTreeMap::new()),
            Record::Generation { number, at, reason, restores } => {
                self.close(fold, rebuilt);
                if fold.modules.is_none() {
                    fold.modules = number.before().and_then(|before| self.links(before, rebuilt));
                }
                let (at, reason, restores) = (*at, reason.clone(), *restores);
                fold.now = Some((*number, Past { at, reason, restores, modules: BTreeMap::new() }));
            }
            Record::Bound { module, binding } => {
                let modules = fold.modules.iter_mut();
                modules.for_each(|known| drop(known.insert(module.clone(), binding.clone())));
            }
            Record::Unbound { module } => {
                fold.modules.iter_mut().for_each(|known| drop(known.remove(module)));
            }
            Record::Entered { .. }
            | Record::Retired { .. }
            | Record::Forgotten { .. }
            | Record::Attempted { .. }
            | Record::Cleared { .. }
            | Record::Held { .. }
            | Record::Released { .. }
            | Record::Exposed { .. }
            | Record::Unexposed { .. }
            | Record::Sighted { .. }
            | Record::Unsighted { .. }
            | Record::Inputs { .. }
            | Record::BuiltOn { .. } => {}
        }
    }

    /// All records of a generation have been seen.
    fn close(&self, fold: &mut Fold, rebuilt: &mut RebuiltJournal) {
        let Some((number, past)) = fold.now.take() else { return };
        if fold.modules.is_none() {
            fold.modules = self.links(number, rebuilt);
        }
        match &fold.modules {
            Some(modules) => {
                drop(fold.past.insert(number, Past { modules: modules.clone(), ..past }))
            }
            None => rebuilt.lost.push(number),
        }
    }

    /// A generation of which no frame tells.
    fn generation_on_disk(&self, number: Generation, rebuilt: &mut RebuiltJournal) -> Option<Past> {
        let modules = self.links(number, rebuilt)?;
        let changed = self.layout.generation(number).symlink_metadata().ok()?.modified().ok();
        let since = changed.and_then(|changed| changed.duration_since(UNIX_EPOCH).ok());
        let at = since.and_then(|since| u64::try_from(since.as_millis()).ok()).unwrap_or_default();
        Some(Past { at, reason: UNKNOWN_REASON.into(), restores: None, modules })
    }

    /// What the links of a generation lead to, as far as they are ours; `None` when there is no such directory.
    fn links(
        &self,
        number: Generation,
        rebuilt: &mut RebuiltJournal,
    ) -> Option<BTreeMap<ModuleName, Binding>> {
        let directory = self.layout.generation(number);
        if !is_directory(&directory) {
            return None;
        }
        let mut modules = BTreeMap::new();
        for name in names_in(&directory).ok()? {
            let Ok(text) = std::fs::read_link(directory.join(&name)) else { continue };
            let module = name.to_str().and_then(|name| name.parse::<ModuleName>().ok());
            if let Some((module, to)) = module.zip(led_to(&text)) {
                let (binding, is_clear) = self.binding(&module, to);
                if !is_clear {
                    rebuilt.unclear.insert((number, module.clone()));
                }
                modules.insert(module, binding);
            }
        }
        Some(modules)
    }

    /// The binding of a module whose link leads there, and whether it is known where that came from.
    fn binding(&self, module: &ModuleName, to: LedTo) -> (Binding, bool) {
        let declared = self.hints.sources.get(module).cloned();
        let (digest, subdirectory) = match to {
            LedTo::Entry(digest, subdirectory) => (digest, subdirectory),
            LedTo::Linked(path) => {
                let known = self.known(|_, binding| {
                    matches!(&binding.bound, Bound::Linked { path: known } if *known == path)
                });
                let source = known.map_or_else(
                    || RecordedSource::from(&Source::linked(path.as_path())),
                    |known| known.source.clone(),
                );
                return (Binding { source, bound: Bound::Linked { path } }, true);
            }
        };
        let is_part = |binding: &Binding| match &binding.bound {
            Bound::Entry { digest: known, subdirectory: part, .. } => {
                *known == digest && *part == subdirectory
            }
            Bound::Built(built) => built.digest == digest && subdirectory.is_none(),
            Bound::Kept(kept) => kept.digest == digest && kept.subdirectory == subdirectory,
            Bound::Linked { .. } => false,
        };
        let own = self.known(|name, binding| name == module && is_part(binding));
        if let Some(own) = own.or_else(|| self.known(|_, binding| is_part(binding))) {
            return (own.clone(), true);
        }
        // Another part of the same tree came from the same commit.
        let fetched = self.known(|_, binding| binding.digest() == Some(digest));
        let fetched = fetched.and_then(|known| match &known.bound {
            Bound::Entry { fetched, .. } => fetched.clone(),
            Bound::Kept(kept) => kept.fetched.clone(),
            Bound::Linked { .. } | Bound::Built(_) => None,
        });
        if subdirectory.is_none()
            && let Some(built) = read_built(self.layout, digest, module)
        {
            let is_clear = declared.is_some();
            let source = declared.unwrap_or_else(RecordedSource::unknown);
            return (Binding { source, bound: Bound::Built(Box::new(built)) }, is_clear);
        }
        let is_clear = declared.is_some() && fetched.is_some();
        let source = declared.unwrap_or_else(RecordedSource::unknown);
        (Binding { source, bound: Bound::Entry { digest, subdirectory, fetched } }, is_clear)
    }

    /// The first binding that fits: of the frames, the newest first, then of `modules.lock`.
    fn known(&self, fits: impl Fn(&ModuleName, &Binding) -> bool) -> Option<&Binding> {
        let locked = self.hints.locked.iter().map(|(module, binding)| (module, binding));
        let mut all = self.bindings.iter().copied().chain(locked);
        all.find(|(module, binding)| fits(module, binding)).map(|(_, binding)| binding)
    }

    fn is_there(&self, binding: &Binding) -> bool {
        binding.digest().is_none_or(|digest| is_directory(&self.layout.entry(digest)))
    }

    /// One checkpoint that says all of it.
    fn records(
        &self,
        past: &BTreeMap<Generation, Past>,
        at: u64,
        reason: &str,
    ) -> Result<Vec<Record>, DiskError> {
        let mut records = vec![Record::Checkpoint { at, reason: reason.to_owned() }];
        let bound = past.values().flat_map(|past| past.modules.values());
        let mut digests: BTreeSet<Digest> =
            bound.flat_map(|to| [to.digest(), to.material()]).flatten().collect();
        digests.extend(digests_in(&self.layout.manifests())?);
        digests.extend(digests_in(&self.layout.entries())?);
        records.extend(digests.into_iter().map(|digest| self.entered(digest)));
        let mut before: BTreeMap<&ModuleName, &Binding> = BTreeMap::new();
        for (number, past) in past {
            records.push(generation(*number, past));
            let modules = past.modules.iter().collect();
            records.extend(changes(&before, &modules));
            before = modules;
        }
        records.extend(self.notes.iter().cloned());
        Ok(records)
    }

    /// The record of an entry: with the sums of its manifest, else as a frame has it.
    fn entered(&self, digest: Digest) -> Record {
        let manifest = read_manifest(self.layout, digest);
        let listed = manifest.map(|manifest| EntryInfo {
            files: manifest.files().len() as u64,
            bytes: manifest.size(),
        });
        let info = listed.or_else(|| self.entries.get(&digest).copied());
        let EntryInfo { files, bytes } = info.unwrap_or(EntryInfo { files: 0, bytes: 0 });
        Record::Entered { digest, files, bytes }
    }
}

fn generation(number: Generation, past: &Past) -> Record {
    let Past { at, reason, restores, .. } = past.clone();
    Record::Generation { number, at, reason, restores }
}

/// What the link of a module leads to.
enum LedTo {
    Entry(Digest, Option<Subdirectory>),
    Linked(LinkedPath),
}

/// Reads the text of a module's link, if it is one of ours.
fn led_to(text: &Path) -> Option<LedTo> {
    let Ok(below) = text.strip_prefix("../../entries") else {
        return LinkedPath::of_link_text(text).map(LedTo::Linked);
    };
    let mut parts = below.components();
    let Some(Component::Normal(digest)) = parts.next() else { return None };
    let rest: PathBuf = parts.collect();
    let subdirectory = match rest.to_str()? {
        "" => None,
        below => Some(below.parse().ok()?),
    };
    Some(LedTo::Entry(digest.to_str()?.parse().ok()?, subdirectory))
}

/// The digests that are names in a directory.
fn digests_in(path: &Path) -> Result<impl Iterator<Item = Digest>, DiskError> {
    let names = names_in(path)?.into_iter();
    Ok(names.filter_map(|name| name.to_str()?.parse().ok()))
}
