//! [`Registration`]: an environment that follows the store, and the modules that were installed in it.
//!
//! One file `environments/<16 hex>.json` for each, named by the path of its directory. It is written under the
//! environment's own lock. The list of installed modules is a memory, for a quick look; the environment itself is
//! the truth, and a wrong memory costs one call of the installer.
//!
//! An environment that is gone is not forgotten at once: `uv tool install --force` deletes it and makes it again.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use modstore_core::{
    disk::{Disk, DiskError, Layout, Verb, names_in, read_own_if_there},
    model::{DistributionName, Generation, ModuleName},
};
use serde::{Deserialize, Serialize};

use crate::{
    read::{Distribution, EnvironmentPaths, named_interpreter},
    run::Interpreter,
};

/// How long an environment may be gone before it is forgotten: a day, in milliseconds.
const GRACE: u64 = 24 * 60 * 60 * 1000;

/// An environment that follows the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    schema: u8,
    /// The interpreter, absolute and not resolved.
    pub python: PathBuf,
    /// Its directory.
    pub prefix: PathBuf,
    /// Where distributions are installed.
    pub site: Vec<PathBuf>,
    /// The platform that compiled files are made for.
    pub tag: String,
    /// The modules that are bound; all that are Python projects, when `None`.
    pub modules: Option<Vec<ModuleName>>,
    /// A file of constraints for the installer.
    pub constraints: Option<PathBuf>,
    /// Whether byte code is compiled ahead.
    pub compile: bool,
    /// The modules that were installed.
    pub installed: BTreeMap<ModuleName, Installed>,
    /// The generation for which all of that was made.
    #[serde(rename = "settled")]
    pub synced: Option<u64>,
    /// Since when it is gone, in milliseconds since 1970.
    pub missing_since: Option<u64>,
    /// The generation of which a `bind` has installed and imported every module.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<u64>,
}

/// A stand-in that was installed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Installed {
    /// The distribution.
    pub distribution: DistributionName,
    /// The digest of its metadata, hexadecimal.
    pub metadata: String,
    /// The directories that it puts on the import path: paths below the store's home.
    pub paths: Vec<PathBuf>,
}

/// The environments that follow a store cannot be listed.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// The disk. A registration that was to be written is as it was.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The file was damaged or edited. Nothing was changed.
    #[error("{} is not a registration of an environment", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: serde_json::Error,
    },
    /// A later version wrote it. Nothing was changed.
    #[error("{} was written by a later version of modstore", path.display())]
    Newer {
        /// The file.
        path: PathBuf,
    },
}

impl Registration {
    const SCHEMA: u8 = 1;

    /// A registration of this environment, in which nothing is installed yet.
    #[must_use]
    pub fn of(interpreter: &Interpreter) -> Self {
        let Interpreter { paths, tag, .. } = interpreter.clone();
        Self {
            schema: Self::SCHEMA,
            python: paths.executable,
            prefix: paths.prefix,
            site: paths.site,
            tag,
            modules: Some(Vec::new()),
            constraints: None,
            compile: false,
            installed: BTreeMap::new(),
            synced: None,
            missing_since: None,
            complete: None,
        }
    }

    /// The directories of the environment.
    #[must_use]
    pub fn paths(&self) -> EnvironmentPaths {
        EnvironmentPaths {
            executable: self.python.clone(),
            prefix: self.prefix.clone(),
            site: self.site.clone(),
        }
    }

    /// Whether this module is to be bound, if it is a Python project.
    #[must_use]
    pub fn binds(&self, module: &ModuleName) -> bool {
        self.modules.as_ref().is_none_or(|modules| modules.contains(module))
    }

    /// Whether a distribution of this name is in its site directories.
    #[must_use]
    pub fn has(&self, name: &DistributionName) -> bool {
        self.site.iter().any(|site| {
            let names = names_in(site).unwrap_or_default();
            let mut all = names.iter().filter_map(|found| Distribution::at(&site.join(found)));
            all.any(|it| it.name == *name)
        })
    }

    /// Whether everything was made for this generation.
    #[must_use]
    pub fn is_synced_to(&self, generation: Option<Generation>) -> bool {
        self.synced == generation.map(Generation::number)
    }

    /// Whether the environment's directory is not there.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self.prefix.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound)
    }

    /// Whether it has been gone for long enough to be forgotten.
    #[must_use]
    pub fn is_to_be_forgotten(&self, now: u64) -> bool {
        self.missing_since.is_some_and(|since| now.saturating_sub(since) >= GRACE)
    }

    /// The name of its file and its lock.
    #[must_use]
    pub fn name(&self) -> String {
        name_of(&self.prefix)
    }

    fn file(&self, layout: &Layout) -> PathBuf {
        layout.environments().join(self.name()).with_extension("json")
    }

    /// Whether a path that a user gave, to an interpreter or a directory, names this environment, also when it is gone.
    #[must_use]
    pub fn is_named_by(&self, given: &Path) -> bool {
        let absolute = std::path::absolute(given).unwrap_or_else(|_| given.to_owned());
        let python = named_interpreter(given).unwrap_or_else(|| absolute.clone());
        [&absolute, &python].into_iter().any(|path| self.python == *path || self.prefix == *path)
            || self.prefix.join("bin").join(python.file_name().unwrap_or_default()) == python
    }

    /// The registration of the environment in this directory, if there is one.
    ///
    /// # Errors
    /// See [`RegistrationError`].
    pub fn find(layout: &Layout, prefix: &Path) -> Result<Option<Self>, RegistrationError> {
        Self::read(&layout.environments().join(name_of(prefix)).with_extension("json"))
    }

    /// All of them, by path.
    ///
    /// # Errors
    /// See [`RegistrationError`]. One that cannot be read is never left out.
    pub fn all(layout: &Layout) -> Result<Vec<Self>, RegistrationError> {
        let mut all = Vec::new();
        for name in names_in(&layout.environments())? {
            let path = layout.environments().join(&name);
            if path.extension().is_some_and(|extension| extension == "json") {
                all.extend(Self::read(&path)?);
            }
        }
        all.sort_by(|a: &Self, b| a.prefix.cmp(&b.prefix));
        Ok(all)
    }

    fn read(path: &Path) -> Result<Option<Self>, RegistrationError> {
        let Some(bytes) = read_own_if_there(path)? else { return Ok(None) };
        let malformed = |source| RegistrationError::Malformed { path: path.to_owned(), source };
        let value: serde_json::Value = serde_json::from_slice(&bytes).map_err(malformed)?;
        let schema = value.get("schema").and_then(serde_json::Value::as_u64);
        if schema.is_some_and(|schema| schema > u64::from(Self::SCHEMA)) {
            return Err(RegistrationError::Newer { path: path.to_owned() });
        }
        serde_json::from_value(value).map(Some).map_err(malformed)
    }

    /// Writes it, durably. `spare` is a free name in the store.
    ///
    /// # Errors
    /// It is as it was, unless the last sync failed.
    pub fn write(
        &self,
        disk: &Disk,
        layout: &Layout,
        spare: &Path,
    ) -> Result<(), RegistrationError> {
        disk.ensure_dir(&layout.environments())?;
        let path = self.file(layout);
        let text = serde_json::to_vec_pretty(self)
            .map_err(|error| DiskError::new(Verb::CreateFile, &path, io::Error::other(error)))?;
        Ok(disk.replace_file(&path, spare, &text)?)
    }

    /// Forgets it.
    ///
    /// # Errors
    /// It is still there.
    pub fn forget(&self, disk: &Disk, layout: &Layout) -> Result<(), DiskError> {
        disk.remove_file(&self.file(layout))?;
        disk.sync_dir(&layout.environments())
    }
}

/// 16 hex digits that stand for an environment's directory.
fn name_of(prefix: &Path) -> String {
    let hash = blake3::hash(prefix.as_os_str().as_encoded_bytes());
    hash.to_hex().as_str().chars().take(16).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registration(prefix: &Path) -> Registration {
        let paths = EnvironmentPaths {
            executable: prefix.join("bin/python"),
            prefix: prefix.to_owned(),
            site: vec![prefix.join("lib/python3.12/site-packages")],
        };
        let interpreter = Interpreter {
            paths,
            scripts: prefix.join("bin"),
            version: "3.12.1".into(),
            tag: "cpython-312-x86_64-linux-gnu".into(),
            is_virtual: true,
            is_externally_managed: false,
        };
        Registration::of(&interpreter)
    }

    #[test]
    fn a_registration_reads_back_until_it_is_forgotten() {
        let home = tempfile::tempdir().unwrap();
        let (disk, layout) = (Disk::default(), Layout::new(home.path()));
        assert!(Registration::all(&layout).unwrap().is_empty());
        let one = registration(Path::new("/a/venv"));
        one.write(&disk, &layout, &home.path().join("spare")).unwrap();
        assert_eq!(Registration::find(&layout, Path::new("/a/venv")).unwrap(), Some(one.clone()));
        assert_eq!(Registration::all(&layout).unwrap(), std::slice::from_ref(&one));
        one.forget(&disk, &layout).unwrap();
        assert_eq!(Registration::find(&layout, Path::new("/a/venv")).unwrap(), None);
    }

    #[test]
    fn one_that_cannot_be_read_is_an_error_and_never_nothing() {
        let home = tempfile::tempdir().unwrap();
        let layout = Layout::new(home.path());
        std::fs::create_dir(layout.environments()).unwrap();
        let file = layout.environments().join("0123456789abcdef.json");
        for (text, newer) in [("", false), ("{}", false), ("{\"schema\":2}", true)] {
            std::fs::write(&file, text).unwrap();
            let error = Registration::all(&layout).unwrap_err();
            assert_eq!(matches!(error, RegistrationError::Newer { .. }), newer, "{text}");
            assert!(error.to_string().contains("0123456789abcdef.json"), "{error}");
        }
    }

    #[test]
    fn an_environment_that_is_gone_is_forgotten_after_a_day() {
        let mut gone = registration(Path::new("/no/such/venv"));
        assert!(gone.is_missing() && !gone.is_to_be_forgotten(u64::MAX));
        gone.missing_since = Some(1000);
        assert!(
            !gone.is_to_be_forgotten(1000 + GRACE - 1) && gone.is_to_be_forgotten(1000 + GRACE)
        );
    }
}
