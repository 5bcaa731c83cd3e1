//! Contents that lie in a repository on this machine, where `git lfs push` or a checkout has put them.
//!
//! Limits: `lfs.storage` of that repository is not read, nor are the places that it borrows objects from.

use std::path::{Path, PathBuf};

use modstore_core::disk::{is_directory, read_own};

use super::pointer::Oid;

/// Where the contents of a repository lie: `repository` is a bare one, a work tree, or its `.git`.
pub(super) fn contents_of(repository: &Path) -> PathBuf {
    let below = repository.join(".git");
    let git = if is_directory(&below) {
        below
    } else {
        // A work tree beside its repository has a file that leads there.
        let text = read_own(&below).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let named = text.as_deref().and_then(|text| text.trim_end().strip_prefix("gitdir: "));
        let git = named.map_or(repository.to_owned(), |named| repository.join(named));
        let shared = read_own(&git.join("commondir")).ok();
        let shared = shared.and_then(|bytes| String::from_utf8(bytes).ok());
        shared.map_or(git.clone(), |shared| git.join(shared.trim_end()))
    };
    git.join("lfs/objects")
}

/// Where a content lies.
pub(super) fn place(contents: &Path, oid: &Oid) -> PathBuf {
    let name = oid.to_string();
    let (first, rest) = name.split_at(2);
    contents.join(first).join(rest.split_at(2).0).join(&name)
}
