//! [`Transport`]: who speaks to HTTP servers, where a person says so.

use std::str::FromStr;

/// Who speaks to HTTP servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Transport {
    /// This process, and git where a setting of git asks for what only git can do.
    #[default]
    Auto,
    /// git, always.
    Git,
}

/// Neither `auto` nor `git`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expected `auto` or `git`")]
pub struct ParseTransportError;

impl FromStr for Transport {
    type Err = ParseTransportError;

    fn from_str(text: &str) -> Result<Self, ParseTransportError> {
        match text {
            "auto" => Ok(Self::Auto),
            "git" => Ok(Self::Git),
            _ => Err(ParseTransportError),
        }
    }
}
