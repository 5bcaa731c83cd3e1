//! [`SubmoduleError`]: a submodule that is refused before anything is asked of any server.

use gix::bstr::BString;
use modstore_core::model::{Class, FailureCode};

use crate::tree_rules::RejectReason;

/// What `.gitmodules`, or the repositories behind it, must not have. Nothing was asked of a server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmoduleError {
    /// The file is not one of git's configuration files.
    #[error("its .gitmodules cannot be read")]
    Unreadable {
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file is too long.
    #[error("its .gitmodules of {size} bytes is over the limit of {limit}")]
    TooLong {
        /// How long it is.
        size: u64,
        /// What is allowed.
        limit: u64,
    },
    /// A name that git, or a program that git runs, could take for something else.
    #[error("{name:?} is not the name of a submodule")]
    Name {
        /// The name.
        name: BString,
    },
    /// A path that is none in the tree.
    #[error("the path {path:?} of submodule {name:?} is refused: {reason}")]
    Path {
        /// The submodule.
        name: BString,
        /// Its path.
        path: BString,
        /// The rule that it breaks.
        reason: RejectReason,
    },
    /// Something on the way to it is a link.
    #[error("{link:?}, on the way to submodule {name:?}, is a symbolic link")]
    Link {
        /// The submodule.
        name: BString,
        /// The link.
        link: BString,
    },
    /// Nothing says where it comes from.
    #[error("submodule {name:?} has no url")]
    NoUrl {
        /// The submodule.
        name: BString,
    },
    /// Its url is not that of a repository.
    #[error("{url:?} is not the url of a repository")]
    Url {
        /// The url, without any secret.
        url: String,
    },
    /// A command, or a word that git does not know, says how it is checked out.
    #[error("`update = {value}` of submodule {name:?} is not allowed")]
    Update {
        /// The submodule.
        name: BString,
        /// What it says.
        value: BString,
    },
    /// A protocol that only a person may ask for.
    #[error(
        "a submodule may not come by the protocol `{scheme}`, which was not allowed to repositories"
    )]
    Protocol {
        /// The protocol.
        scheme: String,
    },
    /// More submodules than any repository in good faith has.
    #[error("it has more than {limit} submodules")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// Submodules in submodules in submodules.
    #[error("its submodules are nested deeper than {limit}")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A submodule that leads back to itself.
    #[error("it is the commit of one of the submodules that it is in")]
    Loop,
    /// A path is wanted that is no submodule.
    #[error("there is no submodule at or below `{path}`{}", there(.submodules))]
    NoSuch {
        /// The path.
        path: String,
        /// Where submodules are.
        submodules: Vec<String>,
    },
}

fn there(submodules: &[String]) -> String {
    match submodules {
        [] => " (there is none at all)".to_owned(),
        paths => format!(" (there are: {})", paths.join(", ")),
    }
}

impl SubmoduleError {
    /// When it is worth trying again.
    #[must_use]
    pub const fn class(&self) -> Class {
        Class::Permanent
    }

    /// The cause, as programs read it.
    #[must_use]
    pub const fn code(&self) -> FailureCode {
        match self {
            Self::TooLong { .. } | Self::TooMany { .. } | Self::TooDeep { .. } => {
                FailureCode::Limit
            }
            Self::NoSuch { .. } => FailureCode::NoSuchDirectory,
            _ => FailureCode::Submodule,
        }
    }

    /// The next thing to do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Protocol { scheme } => format!(
                "git refuses it too; `git config --global protocol.{scheme}.allow always` allows it"
            ),
            Self::NoSuch { .. } => "correct `submodules` of the module in modules.toml".to_owned(),
            _ => {
                "set `submodules = false` for the module, or name those that are wanted".to_owned()
            }
        }
    }
}
