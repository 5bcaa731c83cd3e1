//! The switch, every link of every kept generation, and whether both books say the same: what the journal
//! counts, and what the links lead to.

use std::{
    collections::{BTreeMap, BTreeSet},
    ffi::OsString,
    io,
    path::{Path, PathBuf},
};

use super::{
    code::Code, finding::Checked, finding::Finding, home::must_allow, home::unknown,
    leads::digest_in,
};
use crate::{
    commit::{Binding, Bound, GenerationInfo, State, link_text, shown},
    disk::{Layout, names_in},
    model::{Digest, Generation, ModuleName},
};

/// Looks at the switch. Without a state, only whether it is one.
pub(super) fn look_at_switch(layout: &Layout, state: Option<&State>) -> Option<Finding> {
    let path = layout.current();
    let found = |code, what: String| Some(Finding::new(code, &path, what));
    if path.symlink_metadata().is_err() {
        let any = match state {
            Some(state) => state.head().is_some(),
            None => !names_in(&layout.generations()).unwrap_or_default().is_empty(),
        };
        let what = "nothing is shown, although there is a generation to show";
        return any.then(|| Finding::new(Code::CurrentMissing, &path, what));
    }
    let Some(shown) = shown(layout) else {
        return found(Code::CurrentReplaced, "this is no link to a generation".into());
    };
    match (state?.head().map(|head| head.number), shown) {
        (Some(head), shown) if shown < head => found(
            Code::CurrentBehind,
            format!("generation {shown} is shown, and generation {head} is recorded"),
        )
        .map(|finding| finding.of_generation(head)),
        (head, shown) if head < Some(shown) => found(
            Code::CurrentAhead,
            format!("generation {shown} is shown, and the journal ends before it"),
        )
        .map(|finding| finding.of_generation(shown)),
        _ => None,
    }
}

/// Looks at the links of all kept generations, and compares the books.
pub(super) fn look_at_generations(
    layout: &Layout,
    state: &State,
    findings: &mut Vec<Finding>,
    checked: &mut Checked,
) {
    let mut counts = BTreeMap::new();
    for (info, modules) in state.kept_modules() {
        checked.generations += 1;
        let led_to = look_at_generation(layout, info.number, &modules, findings, checked);
        led_to.into_iter().for_each(|digest| *counts.entry(digest).or_default() += 1);
    }
    compare_books(layout, state, &counts, findings);
    findings.extend(state.head().into_iter().flat_map(|head| linked(layout, state, head)));
    unrecorded(layout, state, findings);
}

/// The entries that the links of one generation lead to.
fn look_at_generation(
    layout: &Layout,
    number: Generation,
    modules: &BTreeMap<&ModuleName, &Binding>,
    findings: &mut Vec<Finding>,
    checked: &mut Checked,
) -> BTreeSet<Digest> {
    let at = layout.generation(number);
    let mut found = |code, path: &Path, what: String, module: Option<&ModuleName>| {
        let finding = Finding::new(code, path, what).of_generation(number);
        findings.push(match module {
            Some(module) => finding.of_module(module.as_str()),
            None => finding,
        });
    };
    let names = match names_of(&at) {
        Ok(names) => names,
        Err((code, what)) => {
            found(code, &at, what.into(), None);
            return BTreeSet::new();
        }
    };
    let is_known = |name: &OsString| {
        let module = name.to_str().and_then(|name| name.parse::<ModuleName>().ok());
        module.is_some_and(|module| modules.contains_key(&module))
    };
    for name in names.into_iter().filter(|name| !is_known(name)) {
        let what = "the generation has no such module".into();
        found(Code::LinkUnknown, &at.join(name), what, None);
    }
    let mut led_to = BTreeSet::new();
    for (module, binding) in modules {
        checked.links += 1;
        let (path, wanted) = (at.join(module), link_text(binding));
        let text = std::fs::read_link(&path);
        led_to.extend(text.as_deref().ok().and_then(digest_in));
        if let Some((code, what)) = wrong_link(&path, text, &wanted) {
            found(code, &path, what, Some(module));
        }
    }
    findings.extend(must_allow(&at, 0o500).map(|finding| finding.of_generation(number)));
    led_to
}

/// What is in the directory of a generation.
fn names_of(at: &Path) -> Result<Vec<OsString>, (Code, &'static str)> {
    match at.symlink_metadata() {
        Err(_) => Err((Code::GenerationMissing, "there is no such generation")),
        Ok(meta) if !meta.is_dir() => Err((Code::GenerationReplaced, "this is no directory")),
        Ok(_) => names_in(at).map_err(|_| (Code::GenerationReplaced, "it cannot be read")),
    }
}

/// What is wrong with a link of which this was read.
fn wrong_link(path: &Path, text: io::Result<PathBuf>, wanted: &Path) -> Option<(Code, String)> {
    match text {
        Ok(text) if text == wanted => None,
        Ok(text) => {
            let what = format!("it leads to {}, not to {}", text.display(), wanted.display());
            Some((Code::LinkWrong, what))
        }
        Err(_) if path.symlink_metadata().is_err() => {
            Some((Code::LinkMissing, "the module has no link".into()))
        }
        Err(_) => Some((Code::LinkWrong, "this is no link".into())),
    }
}

/// Both books must say the same of every entry, and the journal must know what its generations lead to.
fn compare_books(
    layout: &Layout,
    state: &State,
    links: &BTreeMap<Digest, u64>,
    findings: &mut Vec<Finding>,
) {
    let journal = state.refcounts();
    let digests: BTreeSet<&Digest> = journal.keys().chain(links.keys()).collect();
    for digest in digests {
        let count = |book: &BTreeMap<Digest, u64>| book.get(digest).copied().unwrap_or_default();
        let (counted, led) = (count(&journal), count(links));
        let what = if counted != led {
            format!("by the journal {counted} kept generations lead to it, by their links {led}")
        } else if state.entry(*digest).is_none() {
            "kept generations lead to it, and the journal does not list it".to_owned()
        } else {
            continue;
        };
        let finding = Finding::new(Code::BooksDisagree, layout.entry(*digest), what);
        findings.push(finding.of_entry(*digest));
    }
}

/// Directories of the user's that are shown and not there.
fn linked<'a>(
    layout: &'a Layout,
    state: &'a State,
    head: &'a GenerationInfo,
) -> impl Iterator<Item = Finding> + 'a {
    let linked = state.modules().iter().filter_map(|(module, binding)| match &binding.bound {
        Bound::Linked { path } => Some((module, path.as_path())),
        Bound::Entry { .. } | Bound::Built(_) => None,
    });
    linked.filter(|(_, path)| !path.is_dir()).map(|(module, path)| {
        let what = format!("it leads to {}, which is no directory", path.display());
        let link = layout.generation(head.number).join(module);
        Finding::new(Code::LinkedMissing, link, what)
            .of_module(module.as_str())
            .of_generation(head.number)
    })
}

/// Generations on disk that are not kept, and names that are none.
fn unrecorded(layout: &Layout, state: &State, findings: &mut Vec<Finding>) {
    let at = layout.generations();
    for name in names_in(&at).unwrap_or_default() {
        let path = at.join(&name);
        match name.to_str().and_then(|name| name.parse::<Generation>().ok()) {
            None => findings.push(unknown(&path)),
            Some(number) if !state.is_kept(number) => {
                let what = "the journal keeps no such generation";
                findings.push(Finding::new(Code::GenerationUnrecorded, path, what));
            }
            Some(_) => {}
        }
    }
}
