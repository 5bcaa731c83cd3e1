//! The environments of this machine, read by files alone.

mod requirement;
mod recorded;
pub(crate) mod discover;
mod editable;
mod other_sites;
mod constraints;
mod environment;
mod commands;
mod promised;
mod asked;

pub(crate) use asked::Asked;
pub(crate) use constraints::Constraint;
pub(crate) use discover::Found;
pub(crate) use editable::{Editable, leads_somewhere};
pub(crate) use environment::InspectedEnvironment;
pub(crate) use other_sites::SiteKind;
pub(crate) use promised::promised;
pub(crate) use recorded::{is_byte_code, is_changed, with_files};
pub(crate) use requirement::{
    MarkerEnvironment, Requirement, admits_python, is_same_version, marker_holds,
};
