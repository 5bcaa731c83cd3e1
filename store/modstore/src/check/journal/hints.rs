//! What is known of modules outside the journal: `modules.lock` and `modules.toml`, as far as they can be read.

use std::collections::BTreeMap;

use crate::{
    declare,
    disk::Layout,
    model::{Binding, Bound, Fetched, Locked},
};

/// What is known of the modules outside the journal.
#[derive(Debug, Clone, Default)]
pub(super) struct Hints {
    /// The bindings in `modules.lock`.
    pub(super) locked: Vec<(String, Binding)>,
    /// The source that `modules.toml` declares, by module.
    pub(super) sources: BTreeMap<String, String>,
}

impl Hints {
    pub(super) fn read(layout: &Layout) -> Self {
        let locked = declare::read_lock(layout).map(|lock| lock.modules).unwrap_or_default();
        let locked = locked.iter().map(|(module, locked)| (module.to_string(), bound(locked)));
        let declared =
            declare::read(layout).map(|(_, declared)| declared.modules).unwrap_or_default();
        let sources = declared.iter().map(|(module, declared)| {
            (module.to_string(), declared.effective_source().to_toml_text())
        });
        Self { locked: locked.collect(), sources: sources.collect() }
    }
}

/// A line of `modules.lock` as the binding it was made of.
fn bound(locked: &Locked) -> Binding {
    let Locked { source, origin, reference, revision, digest, subdirectory } = locked;
    let fetched = origin.as_ref().zip(*revision).map(|(origin, revision)| Fetched {
        origin: origin.to_string(),
        reference: reference.clone(),
        revision: revision.to_string(),
    });
    let subdirectory = subdirectory.as_ref().map(ToString::to_string);
    let bound = Bound::Entry { digest: *digest, subdirectory, fetched };
    Binding { source: source.to_toml_text(), bound }
}
