//! [`Exit`]: how the command line ends, as `docs/json.md` promises it.

/// Why the command line ends without success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Something could not be fetched or done: 1.
    Failed,
    /// Wrong usage or bad input: 2.
    Usage,
    /// Another process holds a lock: 3.
    Busy,
    /// The store is damaged: 4.
    Damaged,
    /// A person interrupted it, and it was rolled back: 130.
    Interrupted,
}

impl Exit {
    /// The exit code.
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Busy => 3,
            Self::Damaged => 4,
            Self::Interrupted => 130,
        }
    }
}
