//! An environment as it is found on this machine, read by files alone.

mod requirement;
mod recorded;
pub(crate) mod discover;
mod environment;

pub(crate) use discover::Found;
pub(crate) use environment::{Editable, Patient, leads_somewhere};
pub(crate) use recorded::{is_byte_code, is_changed, with_files};
pub(crate) use requirement::{Requirement, Surroundings, admits_python, is_same_version};
