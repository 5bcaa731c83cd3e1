//! [`Prober`]: builds a Python project once on a scratch copy, to learn its metadata. One that says all of it itself is read
//! and not built.
//!
//! The environment's installer installs the project as an editable into an empty directory, or, where several have the same
//! build requirements, their backend is run for all of them in one environment ([`SharedBuild`]). The result is read: metadata, entry points, and the directories that were put on the import path. It is kept in `probes/<key>/`, by a key
//! of everything that it can depend on, together with the files that the build wrote among the project's own; a change of
//! code alone finds it there. That is a cache: it may be deleted at any time, and a torn one is made again.
//!
//! A project that builds itself when it is imported (meson-python's editable loader) cannot be followed and is refused
//! by name.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
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
    build_system::BuildSystem,
    editable_layout::{EditableLayout, LayoutError},
    module_tree::ModuleTree,
    project::Project,
    project_metadata::ProjectMetadata,
    shared_build::SharedBuild,
    static_project::read_static,
};
use crate::{
    run::{HookProject, Install, Installer},
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

/// What reading a module's project gives.
enum Read<'m> {
    Known(Option<ProbedProject>),
    Unknown(Unknown<'m>),
}

/// A project that has to be built, with the key of the result.
struct Unknown<'m> {
    tree: &'m ModuleTree,
    project: Project,
    key: ContentHash,
}

/// How many backends are asked, and how many were so far.
struct Asking {
    number: AtomicUsize,
    of: usize,
}

/// A module's project; `None` if it is no Python project.
pub(crate) type Probed = Result<Option<ProbedProject>, ProbeError>;

impl Prober<'_> {
    /// The projects of modules. Those that have to be built are built at the same time, and those with the same build
    /// requirements in one environment.
    pub(crate) fn probe_all<'m>(
        &self,
        trees: &[&'m ModuleTree],
    ) -> BTreeMap<&'m ModuleName, Probed> {
        let threads = available_parallelism().map_or(1, usize::from);
        let (mut done, mut unknown) = (BTreeMap::new(), Vec::new());
        for (module, read) in in_parallel(threads, trees, |tree| (&tree.module, self.read(tree))) {
            match read {
                Ok(Read::Known(known)) => drop(done.insert(module, Ok(known))),
                Ok(Read::Unknown(it)) => unknown.push(it),
                Err(error) => drop(done.insert(module, Err(error))),
            }
        }
        let asking = Asking { number: AtomicUsize::new(0), of: unknown.len() };
        let groups = self.groups(unknown);
        let at_once = threads.div_ceil(groups.len().max(1));
        let asked = in_parallel(threads, &groups, |group| self.ask_all(group, at_once, &asking));
        done.extend(asked.into_iter().flatten());
        done
    }

    /// What is known of a project, or is read.
    fn read<'m>(&self, tree: &'m ModuleTree) -> Result<Read<'m>, ProbeError> {
        let layout = self.workspace.store.layout;
        let Some((project, key)) = tree.project() else { return Ok(Read::Known(None)) };
        if let Some(known) = look_up(layout, key, self.tag) {
            return Ok(Read::Known(Some(known)));
        }
        if let Some(metadata) = read_static(tree, &project) {
            let said = EditableLayout { metadata, compiled: BTreeMap::new() };
            return self.keep(said, &place(layout, key, None)).map(Some).map(Read::Known);
        }
        Ok(Read::Unknown(Unknown { tree, project, key }))
    }

    /// The projects that are built together.
    fn groups<'m>(&self, unknown: Vec<Unknown<'m>>) -> Vec<Vec<Unknown<'m>>> {
        let is_shared = matches!(self.installer, Some(Installer::Uv(_)))
            && !Installer::has_settings_of_builds();
        let mut shared: BTreeMap<BuildSystem, Vec<Unknown<'m>>> = BTreeMap::new();
        let mut alone = Vec::new();
        for each in unknown {
            match each.project.build.clone().filter(|_| is_shared) {
                Some(system) => shared.entry(system).or_default().push(each),
                None => alone.push(vec![each]),
            }
        }
        shared.into_values().chain(alone).collect()
    }

    /// Builds the projects of a group: together, and those alone of which that gave nothing.
    fn ask_all<'m>(
        &self,
        group: &[Unknown<'m>],
        at_once: usize,
        asking: &Asking,
    ) -> Vec<(&'m ModuleName, Probed)> {
        for each in group {
            let (module, of) = (&each.tree.module, asking.of);
            let number = asking.number.fetch_add(1, Ordering::Relaxed) + 1;
            self.workspace.report(self.prefix, Doing::Probing { module, number, of });
        }
        let mut together = self.ask_together(group, at_once);
        let is_left = |number: &usize| !together.contains_key(number);
        let left: Vec<usize> = (0..group.len()).filter(is_left).collect();
        let alone = |number: &usize| (*number, group.get(*number).map(|it| self.ask_alone(it)));
        let alone = in_parallel(at_once, &left, alone);
        together.extend(alone.into_iter().filter_map(|(number, probed)| Some((number, probed?))));
        let named = together.into_iter();
        named.filter_map(|(number, it)| Some((&group.get(number)?.tree.module, it))).collect()
    }

    fn ask_together(&self, group: &[Unknown<'_>], at_once: usize) -> BTreeMap<usize, Probed> {
        let [first, _, ..] = group else { return BTreeMap::new() };
        let (Some(system), Some(installer)) = (&first.project.build, self.installer) else {
            return BTreeMap::new();
        };
        let places: Result<Vec<HookProject>, _> =
            group.iter().map(|each| self.copy(each.tree)).collect();
        let Ok(places) = places else { return BTreeMap::new() };
        let Self { workspace, python, prefix, .. } = *self;
        let variables = &VARIABLES;
        let shared =
            SharedBuild { workspace, installer, python, prefix, variables, system, at_once };
        let built = shared.build(&places).into_iter();
        let kept = |number| {
            let (each, place) = (group.get(number)?, places.get(number)?);
            Some((number, self.read_built(each, place).map(Some)))
        };
        built.filter_map(kept).collect()
    }

    /// Builds a project by a call of the installer.
    fn ask_alone(&self, unknown: &Unknown<'_>) -> Probed {
        let module = &unknown.tree.module;
        let no_installer = || ProbeError::NoInstaller { module: module.clone() };
        let installer = self.installer.ok_or_else(no_installer)?;
        let store = self.workspace.store;
        let place = self.copy(unknown.tree)?;
        let what = Install {
            editables: std::slice::from_ref(&place.directory),
            no_deps: true,
            offline: store.offline,
            target: Some(&place.target),
            variables: &VARIABLES,
            ..Install::default()
        };
        let on_line = |line: &str| self.workspace.report(self.prefix, Doing::Said(line));
        installer.install(self.python, &what, store.cancel, &on_line).map_err(|source| {
            ProbeError::Build { backend: unknown.project.backend.clone(), source }
        })?;
        self.read_built(unknown, &place).map(Some)
    }

    /// A scratch copy to build, and an empty directory for what the build installs. A linked project is built where it lies,
    /// as any editable install would.
    fn copy(&self, tree: &ModuleTree) -> Result<HookProject, ProbeError> {
        let Workspace { store, staging } = self.workspace;
        let scratch = staging.fresh();
        store.disk.create_dir(&scratch)?;
        let read = |error| DiskError::new(Verb::Read, &scratch, error);
        // Backends resolve their working directory, so the paths that they write are below this one.
        let scratch = scratch.canonicalize().map_err(read)?;
        let directory = if tree.is_linked() {
            tree.directory().canonicalize().map_err(read)?
        } else {
            let copy = scratch.join("project");
            copy_to_scratch(&tree.tree, &copy, &|name| name == Layout::OWN)?;
            tree.subdirectory.as_ref().map_or_else(|| copy.clone(), |below| copy.join(below))
        };
        let target = scratch.join("target");
        store.disk.create_dir(&target)?;
        Ok(HookProject { directory, target })
    }

    /// Reads what a build has installed, and keeps it.
    fn read_built(
        &self,
        unknown: &Unknown<'_>,
        place_of_build: &HookProject,
    ) -> Result<ProbedProject, ProbeError> {
        let Unknown { tree, project, key } = unknown;
        let backend = || project.backend.clone();
        let HookProject { directory, target } = place_of_build;
        let built = EditableLayout::read(target, directory, &tree.files())
            .map_err(|source| ProbeError::Layout { backend: backend(), source })?;
        let is_compiled = !built.metadata.compiled.is_empty();
        if is_compiled && tree.is_linked() {
            return Err(ProbeError::Linked { backend: backend() });
        }
        let layout = self.workspace.store.layout;
        self.keep(built, &place(layout, *key, is_compiled.then_some(self.tag)))
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
