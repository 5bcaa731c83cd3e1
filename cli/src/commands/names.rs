//! Names of modules that a person typed, and the failure of one that does not exist.

use modstore::{ModuleName, Store};
use modstore_core::model::{Declarations, nearest};

use crate::{exit::Exit, explain::NAMES, report::Failure};

/// The failure of a module that is not there, with the nearest name that is.
pub(super) fn unknown(store: &Store, name: &ModuleName) -> Failure {
    let declared = store.declarations().unwrap_or_default();
    if declared.get(name).is_some() {
        let message = format!("module `{name}` is declared and not fetched yet");
        return Failure::new(Exit::Failed, message).hint("`modstore update` fetches it");
    }
    let known = known_to(store);
    if known.iter().any(|known| known == name.as_str()) {
        let message = format!("module `{name}` is in the current generation, but not declared");
        return Failure::new(Exit::Usage, message).hint("`modstore update` removes it");
    }
    let failure = Failure::new(Exit::Usage, format!("there is no module `{name}`"));
    match nearest(name.as_str(), known.iter().map(String::as_str)) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None if known.is_empty() => failure.hint("`modstore add SOURCE` adds the first module"),
        None => failure.hint(NAMES),
    }
}

/// The names of all modules that are declared or current, some of them twice.
pub(super) fn known_to(store: &Store) -> Vec<String> {
    let declared = store.declarations().unwrap_or_default();
    let current = std::fs::read_dir(store.layout().current()).into_iter().flatten().flatten();
    let current = current.filter_map(|entry| entry.file_name().into_string().ok());
    declared.modules.keys().map(ToString::to_string).chain(current).collect()
}

/// The modules of these groups; none, if there are no groups.
pub(super) fn members(store: &Store, groups: &[String]) -> Result<Vec<ModuleName>, Failure> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let declared = store.declarations()?;
    let mut members = Vec::new();
    for group in groups {
        let Some(names) = declared.groups.get(group) else {
            return Err(unknown_group(&declared, group));
        };
        if names.is_empty() {
            let failure = Failure::new(Exit::Usage, format!("group `{group}` has no modules"));
            return Err(failure.hint("write their names into `[groups]` in modules.toml"));
        }
        if let Some(name) = names.iter().find(|name| declared.get(name).is_none()) {
            let message =
                format!("group `{group}` names `{name}`, which modules.toml does not declare");
            let known = declared.modules.keys().map(ModuleName::as_str);
            let failure = Failure::new(Exit::Usage, message);
            return Err(match nearest(name.as_str(), known) {
                Some(near) => failure.hint(format!("did you mean `{near}`?")),
                None => failure.hint(NAMES),
            });
        }
        members.extend(names.iter().cloned());
    }
    Ok(members)
}

fn unknown_group(declared: &Declarations, group: &str) -> Failure {
    let failure = Failure::new(Exit::Usage, format!("there is no group `{group}`"));
    let known = || declared.groups.keys().map(String::as_str);
    match nearest(group, known()) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None if declared.groups.is_empty() => {
            failure.hint("`[groups]` in modules.toml makes them: ai = [\"weather\", \"news\"]")
        }
        None => {
            failure.hint(format!("modules.toml has: {}", known().collect::<Vec<_>>().join(", ")))
        }
    }
}

/// Refuses names that are not declared, before anything is changed.
pub(super) fn known(store: &Store, names: &[ModuleName]) -> Result<(), Failure> {
    let declared = store.declarations()?;
    match names.iter().find(|name| declared.get(name).is_none()) {
        Some(name) => Err(unknown(store, name)),
        None => Ok(()),
    }
}
