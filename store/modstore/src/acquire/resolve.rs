//! [`resolve`]: what sources mean now.

use modstore_fetch::{AcquireError, RemoteError, Wanted, is_sha256_id};

use super::{
    SourceError, Sources, Upstream, repository,
    resolution::{Meaning, Request, Resolution},
};
use crate::model::ModuleName;

/// What each request means: one listing for all that name a branch or a tag. The requests all come from `upstream`.
pub(crate) fn resolve(
    sources: &Sources<'_>,
    upstream: &mut Upstream,
    requests: &[Request<'_>],
) -> Vec<Result<Resolution, SourceError>> {
    let named = requests.iter().filter_map(|request| match request.meaning() {
        Meaning::Named(wanted) if sha256_id(&wanted).is_none() => Some((request.module, wanted)),
        Meaning::Named(_) | Meaning::Known(_) | Meaning::Directory(_) => None,
    });
    let (modules, wanted): (Vec<&ModuleName>, Vec<Wanted>) = named.unzip();
    let mut listed = repository::list(sources, upstream, &wanted, &modules).into_iter();
    let resolved = requests.iter().map(|request| match request.meaning() {
        Meaning::Known(resolution) => Ok(resolution),
        Meaning::Named(wanted) => match sha256_id(&wanted) {
            Some(id) => Err(AcquireError::from(RemoteError::Sha256Id { id: id.to_owned() }).into()),
            None => listed.next().expect("each name was asked for"),
        },
        Meaning::Directory(path) => sources
            .context
            .layout
            .recorded(path)
            .filter(|_| path.is_dir())
            .map(Resolution::Directory)
            .ok_or_else(|| SourceError::NoDirectory { path: path.to_owned() }),
    });
    resolved.collect()
}

/// What is wanted, if no SHA-1 repository can have it: no server and no tier is asked.
fn sha256_id(wanted: &Wanted) -> Option<&str> {
    match wanted {
        Wanted::Named(name) => Some(name.as_str()).filter(|name| is_sha256_id(name)),
        Wanted::Head | Wanted::Commit(_) => None,
    }
}
