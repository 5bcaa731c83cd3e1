//! The probe: what a Python project's own build backend says of it, learnt once on a scratch copy.
//!
//! The project is installed as an editable into an empty directory, by the environment's installer, and what lies
//! there afterwards is read: metadata, entry points, and which directories were put on the import path. What is
//! learnt is kept in `probes/<key>/`, by a key of all that it can depend on; a change of code alone finds it there.
//! That is a cache: it may be deleted at any time, and a torn one is made anew.
//!
//! What the build wrote among the project's own files is kept with that: it is imported as they are.
//!
//! A project that builds itself when it is imported (meson-python's editable loader) cannot be followed and is refused
//! by name.

use std::path::{Path, PathBuf};

use modstore_core::{
    disk::{DiskError, Layout, Verb, copy_to_scratch, read_own_if_there},
    events::Doing,
    model::{ContentHash, ModuleName},
    program::ProgramError,
};

use super::{
    editable_layout::{TellError, Told},
    module_tree::Subject,
    project_metadata::Facts,
};
use crate::{
    ground::Ground,
    run::{Install, Installer},
};

/// The version of a project that takes it from git, which is not there. It depends on the tree alone.
const NO_VERSION: &str = "0.0.0+modstore";

/// What the plugins that take a version from git read instead.
const VARIABLES: [(&str, &str); 4] = [
    ("SETUPTOOLS_SCM_PRETEND_VERSION", NO_VERSION),
    ("PDM_BUILD_SCM_VERSION", NO_VERSION),
    ("POETRY_DYNAMIC_VERSIONING_BYPASS", NO_VERSION),
    ("UV_DYNAMIC_VERSIONING_BYPASS", NO_VERSION),
];

/// What is known of a module's project.
#[derive(Debug, Clone)]
pub struct Probe {
    pub facts: Facts,
    /// Where the files lie that the build made.
    pub compiled: PathBuf,
}

/// Nothing is known of a project. Nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// There is nothing to build it with.
    #[error(
        "there is neither uv nor a pip in the environment, and {module} has to be built once to learn its metadata"
    )]
    NoInstaller {
        /// The module.
        module: ModuleName,
    },
    /// Its own build failed.
    #[error("its build backend {backend} failed")]
    Build {
        /// The backend.
        backend: String,
        /// What it said.
        source: ProgramError,
    },
    /// What its backend installs cannot be followed through a switch.
    #[error("what its build backend {backend} installs cannot be followed: {source}")]
    Tell {
        /// The backend.
        backend: String,
        /// What that is.
        source: TellError,
    },
    /// It is compiled, or its packages have other names, and its tree has a directory of the name that is ours.
    #[error(
        "it needs a directory of its own in {}, and its source has one of that name",
        Layout::OWN
    )]
    Taken,
    /// It is compiled into the environment, and its directory is the user's own.
    #[error(
        "its build backend {backend} puts compiled files into the environment, and a linked directory is never written to"
    )]
    Linked {
        /// The backend.
        backend: String,
    },
    /// The disk.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl ProbeError {
    /// Whether it may have been the network, as far as what an installer says tells.
    #[must_use]
    pub fn may_be_the_network(&self) -> bool {
        match self {
            Self::Build { source: ProgramError::TimedOut { .. }, .. } => true,
            Self::Build { source: ProgramError::Failed { said: Some(said), .. }, .. } => {
                let words = ["network", "connect", "resolve host", "timed out", "dns error"];
                let said = said.text().to_ascii_lowercase();
                words.iter().any(|word| said.contains(word))
            }
            _ => false,
        }
    }
}

/// What is known already of a module's project, for the Python of this tag.
#[must_use]
pub fn known(layout: &Layout, subject: &Subject, tag: &str) -> Option<Facts> {
    let (_, key) = subject.project()?;
    look_up(layout, key, tag).map(|probe| probe.facts)
}

fn look_up(layout: &Layout, key: ContentHash, tag: &str) -> Option<Probe> {
    [None, Some(tag)].into_iter().find_map(|tag| {
        let place = place(layout, key, tag);
        let bytes = read_own_if_there(&place.join("facts.json")).ok()??;
        let facts: Facts = serde_json::from_slice(&bytes).ok()?;
        let compiled = place.join("files");
        let is_whole = facts.compiled.iter().all(|path| compiled.join(path).is_file());
        is_whole.then_some(Probe { facts, compiled })
    })
}

/// Where what is known of a key is kept; of compiled files, for each Python.
fn place(layout: &Layout, key: ContentHash, tag: Option<&str>) -> PathBuf {
    let key = blake3::Hash::from_bytes(*key.as_bytes()).to_hex();
    let tag = tag.map(|tag| format!("-{tag}")).unwrap_or_default();
    layout.probes().join(format!("{key}{tag}"))
}

/// Who probes: an environment's installer and its Python.
#[derive(Clone, Copy)]
pub struct Prober<'a> {
    pub ground: Ground<'a>,
    pub installer: Option<&'a Installer>,
    pub python: &'a Path,
    pub prefix: &'a Path,
    pub tag: &'a str,
}

impl Prober<'_> {
    /// What is known of a module's project, learnt now if need be. `None`, if it is no Python project.
    ///
    /// # Errors
    /// See [`ProbeError`].
    pub fn probe(&self, subject: &Subject) -> Result<Option<Probe>, ProbeError> {
        let Some((project, key)) = subject.project() else { return Ok(None) };
        if let Some(known) = look_up(self.ground.layout, key, self.tag) {
            return Ok(Some(known));
        }
        let module = subject.module.clone();
        let installer = self.installer.ok_or(ProbeError::NoInstaller { module })?;
        (self.ground.told)(self.prefix, Doing::Probing(&subject.module));
        let told = self.build(subject, installer, &project.backend)?;
        let is_compiled = !told.facts.compiled.is_empty();
        if is_compiled && subject.is_linked() {
            return Err(ProbeError::Linked { backend: project.backend });
        }
        let place = place(self.ground.layout, key, is_compiled.then_some(self.tag));
        self.keep(&told, &place).map(Some)
    }

    /// Builds it on a scratch copy; a linked one where it lies, as any editable install would.
    fn build(
        &self,
        subject: &Subject,
        installer: &Installer,
        backend: &str,
    ) -> Result<Told, ProbeError> {
        let scratch = self.ground.staging.fresh();
        self.ground.disk.create_dir(&scratch)?;
        let read = |error| DiskError::new(Verb::Read, &scratch, error);
        // Backends resolve their working directory, so what they write is below this path.
        let scratch = scratch.canonicalize().map_err(read)?;
        let project = match subject.is_linked() {
            true => subject.directory().canonicalize().map_err(read)?,
            false => {
                let copy = scratch.join("project");
                copy_to_scratch(&subject.tree, &copy, &|name| name == Layout::OWN)?;
                subject.subdirectory.as_ref().map_or_else(|| copy.clone(), |below| copy.join(below))
            }
        };
        let target = scratch.join("target");
        self.ground.disk.create_dir(&target)?;
        let what = Install {
            editables: std::slice::from_ref(&project),
            no_deps: true,
            offline: self.ground.offline,
            target: Some(&target),
            variables: &VARIABLES,
            ..Install::default()
        };
        let told = |line: &str| (self.ground.told)(self.prefix, Doing::Said(line));
        installer
            .install(self.python, &what, self.ground.cancel, &told)
            .map_err(|source| ProbeError::Build { backend: backend.to_owned(), source })?;
        Told::read(&target, &project, &subject.files())
            .map_err(|source| ProbeError::Tell { backend: backend.to_owned(), source })
    }

    /// Keeps what was learnt.
    fn keep(&self, told: &Told, place: &Path) -> Result<Probe, ProbeError> {
        let disk = self.ground.disk;
        let making = self.ground.staging.fresh();
        disk.create_dir(&making)?;
        for (path, from) in &told.compiled {
            let to = making.join("files").join(path);
            disk.ensure_dir(to.parent().unwrap_or(&making))?;
            disk.copy_file(from, &to)?;
        }
        let facts = serde_json::to_vec_pretty(&told.facts).expect("texts can be written as JSON");
        disk.create_file(&making.join("facts.json"), &facts)?;
        disk.ensure_dir(&self.ground.layout.probes())?;
        // One that is there is torn, or somebody else's of this moment; ours is whole.
        disk.remove_tree(place)?;
        disk.rename(&making, place)?;
        Ok(Probe { facts: told.facts.clone(), compiled: place.join("files") })
    }
}
