//! `expose` and `unexpose`: a link at a place of the host's that leads to a module through the switch, and no longer.

use std::path::{Path, PathBuf};

use crate::{
    Cancel, Store,
    access::AccessError,
    check::{self, Finding},
    commit::{BeginError, JournalError, LinkError, Locked, Standing, text_of},
    declare::DeclareError,
    disk::{LockError, Staging, StagingError},
    events::Events,
    model::{EditError, Exposure, LinkedPath, ModuleName},
};

/// A link that was not made or taken away. Nothing was changed, unless a variant says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExposeError {
    /// The store cannot be changed.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The module is not declared, or that cannot be found out.
    #[error(transparent)]
    Declare(#[from] DeclareError),
    /// There is no place to work in, or what an earlier process left cannot be removed.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// The store cannot be locked.
    #[error(transparent)]
    Begin(#[from] BeginError),
    /// The place cannot have a link.
    #[error("{} {why}", place.display())]
    Place {
        /// The place.
        place: PathBuf,
        /// Why not, as a clause.
        why: PlaceFault,
    },
    /// The link; its error says what has happened.
    #[error("the link {} cannot be changed", place.display())]
    Link {
        /// Where it is.
        place: PathBuf,
        /// Why not.
        source: LinkError,
    },
    /// A wish to stop.
    #[error("interrupted; nothing was changed")]
    Cancelled,
}

/// Why a place cannot have a link.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlaceFault {
    /// It is in the store.
    #[error("is in the store's own directory")]
    InStore,
    /// The journal holds text.
    #[error("is not Unicode text")]
    NoText,
    /// It has no directory to be in.
    #[error("is in a directory that does not exist or cannot be read")]
    NoDirectory,
    /// A file or a directory is there.
    #[error("is there already: nothing is replaced")]
    Taken,
    /// A link is there.
    #[error("is a link to {} already: nothing is replaced", .0.display())]
    Link(PathBuf),
    /// Another store exposes a module there.
    #[error("exposes module `{module}` of the store in {}", home.display())]
    OtherStore {
        /// Its home.
        home: PathBuf,
        /// The module.
        module: String,
    },
    /// This store exposes another module there.
    #[error("exposes module `{0}` already")]
    OtherModule(ModuleName),
    /// Nothing is exposed there.
    #[error("is no place where this store exposes a module")]
    Unknown,
}

impl Store {
    /// Makes a link at `place` that leads to a module through the switch, and remembers it. Done again, it puts back a
    /// link that is gone. Gives the place as it is remembered.
    ///
    /// # Errors
    /// See [`ExposeError`]. Nothing that is there is ever replaced.
    pub fn expose(
        &self,
        module: &ModuleName,
        place: &Path,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<PathBuf, ExposeError> {
        let declared = self.declarations()?;
        if declared.get(module).is_none() {
            return Err(DeclareError::Edit(EditError::NotDeclared(module.clone())).into());
        }
        let (_, _leftovers) = self.begin(events, cancel)?;
        let fault = |why| ExposeError::Place { place: place.to_owned(), why };
        let (path, recorded) = self.place(place).map_err(fault)?;
        let locked = self.locked(events, cancel)?;
        let text = text_of(self.layout(), module);
        let text = text.to_str().ok_or_else(|| fault(PlaceFault::NoText))?.to_owned();
        let exposure = Exposure { module: module.clone(), text };
        let known = locked.state().exposed().get(&recorded);
        if let Some(other) = known.filter(|known| known.module != *module) {
            return Err(fault(PlaceFault::OtherModule(other.module.clone())));
        }
        match Standing::of(&path, &exposure, exposure.as_path()) {
            Standing::There | Standing::Missing => {}
            Standing::Unplaced => return Err(fault(PlaceFault::NoDirectory)),
            Standing::Replaced => return Err(fault(PlaceFault::Taken)),
            Standing::Outdated | Standing::Elsewhere => return Err(fault(leads_elsewhere(&path))),
        }
        let link = |source| ExposeError::Link { place: path.clone(), source };
        locked.expose(&recorded, exposure).map_err(link)?;
        Ok(path)
    }

    /// Takes away the links at these places, and those to these modules, and gives where they were. A file, a directory
    /// or a link to elsewhere in such a place stays, and is the store's no longer.
    ///
    /// # Errors
    /// See [`ExposeError`].
    pub fn unexpose(
        &self,
        modules: &[ModuleName],
        places: &[PathBuf],
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Vec<PathBuf>, ExposeError> {
        let (_, _leftovers) = self.begin(events, cancel)?;
        let locked = self.locked(events, cancel)?;
        let exposed = locked.state().exposed();
        let mut taken: Vec<LinkedPath> = exposed
            .iter()
            .filter(|(_, exposure)| modules.contains(&exposure.module))
            .map(|(place, _)| place.clone())
            .collect();
        for place in places {
            let unknown = || ExposeError::Place { place: place.clone(), why: PlaceFault::Unknown };
            let absolute = std::path::absolute(place).ok().and_then(|path| LinkedPath::of(&path));
            let resolved = self.place(place).ok().map(|(_, recorded)| recorded);
            let mut named = [resolved, absolute].into_iter().flatten();
            let known = named.find(|named| exposed.contains_key(named)).ok_or_else(unknown)?;
            if !taken.contains(&known) {
                taken.push(known);
            }
        }
        let first = taken.first().map(|place| place.as_path().to_owned()).unwrap_or_default();
        locked.unexpose(&taken).map_err(|source| ExposeError::Link { place: first, source })?;
        Ok(taken.iter().map(|place| place.as_path().to_owned()).collect())
    }

    /// What became of the links at places of hosts': those that are not as they were made.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub fn exposed(&self) -> Result<Vec<Finding>, JournalError> {
        Ok(check::exposed(self.layout(), &self.state()?))
    }

    /// Makes every link again that is not as it was made. What took the place of one is kept beside it, and a place whose
    /// directory is gone is forgotten. Gives the places.
    ///
    /// # Errors
    /// See [`ExposeError`]. Those before the place that it names are repaired.
    pub fn repair_exposed(
        &self,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Vec<PathBuf>, ExposeError> {
        let (_, _leftovers) = self.begin(events, cancel)?;
        let found = self.exposed().map_err(BeginError::from)?;
        let mut repaired = Vec::new();
        for place in found.into_iter().map(|finding| finding.path) {
            let locked = self.locked(events, cancel)?;
            let recorded = LinkedPath::of(&place);
            let exposed = locked.state().exposed();
            let known = recorded.as_ref().and_then(|place| exposed.get_key_value(place));
            let Some((recorded, exposure)) = known.map(|(at, it)| (at.clone(), it.clone())) else {
                continue;
            };
            let link = |source| ExposeError::Link { place: place.clone(), source };
            locked.mend(&recorded, &exposure).map_err(link)?;
            repaired.push(place);
        }
        Ok(repaired)
    }

    /// The store under its lock, without what dead processes have left.
    fn locked(&self, events: &dyn Events, cancel: &Cancel) -> Result<Locked, ExposeError> {
        let context = self.context(events, cancel);
        Staging::remove_dead(context.disk, context.layout).map_err(BeginError::Redo)?;
        Locked::take(context, context.staging()?).map_err(|error| match error {
            BeginError::Lock(LockError::Stopped) => ExposeError::Cancelled,
            error => error.into(),
        })
    }

    /// A place as it is remembered: its directory without links on the way.
    fn place(&self, place: &Path) -> Result<(PathBuf, LinkedPath), PlaceFault> {
        let absolute = std::path::absolute(place).map_err(|_| PlaceFault::NoDirectory)?;
        let (parent, name) =
            absolute.parent().zip(absolute.file_name()).ok_or(PlaceFault::Taken)?;
        let parent = parent.canonicalize().map_err(|_| PlaceFault::NoDirectory)?;
        if parent.starts_with(self.layout().resolved_home()) {
            return Err(PlaceFault::InStore);
        }
        let path = parent.join(name);
        let recorded = LinkedPath::of(&path).ok_or(PlaceFault::NoText)?;
        Ok((path, recorded))
    }
}

/// Whose a link is that is in the way.
fn leads_elsewhere(place: &Path) -> PlaceFault {
    let to = std::fs::read_link(place).unwrap_or_default();
    let module = to.file_name().map(|name| name.to_string_lossy().into_owned());
    let current = to.parent().filter(|parent| parent.ends_with("current"));
    let home = current.and_then(Path::parent).filter(|home| home.join("format.json").is_file());
    match (home, module) {
        (Some(home), Some(module)) => PlaceFault::OtherStore { home: home.to_owned(), module },
        _ => PlaceFault::Link(to),
    }
}

impl Store {
    /// Takes every link away, before a purge. A link that cannot be taken away stays: its store is no longer there.
    pub(super) fn unexpose_all(
        &self,
        events: &dyn Events,
        cancel: &Cancel,
    ) -> Result<Vec<PathBuf>, ExposeError> {
        let locked = self.locked(events, cancel)?;
        let all: Vec<LinkedPath> = locked.state().exposed().keys().cloned().collect();
        let first = all.first().map(|place| place.as_path().to_owned()).unwrap_or_default();
        locked.unexpose(&all).map_err(|source| ExposeError::Link { place: first, source })?;
        Ok(all.iter().map(|place| place.as_path().to_owned()).collect())
    }
}
