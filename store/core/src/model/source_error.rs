//! [`ParseSourceError`]: where a source stops making sense, what was expected there, what to write.
//!
//! Nothing in it holds a secret: text, position and suggestion are made from the redacted text.

use super::written::redact;
use super::{ParseReferenceError, ParseSubdirectoryError};

/// A text is not a source. Nothing has been changed.
///
/// The command line shows `text` with a caret below byte `at`, then the suggestion as a hint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a source: expected {expected} at byte {at}")]
pub struct ParseSourceError {
    /// What was written, with its secrets replaced by `***`.
    pub text: String,
    /// The byte offset into `text` where reading stopped.
    pub at: usize,
    /// What should have been there.
    pub expected: Expected,
    /// What the author may have meant, to be printed after "write" or "try".
    pub suggestion: Option<String>,
}

/// What should have been where a source stopped making sense, as a noun phrase.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Expected {
    /// Any source at all.
    #[error("a source: git+https://host/path, user@host:path, ./directory or archive+https://…")]
    Source,
    /// A source without spaces, control characters or backslashes.
    #[error("no {0:?} in a URL")]
    NoCharacter(char),
    /// A scheme this program knows.
    #[error("a scheme: git+https, git+ssh, git+file, archive+https, …")]
    Scheme,
    /// A `git+` or `archive+` before a URL that can mean several things.
    #[error(
        "`git+` for a repository or `archive+` for an archive before a URL that does not end in .git"
    )]
    Kind,
    /// A plain path, because Windows paths are not supported.
    #[error("a path with `/` that begins with `/`, `./`, `../` or `~/`")]
    UnixPath,
    /// `~/`, because the homes of others are not looked up.
    #[error("`~/`, because other people's home directories are not looked up")]
    OwnHome,
    /// A known home directory.
    #[error("a path without `~`, because the home directory is not known")]
    KnownHome,
    /// A user name that cannot be an option.
    #[error("a user name")]
    User,
    /// A secret that is not the replacement for one.
    #[error("the secret itself, which is replaced by `***` wherever it is printed")]
    UnhiddenSecret,
    /// A host name.
    #[error("a host name")]
    Host,
    /// No host, or `localhost`, in a `file://` URL.
    #[error("an absolute path after file://")]
    FilePath,
    /// A port number.
    #[error("a port number from 1 to 65535")]
    Port,
    /// A path on the host.
    #[error("the path of a repository")]
    Path,
    /// A path without `..`.
    #[error("a path without `..`")]
    NoParent,
    /// No query.
    #[error(
        "no query, because a `?…` may hold a secret and would be part of the repository's name"
    )]
    NoQuery,
    /// A repository, where a page of a forge was given.
    #[error("a repository, not a page about one")]
    Repository,
    /// A ref after `@`.
    #[error("the name of a git ref or a commit id ({0})")]
    Reference(&'static str),
    /// `key=value` in a fragment.
    #[error("`subdirectory=…`, not `{0}`")]
    FragmentKey(String),
    /// A key in a fragment once.
    #[error("`{0}` only once")]
    Once(String),
    /// A subdirectory of the tree.
    #[error("a subdirectory ({0})")]
    Subdirectory(ParseSubdirectoryError),
    /// Which submodules.
    #[error("`true`, `false`, or paths without `..`, separated by commas")]
    Submodules,
    /// Yes or no.
    #[error("`true` or `false`")]
    Flag,
    /// The checksum of an archive.
    #[error(
        "`#sha256=` and 64 hex digits, because an archive is only taken if it is the one meant"
    )]
    Sha256,
    /// An archive this program can read.
    #[error(
        "an archive whose name ends in .tar.gz, .tgz, .tar.zst or .zip, or the address of one at a forge"
    )]
    ArchiveName,
}

impl From<ParseReferenceError> for Expected {
    fn from(error: ParseReferenceError) -> Self {
        Self::Reference(error.rule())
    }
}

impl From<ParseSubdirectoryError> for Expected {
    fn from(error: ParseSubdirectoryError) -> Self {
        Self::Subdirectory(error)
    }
}

/// Why some part of a source was refused, before it is known what the whole text is.
#[derive(Debug)]
pub(super) struct Refusal {
    at: usize,
    expected: Expected,
    suggestion: Option<String>,
}

impl Refusal {
    pub(super) fn new(at: usize, expected: impl Into<Expected>) -> Self {
        Self { at, expected: expected.into(), suggestion: None }
    }

    pub(super) fn suggest(mut self, suggestion: impl Into<String>) -> Self {
        self.suggestion = Some(suggestion.into());
        self
    }

    /// The refusal of a part that begins at byte `by` of the whole.
    pub(super) fn shifted(mut self, by: usize) -> Self {
        self.at += by;
        self
    }

    pub(super) fn in_text(self, text: &str) -> ParseSourceError {
        let redacted = redact(text);
        // A secret that stands elsewhere in the suggestion may not look like one there.
        let suggestion = self
            .suggestion
            .map(|suggestion| redact(&suggestion).text)
            .filter(|suggestion| !redacted.secrets(text).any(|secret| suggestion.contains(secret)));
        ParseSourceError {
            at: redacted.offset(self.at),
            text: redacted.text,
            expected: self.expected,
            suggestion,
        }
    }
}
