//! Which modules an environment gets a variant of, and making it in the module's directory.

use std::path::{Path, PathBuf};

use super::{locked::LockedEnvironment, prepare_error::PrepareError, stand_in::StandIn};
use crate::{
    build::{
        ModuleTree, ProbedProject, ProjectMetadata,
        variant::{self, Variant},
    },
    workspace::Workspace,
};

/// The directories that a module will put on the import path of an environment: where its files are now.
pub(super) fn import_paths(
    workspace: Workspace<'_>,
    environment: &LockedEnvironment,
    tree: &ModuleTree,
    metadata: &ProjectMetadata,
) -> Vec<PathBuf> {
    let directory = tree.directory();
    if wants_variant(workspace, environment, tree, metadata) {
        return vec![variant::place(&directory, &environment.registration.tag)];
    }
    metadata.paths.iter().map(|path| joined(&directory, path)).collect()
}

fn joined(directory: &Path, path: &str) -> PathBuf {
    if path.is_empty() { directory.to_owned() } else { directory.join(path) }
}

/// Whether the environment gets a variant of this module.
fn wants_variant(
    workspace: Workspace<'_>,
    environment: &LockedEnvironment,
    tree: &ModuleTree,
    metadata: &ProjectMetadata,
) -> bool {
    let registration = &environment.registration;
    let link = StandIn::directory(workspace.store.layout, &tree.module).join(&registration.tag);
    // Once a stand-in has a link for this Python, installed `.pth` files lead through it.
    let has_link = link.symlink_metadata().is_ok();
    let compiles = registration.compile && !tree.is_linked();
    metadata.needs_variant() || has_link || compiles
}

/// Makes the variant of a module for an environment, if it needs one and there is none.
///
/// # Errors
/// There is none. Nothing else was changed.
pub(super) fn make_variant(
    workspace: Workspace<'_>,
    environment: &LockedEnvironment,
    tree: &ModuleTree,
    project: &ProbedProject,
) -> Result<(), PrepareError> {
    let ProbedProject { metadata, compiled } = project;
    let Workspace { store, staging } = workspace;
    let registration = &environment.registration;
    let directory = tree.directory();
    let place = variant::place(&directory, &registration.tag);
    if !wants_variant(workspace, environment, tree, metadata) || place.is_dir() {
        return Ok(());
    }
    let making = staging.fresh();
    let variant = Variant { directory: &directory, metadata, compiled };
    let made = variant.make(store.disk, &making).map_err(PrepareError::Variant)?;
    if registration.compile {
        let live = StandIn::resolved_directory(store.layout, &tree.module);
        let seen_at = live.join(&registration.tag);
        variant::compile(&registration.python, &making, &seen_at, store.cancel)
            .map_err(PrepareError::Compile)?;
    }
    made.seal(store.disk)
        .and_then(|()| store.disk.sync_tree(&making, store.barrier))
        .and_then(|()| variant::install(store.disk, &directory, &registration.tag, &making))
        .map_err(PrepareError::Variant)
}
