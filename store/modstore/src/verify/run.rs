//! The order of looking: all of it without a lock, and what seems wrong once more while nobody writes.
//!
//! A writer at work looks like damage: a generation that no frame records yet, a switch behind the journal, an
//! entry that a sweep is taking away. Under the store's lock there is none. Only names, sizes and links are
//! looked at again there, never a content: entries are not written to, so a file that was found rotten is rotten
//! for as long as it is the same file. So nobody waits for the reading.
//!
//! Where the lock cannot be taken because its file cannot be opened (a home that is read-only, or damaged just
//! there), the second look is without it, too; then nobody can write either. So it is where the home is another user's
//! or leads elsewhere, since who takes a lock writes down that it has it.

use std::collections::BTreeSet;

use rayon::prelude::*;

use super::{
    code::{Code, Severity},
    content::{self, Rotten},
    declared, entry,
    finding::{Checked, Depth, Finding, Verification},
    home, journal,
    leads::Book,
    leftovers, links,
    looking::{Looking, VerifyError},
};
use crate::{
    commit::State,
    disk::{Layout, Lock, LockError, names_in},
    model::Digest,
};

/// Looks at the whole store. A home without a store is sound.
///
/// # Errors
/// See [`VerifyError`]. Nothing is ever changed.
pub(crate) fn verify(layout: &Layout, how: &Looking<'_>) -> Result<Verification, VerifyError> {
    if !home::has_store(layout) {
        return Ok(Verification::default());
    }
    let Survey { state, book, mut findings, mut checked } = survey(layout);
    if let Some(name) = book.unknown_of(how.names) {
        return Err(VerifyError::Unknown { name: name.clone() });
    }
    let digests = entries(layout, state.as_ref(), &book, how);
    let looked = entry_by_entry(layout, &digests, &book, how);
    checked.entries = digests.len() as u64;
    let mut unread = Vec::new();
    for looked in looked {
        checked.files += looked.files;
        findings.extend(looked.findings);
        unread.extend(looked.unread);
    }
    let mut rotten = Vec::new();
    if how.depth == Depth::Full {
        (rotten, checked.bytes) = content::read_all(unread, how);
    }
    if how.cancel.is_cancelled() {
        return Err(VerifyError::Cancelled);
    }
    // No writer makes another file system, or a name that is none of ours.
    let may_be_a_writer = |finding: &Finding| {
        finding.severity() != Severity::Note && finding.code != Code::FileSystem
    };
    let (mut findings, book) = match findings.iter().any(may_be_a_writer) || !rotten.is_empty() {
        true => {
            let again = look_again(layout, &findings, rotten, how)?;
            let Checked { entries, files, bytes, .. } = checked;
            checked = Checked { entries, files, bytes, ..again.checked };
            (again.findings, again.book)
        }
        false => (findings, book),
    };
    findings.iter_mut().for_each(|finding| complete(finding, &book));
    findings.sort_by(|a, b| (a.entry, &a.path, a.code).cmp(&(b.entry, &b.path, b.code)));
    Ok(Verification { findings, checked })
}

/// What is seen without looking into entries.
struct Survey {
    state: Option<State>,
    book: Book,
    findings: Vec<Finding>,
    checked: Checked,
}

fn survey(layout: &Layout) -> Survey {
    let (mut findings, mut checked) = (Vec::new(), Checked::default());
    home::look(layout, &mut findings);
    let reading = journal::look(layout, &mut findings);
    checked.frames = reading.as_ref().map_or(0, |reading| reading.frames);
    let state = reading.map(|reading| reading.state);
    findings.extend(links::look_at_switch(layout, state.as_ref()));
    // When recorded frames were lost, what is left says nothing of what should be there.
    let is_lost = findings.iter().any(|finding| finding.code == Code::CurrentAhead);
    let state = state.filter(|_| !is_lost);
    if let Some(state) = &state {
        links::look_at_generations(layout, state, &mut findings, &mut checked);
    }
    declared::look(layout, state.as_ref(), &mut findings);
    leftovers::look(layout, state.as_ref(), &mut findings);
    let book = state.as_ref().map_or_else(|| Book::of_links(layout), Book::of_state);
    Survey { state, book, findings, checked }
}

/// The entries to look into: those the journal knows and those that something leads to. When the journal cannot
/// be believed, those that lie there, too.
fn entries(layout: &Layout, state: Option<&State>, book: &Book, how: &Looking<'_>) -> Vec<Digest> {
    let recorded: Vec<Digest> = match state {
        Some(state) => state.entries().keys().copied().collect(),
        None => [layout.entries(), layout.manifests()]
            .iter()
            .flat_map(|at| names_in(at).unwrap_or_default())
            .filter_map(|name| name.to_str()?.parse().ok())
            .collect(),
    };
    let all: BTreeSet<Digest> = book.entries().chain(recorded).collect();
    all.into_iter().filter(|digest| book.concerns(how.names, *digest)).collect()
}

fn entry_by_entry(
    layout: &Layout,
    digests: &[Digest],
    book: &Book,
    how: &Looking<'_>,
) -> Vec<entry::Looked> {
    let (cancel, depth) = (how.cancel, how.depth);
    let look = |digest: &Digest| match cancel.is_cancelled() {
        true => entry::Looked::default(),
        false => entry::look(layout, *digest, book.is_from_git(*digest), depth),
    };
    digests.par_iter().map(look).collect()
}

/// What of it is there while nobody writes.
fn look_again(
    layout: &Layout,
    findings: &[Finding],
    rotten: Vec<Rotten>,
    how: &Looking<'_>,
) -> Result<Survey, VerifyError> {
    let lock = || Lock::take(&layout.lock("store"), how.command, how.patience);
    let _lock = match how.may_lock.then(lock) {
        Some(Ok(lock)) => Some(lock),
        None | Some(Err(LockError::Disk(_))) => None,
        Some(Err(LockError::Stopped)) => return Err(VerifyError::Cancelled),
        Some(Err(error)) => return Err(error.into()),
    };
    let suspects: BTreeSet<Digest> = findings.iter().filter_map(|finding| finding.entry).collect();
    let Survey { state, book, mut findings, checked } = survey(layout);
    // What a sweep has taken away meanwhile is no concern of anybody's.
    let counts = |digest: &Digest| {
        let recorded = state.as_ref().is_none_or(|state| state.entry(*digest).is_some());
        recorded || book.to(*digest).is_some()
    };
    let suspects: Vec<Digest> = suspects
        .into_iter()
        .filter(counts)
        .filter(|digest| book.concerns(how.names, *digest))
        .collect();
    let looked = entry_by_entry(layout, &suspects, &book, how);
    findings.extend(looked.into_iter().flat_map(|looked| looked.findings));
    let still = rotten.into_iter().filter(Rotten::is_there);
    let still = still.filter(|rotten| rotten.finding.entry.is_some_and(|entry| counts(&entry)));
    findings.extend(still.map(|rotten| rotten.finding));
    Ok(Survey { state, book, findings, checked })
}

/// Says whom it concerns.
fn complete(finding: &mut Finding, book: &Book) {
    if let Some(leads) = finding.entry.and_then(|entry| book.to(entry)) {
        finding.modules = leads.modules.iter().cloned().collect();
        finding.generations = leads.generations.iter().copied().collect();
    }
}
