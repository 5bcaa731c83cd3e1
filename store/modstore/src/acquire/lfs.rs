//! The content that Git LFS keeps for files of a commit, put in the place of their pointers where a module wants it.
//!
//! Limits: which files these are, and how their content is fetched, is the part of `modstore-fetch`.

use modstore_fetch::{AcquireError, BaseEntry, LfsError, OtherPlace, PlantedCommit};
use modstore_tier::Key;

use super::{
    SourceError, Sources,
    repository::{self, MirrorPaths},
    tiered::LargeFiles,
};
use crate::model::{Contents, ModuleName, RefName, RemoteUrl};

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
    let on_step = repository::reporting(context.events, modules.first().copied());
    let source = sources.network()?.content_source(&url.expose(), context.cancel);
    let source = source.map_err(AcquireError::from)?.of_reference(reference.map(RefName::as_str));
    let other = LargeFiles { sources, origin: &origin };
    let places = (&source, Some(&other as &dyn OtherPlace));
    let filled = planted.fetch_large_files(places, base, into, &on_step, context.cancel);
    filled.map_err(|error| not_in_tier(sources, error))
}

/// That a content is in no tier, in the words of everything that is in none.
fn not_in_tier(sources: &Sources<'_>, error: AcquireError) -> SourceError {
    let AcquireError::Lfs(LfsError::NotAsked { files, sha256 }) = error else {
        return error.into();
    };
    let key = Key::large_file(&sha256);
    SourceError::NotInTier {
        what: format!("the content that Git LFS keeps for {files}"),
        is_refused: sources.tiers.is_some_and(|tiers| tiers.has_refused(&key)),
    }
}
