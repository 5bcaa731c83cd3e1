//! An archive becomes a tree: received, its sum checked, unpacked with the refusals of every other tree.

mod tree;
mod unpack;
mod receive;
#[cfg(test)]
mod tests;

pub use receive::{FetchedArchive, KnownFile, archive_from, fetch_archive};
