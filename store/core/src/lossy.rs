//! Paths as text in JSON: what is not Unicode in them becomes U+FFFD.
//!
//! For answers, which nobody opens files by. What must be read back is never written so.

use std::path::{Path, PathBuf};

use serde::Serializer;

/// Serializes a path.
///
/// # Errors
/// As the serializer's.
pub fn path<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&path.display())
}

/// Serializes paths.
///
/// # Errors
/// As the serializer's.
pub fn paths<S: Serializer>(paths: &[PathBuf], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(paths.iter().map(|path| path.to_string_lossy()))
}
