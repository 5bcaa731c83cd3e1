//! What can be found, one file for each family of checks. Each looks, and changes nothing.

mod pointers;
mod records;
mod origins;
mod requirements;
mod interpreter;
mod caches;
mod hosts;
mod imports;

pub(crate) use caches::{Looking, caches};
pub(crate) use hosts::{hosts, registered};
pub(crate) use imports::imports;
pub(crate) use interpreter::interpreter;
pub(crate) use origins::{bound, origins};
pub(crate) use pointers::pointers;
pub(crate) use records::{records, remains};
pub(crate) use requirements::requirements;
