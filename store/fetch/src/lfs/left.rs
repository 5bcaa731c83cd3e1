//! [`PointersLeft`]: files of a tree that are pointers still, because their content was not asked for.
//!
//! Limits: knows only trees whose list of git ids has their pointers; one of an earlier version says nothing.

use std::fmt;

use gix::bstr::{BString, ByteSlice as _};
use modstore_core::model::{ContentHash, GitTree, Manifest};

use super::pointer::Pointer;

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PointersLeft {
    /// How many there are.
    pub files: u64,
    /// Bytes of the content that they stand for.
    pub bytes: u64,
    /// The first of them.
    pub first: Option<String>,
    /// Whether content is wanted, and these files are left out by the configuration of git-lfs.
    pub are_excluded: bool,
}

impl PointersLeft {
    /// Those of a tree.
    #[must_use]
    pub fn of(manifest: &Manifest, git: &GitTree) -> Self {
        let mut left = Self { are_excluded: git.contents.lfs, ..Self::default() };
        for (path, text) in &git.pointers {
            let Some((_, file)) = manifest.find(path.as_bstr()) else { continue };
            if !is_left(file.size, file.content, text) {
                continue;
            }
            left.files += 1;
            let size = Pointer::parse(text).map_or(0, |pointer| pointer.size);
            left.bytes = left.bytes.saturating_add(size);
            left.first.get_or_insert_with(|| path.to_string());
        }
        left
    }

    /// Whether there are any.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.files > 0
    }

    /// The next thing to do.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        if self.are_excluded {
            "lfs.fetchinclude and lfs.fetchexclude leave them out"
        } else {
            "set lfs = true to fetch it"
        }
    }
}

/// Whether the file is the pointer itself.
fn is_left(size: u64, content: ContentHash, pointer: &BString) -> bool {
    size == pointer.len() as u64 && content == ContentHash::of(pointer)
}

/// One line, which names the first.
impl fmt::Display for PointersLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.first.as_deref().unwrap_or_default();
        match self.files {
            1 => write!(f, "{first} is a Git LFS pointer, and its content")?,
            files => {
                write!(f, "{first} and {} more are Git LFS pointers, and their content", files - 1)?
            }
        }
        write!(f, " ({}) is not fetched; {}", Bytes(self.bytes), self.hint())
    }
}

/// A number of bytes, as a person reads it.
struct Bytes(u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut size, mut unit) = (self.0 as f64, "B");
        for larger in ["kB", "MB", "GB", "TB"] {
            if size >= 999.95 {
                (size, unit) = (size / 1000.0, larger);
            }
        }
        if unit == "B" { write!(f, "{size} B") } else { write!(f, "{size:.1} {unit}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_one_line_that_says_what_to_do() {
        let one =
            PointersLeft { files: 1, bytes: 999, first: Some("a".into()), are_excluded: false };
        let line = "a is a Git LFS pointer, and its content (999 B) is not fetched; set lfs = true to fetch it";
        assert_eq!(one.to_string(), line);
        let more = PointersLeft { files: 3, bytes: 23_400_000, are_excluded: true, ..one };
        let line = "a and 2 more are Git LFS pointers, and their content (23.4 MB) is not fetched; lfs.fetchinclude and lfs.fetchexclude leave them out";
        assert_eq!(more.to_string(), line);
    }
}
