//! [`Prober`]: builds a Python project once on a scratch copy, to learn its metadata. One that says all of it itself is read
//! and not built.
//!
//! The environment's installer installs the project as an editable into an empty directory, and the result is read:
//! metadata, entry points, and the directories that were put on the import path. It is kept in `probes/<key>/`, by a key
//! of everything that it can depend on, together with the files that the build wrote among the project's own; a change of
//! code alone finds it there. That is a cache: it may be deleted at any time, and a torn one is made again.
//!
//! A project that builds itself when it is imported (meson-python's editable loader) cannot be followed and is refused
//! by name.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    thread::available_parallelism,
};

use modstore_core::{
    disk::{DiskError, Layout, Verb, copy_to_scratch, read_own_if_there},
    events::Doing,
    model::{ContentHash, FailureCode, ModuleName},
    parallel::in_parallel,
    program::ProgramError,
};

use super::{
    editable_layout::{EditableLayout, LayoutError},
    module_tree::ModuleTree,
    project_metadata::ProjectMetadata,
    static_project::read_static,
};
use crate::{
    run::{Install, Installer},
    workspace::Workspace,
};

/// The version of a project that takes it from git, which is not there. It depends on the tree alone.
const NO_VERSION: &str = "0.0.0+modstore";

/// Variables that replace git for the plugins that take a version from it.
const VARIABLES: [(&str, &str); 4] = [
    ("SETUPTOOLS_SCM_PRETEND_VERSION", NO_VERSION),
    ("PDM_BUILD_SCM_VERSION", NO_VERSION),
    ("POETRY_DYNAMIC_VERSIONING_BYPASS", NO_VERSION),
    ("UV_DYNAMIC_VERSIONING_BYPASS", NO_VERSION),
];

/// A module's project after its build.
#[derive(Debug, Clone)]
pub(crate) struct ProbedProject {
    pub metadata: ProjectMetadata,
    /// Where the files lie that the build made.
    pub compiled: PathBuf,
}

/// The metadata of a project is not known. Nothing was changed.
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
        /// The failure of the installer that ran it.
        source: ProgramError,
    },
    /// The files that its backend installs cannot be followed through a switch.
    #[error("what its build backend {backend} installs cannot be followed: {source}")]
    Layout {
        /// The backend.
        backend: String,
        /// Why not.
        source: LayoutError,
    },
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
    /// Whether it may have been the network, by the words of the installer.
    #[must_use]
    pub fn may_be_the_network(&self) -> bool {
        match self {
            Self::Build { source: ProgramError::TimedOut { .. }, .. } => true,
            Self::Build { source: ProgramError::Failed { said: Some(said), .. }, .. } => {
                let words = ["network", "connect", "resolve host", "timed out", "dns error"];
                let text = said.text().to_ascii_lowercase();
                words.iter().any(|word| text.contains(word))
            }
            _ => false,
        }
    }

    /// The stable name of the cause.
    #[must_use]
    pub const fn code(&self) -> FailureCode {
        match self {
            Self::NoInstaller { .. } => FailureCode::Install,
            Self::Build { .. } | Self::Layout { .. } | Self::Linked { .. } => FailureCode::Build,
            Self::Disk(_) => FailureCode::Store,
        }
    }
}

/// The metadata of a module's project for the Python of this tag, if it was probed before.
#[must_use]
pub fn known_metadata(layout: &Layout, tree: &ModuleTree, tag: &str) -> Option<ProjectMetadata> {
    let (_, key) = tree.project()?;
    look_up(layout, key, tag).map(|project| project.metadata)
}

fn look_up(layout: &Layout, key: ContentHash, tag: &str) -> Option<ProbedProject> {
    [None, Some(tag)].into_iter().find_map(|tag| {
        let place = place(layout, key, tag);
        let bytes = read_own_if_there(&place.join("facts.json")).ok()??;
        let metadata: ProjectMetadata = serde_json::from_slice(&bytes).ok()?;
        let compiled = place.join("files");
        let is_whole = metadata.compiled.iter().all(|path| compiled.join(path).is_file());
        is_whole.then_some(ProbedProject { metadata, compiled })
    })
}

/// Where the result of a key is kept; that of a project with compiled files, for each Python.
fn place(layout: &Layout, key: ContentHash, tag: Option<&str>) -> PathBuf {
    let key = blake3::Hash::from_bytes(*key.as_bytes()).to_hex();
    let of_tag = tag.map(|tag| format!("-{tag}")).unwrap_or_default();
    layout.probes().join(format!("{key}{of_tag}"))
}

/// An environment's installer and its Python, which build projects.
#[derive(Clone, Copy)]
pub(crate) struct Prober<'a> {
    pub workspace: Workspace<'a>,
    pub installer: Option<&'a Installer>,
    pub python: &'a Path,
    pub prefix: &'a Path,
    pub tag: &'a str,
}

/// A module's project; `None` if it is no Python project.
pub(crate) type Probed = Result<Option<ProbedProject>, ProbeError>;

impl Prober<'_> {
    /// The projects of modules, as many built at once as there are processors.
    pub(crate) fn probe_all<'m>(
        &self,
        trees: &[&'m ModuleTree],
    ) -> BTreeMap<&'m ModuleName, Probed> {
        let threads = available_parallelism().map_or(1, usize::from);
        in_parallel(threads, trees, |tree| (&tree.module, self.probe(tree))).into_iter().collect()
    }

    /// A module's project, built now if it is not known.
    ///
    /// # Errors
    /// See [`ProbeError`].
    pub(crate) fn probe(&self, tree: &ModuleTree) -> Probed {
        let layout = self.workspace.store.layout;
        let Some((project, key)) = tree.project() else { return Ok(None) };
        if let Some(known) = look_up(layout, key, self.tag) {
            return Ok(Some(known));
        }
        if let Some(metadata) = read_static(tree, &project) {
            let said = EditableLayout { metadata, compiled: BTreeMap::new() };
            return self.keep(said, &place(layout, key, None)).map(Some);
        }
        let module = &tree.module;
        let no_installer = || ProbeError::NoInstaller { module: module.clone() };
        let installer = self.installer.ok_or_else(no_installer)?;
        self.workspace.report(self.prefix, Doing::Probing(module));
        let built = self.build(tree, installer, &project.backend)?;
        let is_compiled = !built.metadata.compiled.is_empty();
        if is_compiled && tree.is_linked() {
            return Err(ProbeError::Linked { backend: project.backend });
        }
        let place = place(layout, key, is_compiled.then_some(self.tag));
        self.keep(built, &place).map(Some)
    }

    /// Builds it on a scratch copy; a linked one where it lies, as any editable install would.
    fn build(
        &self,
        tree: &ModuleTree,
        installer: &Installer,
        backend: &str,
    ) -> Result<EditableLayout, ProbeError> {
        let Workspace { store, staging } = self.workspace;
        let scratch = staging.fresh();
        store.disk.create_dir(&scratch)?;
        let read = |error| DiskError::new(Verb::Read, &scratch, error);
        // Backends resolve their working directory, so the paths that they write are below this one.
        let scratch = scratch.canonicalize().map_err(read)?;
        let project = if tree.is_linked() {
            tree.directory().canonicalize().map_err(read)?
        } else {
            let copy = scratch.join("project");
            copy_to_scratch(&tree.tree, &copy, &|name| name == Layout::OWN)?;
            tree.subdirectory.as_ref().map_or_else(|| copy.clone(), |below| copy.join(below))
        };
        let target = scratch.join("target");
        store.disk.create_dir(&target)?;
        let what = Install {
            editables: std::slice::from_ref(&project),
            no_deps: true,
            offline: store.offline,
            target: Some(&target),
            variables: &VARIABLES,
            ..Install::default()
        };
        let on_line = |line: &str| self.workspace.report(self.prefix, Doing::Said(line));
        installer
            .install(self.python, &what, store.cancel, &on_line)
            .map_err(|source| ProbeError::Build { backend: backend.to_owned(), source })?;
        EditableLayout::read(&target, &project, &tree.files())
            .map_err(|source| ProbeError::Layout { backend: backend.to_owned(), source })
    }

    /// Keeps the result.
    fn keep(&self, built: EditableLayout, place: &Path) -> Result<ProbedProject, ProbeError> {
        let Workspace { store, staging } = self.workspace;
        let EditableLayout { metadata, compiled } = built;
        let making = staging.fresh();
        store.disk.create_dir(&making)?;
        for (path, from) in compiled {
            let to = making.join("files").join(path);
            store.disk.ensure_dir(to.parent().unwrap_or(&making))?;
            store.disk.copy_file(&from, &to)?;
        }
        let json = serde_json::to_vec_pretty(&metadata).expect("texts can be written as JSON");
        store.disk.create_file(&making.join("facts.json"), &json)?;
        store.disk.ensure_dir(&store.layout.probes())?;
        // One that is there is torn, or was made by another process at this moment; ours is whole.
        store.disk.remove_tree(place)?;
        store.disk.rename(&making, place)?;
        Ok(ProbedProject { metadata, compiled: place.join("files") })
    }
}
