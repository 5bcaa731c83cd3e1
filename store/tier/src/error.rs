//! Why a place did not do what it was asked.

/// Why a place did not do what it was asked. None of it says anything of the module that was wanted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TierError {
    /// No connection.
    #[error("{place} cannot be reached: {cause}")]
    Unreachable {
        /// Its address, without a secret.
        place: String,
        /// What was said.
        cause: String,
    },
    /// The place refused: no rights, a wrong key, an expired token.
    #[error("{place} refused: {cause}")]
    Refused {
        /// Its address, without a secret.
        place: String,
        /// Its own words.
        cause: String,
    },
    /// The place has too much to do, or is ill.
    #[error("{place} is not able to answer now: {cause}")]
    Busy {
        /// Its address, without a secret.
        place: String,
        /// Its own words.
        cause: String,
    },
    /// A directory that cannot be read or written, or a connection that broke.
    #[error("{place}: {source}")]
    Io {
        /// Its address, without a secret.
        place: String,
        /// The cause.
        source: std::io::Error,
    },
    /// An object that is longer than what is read of one.
    #[error("{place}: {key} is longer than {most} bytes, the most that is read of an object")]
    TooLong {
        /// Its address, without a secret.
        place: String,
        /// The name of the object.
        key: crate::Key,
        /// `max-object`.
        most: u64,
    },
    /// The command was asked to stop.
    #[error("stopped before it was finished")]
    Cancelled,
}

impl TierError {
    /// An error for an object that says it is longer than what is read of one. One that does not say is cut while it is read.
    pub(crate) fn unless_within(
        most: u64,
        length: Option<u64>,
        place: &str,
        key: &crate::Key,
    ) -> Result<(), Self> {
        match length {
            Some(length) if length > most => {
                Err(Self::TooLong { place: place.to_owned(), key: key.clone(), most })
            }
            _ => Ok(()),
        }
    }
}
