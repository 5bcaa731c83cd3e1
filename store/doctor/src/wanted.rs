//! Where a missing requirement is to come from: the store, the place that the project itself names, or a cache of its host.
//!
//! Only where none of these has it is an index asked: a name that is private may be anybody's there.

use std::path::{Path, PathBuf};

use modstore_core::model::DistributionName;
use modstore_python::{lexical, small_text};
use toml_edit::{Document, Item, TableLike};

use crate::{
    cache::distribution_in,
    catalog::Catalog,
    finding::{name_of, undecided},
    inspected::Editable,
};

/// Where a requirement comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The project in this directory, installed as it lies there.
    Directory(PathBuf),
    /// An address, as a direct reference has it.
    Address(String),
    /// An index that the installer is configured with.
    Index,
    /// It cannot be decided; why not.
    Unknown(String),
}

/// Where the requirement `name` of `editable` comes from.
pub(crate) fn source_of(
    catalog: &Catalog,
    editable: &Editable<'_>,
    name: &DistributionName,
) -> Wanted {
    if let Some(candidate) = catalog.store.as_ref().and_then(|store| store.candidate(name)) {
        return Wanted::Directory(candidate.directory);
    }
    if let Some(project) = editable.project()
        && let Some(wanted) = named_source(&project.directory, &project.settings, name)
    {
        return wanted;
    }
    match catalog.search.holders(name) {
        [] => Wanted::Index,
        [only] => Wanted::Directory(only.clone()),
        several => Wanted::Unknown(undecided(name.as_str(), several)),
    }
}

/// What `tool.uv.sources` of the project, or of its workspace, says.
fn named_source(directory: &Path, settings: &str, name: &DistributionName) -> Option<Wanted> {
    let above = directory.ancestors().skip(1).take(5);
    let workspaces =
        above.filter_map(|root| Some((root, small_text(&root.join("pyproject.toml"))?)));
    let own = [(directory, settings.to_owned())].into_iter();
    own.chain(workspaces).find_map(|(root, text)| {
        let document = Document::parse(text.as_str()).ok()?;
        let sources = table(document.as_item(), &["tool", "uv", "sources"])?;
        let (_, item) = sources.iter().find(|(key, _)| key.parse().ok().as_ref() == Some(name))?;
        Some(source(root, item, name))
    })
}

fn source(root: &Path, item: &Item, name: &DistributionName) -> Wanted {
    let Some(fields) = item.as_table_like() else {
        return Wanted::Unknown(format!(
            "the sources of its project name several places for {name}"
        ));
    };
    let text = |key: &str| fields.get(key).and_then(Item::as_str);
    if let Some(path) = text("path") {
        let directory = lexical(root, Path::new(path));
        let is_it = directory.is_dir() && distribution_in(&directory).as_ref() == Some(name);
        return if is_it {
            Wanted::Directory(directory)
        } else {
            Wanted::Unknown(format!(
                "its project takes it from {}, which does not hold it",
                directory.display()
            ))
        };
    }
    if let Some(address) = text("git") {
        let reference = ["rev", "tag", "branch"].into_iter().find_map(text);
        let reference = reference.map(|it| format!("@{it}")).unwrap_or_default();
        let below =
            text("subdirectory").map(|it| format!("#subdirectory={it}")).unwrap_or_default();
        return Wanted::Address(format!("git+{address}{reference}{below}"));
    }
    if let Some(address) = text("url") {
        return Wanted::Address(address.to_owned());
    }
    if fields.get("workspace").and_then(Item::as_bool) == Some(true) {
        return member(root, name).map_or_else(
            || {
                Wanted::Unknown(format!(
                    "its project takes {name} from its workspace, which does not have it"
                ))
            },
            Wanted::Directory,
        );
    }
    match text("index") {
        Some(index) => {
            Wanted::Unknown(format!("its project takes {name} from the index {index} of its own"))
        }
        None => Wanted::Index,
    }
}

/// The member of the workspace above `directory` that is this distribution.
fn member(directory: &Path, name: &DistributionName) -> Option<PathBuf> {
    directory.ancestors().take(6).find_map(|root| {
        let text = small_text(&root.join("pyproject.toml"))?;
        let document = Document::parse(text.as_str()).ok()?;
        let workspace = table(document.as_item(), &["tool", "uv", "workspace"])?;
        let members = workspace.get("members").and_then(Item::as_array);
        let patterns = members.into_iter().flatten().filter_map(|it| it.as_str());
        let directories =
            patterns.flat_map(|pattern| expanded(root, pattern)).chain([root.to_owned()]);
        directories.into_iter().find(|it| distribution_in(it).as_ref() == Some(name))
    })
}

/// The directories that a pattern like `packages/*` names.
fn expanded(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![root.to_owned()];
    for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
        found = found.into_iter().flat_map(|directory| matching(&directory, part)).collect();
    }
    found
}

fn matching(directory: &Path, part: &str) -> Vec<PathBuf> {
    let Some((start, end)) = part.split_once('*') else { return vec![directory.join(part)] };
    let children = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let directories = children.map(|child| child.path()).filter(|path| path.is_dir());
    let is_named = |path: &PathBuf| {
        let name = name_of(path);
        name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
    };
    let mut found: Vec<PathBuf> = directories.filter(is_named).collect();
    found.sort();
    found
}

fn table<'t>(item: &'t Item, path: &[&str]) -> Option<&'t dyn TableLike> {
    path.iter().try_fold(item, |item, key| item.get(key))?.as_table_like()
}
