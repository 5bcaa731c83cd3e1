//! Values as text in JSON answers. What is not Unicode in a path becomes U+FFFD.
//!
//! For answers alone: what must be read back is not written so.

use std::{
    fmt::Display,
    path::{Path, PathBuf},
};

use serde::Serializer;

/// Serializes a path.
///
/// # Errors
/// As the serializer's.
pub fn path<S: Serializer>(path: &Path, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(&path.display())
}

/// Serializes a path, or null.
///
/// # Errors
/// As the serializer's.
pub fn path_or_null<S: Serializer>(path: &Option<PathBuf>, to: S) -> Result<S::Ok, S::Error> {
    text_or_null(&path.as_ref().map(|path| path.display()), to)
}

/// Serializes paths.
///
/// # Errors
/// As the serializer's.
pub fn paths<S: Serializer>(paths: &[PathBuf], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(paths.iter().map(|path| path.to_string_lossy()))
}

/// Serializes the text of a value, or null.
///
/// # Errors
/// As the serializer's.
pub fn text_or_null<S: Serializer>(value: &Option<impl Display>, to: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => to.collect_str(value),
        None => to.serialize_none(),
    }
}
