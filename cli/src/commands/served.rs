//! How what a module is, and how it changed, is told in a few words; and that there is no such module.

use modstore::{
    Store,
    model::{ModuleName, nearest},
};

use crate::{
    exit::Exit,
    json::{Change, Served},
    report::Failure,
    text::short,
};

/// A few words for what a module is: its commit, the entry if it is from no commit, or its link.
pub(super) fn brief(served: Option<&Served>) -> String {
    match served {
        None => "(none)".into(),
        Some(Served { linked: Some(path), .. }) => format!("-> {path}"),
        Some(Served { revision: Some(revision), .. }) => short(revision).into(),
        Some(Served { digest, .. }) => digest.as_deref().map_or("", short).into(),
    }
}

/// `1a2b3c4 → 5d6e7f8`, `new 5d6e7f8`, `removed`.
pub(super) fn change(from: Option<&Served>, to: Option<&Served>) -> String {
    match (from, to) {
        (None, to) => format!("new {}", brief(to)),
        (Some(_), None) => "removed".into(),
        (from, to) if brief(from) == brief(to) => format!("{} (same commit)", brief(to)),
        (from, to) => format!("{} → {}", brief(from), brief(to)),
    }
}

/// Several changes in one line.
pub(super) fn changes(changes: &[Change]) -> String {
    let each = changes
        .iter()
        .map(|each| format!("{} {}", each.module, change(each.from.as_ref(), each.to.as_ref())));
    each.collect::<Vec<_>>().join(", ")
}

/// That there is no such module, and the nearest that there is.
pub(super) fn unknown(store: &Store, name: &ModuleName, exit: Exit) -> Failure {
    let declared = store.declarations().unwrap_or_default();
    if declared.get(name).is_some() {
        let message = format!("module `{name}` is declared, but not there yet");
        return Failure::new(exit, message).hint("`modstore update` fetches it");
    }
    let shown = std::fs::read_dir(store.layout().current()).into_iter().flatten().flatten();
    let shown = shown.filter_map(|entry| entry.file_name().into_string().ok());
    let known: Vec<String> =
        declared.modules.keys().map(ToString::to_string).chain(shown).collect();
    if known.iter().any(|known| known == name.as_str()) {
        let message = format!("module `{name}` is shown, but declared no more");
        let hint = "`modstore update` makes what is shown the same as what is declared";
        return Failure::new(exit, message).hint(hint);
    }
    let failure = Failure::new(exit, format!("there is no module `{name}`"));
    match nearest(name.as_str(), known.iter().map(String::as_str)) {
        Some(near) => failure.hint(format!("did you mean `{near}`?")),
        None if known.is_empty() => {
            failure.hint("there are none yet; `modstore add SOURCE` declares one")
        }
        None => failure.hint("`modstore list` shows the modules there are"),
    }
}

/// Refuses names that are not declared, before anything is changed.
pub(super) fn known(store: &Store, names: &[ModuleName]) -> Result<(), Failure> {
    let declared = store.declarations()?;
    match names.iter().find(|name| declared.get(name).is_none()) {
        Some(name) => Err(unknown(store, name, Exit::Usage)),
        None => Ok(()),
    }
}
