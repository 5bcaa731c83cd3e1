//! Where the packages of a project lie, by the rules of its build backend, where these leave no doubt.
//!
//! Each rule is that of the backend's own source, and narrower: a setting that is not known here, a second package, a file in
//! the wrong place, and the backend is asked. Reads names of files; runs nothing. Tests compare each answer with that
//! of the backend itself.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use modstore_core::disk::names_in;
use toml_edit::{Item, Table, TableLike};

use super::project::{at, text_at};
use crate::read::{is_identifier, small_text};

/// What a project puts on the import path.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum StaticLayout {
    /// This directory below the project; `""` is the project's own.
    Path(String),
    /// These packages, by name and place.
    Mapped(BTreeMap<String, String>),
}

/// Directories at the top of a project that setuptools takes for no package.
const NO_PACKAGES: [&str; 10] =
    ["tests", "test", "docs", "doc", "examples", "scripts", "tools", "bin", "build", "benchmarks"];

/// The project whose layout is asked for.
pub(super) struct Place<'a> {
    pub settings: &'a Table,
    pub directory: &'a Path,
    /// The whole tree that it is a part of.
    pub tree: &'a Path,
    /// Its name as written: lower case, digits, `-` and `_`.
    pub name: &'a str,
}

impl Place<'_> {
    /// The layout that `backend` would find.
    pub(super) fn layout(&self, backend: &str) -> Option<StaticLayout> {
        match backend {
            "hatchling.build" => self.of_hatchling(),
            "setuptools.build_meta" => self.of_setuptools(),
            "flit_core.buildapi" => self.of_flit(),
            "poetry.core.masonry.api" => self.of_poetry(),
            "pdm.backend" => self.of_pdm(),
            "uv_build" => self.of_uv(),
            _ => None,
        }
    }

    fn module(&self) -> String {
        self.name.replace('-', "_")
    }

    fn has(&self, path: &str) -> bool {
        self.directory.join(path).exists()
    }

    /// Whether there is a package in this directory below the project.
    fn is_package(&self, path: &str) -> bool {
        self.directory.join(path).join("__init__.py").is_file()
    }

    /// The one of `""` and `src` that has the module, when nothing else could be meant.
    fn only_place(&self, module: &str) -> Option<StaticLayout> {
        let forms = [
            ("", module.to_owned()),
            ("", format!("{module}.py")),
            ("src", format!("src/{module}")),
            ("src", format!("src/{module}.py")),
        ];
        let mut found = forms.iter().filter(|(_, path)| self.has(path));
        let (place, path) = found.next()?;
        let is_whole = path.ends_with(".py") || self.is_package(path);
        (is_whole && found.next().is_none()).then(|| StaticLayout::Path((*place).to_owned()))
    }

    fn of_hatchling(&self) -> Option<StaticLayout> {
        let tool = table(self.settings, &["tool", "hatch"]);
        only(tool, &["metadata", "build", "envs"])?;
        only(table(self.settings, &["tool", "hatch", "metadata"]), &["allow-direct-references"])?;
        only(table(self.settings, &["tool", "hatch", "build"]), &["targets"])?;
        let targets = ["tool", "hatch", "build", "targets"];
        only(table(self.settings, &targets), &["wheel", "sdist"])?;
        let wheel = table(self.settings, &["tool", "hatch", "build", "targets", "wheel"]);
        only(wheel, &["packages"])?;
        let module = self.module();
        let (flat, below) = (module.clone(), format!("src/{module}"));
        let path = match wheel.and_then(|wheel| wheel.get("packages")) {
            Some(packages) => self.parent_of_all(&texts(packages)?)?,
            None if self.is_package(&flat) && !self.is_ignored(&flat) => String::new(),
            None if self.has(&flat) => return None,
            None if self.is_package(&below) && !self.is_ignored(&below) => "src".to_owned(),
            None => return None,
        };
        Some(StaticLayout::Path(path))
    }

    /// The directory in which all these packages lie.
    fn parent_of_all(&self, packages: &[String]) -> Option<String> {
        let parent =
            |path: &String| path.rsplit_once('/').map_or("", |(parent, _)| parent).to_owned();
        let first = parent(packages.first()?);
        let is_plain = |path: &String| {
            path.split('/').all(|part| is_identifier(part) || part == "src")
                && self.is_package(path)
                && !self.is_ignored(path)
                && parent(path) == first
        };
        packages.iter().all(is_plain).then_some(first)
    }

    /// Whether a pattern of an ignore file could leave out the package, which hatchling heeds.
    fn is_ignored(&self, package: &str) -> bool {
        let own = self.directory.strip_prefix(self.tree).unwrap_or(Path::new(""));
        let within: PathBuf = own.join(package).join("__init__.py");
        let parts: Vec<&str> = within.iter().filter_map(|part| part.to_str()).collect();
        let directories = self.directory.ancestors().take_while(|it| it.starts_with(self.tree));
        for directory in directories {
            if directory.join(".hgignore").exists() {
                return true;
            }
            let text = small_text(&directory.join(".gitignore")).unwrap_or_default();
            if text.lines().any(|line| could_match(line, &parts)) {
                return true;
            }
        }
        false
    }

    fn of_setuptools(&self) -> Option<StaticLayout> {
        let tool = table(self.settings, &["tool", "setuptools"]);
        let harmless = ["package-data", "include-package-data", "zip-safe"];
        only(tool, &[&harmless, ["packages", "package-dir"].as_slice()].concat())?;
        if self.has("setup.cfg") {
            return None;
        }
        let packages = tool.and_then(|tool| tool.get("packages"));
        let package_dir = tool.and_then(|tool| tool.get("package-dir"));
        let is_src = match (packages, package_dir) {
            (None, None) => self.has("src"),
            (packages, package_dir) => {
                let found = match packages {
                    Some(packages) => {
                        only(packages.as_table_like(), &["find"])?;
                        let find = packages.get("find")?;
                        only(find.as_table_like(), &["where"])?;
                        texts(find.get("where")?)? == ["src"]
                    }
                    None => true,
                };
                let is_mapped = package_dir.is_none_or(|it| {
                    let only = it.as_table_like().filter(|table| table.len() == 1);
                    only.and_then(|table| table.get("")?.as_str()) == Some("src")
                });
                if !(found && is_mapped) {
                    return None;
                }
                true
            }
        };
        if is_src { self.in_src() } else { self.alone_at_the_top() }
    }

    /// `src`, if it has a package.
    fn in_src(&self) -> Option<StaticLayout> {
        let names = directories(&self.directory.join("src"))?;
        let is_package =
            |name: &String| is_identifier(name) && self.is_package(&format!("src/{name}"));
        names.iter().any(is_package).then(|| StaticLayout::Path("src".into()))
    }

    /// The package of the project's name, if there is no other directory that could be one.
    fn alone_at_the_top(&self) -> Option<StaticLayout> {
        let module = self.module();
        let names = directories(self.directory)?;
        let is_other = |name: &&String| {
            is_identifier(name) && !name.starts_with('_') && !NO_PACKAGES.contains(&name.as_str())
        };
        let others: Vec<&String> = names.iter().filter(is_other).collect();
        let is_alone = others.as_slice() == [&module] && is_whole(&self.directory.join(&module));
        is_alone.then(|| StaticLayout::Mapped([(module.clone(), module)].into()))
    }

    fn of_flit(&self) -> Option<StaticLayout> {
        only(table(self.settings, &["tool", "flit"]), &["module", "sdist"])?;
        only(table(self.settings, &["tool", "flit", "module"]), &["name"])?;
        let named = text_at(self.settings, &["tool", "flit", "module", "name"]);
        let module = named.map_or_else(|| self.module(), str::to_owned);
        if !is_identifier(&module) {
            return None;
        }
        self.only_place(&module)
    }

    fn of_poetry(&self) -> Option<StaticLayout> {
        let tool = table(self.settings, &["tool", "poetry"]);
        only(tool, &["packages", "group"])?;
        let Some(packages) = tool.and_then(|tool| tool.get("packages")) else {
            return self.only_place(&self.module());
        };
        let array = packages.as_array()?;
        let [package] = array.iter().collect::<Vec<_>>().try_into().ok()?;
        let package = package.as_inline_table()?;
        let keys: Vec<&str> = package.iter().map(|(key, _)| key).collect();
        let include = package.get("include")?.as_str()?;
        let from = match keys.as_slice() {
            ["include"] => "",
            ["include", "from"] | ["from", "include"] => package.get("from")?.as_str()?,
            _ => return None,
        };
        let place = if from.is_empty() { include.to_owned() } else { format!("{from}/{include}") };
        let is_plain = is_identifier(include) && (from.is_empty() || is_identifier(from));
        (is_plain && self.is_package(&place)).then(|| StaticLayout::Path(from.to_owned()))
    }

    fn of_pdm(&self) -> Option<StaticLayout> {
        only(table(self.settings, &["tool", "pdm"]), &["dev-dependencies", "distribution"])?;
        let module = self.module();
        let is_src = self.has("src");
        let place = if is_src { format!("src/{module}") } else { module };
        let path = if is_src { "src" } else { "" };
        self.is_package(&place).then(|| StaticLayout::Path(path.to_owned()))
    }

    fn of_uv(&self) -> Option<StaticLayout> {
        let backend = ["tool", "uv", "build-backend"];
        only(table(self.settings, &backend), &["module-name", "module-root"])?;
        let key = |key| at(self.settings, &["tool", "uv", "build-backend", key]);
        let module = match key("module-name") {
            Some(name) => name.as_str()?.to_owned(),
            None => self.module(),
        };
        let root = match key("module-root") {
            Some(root) => root.as_str()?,
            None => "src",
        };
        let is_plain = is_identifier(&module) && (root.is_empty() || is_identifier(root));
        let place = if root.is_empty() { module } else { format!("{root}/{module}") };
        (is_plain && self.is_package(&place)).then(|| StaticLayout::Path(root.to_owned()))
    }
}

/// The table at this place, if there is one.
fn table<'t>(settings: &'t Table, path: &[&str]) -> Option<&'t dyn TableLike> {
    at(settings, path)?.as_table_like()
}

/// Nothing, if the table has a key besides these.
fn only(table: Option<&dyn TableLike>, keys: &[&str]) -> Option<()> {
    table.is_none_or(|table| table.iter().all(|(key, _)| keys.contains(&key))).then_some(())
}

pub(super) fn texts(item: &Item) -> Option<Vec<String>> {
    item.as_array()?.iter().map(|value| value.as_str().map(str::to_owned)).collect()
}

fn directories(directory: &Path) -> Option<Vec<String>> {
    let names = names_in(directory).ok()?.into_iter();
    let mut names: Vec<String> =
        names.map(|name| name.into_string().ok()).collect::<Option<_>>()?;
    names.retain(|name| directory.join(name).is_dir());
    Some(names)
}

/// Whether each directory of a package is one, too.
fn is_whole(package: &Path) -> bool {
    let Ok(children) = fs::read_dir(package) else { return false };
    package.join("__init__.py").is_file()
        && children.flatten().all(|child| {
            let is_cache = child.file_name() == "__pycache__";
            is_cache || !child.path().is_dir() || is_whole(&child.path())
        })
}

/// Whether a line of an ignore file could match one of these names. It is said of some that do not.
fn could_match(line: &str, names: &[&str]) -> bool {
    let pattern = line.trim();
    if pattern.is_empty() || pattern.starts_with('#') {
        return false;
    }
    let last = pattern.trim_start_matches('!').trim_matches('/').rsplit('/').next();
    let last = last.unwrap_or_default();
    let mode = gix::glob::wildmatch::Mode::IGNORE_CASE;
    names.iter().any(|name| gix::glob::wildmatch(last.into(), (*name).into(), mode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_could_leave_out_a_package_is_noticed() {
        let names = ["src", "my_pkg", "__init__.py"];
        for line in ["src", "/src/", "*", "my_*", "**/my_pkg/**", "*.py", "!src", "My_Pkg", "a/src"]
        {
            assert!(could_match(line, &names), "{line}");
        }
        for line in
            ["", "# src", "*.py[cod]", "__pycache__/", "build/", "/dist", "*.egg-info", ".venv"]
        {
            assert!(!could_match(line, &names), "{line}");
        }
    }
}
