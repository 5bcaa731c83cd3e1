//! The journal: every frame, read as a writer would read it; and a new journal, when the old one cannot be used.

mod salvage;
mod hints;
mod rebuild;

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use modstore_core::findings::codes;

use super::{
    code::{Code, Repair},
    finding::Finding,
    home::must_allow,
    report::{How, RepairError},
    view::View,
    work::{Check, RepairStep, Work},
};
use crate::{
    commit::{Frame, JournalError, RepairLock, now, shown},
    disk::{DiskError, Layout, names_in, random_name, read_own_if_there},
    model::{Generation, causes},
};
use hints::Hints;
use rebuild::rebuild;
use salvage::Salvage;

codes! { pub(super) CODES of Code:
    /// There is a store, but no journal.
    JOURNAL_MISSING = "journal-missing", Damage, Repair::RebuildJournal;
    /// The journal cannot be read.
    JOURNAL_UNREADABLE = "journal-unreadable", Damage, Repair::RebuildJournal;
    /// A frame in the middle does not verify.
    JOURNAL_DAMAGED = "journal-damaged", Damage, Repair::RebuildJournal;
    /// The last frame is cut off, as a crash leaves it.
    JOURNAL_TORN = "journal-torn", Leftover, Repair::Finish;
}

pub(super) const CHECK: Check =
    Check { codes: CODES, find, repair: RepairStep::LooksItself(repair) };

fn find(view: &mut View<'_>, found: &mut Vec<Finding>) {
    let path = view.context.layout.journal();
    let finding = |code, what: String| Finding::new(code, &path, what);
    match &view.journal {
        None => found.push(finding(JOURNAL_MISSING, "there is no journal".into())),
        Some(Ok(reading)) => {
            view.checked.frames = reading.frames;
            found.extend(must_allow(&path, 0o600));
            found.extend(reading.torn.map(|at| {
                finding(JOURNAL_TORN, format!("the last frame, at byte {at}, is cut off"))
            }));
        }
        Some(Err(JournalError::Corrupt { at, source, .. })) => {
            let why = source.as_ref().map(|source| format!(": {}", causes(source).join(": ")));
            let what = format!("it is damaged at byte {at}{}", why.unwrap_or_default());
            found.push(finding(JOURNAL_DAMAGED, what));
        }
        Some(Err(error)) => found.push(finding(JOURNAL_UNREADABLE, causes(error).join(": "))),
    }
}

/// Rebuilds the journal if it is damaged, missing, or behind `current`. The damaged one is kept beside it, and readers
/// see the one or the other.
fn repair(work: &mut Work<'_>) -> Result<(), RepairError> {
    let layout = work.context.layout;
    let hints = Hints::read(layout);
    let lock = work.lock(work.staging()?)?;
    if is_sound(&lock)? {
        return Ok(());
    }
    let path = layout.journal();
    let is_file = path.symlink_metadata().is_ok_and(|meta| meta.is_file());
    let bytes = if is_file { read_own_if_there(&path)? } else { None }.unwrap_or_default();
    let salvage = Salvage::of(&bytes).map_err(RepairError::NewerJournal)?;
    let rebuilding = rebuild(layout, &salvage, &hints, shown(layout), now(), work.context.command)?;
    let aside = keep_aside(&lock, &path, &bytes)?;
    let head = rebuilding.rebuilt.generations.last().copied();
    let (sequence, previous) = salvage.next(head);
    lock.replace_journal(&Frame { sequence, previous, records: rebuilding.records })?;
    put_unknown_away(&lock, head)?;
    work.repaired(path, How::Rewritten, aside);
    work.report.journal = Some(rebuilding.rebuilt);
    Ok(())
}

/// Whether a writer could go on with the journal.
fn is_sound(lock: &RepairLock<'_>) -> Result<bool, DiskError> {
    let layout = lock.context.layout;
    if !layout.journal().symlink_metadata().is_ok_and(|meta| meta.is_file()) {
        return Ok(false);
    }
    let Ok(state) = lock.state() else { return Ok(false) };
    let head = state.head().map(|head| head.number);
    // One generation above the head is what a crash leaves; a second was built on a first that was recorded.
    let next = head.map_or(Generation::FIRST, Generation::next);
    let above = directories_of(layout)?.last().copied();
    Ok(shown(layout) <= head && above <= Some(next))
}

/// Gives the damaged journal a second name, so that it is there before and after it is replaced.
fn keep_aside(
    lock: &RepairLock<'_>,
    path: &Path,
    bytes: &[u8],
) -> Result<Option<PathBuf>, DiskError> {
    let Ok(there) = path.symlink_metadata() else { return Ok(None) };
    let aside = path.with_file_name(format!("journal.damaged-{}", random_name(path)?));
    if !there.is_file() {
        lock.context.disk.move_tree(path, &aside)?;
    } else if bytes.is_empty() {
        return Ok(None);
    } else if lock.context.disk.hard_link(path, &aside).is_err() {
        lock.context.disk.create_file(&aside, bytes)?;
        lock.context.disk.sync_file(&aside)?;
    }
    lock.context.disk.sync_dir(lock.context.layout.home())?;
    Ok(Some(aside))
}

/// The next process that takes the lock removes generations above the head. With a journal that was lost, they may have
/// been more than leftovers of a crash.
fn put_unknown_away(lock: &RepairLock<'_>, head: Option<Generation>) -> Result<(), DiskError> {
    for number in directories_of(lock.context.layout)? {
        if Some(number) > head {
            lock.put_away(&lock.context.layout.generation(number))?;
        }
    }
    Ok(())
}

/// The generations that have a directory.
fn directories_of(layout: &Layout) -> Result<BTreeSet<Generation>, DiskError> {
    let names = names_in(&layout.generations())?;
    Ok(names.iter().filter_map(|name| name.to_str()?.parse().ok()).collect())
}
