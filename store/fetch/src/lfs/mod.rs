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
mod other_place;
mod fill;

pub(crate) use fill::LargeFiles;
pub use left::PointersLeft;
pub use objects::LfsObjects;
pub use other_place::{OtherPlace, TakeContent};

/// What a pointer says: the name and the size of a content, and whether a program makes it of what the server has.
#[must_use]
pub fn read_pointer(bytes: &[u8]) -> Option<(String, u64, bool)> {
    let pointer = pointer::Pointer::parse(bytes)?;
    Some((pointer.oid.to_string(), pointer.size, pointer.extension.is_some()))
}

/// The names that an answer of the batch protocol has, with the address and the headers of those that are offered.
#[must_use]
pub fn read_batch_answer(bytes: &[u8]) -> Option<Vec<(String, Option<Offered>)>> {
    let said = batch::answer(bytes, std::time::Instant::now()).ok()?;
    let shown = said.into_iter().map(|(oid, said)| match said {
        batch::Said::Offered(offer) => (oid.to_string(), Some((offer.href, offer.headers))),
        batch::Said::Refused { .. } => (oid.to_string(), None),
    });
    Some(shown.collect())
}

/// An address, and headers.
type Offered = (String, Vec<(String, String)>);
