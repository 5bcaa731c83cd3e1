//! [`FailureCode`]: a stable name for the cause of a failure, for programs.

use std::fmt;

macro_rules! codes {
    ($(#[doc = $meaning:literal] $code:ident = $name:literal,)+) => {
        /// Why a module failed: one name for one cause. A name never changes its meaning; new ones may come.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum FailureCode { $(#[doc = $meaning] $code,)+ }

        impl FailureCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$code,)+];

            /// The name, as programs read it.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$code => $name,)+ }
            }

            /// What it means, in a sentence.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$code => $meaning.trim_ascii(),)+ }
            }
        }
    };
}

codes! {
    /// The server has no such repository, or does not show it to this user.
    NoSuchRepository = "no-such-repository",
    /// The repository has no such branch or tag.
    NoSuchReference = "no-such-reference",
    /// The name stands for a branch and a tag, or for several commits.
    AmbiguousReference = "ambiguous-reference",
    /// The repository has no commit yet.
    EmptyRepository = "empty-repository",
    /// The server does not have the commit, or does not give it.
    NoSuchCommit = "no-such-commit",
    /// The repository is in an object format that is not supported: its ids are not SHA-1.
    ObjectFormat = "object-format",
    /// The server does not have the content of a Git LFS file.
    NoSuchContent = "no-such-content",
    /// The module's subdirectory is not in the repository or archive, or a linked directory is not there.
    NoSuchDirectory = "no-such-directory",
    /// The server has the repository and does not give it out: disabled, archived, taken down.
    Unavailable = "unavailable",
    /// A quota of the repository or of its owner is used up.
    Quota = "quota",
    /// A login was refused, is missing, lacks a right, or is of a kind that is not supported.
    Authentication = "authentication",
    /// The host name could not be resolved.
    NameResolution = "name-resolution",
    /// No connection, or one that was refused or broke off.
    Connection = "connection",
    /// The proxy refused.
    Proxy = "proxy",
    /// No trust in the server: TLS, an ssh host key, or the owner of a repository on this machine.
    Untrusted = "untrusted",
    /// A time limit: no answer, silence, or too little progress.
    Timeout = "timeout",
    /// The server is overloaded, or limits the rate of requests: HTTP 429, 503, or in its own words.
    RateLimited = "rate-limited",
    /// The server failed or refused, by an HTTP status or in its own words.
    Server = "server",
    /// The answer is not git's, is not understood, or leads elsewhere.
    Protocol = "protocol",
    /// A limit on what foreign data may cost.
    Limit = "limit",
    /// The data is damaged or is not what its name promises: a pack, an archive, its checksum.
    Corrupt = "corrupt",
    /// The tree holds what no module may hold.
    RefusedTree = "refused-tree",
    /// A submodule is refused, or what `.gitmodules` says of it.
    Submodule = "submodule",
    /// No tier has the content, and a tier with `fallback = false` says not to ask git for it.
    NotInTier = "not-in-tier",
    /// `--offline` was given.
    Offline = "offline",
    /// `modules.lock` lacks the module, or has another source or tree for it.
    Lock = "lock",
    /// The disk or the store: full, not writable, in use.
    Store = "store",
    /// A program of this machine could not be run: git, ssh, a credential helper.
    Program = "program",
    /// The source is not one that can be fetched.
    Source = "source",
    /// The name that was asked for is the name of another source.
    NameTaken = "name-taken",
    /// The file that was asked for is not in the module.
    NoSuchFile = "no-such-file",
    /// The module is held without a version: a rollback took back its first one.
    Held = "held",
    /// Another process has removed the module meanwhile.
    Superseded = "superseded",
    /// The module cannot keep what `keep` names: upstream has a link or a file in the way.
    Keep = "keep",
    /// The build is not allowed in this store.
    BuildNotAllowed = "build-not-allowed",
    /// The build failed.
    Build = "build",
    /// The built module did not pass its validation.
    Validation = "validation",
    /// A requirement could not be installed or does not fit.
    Requirement = "requirement",
    /// The module cannot be imported.
    Import = "import",
    /// The installer failed.
    Install = "install",
    /// The Python interpreter or its environment cannot be used.
    Environment = "environment",
    /// The command was interrupted.
    Cancelled = "cancelled",
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
