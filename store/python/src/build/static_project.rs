//! What a build backend would say of a project, read from a `pyproject.toml` that says all of it itself (PEP 621): no
//! backend is run.
//!
//! Only where it is certain: every key of `[project]` is known and nothing in it is dynamic, the version and all
//! requirements are in the form that every backend writes, and the layout is one that leaves no doubt (`static_layout`).
//! For any other the backend is asked. The text of `METADATA` is in our own form. What it says of people, licences and
//! classifiers may differ from the backend's words; all else is the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    path::Path,
};

use modstore_core::model::DistributionName;
use pep440_rs::{Version, VersionSpecifiers};
use toml_edit::{Document, Item, Table, TableLike};

use super::{
    editable_layout::imports_of,
    module_tree::ModuleTree,
    project::{Project, at, text_at},
    project_metadata::{ProjectMetadata, required},
    static_layout::{Place, StaticLayout, texts},
};
use crate::read::small_text;

/// The keys of `[project]` that are known here.
const KEYS: [&str; 17] = [
    "name",
    "version",
    "description",
    "readme",
    "requires-python",
    "license",
    "authors",
    "maintainers",
    "keywords",
    "classifiers",
    "urls",
    "scripts",
    "gui-scripts",
    "entry-points",
    "dependencies",
    "optional-dependencies",
    "dynamic",
];

/// Licences as SPDX writes them; a backend may write any other in another way, or refuse it.
const LICENCES: [&str; 12] = [
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "MPL-2.0",
    "GPL-3.0-only",
    "GPL-3.0-or-later",
    "LGPL-3.0-or-later",
    "AGPL-3.0-or-later",
    "Unlicense",
    "MIT OR Apache-2.0",
];

/// The variables of markers; `extra` is for the backend to add.
const VARIABLES: [&str; 15] = [
    "python_version",
    "python_full_version",
    "os_name",
    "sys_platform",
    "platform_release",
    "platform_system",
    "platform_version",
    "platform_machine",
    "platform_python_implementation",
    "implementation_name",
    "implementation_version",
    "and",
    "or",
    "not",
    "in",
];

/// The first version of each backend whose rules are not known to be the same: an upper bound must not be below.
const NEWER_THAN: [(&str, &str); 6] = [
    ("hatchling", "2"),
    ("setuptools", "80"),
    ("flit-core", "4"),
    ("poetry-core", "3"),
    ("pdm-backend", "3"),
    ("uv-build", "0.8"),
];

/// What the backend of a module would say of it, if that is certain.
pub(super) fn read_static(tree: &ModuleTree, project: &Project) -> Option<ProjectMetadata> {
    let directory = tree.directory();
    if project.counts_all() || directory.join("setup.py").exists() {
        return None;
    }
    let text = small_text(&directory.join("pyproject.toml"))?;
    let document = Document::parse(text.as_str()).ok()?;
    let settings = document.as_table();
    accepts_all(settings)?;
    let written = text_at(settings, &["project", "name"])?;
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    let name = Some(written).filter(|name| name.chars().all(is_plain))?;
    let place = Place { settings, directory: &directory, tree: &tree.tree, name };
    let layout = place.layout(&project.backend)?;
    let declared =
        Declared { project: at(settings, &["project"])?.as_table_like()?, directory: &directory };
    if project.backend == "hatchling.build" && declared.has_addresses()? {
        let allowed = ["tool", "hatch", "metadata", "allow-direct-references"];
        at(settings, &allowed)?.as_bool().filter(|allowed| *allowed)?;
    }
    let (distribution, version): (DistributionName, _) = (name.parse().ok()?, declared.version()?);
    let (metadata, entry_points) = (declared.metadata(name, &version)?, declared.entry_points()?);
    let (paths, mapped) = match layout {
        StaticLayout::Path(path) => (vec![path], BTreeMap::new()),
        StaticLayout::Mapped(mapped) => (Vec::new(), mapped),
    };
    // setuptools takes modules that lie beside packages into a distribution, or not, by rules of its own.
    let is_mixed = |path: &String| !path.is_empty() && has_modules(&directory.join(path));
    if project.backend.starts_with("setuptools") && paths.iter().any(is_mixed) {
        return None;
    }
    let imports =
        imports_of(&distribution, entry_points.as_deref(), None, &directory, (&paths, &mapped));
    let compiled = BTreeSet::new();
    Some(ProjectMetadata {
        distribution,
        version,
        metadata,
        entry_points,
        paths,
        mapped,
        compiled,
        imports,
    })
}

/// Whether there are modules in a directory that are in no package.
fn has_modules(directory: &Path) -> bool {
    let children = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names = children.map(|child| child.file_name());
    names.any(|name| Path::new(&name).extension().is_some_and(|end| end == "py"))
}

/// Whether a backend is asked for whose rules are known.
fn accepts_all(settings: &Table) -> Option<()> {
    for requirement in texts(at(settings, &["build-system", "requires"])?)? {
        let name = required(&requirement)?;
        let rest = requirement
            .trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "-_.".contains(c));
        let specifiers: VersionSpecifiers = rest.parse().ok()?;
        let limit = NEWER_THAN.iter().find(|(of, _)| *of == name.as_str());
        let limit: Option<Version> = limit.and_then(|(_, version)| version.parse().ok());
        for specifier in specifiers.iter() {
            let is_known = match specifier.operator().to_string().as_str() {
                ">=" | ">" => true,
                "<" => limit.as_ref().is_none_or(|limit| specifier.version() >= limit),
                _ => false,
            };
            is_known.then_some(())?;
        }
    }
    Some(())
}

/// The table `[project]`.
struct Declared<'a> {
    project: &'a dyn TableLike,
    directory: &'a Path,
}

impl Declared<'_> {
    fn line(&self, key: &str) -> Option<Option<String>> {
        self.project.get(key).map_or(Some(None), |item| one_line(item).map(Some))
    }

    fn texts(&self, key: &str) -> Option<Vec<String>> {
        let found = self.project.get(key).map_or(Some(Vec::new()), texts)?;
        found.iter().all(|text| is_one_line(text)).then_some(found)
    }

    fn table(&self, key: &str) -> Option<Vec<(String, &Item)>> {
        let Some(item) = self.project.get(key) else { return Some(Vec::new()) };
        Some(item.as_table_like()?.iter().map(|(key, item)| (key.to_owned(), item)).collect())
    }

    fn version(&self) -> Option<String> {
        let text = self.line("version")??;
        let version: Version = text.parse().ok()?;
        (version.to_string() == text).then_some(text)
    }

    fn has_addresses(&self) -> Option<bool> {
        let mut all = self.texts("dependencies")?;
        for (_, item) in self.table("optional-dependencies")? {
            all.extend(texts(item)?);
        }
        Some(all.iter().any(|text| text.contains('@')))
    }

    fn metadata(&self, name: &str, version: &str) -> Option<String> {
        let is_known = |(key, _): (&str, &Item)| KEYS.contains(&key);
        if !self.project.iter().all(is_known) || !self.texts("dynamic")?.is_empty() {
            return None;
        }
        let mut text = format!("Metadata-Version: 2.4\nName: {name}\nVersion: {version}\n");
        let mut add = |field: &str, value: &str| writeln!(text, "{field}: {value}").ok();
        // Every backend wants one, or does without.
        add("Summary", &self.line("description")??)?;
        for (label, url) in self.table("urls")? {
            add("Project-URL", &format!("{label}, {}", one_line(url)?))?;
        }
        self.people(&mut add)?;
        self.licence(&mut add)?;
        let keywords = self.texts("keywords")?;
        if !keywords.is_empty() {
            add("Keywords", &keywords.join(","))?;
        }
        for classifier in self.texts("classifiers")? {
            add("Classifier", &classifier)?;
        }
        if let Some(requires) = self.line("requires-python")? {
            let _: VersionSpecifiers = requires.parse().ok()?;
            add("Requires-Python", &requires)?;
        }
        self.requirements(&mut add)?;
        match self.readme()? {
            Some((kind, body)) => {
                add("Description-Content-Type", kind)?;
                Some(format!("{text}\n{body}"))
            }
            None => Some(text),
        }
    }

    fn people(&self, add: &mut impl FnMut(&str, &str) -> Option<()>) -> Option<()> {
        for (key, field) in [("authors", "Author"), ("maintainers", "Maintainer")] {
            let Some(item) = self.project.get(key) else { continue };
            let (mut names, mut emails) = (Vec::new(), Vec::new());
            for person in item.as_array()?.iter() {
                let person = person.as_inline_table()?;
                person.iter().all(|(key, _)| ["name", "email"].contains(&key)).then_some(())?;
                let text = |key| match person.get(key) {
                    Some(value) => value.as_str().filter(|text| is_one_line(text)).map(Some),
                    None => Some(None),
                };
                match (text("name")?, text("email")?) {
                    (Some(name), Some(email)) => emails.push(format!("{name} <{email}>")),
                    (None, Some(email)) => emails.push(email.to_owned()),
                    (Some(name), None) => names.push(name.to_owned()),
                    (None, None) => return None,
                }
            }
            if !names.is_empty() {
                add(field, &names.join(", "))?;
            }
            if !emails.is_empty() {
                add(&format!("{field}-email"), &emails.join(", "))?;
            }
        }
        Some(())
    }

    fn licence(&self, add: &mut impl FnMut(&str, &str) -> Option<()>) -> Option<()> {
        let Some(item) = self.project.get("license") else { return Some(()) };
        if let Some(expression) = item.as_str() {
            LICENCES.contains(&expression).then_some(())?;
            return add("License-Expression", expression);
        }
        let table = item.as_table_like()?;
        (table.len() == 1).then_some(())?;
        add("License", &one_line(table.get("text")?)?)
    }

    fn requirements(&self, add: &mut impl FnMut(&str, &str) -> Option<()>) -> Option<()> {
        for text in self.texts("dependencies")? {
            let (what, marker) = requirement(&text)?;
            let separator = if what.contains('@') { " ; " } else { "; " };
            let marker = marker.map(|marker| format!("{separator}{marker}")).unwrap_or_default();
            add("Requires-Dist", &format!("{what}{marker}"))?;
        }
        for (extra, item) in self.table("optional-dependencies")? {
            let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            extra.chars().all(is_plain).then_some(())?;
            let _: DistributionName = extra.parse().ok()?;
            add("Provides-Extra", &extra)?;
            for text in texts(item)? {
                let (what, marker) = requirement(&text)?;
                let separator = if what.contains('@') { " ; " } else { "; " };
                let marker = marker.map(|marker| format!("({marker}) and ")).unwrap_or_default();
                add("Requires-Dist", &format!("{what}{separator}{marker}extra == '{extra}'"))?;
            }
        }
        Some(())
    }

    /// Its content type and its text.
    fn readme(&self) -> Option<Option<(&'static str, String)>> {
        let Some(item) = self.project.get("readme") else { return Some(None) };
        let path = item.as_str()?;
        let is_within = path.split('/').all(|part| !matches!(part, "" | "." | ".."));
        let end = Path::new(path).extension()?.to_str()?;
        let kind = match end {
            "md" => "text/markdown",
            "rst" => "text/x-rst",
            "txt" => "text/plain",
            _ => return None,
        };
        let text = small_text(&self.directory.join(path)).filter(|_| is_within)?;
        Some(Some((kind, text)))
    }

    fn entry_points(&self) -> Option<Option<String>> {
        let mut groups: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
        let object = |(name, item): (String, &Item)| Some((name, one_line(item)?));
        for (key, group) in [("scripts", "console_scripts"), ("gui-scripts", "gui_scripts")] {
            let points: Vec<_> = self.table(key)?.into_iter().map(object).collect::<Option<_>>()?;
            if !points.is_empty() {
                groups.insert(group.to_owned(), points);
            }
        }
        for (group, item) in self.table("entry-points")? {
            let points = item.as_table_like()?.iter().map(|(key, item)| (key.to_owned(), item));
            let points: Vec<_> = points.map(object).collect::<Option<_>>()?;
            let is_plain = group.split('.').all(is_word) && !group.ends_with("_scripts");
            (is_plain && !points.is_empty()).then_some(())?;
            groups.insert(group, points);
        }
        let mut text = String::new();
        for (group, points) in &groups {
            writeln!(text, "[{group}]").ok()?;
            for (name, object) in points {
                let (module, member) = object.split_once(':')?;
                let is_plain = [module, member].iter().all(|part| part.split('.').all(is_word));
                (is_plain && name.split(['.', '-']).all(is_word)).then_some(())?;
                writeln!(text, "{name} = {object}").ok()?;
            }
            text.push('\n');
        }
        Some((!text.is_empty()).then_some(text))
    }
}

/// A requirement, and its marker, if both are in a form that is certain.
fn requirement(text: &str) -> Option<(String, Option<&str>)> {
    let sign = if text.contains('@') { " ;" } else { ";" };
    let (what, marker) = match text.split_once(sign) {
        Some((what, marker)) => (what.trim(), Some(marker.trim())),
        None => (text.trim(), None),
    };
    marker.is_none_or(is_marker).then_some(())?;
    let end = what.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)));
    let (name, rest) = what.split_at(end.unwrap_or(what.len()));
    let _: DistributionName = name.parse().ok()?;
    let rest = rest.trim_start();
    let (extras, rest) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (extras, rest) = rest.split_once(']')?;
            (format!("[{}]", listed_extras(extras)?), rest.trim_start())
        }
        None => (String::new(), rest),
    };
    if let Some(url) = rest.strip_prefix('@') {
        let url = url.trim();
        let is_plain = url.contains("://") && !url.contains(char::is_whitespace);
        return is_plain.then(|| (format!("{name}{extras} @ {url}"), marker));
    }
    let specifiers: VersionSpecifiers = rest.parse().ok()?;
    let specifiers: Vec<String> = specifiers.iter().map(ToString::to_string).collect();
    Some((format!("{name}{extras}{}", specifiers.join(",")), marker))
}

fn listed_extras(text: &str) -> Option<String> {
    let all: Vec<&str> = text.split(',').map(str::trim).collect();
    let is_plain = |extra: &&str| extra.split('-').all(|part| is_word(part) && !part.contains('_'));
    all.iter().all(is_plain).then(|| all.join(","))
}

/// Whether a marker compares known variables with texts.
fn is_marker(text: &str) -> bool {
    let is_known = |part: &str| {
        let mut words = part.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.all(|word| word.is_empty() || VARIABLES.contains(&word))
    };
    let parts: Vec<&str> = text.split(['\'', '"']).collect();
    let has = |sign: char| text.contains(sign);
    let is_of_one_kind = !(has('\\') || has('\'') && has('"'));
    is_of_one_kind
        && parts.len() > 2
        && parts.len() % 2 == 1
        && parts.iter().step_by(2).all(|part| is_known(part))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_one_line(text: &str) -> bool {
    !text.contains(['\n', '\r']) && text.trim() == text
}

fn one_line(item: &Item) -> Option<String> {
    item.as_str().filter(|text| is_one_line(text)).map(str::to_owned)
}
