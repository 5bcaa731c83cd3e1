//! What a build backend has told by installing a project into an empty directory: its [`Facts`], and where the
//! files lie that it compiled.
//!
//! The import path is read from what was installed, never guessed: lines of a `.pth` file that lead into the project,
//! and the packages that a finder maps. Anything else that would be run at the start of an interpreter is refused.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    facts::Facts,
    importable::{named_by, names_below},
};
use crate::disk::{DiskError, Verb, names_in, read_if_there};

/// What was told, and where the compiled files lie, by their path on the import path.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) facts: Facts,
    pub(crate) compiled: BTreeMap<String, PathBuf>,
}

/// What was installed cannot be followed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TellError {
    /// Not exactly one distribution was installed.
    #[error("it installed {0} distributions where one was expected")]
    Distributions(usize),
    /// Its metadata does not say what it is.
    #[error("its METADATA has no name or version")]
    Metadata,
    /// Something that runs at the start of each interpreter, in a way that is not known.
    #[error("{file} runs code at the start of each interpreter")]
    Hook {
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
    /// Something leads to what only the build has made.
    #[error("it leads to {path}, which is made by its build and is no part of its source")]
    Made {
        /// Where, below the project.
        path: String,
    },
    /// Nothing would be put on the import path.
    #[error("it puts nothing on the import path")]
    Nothing,
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl Told {
    /// Reads what was installed into `target` for the project at `project`, whose own files are `before`.
    ///
    /// # Errors
    /// See [`TellError`].
    pub(crate) fn read(
        target: &Path,
        project: &Path,
        before: &BTreeSet<PathBuf>,
    ) -> Result<Self, TellError> {
        let mut reading = Reading { target, project, paths: Vec::new(), mapped: BTreeMap::new() };
        let names: Vec<String> =
            names_in(target)?.into_iter().filter_map(|name| name.into_string().ok()).collect();
        let infos: Vec<&String> =
            names.iter().filter(|name| name.ends_with(".dist-info")).collect();
        let [info] = infos.as_slice() else {
            return Err(TellError::Distributions(infos.len()));
        };
        for name in names.iter().filter(|name| name.ends_with(".pth")) {
            reading.pth(name)?;
        }
        let compiled = reading.compiled(&names, before)?;
        reading.facts(info, compiled)
    }
}

/// What is being read.
struct Reading<'a> {
    target: &'a Path,
    project: &'a Path,
    paths: Vec<String>,
    mapped: BTreeMap<String, String>,
}

impl Reading<'_> {
    fn text(&self, name: &str) -> Result<Option<String>, DiskError> {
        let bytes = read_if_there(&self.target.join(name))?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn pth(&mut self, name: &str) -> Result<(), TellError> {
        let text = self.text(name)?.unwrap_or_default();
        for line in text.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
            if line.starts_with("import ") || line.starts_with("import\t") {
                return Err(TellError::Hook { file: name.to_owned() });
            }
            let below = self.below(name, Path::new(line))?;
            self.paths.push(below);
        }
        Ok(())
    }

    /// A path as it lies below the project.
    fn below(&self, file: &str, path: &Path) -> Result<String, TellError> {
        let below = path.strip_prefix(self.project).ok().and_then(Path::to_str);
        let elsewhere = || TellError::Elsewhere { file: file.to_owned(), path: path.to_owned() };
        below.map(str::to_owned).ok_or_else(elsewhere)
    }

    /// What was compiled: files that were installed themselves, and those that came into the project.
    fn compiled(
        &self,
        names: &[String],
        before: &BTreeSet<PathBuf>,
    ) -> Result<BTreeMap<String, PathBuf>, DiskError> {
        let mut found = BTreeMap::new();
        for name in names.iter().filter(|name| is_installed_package(name)) {
            collect(&self.target.join(name), Path::new(name), &|_| true, &mut found)?;
        }
        if !before.is_empty() {
            for path in &self.paths {
                let root = self.project.join(path);
                let came = |below: &Path| {
                    is_extension(below) && !before.contains(&Path::new(path).join(below))
                };
                collect(&root, Path::new(""), &came, &mut found)?;
            }
        }
        Ok(found)
    }

    fn facts(self, info: &str, compiled: BTreeMap<String, PathBuf>) -> Result<Told, TellError> {
        let metadata = self.text(&format!("{info}/METADATA"))?.ok_or(TellError::Metadata)?;
        let field = |name: &str| {
            let mut lines = metadata.lines().take_while(|line| !line.is_empty());
            lines.find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned())
        };
        let name = field("Name:").and_then(|name| name.parse().ok());
        let (Some(distribution), Some(version)) = (name, field("Version:")) else {
            return Err(TellError::Metadata);
        };
        let entry_points = self.text(&format!("{info}/entry_points.txt"))?;
        let mut imports = entry_points.as_deref().map(named_by).unwrap_or_default();
        for path in &self.paths {
            imports.extend(names_below(&self.project.join(path)));
        }
        imports.extend(self.mapped.keys().cloned());
        if self.paths.is_empty() && self.mapped.is_empty() && compiled.is_empty() {
            return Err(TellError::Nothing);
        }
        let facts = Facts {
            distribution,
            version,
            metadata,
            entry_points,
            paths: self.paths,
            mapped: self.mapped,
            compiled: compiled.keys().cloned().collect(),
            imports,
        };
        Ok(Told { facts, compiled })
    }
}

/// Whether a name in the target is of a package, and not of what installers and backends put there besides.
fn is_installed_package(name: &str) -> bool {
    let is_other = name.starts_with(['.', '_'])
        || ["bin", "__pycache__"].contains(&name)
        || [".pth", ".dist-info", ".egg-link"].iter().any(|end| name.ends_with(end));
    !is_other
}

fn is_extension(path: &Path) -> bool {
    path.extension().is_some_and(|extension| ["so", "pyd", "dylib"].iter().any(|e| extension == *e))
}

/// Every file below `from` that is wanted, by its path below `to`.
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
    } else if let Some(path) = to.to_str().filter(|_| wanted(to)) {
        found.insert(path.to_owned(), from.to_owned());
    }
    Ok(())
}
