//! A smart HTTP server for git, with faults that a caller switches on.

mod message;
mod pkt_line;
mod fault;
mod pack_stream;
mod reply;
mod upload_pack;
#[cfg(feature = "full")]
mod backend;
#[cfg(feature = "full")]
mod plain_files;
mod pack_server;
mod answer;
mod server;

pub use fault::Fault;
pub use pack_server::ServedPack;
pub use pkt_line::pkt_line;
pub use server::{HttpServer, RecordedRequest, Stats};

#[cfg(feature = "full")]
pub(crate) use fault::lock;
#[cfg(feature = "full")]
pub(crate) use message::{Request as HttpMessage, line, send as send_reply};
