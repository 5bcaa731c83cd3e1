//! Links at places of hosts' that lead through the switch: what is at such a place, and how a link comes and goes.
//!
//! The journal comes first when a link is made, and last when it is taken away. So a crash leaves a link that is recorded and
//! not there, which `verify` finds, and never one that the store does not know. Nothing is ever put over what is there.
//!
//! What a command did to a link is durable when it has ended. Only what a module's removal took away may be back after a power cut.

use std::path::{Path, PathBuf};

use super::{journal::JournalError, locked::Locked, record::Record, state::State};
use crate::{
    disk::{Disk, DiskError, Layout, random_name},
    model::{Exposure, LinkedPath, ModuleName},
};

/// What is at the place of an exposure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// The link, and it leads to this store.
    There,
    /// Nothing.
    Missing,
    /// Nothing, nor the directory that it was in.
    Unplaced,
    /// The link as it was made, and the store has moved since.
    Outdated,
    /// A link that leads elsewhere.
    Elsewhere,
    /// A file or a directory.
    Replaced,
}

/// A link was not made or not taken away.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LinkError {
    /// Nothing was changed, or the journal says what is there.
    #[error("the link was not changed")]
    Disk(#[from] DiskError),
    /// It is recorded if the frame reached the disk; the next command tells.
    #[error("it may or may not have been recorded")]
    Record(#[from] JournalError),
}

impl Standing {
    /// What is at a place now. `text`: where a link of this store leads now.
    #[must_use]
    pub fn of(place: &Path, exposure: &Exposure, text: &Path) -> Self {
        match place.symlink_metadata() {
            Err(_) if place.parent().is_some_and(Path::is_dir) => Self::Missing,
            Err(_) => Self::Unplaced,
            Ok(there) if !there.is_symlink() => Self::Replaced,
            Ok(_) => match std::fs::read_link(place) {
                Ok(found) if found == text => Self::There,
                Ok(found) if found == exposure.as_path() => Self::Outdated,
                _ => Self::Elsewhere,
            },
        }
    }

    /// Whether the link there is one that this store has made.
    const fn is_ours(self) -> bool {
        matches!(self, Self::There | Self::Outdated)
    }
}

/// Where a link to a module leads: through the switch of the store where it lies now.
pub(crate) fn text_of(layout: &Layout, module: &ModuleName) -> PathBuf {
    layout.resolved_home().join("current").join(module)
}

/// Takes a link away, if it is one that this store has made.
pub(super) fn take_away(
    disk: &Disk,
    layout: &Layout,
    place: &LinkedPath,
    exposure: &Exposure,
) -> Result<(), DiskError> {
    let text = text_of(layout, &exposure.module);
    if Standing::of(place.as_path(), exposure, &text).is_ours() {
        disk.remove_file(place.as_path())?;
    }
    Ok(())
}

/// Makes what became of a link's name durable.
fn sync_beside(disk: &Disk, place: &LinkedPath) -> Result<(), DiskError> {
    let directory = place.as_path().parent().filter(|directory| directory.is_dir());
    directory.map_or(Ok(()), |directory| disk.sync_dir(directory))
}

impl Locked {
    /// Records an exposure and makes its link. One that cannot be made is not recorded.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn expose(self, place: &LinkedPath, exposure: Exposure) -> Result<State, LinkError> {
        let Self { disk, layout, journal, mut state, _lock, staging, .. } = self;
        let text = text_of(&layout, &exposure.module);
        let is_recorded = state.exposed().get(place) == Some(&exposure);
        let record = Record::Exposed { place: place.clone(), exposure: exposure.clone() };
        let mut journal = Some(journal);
        if !is_recorded && let Some(journal) = journal.take() {
            state.apply(journal.append(&disk, vec![record])?);
        }
        if Standing::of(place.as_path(), &exposure, &text) == Standing::There {
            return Ok(state);
        }
        if let Err(error) = disk.symlink(&text, place.as_path()) {
            if !is_recorded {
                let (journal, _) = super::Journal::open(&disk, &layout.journal())?;
                journal.append(&disk, vec![Record::Unexposed { place: place.clone() }])?;
            }
            return Err(error.into());
        }
        sync_beside(&disk, place)?;
        drop((staging, _lock));
        Ok(state)
    }

    /// Takes links away and forgets them. What is not a link of this store's stays where it is.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn unexpose(self, places: &[LinkedPath]) -> Result<(), LinkError> {
        let known = places.iter().filter_map(|place| self.state.exposed().get_key_value(place));
        let known: Vec<(LinkedPath, Exposure)> =
            known.map(|(place, exposure)| (place.clone(), exposure.clone())).collect();
        if known.is_empty() {
            return Ok(());
        }
        for (place, exposure) in &known {
            take_away(&self.disk, &self.layout, place, exposure)?;
            sync_beside(&self.disk, place)?;
        }
        let records = known.into_iter().map(|(place, _)| Record::Unexposed { place });
        self.journal.append(&self.disk, records.collect())?;
        Ok(())
    }

    /// Makes an exposure what it should be. What was in its place is kept beside it, under its name and a random one, which
    /// is given. A place whose directory is gone is forgotten.
    ///
    /// # Errors
    /// See [`LinkError`].
    pub fn mend(
        self,
        place: &LinkedPath,
        exposure: &Exposure,
    ) -> Result<Option<PathBuf>, LinkError> {
        let text = text_of(&self.layout, &exposure.module);
        let standing = Standing::of(place.as_path(), exposure, &text);
        if standing == Standing::Unplaced {
            let records = vec![Record::Unexposed { place: place.clone() }];
            self.journal.append(&self.disk, records)?;
            return Ok(None);
        }
        let kept = match standing {
            Standing::There | Standing::Unplaced => None,
            Standing::Missing => {
                self.disk.symlink(&text, place.as_path())?;
                None
            }
            Standing::Outdated | Standing::Elsewhere | Standing::Replaced => {
                let aside = aside(place.as_path())?;
                self.disk.symlink(&text, &aside)?;
                // The two change places in one step: a host finds one or the other.
                if let Err(error) = self.disk.exchange(&aside, place.as_path()) {
                    self.disk.remove_file(&aside)?;
                    return Err(error.into());
                }
                if standing == Standing::Outdated {
                    self.disk.remove_file(&aside)?;
                    None
                } else {
                    Some(aside)
                }
            }
        };
        let text = text.to_string_lossy().into_owned();
        let now = Exposure { text, module: exposure.module.clone() };
        if now != *exposure {
            let record = Record::Exposed { place: place.clone(), exposure: now };
            self.journal.append(&self.disk, vec![record])?;
        }
        Ok(kept)
    }
}

/// A name beside a place for what was there.
fn aside(place: &Path) -> Result<PathBuf, DiskError> {
    let parent = place.parent().unwrap_or(Path::new("/"));
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".replaced-");
    name.push(random_name(parent)?);
    Ok(parent.join(name))
}
