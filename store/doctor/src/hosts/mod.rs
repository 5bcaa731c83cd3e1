//! What is known of single hosts, one file for each.

mod amplifier;

pub(crate) use amplifier::wishes;
