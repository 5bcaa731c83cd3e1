//! [`Repair`]: the ways in which `verify --repair` deals with a finding. A code names one of them, so that `docs/verify.md`
//! can say what happens to a finding, and a program needs only the name of the code.

use std::fmt;

use modstore_core::findings;

/// What is wrong with a store, by a name that never changes. Each family of checks declares its own.
pub type Code = findings::Code<Repair>;

/// What a repair does about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Repair {
    /// The entry is moved to quarantine, and one with the same digest is put together or fetched.
    Rebuild,
    /// The manifest is made from the tree, if that has the digest; otherwise as [`Rebuild`](Self::Rebuild).
    RebuildManifest,
    /// The journal is kept aside, and a new one is written from what it still says and from the generations.
    RebuildJournal,
    /// The links are made again as the journal says, and then the switch.
    Relink,
    /// The file is kept aside, if it is there, and written again from what the store knows.
    Rewrite,
    /// The file, which nothing needs, is moved to quarantine.
    SetAside,
    /// The directory or lock file is created, after anything in its place is moved to quarantine.
    Create,
    /// The permissions are set.
    SetMode,
    /// It is removed, when no process works on it.
    Remove,
    /// The work that a crash interrupted is finished, as the next command that changes something would do.
    Finish,
    /// The link is made again; what took its place is kept beside it.
    Expose,
    /// The directory is made again, with what upstream ships there; what took its place is kept beside it.
    Settle,
    /// It is forgotten.
    Forget,
    /// Nothing: it belongs to the user.
    Nothing,
}

impl Repair {
    /// One clause: what `verify --repair` does.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rebuild => "the entry is moved to quarantine and re-fetched",
            Self::RebuildManifest => "the manifest is rebuilt from the tree",
            Self::RebuildJournal => "the old journal is set aside and a new one is built",
            Self::Relink => "the links are recreated",
            Self::Rewrite => "the file is rewritten",
            Self::SetAside => "it is moved to quarantine",
            Self::Create => "it is created, and anything in its way is moved to quarantine",
            Self::SetMode => "the permissions are set",
            Self::Remove => "it is removed",
            Self::Finish => "it is finished",
            Self::Expose => "the link is made again, and what took its place is kept beside it",
            Self::Settle => "it is created, and what took its place is kept beside it",
            Self::Forget => "it is forgotten",
            Self::Nothing => "nothing",
        }
    }
}

impl fmt::Display for Repair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
