//! [`Catalog`]: where distributions can be found outside environments: the stand-ins of the store, and the caches.
//! [`Catalog::choose`] decides where a distribution should lead.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use modstore_core::{
    disk::{Layout, names_in},
    model::{Declarations, DeclaredProbe, DistributionName, ModuleName},
};
use modstore_python::{StandIn, small_text};

use crate::{
    cache::{Search, distribution_in},
    finding::{Candidate, Choice},
    hosts::HostHome,
    inspected::Editable,
};

/// Where distributions can be found outside environments.
#[derive(Debug)]
pub(crate) struct Catalog {
    pub search: Search,
    pub store: Option<StoreStandIns>,
    pub homes: Vec<HostHome>,
}

/// The stand-ins that the store has for environments.
#[derive(Debug)]
pub(crate) struct StoreStandIns {
    pub layout: Layout,
    /// By distribution: its module, and the directory that is installed for it.
    stand_ins: BTreeMap<DistributionName, (ModuleName, PathBuf)>,
    /// What `modules.toml` says; nothing if it cannot be read.
    declared: Declarations,
}

impl StoreStandIns {
    /// Those of the store in this home, if there is one.
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
            // The stand-in of a module that is gone from the current generation leads nowhere.
            if let Some(stand_in) = StandIn::read(&layout, &module)
                && directory.join("current").is_dir()
            {
                let distribution = stand_in.installed(&layout, "").distribution;
                stand_ins.insert(distribution, (module, directory));
            }
        }
        let declared = declared_in(&layout).unwrap_or_default();
        Some(Self { layout, stand_ins, declared })
    }

    /// What is imported of this module, where that is declared.
    pub(crate) fn probe(&self, module: &str) -> Option<&DeclaredProbe> {
        self.declared.get(&module.parse().ok()?)?.probe.as_ref()
    }

    /// The stand-in for this distribution.
    pub(crate) fn candidate(&self, distribution: &DistributionName) -> Option<Candidate> {
        let (module, directory) = self.stand_ins.get(distribution)?;
        let real = directory.canonicalize().unwrap_or_else(|_| directory.clone());
        Some(Candidate::only(real, format!("what the store has as its module {module}")))
    }

    /// Whether a path is in an entry itself, which the next update leaves behind.
    pub(crate) fn is_in_entry(&self, path: &Path) -> bool {
        let entries = self.layout.entries();
        let real = entries.canonicalize().unwrap_or_else(|_| entries.clone());
        path.starts_with(&entries) || path.starts_with(real)
    }
}

fn declared_in(layout: &Layout) -> Option<Declarations> {
    let text = small_text(&layout.modules_toml())?;
    Declarations::parse(&text, layout.home(), std::env::home_dir().as_deref()).ok()
}

impl Catalog {
    /// Where a distribution should lead whose project was at `gone`.
    pub(crate) fn choose(&self, editable: &Editable<'_>, gone: &Path) -> Choice {
        let name = &editable.name;
        if let Some(candidate) = self.store.as_ref().and_then(|store| store.candidate(name)) {
            return Choice::One(candidate);
        }
        if let Some(recorded) = &editable.recorded
            && is_project_of(recorded, name)
        {
            return Choice::only(recorded, "where it was installed from, as direct_url.json says");
        }
        self.search.choose(name, gone)
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
