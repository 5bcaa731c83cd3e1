//! [`EditableLayout`]: the files that a build backend installed for a project into an empty directory, read as its
//! [`ProjectMetadata`], and where the files lie that the build made.
//!
//! The import path is read from the installed files, never guessed: lines of a `.pth` file that lead into the project,
//! and the packages that a finder maps. Any other code that would run at the start of an interpreter is refused. Files
//! that the build wrote among the project's own, a module with its version in it, an extension, belong to it as well.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use modstore_core::{
    disk::{DiskError, Verb, content_of, names_in, read_if_there},
    model::{ContentHash, DistributionName, FileKind},
};

use super::project_metadata::ProjectMetadata;
use crate::read::{
    Finder, Line, Metadata, NotText, Promise, Unclear, is_identifier, lines, named_by, names_below,
    package_directory, started,
};

/// The metadata, and where the files lie that the build made, by their path on the import path.
#[derive(Debug)]
pub(crate) struct EditableLayout {
    pub metadata: ProjectMetadata,
    pub compiled: BTreeMap<String, PathBuf>,
}

/// The installed files cannot be followed. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// Not exactly one distribution was installed.
    #[error("it installed {0} distributions where one was expected")]
    Distributions(usize),
    /// Its metadata does not say what it is.
    #[error("its METADATA has no name or version")]
    Metadata,
    /// Unknown code runs at the start of each interpreter.
    #[error("{file} runs code at the start of each interpreter")]
    Hook {
        /// The file.
        file: String,
    },
    /// A finder of a known kind that says where it leads in an unknown way.
    #[error("{file} is a finder that does not say where it leads in a way that can be read")]
    Unclear {
        /// The file.
        file: String,
    },
    /// An import starts a build, which would write into the store.
    #[error("{file} runs a build whenever something is imported")]
    Builds {
        /// The file.
        file: String,
    },
    /// Something leads out of the project.
    #[error("{file} leads to {}, which is not in the project", path.display())]
    Elsewhere {
        /// The file.
        file: String,
        /// Where it leads.
        path: PathBuf,
    },
    /// Something leads to a directory that the build made, and that would not be made again for each version.
    #[error("{file} leads to {path}, which the build made in place of the project's own files")]
    Made {
        /// The file.
        file: String,
        /// Where it leads, below the project.
        path: String,
    },
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// The files of a project by their path, as its source has them; none, for a directory that is built where it lies.
pub(crate) type Before = BTreeMap<PathBuf, ContentHash>;

impl EditableLayout {
    /// Reads what was installed into `target` for the project at `project`, whose own files are `before`.
    ///
    /// # Errors
    /// See [`LayoutError`].
    pub(crate) fn read(
        target: &Path,
        project: &Path,
        before: &Before,
    ) -> Result<Self, LayoutError> {
        let names: Vec<String> =
            names_in(target)?.into_iter().filter_map(|name| name.into_string().ok()).collect();
        let infos: Vec<&String> =
            names.iter().filter(|name| name.ends_with(".dist-info")).collect();
        let [info] = infos.as_slice() else {
            return Err(LayoutError::Distributions(infos.len()));
        };
        let mut reader = LayoutReader {
            target,
            project,
            before,
            paths: Vec::new(),
            mapped: BTreeMap::new(),
            finders: BTreeSet::new(),
        };
        for name in names.iter().filter(|name| name.ends_with(".pth")) {
            reader.pth(name)?;
        }
        for name in names.iter().filter(|name| name.ends_with(".start")) {
            reader.start(name)?;
        }
        let made = reader.made(&names)?;
        reader.finish(info, made)
    }
}

/// A layout that is being read.
struct LayoutReader<'a> {
    target: &'a Path,
    project: &'a Path,
    before: &'a Before,
    paths: Vec<String>,
    mapped: BTreeMap<String, String>,
    finders: BTreeSet<String>,
}

impl LayoutReader<'_> {
    fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
        read_if_there(&self.target.join(name))
    }

    fn text(&self, name: &str) -> Result<Option<String>, DiskError> {
        Ok(self.bytes(name)?.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn pth(&mut self, name: &str) -> Result<(), LayoutError> {
        let bytes = self.bytes(name)?.unwrap_or_default();
        let hook = |_: NotText| LayoutError::Hook { file: name.to_owned() };
        for line in lines(self.target, &bytes).map_err(hook)? {
            match line {
                Line::Path(path) => {
                    let path = self.below(name, &path)?;
                    self.add(path);
                }
                Line::Code(code) => {
                    // The rest of such a line sets up the finder that it imports.
                    for module in Line::imported(&code) {
                        self.finder(name, module)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn start(&mut self, name: &str) -> Result<(), LayoutError> {
        let bytes = self.bytes(name)?.unwrap_or_default();
        let modules = started(&bytes).map_err(|_| LayoutError::Hook { file: name.to_owned() })?;
        modules.iter().try_for_each(|module| self.finder(name, module))
    }

    /// Follows the module that `by` runs.
    fn finder(&mut self, by: &str, module: &str) -> Result<(), LayoutError> {
        let file = format!("{module}.py");
        if self.finders.contains(&file) {
            return Ok(());
        }
        let Some(text) = self.text(&file)? else {
            return Err(LayoutError::Hook { file: by.to_owned() });
        };
        let finder = match Finder::read(self.target, &text) {
            Ok(Some(finder)) => finder,
            Ok(None) => return Err(LayoutError::Hook { file: by.to_owned() }),
            Err(Unclear { .. }) => return Err(LayoutError::Unclear { file }),
        };
        if finder.builds.is_some() {
            return Err(LayoutError::Builds { file });
        }
        for path in &finder.paths {
            let path = self.below(&file, path)?;
            self.add(path);
        }
        // One that is a part of what is mapped lies there already.
        for (name, path) in finder.outermost().into_iter().chain(finder.namespaces) {
            let path = self.below(&file, &package_directory(&path).unwrap_or(path))?;
            self.mapped.entry(name).or_insert(path);
        }
        self.finders.insert(file);
        Ok(())
    }

    fn add(&mut self, path: String) {
        if !self.paths.contains(&path) {
            self.paths.push(path);
        }
    }

    /// A path as it lies below the project, and in its source.
    fn below(&self, file: &str, path: &Path) -> Result<String, LayoutError> {
        let below = path.strip_prefix(self.project).ok().and_then(Path::to_str);
        let Some(below) = below.map(str::to_owned) else {
            return Err(LayoutError::Elsewhere { file: file.to_owned(), path: path.to_owned() });
        };
        if !self.before.is_empty() && !self.before.keys().any(|own| own.starts_with(&below)) {
            return Err(LayoutError::Made { file: file.to_owned(), path: below });
        }
        Ok(below)
    }

    /// The importable files that the build made, by their path on the import path: the installed ones, and those that it
    /// wrote among the project's own.
    fn made(&self, names: &[String]) -> Result<BTreeMap<String, PathBuf>, DiskError> {
        let mut found = BTreeMap::new();
        let installed =
            names.iter().filter(|name| is_installed(name) && !self.finders.contains(*name));
        for name in installed {
            collect(&self.target.join(name), Path::new(name), &|_| true, &mut found)?;
        }
        if self.before.is_empty() {
            return Ok(found);
        }
        let is_new = |from: &Path| self.is_new(from);
        for path in &self.paths {
            let root = self.project.join(path);
            let imported = names_below(&root);
            let is_imported = |name: &str| !path.is_empty() || imported.contains(name);
            for name in names_in(&root)? {
                let Some(name) = name.to_str().filter(|name| !is_beside(name)) else { continue };
                let stem = name.strip_suffix(".py").unwrap_or(name);
                if is_extension(Path::new(name)) || is_imported(stem) {
                    collect(&root.join(name), Path::new(name), &is_new, &mut found)?;
                }
            }
        }
        for (name, path) in &self.mapped {
            let to = ProjectMetadata::place_of(name, path);
            collect(&self.project.join(path), &to, &is_new, &mut found)?;
        }
        Ok(found)
    }

    /// Whether the build wrote the file, or changed it.
    fn is_new(&self, file: &Path) -> bool {
        let own = file.strip_prefix(self.project).ok().and_then(|below| self.before.get(below));
        let differs = |own: &ContentHash| {
            content_of(file, FileKind::File).is_ok_and(|(content, _)| content != *own)
        };
        own.is_none_or(|own| !file.is_symlink() && differs(own))
    }

    fn finish(
        self,
        info: &str,
        made: BTreeMap<String, PathBuf>,
    ) -> Result<EditableLayout, LayoutError> {
        let text = self.text(&format!("{info}/METADATA"))?.ok_or(LayoutError::Metadata)?;
        let Metadata { name, version, .. } = Metadata::read(&text);
        let distribution = name.and_then(|name| name.parse().ok()).ok_or(LayoutError::Metadata)?;
        let version = version.ok_or(LayoutError::Metadata)?;
        let entry_points = self.text(&format!("{info}/entry_points.txt"))?;
        let listed = self.text(&format!("{info}/top_level.txt"))?;
        let imports = imports_of(
            &distribution,
            entry_points.as_deref(),
            listed.as_deref(),
            self.project,
            (&self.paths, &self.mapped),
        );
        let metadata = ProjectMetadata {
            distribution,
            version,
            metadata: text,
            entry_points,
            paths: self.paths,
            mapped: self.mapped,
            compiled: made.keys().cloned().collect(),
            imports,
        };
        Ok(EditableLayout { metadata, compiled: made })
    }
}

/// The names that can be imported of a project that puts these on the import path: the directories, and the packages by name
/// and place. `top_level`: the text of `top_level.txt`, which some backends write.
pub(super) fn imports_of(
    distribution: &DistributionName,
    entry_points: Option<&str>,
    top_level: Option<&str>,
    project: &Path,
    (paths, mapped): (&[String], &BTreeMap<String, String>),
) -> BTreeSet<String> {
    let mut imports = entry_points.map(named_by).unwrap_or_default();
    let promise = Promise { distribution, entry_modules: &imports.clone(), top_level };
    for path in paths {
        imports.extend(promise.below(&project.join(path), !path.is_empty()));
    }
    imports.extend(mapped.keys().cloned());
    imports.retain(|name| name.split('.').all(is_identifier));
    imports
}

/// Whether a name in the target is of something importable, and not of a file that installers add.
fn is_installed(name: &str) -> bool {
    let is_other = name.starts_with('.')
        || ["bin", "__pycache__"].contains(&name)
        || [".pth", ".start", ".dist-info", ".egg-link"].iter().any(|end| name.ends_with(end));
    !is_other
}

/// Whether a name on the import path is of a file that backends write for themselves.
fn is_beside(name: &str) -> bool {
    name.starts_with('.') || name.ends_with(".egg-info") || name == "__pycache__"
}

fn is_extension(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["so", "pyd", "dylib"].iter().any(|e| extension == *e))
}

/// Every wanted file below `from`, by its path below `to`.
fn collect(
    from: &Path,
    to: &Path,
    wanted: &dyn Fn(&Path) -> bool,
    found: &mut BTreeMap<String, PathBuf>,
) -> Result<(), DiskError> {
    let read = |error| DiskError::new(Verb::Read, from, error);
    if from.symlink_metadata().map_err(read)?.is_dir() {
        for name in names_in(from)?.iter().filter(|name| *name != "__pycache__") {
            collect(&from.join(name), &to.join(name), wanted, found)?;
        }
    } else if let Some(path) = to.to_str().filter(|_| wanted(from)) {
        found.insert(path.to_owned(), from.to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A project in one directory and what its backend installed in another.
    struct Installed(tempfile::TempDir, Before);

    impl Installed {
        fn of(own: &[(&str, &str)]) -> Self {
            let place = tempfile::tempdir().unwrap();
            let before = own
                .iter()
                .map(|(path, text)| (PathBuf::from(path), ContentHash::of(text.as_bytes())))
                .collect();
            let probed = Self(place, before);
            own.iter().for_each(|(path, text)| probed.write(&format!("project/{path}"), text));
            probed.install("m-1.0.dist-info/METADATA", "Name: M\nVersion: 1.0\n");
            probed
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        /// `PROJECT` in the text stands for where the project is.
        fn install(&self, name: &str, text: &str) {
            let project = self.0.path().join("project");
            self.write(
                &format!("target/{name}"),
                &text.replace("PROJECT", project.to_str().unwrap()),
            );
        }

        fn read(&self) -> Result<EditableLayout, LayoutError> {
            EditableLayout::read(
                &self.0.path().join("target"),
                &self.0.path().join("project"),
                &self.1,
            )
        }

        fn refusal(&self) -> String {
            self.read().unwrap_err().to_string()
        }
    }

    const FINDER: &str = "MAPPING: dict[str, str] = {'flat': 'PROJECT/flat', 'ns.part': 'PROJECT/lib/part', 'one': 'PROJECT/one'}\nNAMESPACES: dict[str, list[str]] = {'ns': []}\n\n\nclass _EditableFinder:\n    pass\n";
    const SETS_UP: &str = "import __editable___m_1_0_finder; __editable___m_1_0_finder.install()";

    fn of_setuptools() -> Installed {
        let own = ["flat/__init__.py", "lib/part/__init__.py", "one.py", "setup.py"];
        let probed = Installed::of(&own.map(|path| (path, "own")));
        probed.install("__editable__.m-1.0.pth", SETS_UP);
        probed.install("__editable___m_1_0_finder.py", FINDER);
        probed
    }

    #[test]
    fn what_a_finder_maps_is_followed() {
        let facts = of_setuptools().read().unwrap().metadata;
        let mapped: Vec<_> = facts.mapped.iter().map(|(name, path)| (&**name, &**path)).collect();
        assert_eq!(mapped, [("flat", "flat"), ("ns.part", "lib/part"), ("one", "one.py")]);
        assert!(facts.paths.is_empty() && facts.compiled.is_empty());
        assert_eq!(facts.imports.iter().collect::<Vec<_>>(), ["flat", "ns.part", "one"]);
        assert_eq!((facts.distribution.as_str(), facts.version.as_str()), ("m", "1.0"));
    }

    #[test]
    fn what_the_build_wrote_among_the_packages_belongs_to_them() {
        let probed = of_setuptools();
        probed.write("project/flat/_version.py", "made");
        probed.write("project/lib/part/__init__.py", "made, too");
        probed.write("project/flat.egg-info/PKG-INFO", "beside");
        probed.write("project/build/lib/flat/__init__.py", "beside");
        let told = probed.read().unwrap();
        let made: Vec<_> = told.metadata.compiled.iter().collect();
        assert_eq!(made, ["flat/_version.py", "ns/part/__init__.py"]);
        assert!(told.compiled["flat/_version.py"].ends_with("project/flat/_version.py"));
    }

    #[test]
    fn of_a_path_what_is_imported_counts_and_what_backends_keep_there_does_not() {
        let probed = Installed::of(&[("src/pkg/__init__.py", "own"), ("pyproject.toml", "own")]);
        probed.install("m.pth", "PROJECT/src\n");
        for path in [
            "src/pkg/_version.py",
            "src/new.py",
            "src/m.egg-info/x",
            "src/pkg/__pycache__/x.pyc",
            "target/x.so",
        ] {
            probed.write(&format!("project/{path}"), "made");
        }
        probed.install("pkg/_core.so", "made");
        probed.install("_top.so", "made");
        let compiled = |probed: &Installed| {
            probed.read().unwrap().metadata.compiled.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(compiled(&probed), ["_top.so", "new.py", "pkg/_core.so", "pkg/_version.py"]);
        let flat = Installed::of(&[("pkg/__init__.py", "own"), ("pyproject.toml", "own")]);
        flat.install("m.pth", "PROJECT");
        for path in
            ["pkg/_version.py", "target/debug/x.so", "build/lib/pkg/__init__.py", "_core.so"]
        {
            flat.write(&format!("project/{path}"), "made");
        }
        assert_eq!(compiled(&flat), ["_core.so", "pkg/_version.py"]);
    }

    #[test]
    fn what_cannot_be_followed_is_refused_with_its_file() {
        let probed = of_setuptools();
        probed.install("__editable___m_1_0_finder.py", &FINDER.replace("'PROJECT/flat'", "HERE"));
        assert!(
            probed
                .refusal()
                .starts_with("__editable___m_1_0_finder.py is a finder that does not say")
        );
        probed
            .install("__editable___m_1_0_finder.py", &FINDER.replace("PROJECT/flat", "/elsewhere"));
        assert!(probed.refusal().contains("leads to /elsewhere, which is not in the project"));
        probed.install("__editable___m_1_0_finder.py", "import sys\n");
        assert_eq!(
            probed.refusal(),
            "__editable__.m-1.0.pth runs code at the start of each interpreter"
        );
        probed.install("__editable__.m-1.0.pth", "import sys; sys.x = 1");
        assert_eq!(
            probed.refusal(),
            "__editable__.m-1.0.pth runs code at the start of each interpreter"
        );
        // As setuptools does in its strict mode.
        probed.write("project/build/__editable__.m/flat/__init__.py", "a link");
        probed.install("__editable__.m-1.0.pth", "PROJECT/build/__editable__.m");
        assert!(
            probed.refusal().contains("which the build made in place of"),
            "{}",
            probed.refusal()
        );
        // As meson-python does.
        probed.install("__editable__.m-1.0.pth", "import _m_editable_loader");
        probed.install("_m_editable_loader.py", "class MesonpyMetaFinder:\n    pass\n\ndef init():\n    finder = MesonpyMetaFinder(\n        'm',\n        {'m'},\n        'PROJECT/build',\n        ['ninja'],\n        False,\n    )\n");
        assert_eq!(
            probed.refusal(),
            "_m_editable_loader.py runs a build whenever something is imported"
        );
        probed.install("__editable__.m-1.0.pth", "");
        std::fs::remove_file(probed.0.path().join("target/_m_editable_loader.py")).unwrap();
        std::fs::remove_file(probed.0.path().join("target/__editable___m_1_0_finder.py")).unwrap();
        let bundle = probed.read().unwrap();
        assert!(bundle.metadata.paths.is_empty() && bundle.metadata.imports.is_empty());
    }
}
