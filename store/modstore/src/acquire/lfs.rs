//! The content that Git LFS keeps for files of a commit, put in the place of their pointers where a module wants it.
//!
//! Limits: which files these are, and how their content is fetched, is the part of `modstore-fetch`.

use modstore_fetch::{AcquireError, BaseEntry, PlantedCommit};

use modstore_tier::Key;

use super::{
    SourceError, Sources,
    repository::{self, MirrorPaths},
};
use crate::{
    events::Step,
    model::{Contents, ModuleName, RefName, RemoteUrl},
};

/// Fills in the large files of a commit's own tree that came from `url`, where a reference may have led to it, from `base` or from where the repository keeps
/// them; or lists them, where only their pointers are wanted.
///
/// # Errors
/// The first that could not be fetched, by name. The tree is not to be used.
pub(super) fn fill(
    sources: &Sources<'_>,
    planted: &mut PlantedCommit,
    (url, reference): (&RemoteUrl, Option<&RefName>),
    base: Option<&BaseEntry>,
    (contents, modules): (&Contents, &[&ModuleName]),
) -> Result<(), SourceError> {
    let (context, origin) = (sources.context, url.origin());
    let paths = MirrorPaths::of(context.layout, &origin);
    let into = repository::destination(sources, &origin, &paths, None)?;
    if !contents.lfs {
        return Ok(planted.list_large_files(into, context.cancel)?);
    }
    let on_step = |step: Step<'_>| {
        if let Some(module) = modules.first() {
            repository::report(context.events, module, step);
        }
    };
    sources.may_ask(&origin, || {
        let what = format!("the content that Git LFS keeps for files of {origin}");
        (Key::archive(""), what)
    })?;
    let source = sources.network()?.content_source(&url.expose(), context.cancel);
    let source = source.map_err(AcquireError::from)?.of_reference(reference.map(RefName::as_str));
    Ok(planted.fetch_large_files(&source, base, into, &on_step, context.cancel)?)
}
