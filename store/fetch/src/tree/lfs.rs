//! Git LFS pointers: files that stand for content kept elsewhere, as far as one look at a file tells.
//!
//! Limits: what a pointer names is read by `lfs::pointer`.

/// A pointer is shorter than this, in bytes; the specification's limit.
const CUTOFF: usize = 1024;

/// The first line of a pointer: the names of the version that are in use, the youngest last.
pub(crate) const VERSIONS: [&str; 3] = [
    "http://git-media.io/v/2",
    "https://hawser.github.com/spec/v1",
    "https://git-lfs.github.com/spec/v1",
];

/// Whether a file of this size is worth looking into.
#[must_use]
pub(crate) fn may_be_pointer(size: u64) -> bool {
    (100..CUTOFF as u64).contains(&size)
}

/// Whether the file's content is likely to be a Git LFS pointer.
#[must_use]
pub(crate) fn is_pointer(contents: &[u8]) -> bool {
    let version = contents.strip_prefix(b"version ").filter(|_| contents.len() < CUTOFF);
    version.is_some_and(|rest| VERSIONS.iter().any(|name| rest.starts_with(name.as_bytes())))
}
