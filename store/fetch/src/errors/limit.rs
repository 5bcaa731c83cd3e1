//! [`LimitError`]: a pack that wants more than it may have.

use modstore_core::model::Class;

use crate::limits::PackLimit;

/// A pack wants more than it may have. What was written is worthless.
#[derive(Debug, thiserror::Error)]
pub enum LimitError {
    /// More than [`PackLimits`](crate::PackLimits) allow.
    #[error("{what} of {size} is over the limit of {limit}")]
    TooLarge {
        /// The limit.
        what: PackLimit,
        /// How large it is, or how large it had become when reading stopped.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// Other fetches have taken the memory that is needed now.
    #[error("other fetches hold {taken} of the {limit} bytes of memory that all of them share")]
    Crowded {
        /// Bytes taken.
        taken: u64,
        /// Bytes there are.
        limit: u64,
    },
}

impl LimitError {
    /// Fails when `size` is over `limit`.
    pub(crate) const fn check(what: PackLimit, size: u64, limit: u64) -> Result<(), Self> {
        if size > limit { Err(Self::TooLarge { what, size, limit }) } else { Ok(()) }
    }

    /// The number that was exceeded.
    pub(crate) const fn limit(&self) -> u64 {
        match self {
            Self::TooLarge { limit, .. } | Self::Crowded { limit, .. } => *limit,
        }
    }

    /// Whether trying again may help.
    pub(crate) const fn class(&self) -> Class {
        match self {
            Self::TooLarge { .. } => Class::Permanent,
            Self::Crowded { .. } => Class::Transient,
        }
    }

    /// The next thing to do.
    pub(super) fn hint(&self) -> String {
        match self {
            Self::TooLarge { what, size, .. } => {
                let variable = what.variable();
                format!(
                    "if the repository is meant to be like that, set {variable} to {size} or more; else name a smaller one"
                )
            }
            Self::Crowded { limit, .. } => {
                let variable = PackLimit::Memory.variable();
                format!("run it again, with fewer --jobs, or set {variable} to more than {limit}")
            }
        }
    }
}
