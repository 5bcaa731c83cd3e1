//! retired → gone: what no kept generation and no lease names is given up, and then deleted.

mod lease;

pub(crate) use lease::live_leases;
pub use lease::{Lease, LeaseError, Leased, leases};
