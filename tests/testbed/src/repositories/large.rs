//! Files that a repository keeps with Git LFS: pointers in git, and contents where `file://` finds them.
//!
//! Limits: which files are meant, a `.gitattributes` of the test's says.

use std::{collections::BTreeMap, fs, path::PathBuf};

use sha2::{Digest as _, Sha256};

use super::{change::Change, listing::Item, repo::Repo};

/// The SHA-256 of a content, in hex: its name.
#[must_use]
pub fn lfs_oid(content: impl AsRef<[u8]>) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The pointer to a content.
#[must_use]
pub fn lfs_pointer(content: impl AsRef<[u8]>) -> String {
    let (oid, size) = (lfs_oid(&content), content.as_ref().len());
    format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n")
}

impl Repo {
    /// Keeps a content, and gives the change that writes its pointer.
    ///
    /// # Panics
    /// When the content cannot be written.
    pub fn large(&self, path: &str, content: impl AsRef<[u8]>) -> Change {
        let place = self.content(&lfs_oid(&content));
        let written = fs::create_dir_all(place.parent().expect("it has directories above it"))
            .and_then(|()| fs::write(&place, &content));
        written.unwrap_or_else(|error| panic!("writing {}: {error}", place.display()));
        Change::write(path, lfs_pointer(content))
    }

    /// What a checkout with Git LFS has of a commit, when all pointers are meant.
    pub fn large_tree(&self, rev: &str) -> BTreeMap<String, Item> {
        let filled = |(path, item): (String, Item)| match item {
            Item::File { bytes, executable } => {
                let bytes = self.content_of(&bytes).unwrap_or(bytes);
                (path, Item::File { bytes, executable })
            }
            other => (path, other),
        };
        self.tree(rev).into_iter().map(filled).collect()
    }

    fn content_of(&self, pointer: &[u8]) -> Option<Vec<u8>> {
        let text = std::str::from_utf8(pointer).ok()?;
        let rest = text.strip_prefix("version https://git-lfs.github.com/spec/v1\noid sha256:")?;
        fs::read(self.content(rest.get(..64)?)).ok()
    }

    /// Where git-lfs keeps a content.
    fn content(&self, oid: &str) -> PathBuf {
        let (first, rest) = oid.split_at(2);
        self.path().join("lfs/objects").join(first).join(rest.split_at(2).0).join(oid)
    }
}
