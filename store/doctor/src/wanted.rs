//! Where a missing requirement is to come from: the store, the place that the project itself names, or a cache of its host.
//!
//! Only where none of these has it is an index asked: a name that is private may be anybody's there.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use modstore_core::model::DistributionName;
use modstore_python::{Distribution, lexical, small_text};
use toml_edit::{Document, Item, Table, TableLike};

use crate::{
    cache::distribution_in,
    catalog::Catalog,
    finding::{name_of, undecided},
    inspected::{MarkerEnvironment, Requirement, marker_holds},
};

/// How deep members of a workspace are looked for.
const DEEPEST: usize = 6;

/// Most projects of which what they need is looked for.
const MOST_TOGETHER: usize = 100;

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

/// Projects, with those that they need and that an index must not be asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Together {
    /// Installed as they lie there.
    pub projects: Vec<PathBuf>,
    /// Direct references.
    pub addresses: Vec<String>,
}

/// Where the requirement `name` of a project comes from: of its directory, and its settings.
pub(crate) fn source_of(
    catalog: &Catalog,
    project: Option<(&Path, &str)>,
    name: &DistributionName,
    here: &MarkerEnvironment,
) -> Wanted {
    if let Some(candidate) = catalog.store.as_ref().and_then(|store| store.candidate(name)) {
        return Wanted::Directory(candidate.directory);
    }
    if let Some((directory, settings)) = project
        && let Some(wanted) = named_source(directory, settings, name, here)
    {
        return wanted;
    }
    match catalog.search.holders(name) {
        [] => project
            .and_then(|(directory, settings)| own_index(directory, settings))
            .map_or(Wanted::Index, Wanted::Unknown),
        [only] => Wanted::Directory(only.clone()),
        several => Wanted::Unknown(undecided(name.as_str(), several)),
    }
}

/// The projects, and those that they need in turn and that are not installed, as far as they declare them: each from its
/// place. An installer that meets such a name asks its index for it.
///
/// # Errors
/// Where the place of one cannot be decided, with the reason.
pub(crate) fn with_needed(
    catalog: &Catalog,
    projects: Vec<PathBuf>,
    installed: &[Distribution],
    here: &MarkerEnvironment,
) -> Result<Together, String> {
    let mut together = Together { projects, addresses: Vec::new() };
    let mut next = 0;
    while let Some(project) = together.projects.get(next).filter(|_| next < MOST_TOGETHER).cloned()
    {
        next += 1;
        let settings = small_text(&project.join("pyproject.toml")).unwrap_or_default();
        for needed in declared(&settings).iter().filter(|it| it.applies(here) == Some(true)) {
            let admits = |version: String| needed.admits(&version) != Some(false);
            let mut same = installed.iter().filter(|it| it.name == needed.name);
            if same.any(|it| it.known_version().is_none_or(admits)) {
                continue;
            }
            match source_of(catalog, Some((&project, &settings)), &needed.name, here) {
                Wanted::Directory(directory) => together.projects.push(directory),
                Wanted::Address(address) => {
                    together.addresses.push(format!("{} @ {address}", needed.name));
                }
                Wanted::Unknown(why) => return Err(why),
                Wanted::Index => {}
            }
            let mut known = BTreeSet::new();
            together.projects.retain(|it| known.insert(it.clone()));
        }
    }
    Ok(together)
}

/// The requirements that a project declares itself.
fn declared(settings: &str) -> Vec<Requirement> {
    let Ok(document) = Document::parse(settings) else { return Vec::new() };
    let all = document.get("project").and_then(|it| it.get("dependencies")?.as_array());
    let texts = all.into_iter().flatten().filter_map(|it| it.as_str());
    texts.filter_map(Requirement::parse).collect()
}

/// That a project takes what it needs from an index of its own, if it does. One that is only for what names it does not count.
fn own_index(directory: &Path, settings: &str) -> Option<String> {
    let above = directory.ancestors().skip(1).take(5);
    let workspaces = above.filter_map(|root| small_text(&root.join("pyproject.toml")));
    let workspaces = workspaces.filter(|text| text.contains("[tool.uv.workspace]"));
    [settings.to_owned()].into_iter().chain(workspaces).find_map(|text| {
        let document = Document::parse(text.as_str()).ok()?;
        let uv = table(document.as_item(), &["tool", "uv"])?;
        let is_explicit =
            |it: &&Table| it.get("explicit").and_then(Item::as_bool).unwrap_or_default();
        let indexes = uv.get("index").and_then(Item::as_array_of_tables).into_iter().flatten();
        let own = indexes.filter(|it| !is_explicit(it)).find_map(|it| it.get("url")?.as_str());
        let own = own.or_else(|| uv.get("index-url")?.as_str())?;
        let shown = own.split_once("://").and_then(|(_, rest)| rest.split('/').next())?;
        let host = shown.rsplit('@').next().unwrap_or(shown);
        Some(format!("its project takes what it needs from an index of its own, at {host}"))
    })
}

/// What `tool.uv.sources` of the project, or of its workspace, says.
fn named_source(
    directory: &Path,
    settings: &str,
    name: &DistributionName,
    here: &MarkerEnvironment,
) -> Option<Wanted> {
    let above = directory.ancestors().skip(1).take(5);
    let workspaces =
        above.filter_map(|root| Some((root, small_text(&root.join("pyproject.toml"))?)));
    let own = [(directory, settings.to_owned())].into_iter();
    own.chain(workspaces).find_map(|(root, text)| {
        let document = Document::parse(text.as_str()).ok()?;
        let sources = table(document.as_item(), &["tool", "uv", "sources"])?;
        let (_, item) = sources.iter().find(|(key, _)| key.parse().ok().as_ref() == Some(name))?;
        Some(sources_here(root, item, name, here))
    })
}

/// The one of the sources that counts in this environment: each may have a marker.
fn sources_here(
    root: &Path,
    item: &Item,
    name: &DistributionName,
    here: &MarkerEnvironment,
) -> Wanted {
    let several = item.as_array().into_iter().flatten().filter_map(|it| it.as_inline_table());
    let tables = item.as_array_of_tables().into_iter().flatten();
    let single = item.as_table_like().into_iter();
    let all: Vec<&dyn TableLike> =
        single.chain(several.map(|it| it as _)).chain(tables.map(|it| it as _)).collect();
    let applies = |fields: &&dyn TableLike| {
        let is_of_extra = fields.contains_key("extra") || fields.contains_key("group");
        let marker = fields.get("marker").and_then(Item::as_str);
        !is_of_extra && marker.is_none_or(|marker| marker_holds(marker, here) != Some(false))
    };
    match all.iter().copied().filter(applies).collect::<Vec<_>>().as_slice() {
        [] if all.is_empty() => Wanted::Unknown(format!(
            "the source that its project names for {name} is not understood"
        )),
        [] => Wanted::Index,
        [only] => source(root, *only, name),
        _ => Wanted::Unknown(format!("the sources of its project name several places for {name}")),
    }
}

fn source(root: &Path, fields: &dyn TableLike, name: &DistributionName) -> Wanted {
    let text = |key: &str| fields.get(key).and_then(Item::as_str);
    if let Some(path) = text("path") {
        let directory = lexical(root, Path::new(path));
        if directory.is_file() {
            return Wanted::Address(file_url(&directory));
        }
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

/// The address of a file of this machine.
fn file_url(path: &Path) -> String {
    let path = path.to_string_lossy();
    let escaped = path.replace('%', "%25").replace(' ', "%20").replace('#', "%23");
    format!("file://{}", escaped.replace('?', "%3F"))
}

/// The member of the workspace above `directory` that is this distribution.
fn member(directory: &Path, name: &DistributionName) -> Option<PathBuf> {
    directory.ancestors().take(6).find_map(|root| {
        let text = small_text(&root.join("pyproject.toml"))?;
        let document = Document::parse(text.as_str()).ok()?;
        let workspace = table(document.as_item(), &["tool", "uv", "workspace"])?;
        let named = |key: &str| -> Vec<PathBuf> {
            let patterns = workspace.get(key).and_then(Item::as_array).into_iter().flatten();
            patterns.filter_map(|it| it.as_str()).flat_map(|it| expanded(root, it)).collect()
        };
        let excluded = named("exclude");
        let members = named("members").into_iter().filter(|it| !excluded.contains(it));
        let mut directories = members.chain([root.to_owned()]);
        directories.find(|it| distribution_in(it).as_ref() == Some(name))
    })
}

/// The directories that a pattern like `packages/*` names, as in a shell; `**` is any number of directories.
fn expanded(root: &Path, pattern: &str) -> Vec<PathBuf> {
    let mut found = vec![root.to_owned()];
    for part in pattern.split('/').filter(|part| !part.is_empty() && *part != ".") {
        found = found.into_iter().flat_map(|directory| matching(&directory, part)).collect();
    }
    found.sort();
    found.dedup();
    found
}

fn matching(directory: &Path, part: &str) -> Vec<PathBuf> {
    if part == "**" {
        return all_below(directory, DEEPEST);
    }
    if !part.contains(['*', '?', '[']) {
        return vec![directory.join(part)];
    }
    let pattern: Vec<char> = part.chars().collect();
    let is_named = |path: &PathBuf| {
        let name: Vec<char> = name_of(path).chars().collect();
        matches(&pattern, &name)
    };
    children(directory).into_iter().filter(is_named).collect()
}

/// The directory, and those below it that are not hidden.
fn all_below(directory: &Path, depth: usize) -> Vec<PathBuf> {
    let mut found = vec![directory.to_owned()];
    if let Some(depth) = depth.checked_sub(1) {
        let below = children(directory).into_iter();
        let shown = below.filter(|path| !name_of(path).starts_with('.') && !path.is_symlink());
        found.extend(shown.flat_map(|child| all_below(&child, depth)));
    }
    found
}

fn children(directory: &Path) -> Vec<PathBuf> {
    let children = std::fs::read_dir(directory).into_iter().flatten().flatten();
    children.map(|child| child.path()).filter(|path| path.is_dir()).collect()
}

/// Whether a name matches a pattern of `*`, `?` and `[…]`.
fn matches(pattern: &[char], name: &[char]) -> bool {
    match pattern {
        [] => name.is_empty(),
        ['*', rest @ ..] => {
            (0..=name.len()).any(|taken| name.get(taken..).is_some_and(|left| matches(rest, left)))
        }
        ['[', rest @ ..] => {
            let Some(end) = rest.iter().position(|sign| *sign == ']').filter(|end| *end > 0) else {
                return false;
            };
            let ([first, left @ ..], Some((class, more))) = (name, rest.split_at_checked(end))
            else {
                return false;
            };
            is_in(class, *first) && matches(more.get(1..).unwrap_or_default(), left)
        }
        [sign, rest @ ..] => match name {
            [first, left @ ..] => (*sign == '?' || sign == first) && matches(rest, left),
            [] => false,
        },
    }
}

/// Whether a sign is in a class like `a-z0` or `!a-z`.
fn is_in(class: &[char], sign: char) -> bool {
    let (is_without, class) = match class {
        ['!', rest @ ..] => (true, rest),
        class => (false, class),
    };
    let is_in_range =
        class.windows(3).any(|it| matches!(it, [from, '-', to] if (*from..=*to).contains(&sign)));
    (is_in_range || class.contains(&sign)) != is_without
}

fn table<'t>(item: &'t Item, path: &[&str]) -> Option<&'t dyn TableLike> {
    path.iter().try_fold(item, |item, key| item.get(key))?.as_table_like()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_of_a_workspace_names_directories_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*", "a", true),
            ("pkg-?", "pkg-b", true),
            ("pkg-?", "pkg-bb", false),
            ("*-core*", "x-core-y", true),
            ("[ab]-[!0-9]", "a-x", true),
            ("[ab]-[!0-9]", "a-1", false),
            ("[c-e]", "d", true),
            ("[", "[", false),
            ("a", "ab", false),
        ] {
            let signs = |text: &str| text.chars().collect::<Vec<char>>();
            assert_eq!(matches(&signs(pattern), &signs(name)), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_member_is_found_at_any_depth_and_not_where_the_workspace_leaves_it_out() {
        let place = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = place.path().join(path).join("pyproject.toml");
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write(
            "",
            "[tool.uv.workspace]\nmembers = [\"packages/*\", \"libs/**/pkg-?\"]\nexclude = [\"packages/old*\"]\n",
        );
        for path in ["packages/old-b", "libs/x/y/pkg-b", "libs/.hidden/pkg-c"] {
            write(path, &format!("[project]\nname = \"m{}\"\n", &path[path.len() - 2..]));
        }
        let found = |name: &str| member(&place.path().join("packages/a"), &name.parse().unwrap());
        assert_eq!(found("m-b"), Some(place.path().join("libs/x/y/pkg-b")));
        assert_eq!(found("m-c"), None);
    }
}
