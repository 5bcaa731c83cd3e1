//! The names of objects.

use std::fmt;

/// The name of an object, below the root of a tier: parts of `a-z`, `0-9`, `.` and `-`, between slashes, so that no kind of
/// place has to encode anything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// The pack of a commit, depth 1, complete in itself.
    #[must_use]
    pub fn commit(commit: &str) -> Self {
        Self::fanned("git/sha1", commit, ".pack")
    }

    /// The pack of a commit, thin against another commit.
    #[must_use]
    pub fn commit_from(commit: &str, base: &str) -> Self {
        Self::fanned("git/sha1", commit, &format!(".from/{base}.pack"))
    }

    /// Whether it is a pack of this commit, whole or thin.
    #[must_use]
    pub fn is_of_commit(&self, commit: &str) -> bool {
        self.0.starts_with(&Self::fanned("git/sha1", commit, ".").0)
    }

    /// An archive's own bytes.
    #[must_use]
    pub fn archive(sha256: &str) -> Self {
        Self::fanned("archive/sha256", sha256, "")
    }

    /// What Git LFS keeps for a file: its own bytes.
    #[must_use]
    pub fn large_file(sha256: &str) -> Self {
        Self::fanned("lfs/sha256", sha256, "")
    }

    /// A pack whose wanted object is a tree: what was built.
    #[must_use]
    pub fn tree(blake3: &str) -> Self {
        Self::fanned("tree/blake3", blake3, ".pack")
    }

    /// An object of `tier check`, under a name of its own.
    #[must_use]
    pub fn probe(random: &str) -> Self {
        Self(format!("v1/probe/{random}"))
    }

    fn fanned(kind: &str, name: &str, end: &str) -> Self {
        let shelf = name.get(..2).unwrap_or(name);
        Self(format!("v1/{kind}/{shelf}/{name}{end}"))
    }

    /// As a path, without a slash at its beginning.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
