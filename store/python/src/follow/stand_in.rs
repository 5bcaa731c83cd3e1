//! [`StandIn`]: the project that environments install in a module's place.
//!
//! ```text
//! live/<module>/             a real directory, made once
//!   pyproject.toml           names the backend beside it, which needs nothing; and what an installer would ask that for
//!   modstore_stand_in.py     the backend
//!   stand-in.json            the data that an installer records: replaced in one step when it changes
//!   current -> ../../current/<module>
//!   <tag> -> current/.modstore/…         for a module that is compiled, or whose packages have other names
//! ```
//!
//! An installer that gets a module's target writes the resolved path of the entry, so that the next switch leaves it
//! behind (docs/python.md). It gets this directory instead: the path that it writes leads through `current`.

use std::path::{Path, PathBuf};

use modstore_core::{
    disk::{Disk, DiskError, Layout, read_own_if_there},
    model::{DistributionName, ModuleName},
};
use serde::{Deserialize, Serialize};

use super::registration::Installed;
use crate::{build::ProjectMetadata, read::Metadata};

/// The stand-in of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandIn {
    module: ModuleName,
    json: StandInJson,
}

/// The text of `stand-in.json`; the backend reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct StandInJson {
    schema: u8,
    module: ModuleName,
    digest: String,
    distribution: DistributionName,
    file_name: String,
    version: String,
    metadata: String,
    entry_points: Option<String>,
    paths: Vec<PathBuf>,
    /// Whether it needs a variant for each Python.
    per_python: bool,
}

impl StandIn {
    /// The stand-in of a module with this project.
    #[must_use]
    pub fn of(module: &ModuleName, project: &ProjectMetadata) -> Self {
        let through = |path: &String| Path::new("current").join(path).components().collect();
        let json = StandInJson {
            schema: 1,
            module: module.clone(),
            digest: project.digest(),
            distribution: project.distribution.clone(),
            file_name: project.distribution.in_file_names(),
            version: project.version.clone(),
            metadata: project.metadata.clone(),
            entry_points: project.entry_points.clone(),
            paths: project.paths.iter().map(through).collect(),
            per_python: project.needs_variant(),
        };
        Self { module: module.clone(), json }
    }

    /// The directory that installers get.
    #[must_use]
    pub fn directory(layout: &Layout, module: &ModuleName) -> PathBuf {
        layout.live().join(module.as_str())
    }

    /// The same with the links in the home's path resolved, as installers write it.
    #[must_use]
    pub fn resolved_directory(layout: &Layout, module: &ModuleName) -> PathBuf {
        layout.resolved_home().join("live").join(module.as_str())
    }

    /// The part of it that an environment whose Python has this tag gets: through a link of that name, where there is
    /// one.
    #[must_use]
    pub fn installed(&self, layout: &Layout, tag: &str) -> Installed {
        let live = |path: &Path| Path::new("live").join(self.module.as_str()).join(path);
        let link = layout.home().join(live(tag.as_ref()));
        let paths = if self.json.per_python || link.symlink_metadata().is_ok() {
            vec![live(tag.as_ref())]
        } else {
            self.json.paths.iter().map(|path| live(path)).collect()
        };
        Installed {
            distribution: self.json.distribution.clone(),
            metadata: self.json.digest.clone(),
            paths,
        }
    }

    /// The stand-in as `stand-in.json` describes it, if that can be read.
    #[must_use]
    pub fn read(layout: &Layout, module: &ModuleName) -> Option<Self> {
        let path = Self::directory(layout, module).join("stand-in.json");
        let json: StandInJson = serde_json::from_slice(&read_own_if_there(&path).ok()??).ok()?;
        (json.schema == 1).then(|| Self { module: module.clone(), json })
    }

    /// The requirements of the module, as of [`ProjectMetadata::requirements`].
    #[must_use]
    pub fn requirements(&self) -> Vec<String> {
        Metadata::read(&self.json.metadata).requires
    }

    /// The text of its `pyproject.toml`. An installer starts no interpreter to ask for what is declared. What may not be
    /// declared there in the words of the metadata is left to the backend.
    fn pyproject(&self) -> String {
        let StandInJson { distribution, version, metadata, .. } = &self.json;
        let Metadata { requires, requires_python, .. } = Metadata::read(metadata);
        let quoted = |text: &str| toml_edit::Value::from(text).to_string();
        let mut lines = vec![format!("name = {}", quoted(distribution.as_str()))];
        let has_extras = metadata
            .lines()
            .take_while(|line| !line.is_empty())
            .any(|line| line.to_ascii_lowercase().starts_with("provides-extra:"));
        // Forms that installers read in metadata, for old packages have them, and not in a project.
        let is_odd = |text: &String| text.contains(['(', '\\']) || text.contains(".*");
        let is_plain = !has_extras
            && !requires.iter().any(|text| is_odd(text) || text.contains("extra"))
            && !requires_python.iter().any(is_odd);
        if is_plain {
            let requires: Vec<String> = requires.iter().map(|text| quoted(text)).collect();
            lines.push(format!("version = {}", quoted(version)));
            lines.push(format!("dependencies = [{}]", requires.join(", ")));
            lines.extend(requires_python.map(|it| format!("requires-python = {}", quoted(&it))));
        } else {
            let asked = ["version", "dependencies", "optional-dependencies", "requires-python"];
            lines.push(format!("dynamic = {asked:?}"));
        }
        let build = include_str!("stand_in_pyproject.toml");
        format!("{build}\n[project]\n{}\n", lines.join("\n"))
    }

    /// Writes the directory, file by file; a reader finds each file whole at every moment. Not yet durable. `fresh` gives
    /// free names in the store.
    ///
    /// # Errors
    /// Some of it may have been written.
    pub fn write(
        &self,
        disk: &Disk,
        layout: &Layout,
        fresh: &dyn Fn() -> PathBuf,
    ) -> Result<(), DiskError> {
        let directory = Self::directory(layout, &self.module);
        if directory.is_symlink() {
            // Files written below a link would lie elsewhere.
            disk.remove_file(&directory)?;
        }
        disk.ensure_dir(&directory)?;
        let json = serde_json::to_vec_pretty(&self.json).expect("texts can be written as JSON");
        let backend = include_bytes!("stand_in.py").as_slice();
        let pyproject = self.pyproject();
        let files = [
            ("modstore_stand_in.py", backend),
            ("pyproject.toml", pyproject.as_bytes()),
            ("stand-in.json", &json),
        ];
        for (name, text) in files {
            let path = directory.join(name);
            if read_own_if_there(&path)?.as_deref() != Some(text) {
                let spare = fresh();
                disk.create_file(&spare, text)?;
                disk.rename(&spare, &path)?;
            }
        }
        let through = Path::new("../../current").join(self.module.as_str());
        point(disk, &directory.join("current"), &through, fresh)
    }
}

/// Makes `link` lead to `text`, in one step. Not yet durable.
///
/// # Errors
/// It leads where it led.
pub(crate) fn point(
    disk: &Disk,
    link: &Path,
    text: &Path,
    fresh: &dyn Fn() -> PathBuf,
) -> Result<(), DiskError> {
    if std::fs::read_link(link).is_ok_and(|now| now == text) {
        return Ok(());
    }
    let spare = fresh();
    disk.symlink(text, &spare)?;
    disk.rename(&spare, link)
}

/// The name of the `.pth` file of a stand-in, and its text when `home` is the store's resolved home.
#[must_use]
pub fn site_file(home: &Path, module: &ModuleName, installed: &Installed) -> (String, String) {
    let name = format!("_modstore_{}.pth", installed.distribution.in_file_names());
    let mut text = format!("# modstore {module} {}\n", installed.metadata);
    for path in &installed.paths {
        text.push_str(&home.join(path).to_string_lossy());
        text.push('\n');
    }
    (name, text)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::build::facts;

    #[test]
    fn writing_the_same_again_changes_nothing_and_what_changes_is_replaced_in_one_step() {
        let home = tempfile::tempdir().unwrap();
        let (disk, layout) = (Disk::default(), Layout::new(home.path()));
        let count = Cell::new(0);
        let fresh = || {
            count.set(count.get() + 1);
            home.path().join(format!("spare-{}", count.get()))
        };
        let module: ModuleName = "mod".parse().unwrap();
        let one = StandIn::of(&module, &facts());
        one.write(&disk, &layout, &fresh).unwrap();
        assert_eq!(StandIn::read(&layout, &module), Some(one.clone()));
        let before = count.get();
        one.write(&disk, &layout, &fresh).unwrap();
        assert_eq!(count.get(), before);
        let two = StandIn::of(&module, &ProjectMetadata { version: "2.0".into(), ..facts() });
        two.write(&disk, &layout, &fresh).unwrap();
        assert_eq!(count.get(), before + 2, "its data, and what is declared of it");
        assert_eq!(StandIn::read(&layout, &module), Some(two));
        let link = StandIn::directory(&layout, &module).join("current");
        assert_eq!(std::fs::read_link(link).unwrap(), Path::new("../../current/mod"));
        assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1, "nothing is left but live/");
    }

    #[test]
    fn what_an_installer_would_ask_the_backend_for_is_declared_where_that_can_be_said() {
        let module: ModuleName = "mod".parse().unwrap();
        let declared = |more: &str| {
            let head = "Metadata-Version: 2.1\nName: My.Module\nVersion: 1.0\n";
            let facts = ProjectMetadata {
                metadata: format!("{head}{more}\nRequires-Dist: of-the-text\n"),
                version: "1.0".into(),
                ..facts()
            };
            let text = StandIn::of(&module, &facts).pyproject();
            text.split_once("[project]\n").unwrap().1.to_owned()
        };
        let plain =
            declared("Requires-Python: >=3.9\nRequires-Dist: six>=1 ; sys_platform == \"linux\"\n");
        assert!(plain.contains("name = \"my-module\"\nversion = \"1.0\"\n"), "{plain}");
        assert!(plain.contains("requires-python = \">=3.9\""), "{plain}");
        assert!(
            plain.contains("six>=1 ; sys_platform == ") && !plain.contains("of-the-text"),
            "{plain}"
        );
        assert!(plain.parse::<toml_edit::DocumentMut>().is_ok(), "{plain}");
        for odd in [
            "Provides-Extra: x\n",
            "Requires-Dist: six ; extra == \"x\"\n",
            "Requires-Dist: six (>=1)\n",
            "Requires-Python: >=3.8.*\n",
        ] {
            let text = declared(odd);
            assert!(text.contains("dynamic = [\"version\", ") && !text.contains("six"), "{text}");
        }
    }

    #[test]
    fn what_is_put_on_the_import_path_leads_through_current() {
        let home = tempfile::tempdir().unwrap();
        let layout = Layout::new(home.path());
        let module: ModuleName = "mod".parse().unwrap();
        let tag = "cpython-312-x86_64-linux-gnu";
        let paths = |facts: &ProjectMetadata| {
            let installed = StandIn::of(&module, facts).installed(&layout, tag);
            let (name, text) = site_file(Path::new("/home"), &module, &installed);
            assert_eq!(name, "_modstore_my_module.pth");
            text.lines().skip(1).map(str::to_owned).collect::<Vec<String>>()
        };
        assert_eq!(paths(&facts()), ["/home/live/mod/current/src"]);
        let flat = ProjectMetadata { paths: vec![String::new(), "lib".into()], ..facts() };
        assert_eq!(paths(&flat), ["/home/live/mod/current", "/home/live/mod/current/lib"]);
        let compiled = ProjectMetadata { compiled: [String::from("a.so")].into(), ..facts() };
        let of_this_python = [format!("/home/live/mod/{tag}")];
        assert_eq!(paths(&compiled), of_this_python);
        std::fs::create_dir_all(StandIn::directory(&layout, &module).join(tag)).unwrap();
        assert_eq!(paths(&facts()), of_this_python, "where there is one, it is taken");
    }
}
