//! [`FailureCode`]: a stable name for the cause of a failure, for programs.

use std::fmt;

/// Why a module failed: one name for one cause. A name never changes its meaning; new ones may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureCode {
    /// The server has no such repository, or does not show it to this user.
    NoSuchRepository,
    /// The repository has no such branch or tag.
    NoSuchReference,
    /// The name stands for a branch and a tag, or for several commits.
    AmbiguousReference,
    /// The repository has no commit yet.
    EmptyRepository,
    /// The server does not have the commit, or does not give it.
    NoSuchCommit,
    /// The module's subdirectory is not in the repository or archive, or a linked directory is not there.
    NoSuchDirectory,
    /// A login was refused, is missing, or is of a kind that is not supported.
    Authentication,
    /// The host name could not be resolved.
    NameResolution,
    /// No connection, or one that was refused or broke off.
    Connection,
    /// The proxy refused.
    Proxy,
    /// No trust in the server: TLS, or an ssh host key.
    Untrusted,
    /// A time limit: no answer, silence, or too little progress.
    Timeout,
    /// The server is overloaded or asks to be left alone for a while: HTTP 429, 503.
    RateLimited,
    /// The server failed, by an HTTP status or in its own words.
    Server,
    /// The answer is not git's, is not understood, or leads elsewhere.
    Protocol,
    /// A limit on what foreign data may cost.
    Limit,
    /// The data is damaged or is not what its name promises: a pack, an archive, its checksum.
    Corrupt,
    /// The tree holds what no module may hold.
    RefusedTree,
    /// The repository has submodules, which are not fetched.
    Submodule,
    /// `--offline` was given.
    Offline,
    /// `modules.lock` lacks the module, or has another source or tree for it.
    Lock,
    /// The disk or the store: full, not writable, in use.
    Store,
    /// A program of this machine could not be run: git, ssh, a credential helper.
    Program,
    /// The source is not one that can be fetched.
    Source,
    /// The build is not allowed in this store.
    BuildNotAllowed,
    /// The build failed.
    Build,
    /// The built module did not pass its validation.
    Validation,
    /// A requirement could not be installed or does not fit.
    Requirement,
    /// The module cannot be imported.
    Import,
    /// The installer failed.
    Install,
    /// The Python interpreter or its environment cannot be used.
    Environment,
    /// The command was interrupted.
    Cancelled,
}

impl FailureCode {
    /// The name, as programs read it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NoSuchRepository => "no-such-repository",
            Self::NoSuchReference => "no-such-reference",
            Self::AmbiguousReference => "ambiguous-reference",
            Self::EmptyRepository => "empty-repository",
            Self::NoSuchCommit => "no-such-commit",
            Self::NoSuchDirectory => "no-such-directory",
            Self::Authentication => "authentication",
            Self::NameResolution => "name-resolution",
            Self::Connection => "connection",
            Self::Proxy => "proxy",
            Self::Untrusted => "untrusted",
            Self::Timeout => "timeout",
            Self::RateLimited => "rate-limited",
            Self::Server => "server",
            Self::Protocol => "protocol",
            Self::Limit => "limit",
            Self::Corrupt => "corrupt",
            Self::RefusedTree => "refused-tree",
            Self::Submodule => "submodule",
            Self::Offline => "offline",
            Self::Lock => "lock",
            Self::Store => "store",
            Self::Program => "program",
            Self::Source => "source",
            Self::BuildNotAllowed => "build-not-allowed",
            Self::Build => "build",
            Self::Validation => "validation",
            Self::Requirement => "requirement",
            Self::Import => "import",
            Self::Install => "install",
            Self::Environment => "environment",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
