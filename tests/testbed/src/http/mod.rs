//! A smart HTTP server for git, with faults that a caller switches on.

mod message;
mod pkt_line;
mod fault;
mod pack_stream;
mod upload_pack;
mod server;

pub use fault::Fault;
pub use server::{HttpServer, RecordedRequest, Stats};

#[cfg(feature = "full")]
pub(crate) use fault::lock;
