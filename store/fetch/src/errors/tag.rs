//! [`TagError`]: a tag that does not lead to the commit that the server listed for it.

use gix::{ObjectId, objs::Kind};
use modstore_core::model::FailureCode;

/// A tag does not lead to the commit that the server listed for it. It will not the next time either.
#[derive(Debug, thiserror::Error)]
pub enum TagError {
    /// The tag names something that has no files in it, or no history.
    #[error("{tag} is the tag of a {kind}, and not of a commit")]
    OfNoCommit {
        /// The tag object that was asked for.
        tag: ObjectId,
        /// What it names.
        kind: Kind,
    },
    /// The listing said one thing of the tag, and the tag says another.
    #[error("the tag {tag} leads to {found}, and the server said that it leads to {listed}")]
    LeadsElsewhere {
        /// The tag object that was asked for.
        tag: ObjectId,
        /// The commit that it leads to.
        found: ObjectId,
        /// The commit that was listed.
        listed: ObjectId,
    },
    /// More tags of tags than are followed.
    #[error("the tag {tag} is the first of a chain of more than {limit} tags")]
    Chain {
        /// The tag object that was asked for.
        tag: ObjectId,
        /// The limit.
        limit: usize,
    },
    /// A tag object that cannot be read.
    #[error("the tag {tag} is malformed")]
    Malformed {
        /// The tag object.
        tag: ObjectId,
    },
}

impl TagError {
    /// The cause, as programs read it.
    pub(super) const fn code(&self) -> FailureCode {
        match self {
            Self::OfNoCommit { .. } => FailureCode::NoSuchCommit,
            Self::LeadsElsewhere { .. } => FailureCode::Protocol,
            Self::Chain { .. } => FailureCode::Limit,
            Self::Malformed { .. } => FailureCode::Corrupt,
        }
    }

    /// The next thing to do.
    pub(super) const fn hint(&self) -> &'static str {
        match self {
            Self::OfNoCommit { .. } | Self::Chain { .. } | Self::Malformed { .. } => {
                "name a commit, or a branch or tag of one, in the module's source"
            }
            Self::LeadsElsewhere { .. } => {
                "the server contradicts itself; name the commit in the module's source"
            }
        }
    }
}
