//! [`Hanging`]: what hangs on modules that are about to be removed, and goes with them.

use std::path::Path;

use modstore::{ModuleName, Store};
use modstore_python::StandIn;

use crate::{
    commands::expose::{ExposedModule, exposed},
    json::texts,
    report::Failure,
};

/// What hangs on modules.
#[derive(Debug, Default)]
pub(super) struct Hanging {
    pub(super) released: Vec<String>,
    pub(super) exposed: Vec<ExposedModule>,
    pub(super) environments: Vec<String>,
}

impl Hanging {
    /// What hangs on these, before they are removed.
    pub(super) fn of(store: &Store, names: &[ModuleName]) -> Result<Self, Failure> {
        let state = store.state()?;
        let is_meant = |module: &str| names.iter().any(|name| name.as_str() == module);
        let mut exposed = exposed(&state, store.layout().home());
        exposed.retain(|link| is_meant(&link.module));
        let held = names.iter().filter(|name| state.holds().contains_key(*name));
        let is_installed = |name: &&ModuleName| StandIn::directory(store.layout(), name).is_dir();
        let installed: Vec<&ModuleName> = names.iter().filter(is_installed).collect();
        let environments = store.environments()?.into_iter().filter(|environment| {
            let has = |name: &&ModuleName| {
                environment.modules.as_ref().is_none_or(|modules| modules.contains(name))
            };
            installed.iter().any(has)
        });
        let environments = environments.map(|it| it.prefix.display().to_string()).collect();
        Ok(Self { released: texts(held), exposed, environments })
    }

    /// The same when the modules are gone: which links still are there.
    pub(super) fn after(mut self) -> Self {
        for link in &mut self.exposed {
            link.there = Path::new(&link.place).symlink_metadata().is_ok();
        }
        self
    }
}
