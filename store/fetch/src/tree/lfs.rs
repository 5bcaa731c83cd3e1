//! Git LFS pointers: files that stand for content kept elsewhere.
//!
//! Limits: pointers are recognised and reported, the content is never fetched.

/// Largest file that can be a pointer, in bytes; the specification's limit.
const LARGEST_POINTER: usize = 1024;
const FIRST_LINE: &[u8] = b"version https://git-lfs.github.com/spec/v1";

/// Whether a file of this size is worth looking into.
#[must_use]
pub(crate) fn may_be_pointer(size: u64) -> bool {
    size <= LARGEST_POINTER as u64 && size >= FIRST_LINE.len() as u64
}

/// Whether the file's content is a Git LFS pointer.
#[must_use]
pub(crate) fn is_pointer(contents: &[u8]) -> bool {
    contents.len() <= LARGEST_POINTER && contents.starts_with(FIRST_LINE)
}
