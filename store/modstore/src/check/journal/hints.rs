//! What is known of modules outside the journal: `modules.lock` and `modules.toml`, as far as they can be read.

use std::collections::BTreeMap;

use crate::{
    declare,
    disk::Layout,
    model::{Binding, Bound, Declared, Fetched, Locked, ModuleName, RecordedSource},
};

/// What is known of the modules outside the journal.
#[derive(Debug, Clone, Default)]
pub(super) struct Hints {
    /// The bindings in `modules.lock`.
    pub(super) locked: Vec<(ModuleName, Binding)>,
    /// The source that `modules.toml` declares, by module.
    pub(super) sources: BTreeMap<ModuleName, RecordedSource>,
}

impl Hints {
    pub(super) fn read(layout: &Layout) -> Self {
        let locked = declare::read_lock(layout).map(|lock| lock.modules).unwrap_or_default();
        let locked = locked.iter().map(|(module, locked)| (module.clone(), bound(locked)));
        let declared =
            declare::read(layout).map(|(_, declared)| declared.modules).unwrap_or_default();
        let source = |declared: &Declared| RecordedSource::from(&declared.effective_source());
        let sources = declared.iter().map(|(module, declared)| (module.clone(), source(declared)));
        Self { locked: locked.collect(), sources: sources.collect() }
    }
}

/// A line of `modules.lock` as the binding it was made of.
fn bound(locked: &Locked) -> Binding {
    let Locked { source, origin, reference, revision, digest, subdirectory, built: _ } = locked;
    let fetched = origin.as_ref().zip(*revision).map(|(origin, revision)| Fetched {
        origin: origin.clone(),
        reference: reference.clone(),
        revision,
    });
    let bound = Bound::Entry { digest: *digest, subdirectory: subdirectory.clone(), fetched };
    Binding { source: RecordedSource::from(source), bound }
}
