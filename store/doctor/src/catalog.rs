//! What is known besides the environments: the stand-ins of the store, and the caches. [`Shared::candidate`] says where a
//! distribution is to lead.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use modstore_core::{
    disk::{Layout, names_in},
    model::{DistributionName, ModuleName},
};
use modstore_python::StandIn;

use crate::{
    cache::{Choice, Search, distribution_in},
    finding::Candidate,
    inspected::Editable,
};

/// What is known besides the environments.
#[derive(Debug)]
pub(crate) struct Shared {
    pub search: Search,
    pub store: Option<Stock>,
    /// The host's home whose cache is meant, if that can be told.
    pub home: Option<PathBuf>,
    /// What the settings there say of where modules come from.
    pub wishes: Vec<(String, PathBuf)>,
}

/// What the store has for environments.
#[derive(Debug)]
pub(crate) struct Stock {
    pub layout: Layout,
    /// By distribution: its module, and the directory that is installed for it.
    stand_ins: BTreeMap<DistributionName, (ModuleName, PathBuf)>,
}

impl Stock {
    /// What the store in this home has, if there is one.
    pub(crate) fn of(home: &Path) -> Option<Self> {
        let layout = Layout::new(home);
        if !layout.format().is_file() {
            return None;
        }
        let mut stand_ins = BTreeMap::new();
        for name in names_in(&layout.live()).unwrap_or_default() {
            let Some(module) = name.to_str().and_then(|name| name.parse::<ModuleName>().ok())
            else {
                continue;
            };
            let directory = StandIn::directory(&layout, &module);
            // One whose module is shown no more leads nowhere.
            if let Some(stand_in) = StandIn::read(&layout, &module)
                && directory.join("current").is_dir()
            {
                let distribution = stand_in.installed(&layout, "").distribution;
                stand_ins.insert(distribution, (module, directory));
            }
        }
        Some(Self { layout, stand_ins })
    }

    /// The module that is this distribution, and the directory that is installed for it.
    pub(crate) fn stand_in(
        &self,
        distribution: &DistributionName,
    ) -> Option<(&ModuleName, PathBuf)> {
        let (module, directory) = self.stand_ins.get(distribution)?;
        Some((module, directory.canonicalize().unwrap_or_else(|_| directory.clone())))
    }

    /// Whether a path is in an entry itself, which the next update leaves behind.
    pub(crate) fn is_in_entry(&self, path: &Path) -> bool {
        let entries = self.layout.entries();
        let real = entries.canonicalize().unwrap_or_else(|_| entries.clone());
        path.starts_with(&entries) || path.starts_with(real)
    }
}

impl Shared {
    /// Where a distribution is to lead whose project was at `gone`.
    pub(crate) fn candidate(&self, editable: &Editable<'_>, gone: &Path) -> Choice {
        let name = &editable.name;
        if let Some((module, directory)) = self.stand_in(name) {
            let why = format!("what the store has as its module {module}");
            return Choice::One(Candidate { directory, why, others: Vec::new() });
        }
        if let Some(recorded) = &editable.recorded
            && is_project_of(recorded, name)
        {
            let why = "where it was installed from, as direct_url.json says".into();
            let directory = recorded.clone();
            return Choice::One(Candidate { directory, why, others: Vec::new() });
        }
        self.search.choose(name, gone)
    }

    fn stand_in(&self, name: &DistributionName) -> Option<(&ModuleName, PathBuf)> {
        self.store.as_ref()?.stand_in(name)
    }
}

/// Whether the project in this directory makes the distribution, or does not say what it makes.
pub(crate) fn is_project_of(directory: &Path, name: &DistributionName) -> bool {
    let has = |file: &str| directory.join(file).is_file();
    match distribution_in(directory) {
        Some(found) => found == *name,
        None => has("pyproject.toml") || has("setup.py"),
    }
}

/// The project of this distribution that a path on the import path lies in.
pub(crate) fn project_above(path: &Path, name: &DistributionName) -> Option<PathBuf> {
    let mut above = path.ancestors().take(5);
    above.find(|path| distribution_in(path).as_ref() == Some(name)).map(Path::to_owned)
}
