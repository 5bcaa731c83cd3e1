//! Git LFS: content that git has pointers to, fetched from where a repository keeps it.
//!
//! `survey` finds the large files of a tree that was just written, `settings` and `endpoint` say where their content is,
//! `transfer` brings it into the staging, and `fill` puts it into the tree. Every byte is checked against the SHA-256 that
//! its pointer names; a pointer is a blob of the commit.
//!
//! Limits: nothing is ever uploaded, and no program of the repository's is run.

mod pointer;
mod attributes;
mod survey;
mod settings;
mod endpoint;
mod batch;
mod authenticate;
mod server;
mod left;
mod local;
mod content;
mod objects;
mod transfer;
mod fill;

pub(crate) use fill::LargeFiles;
pub use left::PointersLeft;
pub use objects::LfsObjects;
