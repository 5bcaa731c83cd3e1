//! The fall-back for servers that cannot give one commit alone: a bare repository of our own.

mod index;
mod bare;

pub use bare::MirrorPlace;
pub(crate) use bare::{Flaw, Mirror, Supply};
