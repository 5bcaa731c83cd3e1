//! [`Submodules`]: which submodules of a repository are wanted.

use modstore_core::model::{Contents, Submodules as Wanted};
use schemars::JsonSchema;
use serde::Serialize;

/// Which submodules of a repository are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub(crate) enum Submodules {
    /// All of them, or none.
    All(bool),
    /// Those at or below these paths.
    At(Vec<String>),
}

impl From<&Wanted> for Submodules {
    fn from(wanted: &Wanted) -> Self {
        match wanted {
            Wanted::All => Self::All(true),
            Wanted::None => Self::All(false),
            Wanted::At(paths) => Self::At(paths.iter().map(ToString::to_string).collect()),
        }
    }
}

/// In words, what is wanted that is not usual.
pub(crate) fn unusual(contents: &Contents) -> Option<String> {
    let submodules = match &contents.submodules {
        Wanted::All => None,
        Wanted::None => Some("without submodules".to_owned()),
        Wanted::At(paths) => {
            let paths: Vec<&str> = paths.iter().map(|path| path.as_str()).collect();
            Some(format!("of its submodules {}", paths.join(", ")))
        }
    };
    let lfs = contents.lfs.then(|| "with Git LFS".to_owned());
    let words: Vec<String> = submodules.into_iter().chain(lfs).collect();
    Some(words.join("; ")).filter(|words| !words.is_empty())
}
