//! How long a server may keep us waiting, how much it may say, and the time that all of it may take.
//!
//! | limit | what it ends |
//! |---|---|
//! | [`Limits::connect`] | a name look-up, a connection, a TLS handshake |
//! | [`Limits::idle`] | silence |
//! | [`Limits::progress`], [`Limits::rate`] | answers without use: keep-alives, progress, interim answers, one byte a second |
//! | [`Limits::fetch`] | everything about one repository together, through redirects, retries and the fall-back |
//! | [`Limits::advertisement`], `CHATTER` | bytes |
//! | [`Limits::copy`] | the bytes of a copy that git makes of a repository |
//! | [`Limits::git_memory`] | the memory of each program that git is while it makes one |

use std::time::Duration;

/// Bytes that one fetch may receive beside what was asked for, however fast they come: headers and interim answers,
/// progress and keep-alives, `shallow` and `ACK` lines, chunk extensions and trailers, the text of an error, what
/// follows a pack. To it comes one byte for each useful one, for servers that send in very small pieces.
pub(crate) const CHATTER: u64 = 4 << 20;

/// Useful bytes a second below which a server uses up its time. Eight fetches at once over 1 KiB/s are above it.
const RATE: u64 = 128;

/// Without a limit of its own, the time without progress is this multiple of [`Limits::idle`].
const IDLE_TIMES: u32 = 5;

/// How long a server may keep us waiting, and how much it may say before we ask for less.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// From the first attempt to a made connection, name look-up and TLS included.
    pub connect: Duration,
    /// The longest wait for the next byte, anywhere in an exchange.
    pub idle: Duration,
    /// The longest wait in one fetch during which no useful byte comes: what a server has to do its work in, as long as
    /// it shows that it lives. A useful byte is one of a listing, of a pack or of a file; see [`Limits::rate`].
    /// Nothing: git's `http.lowSpeedTime`, else five times [`Limits::idle`].
    pub progress: Option<Duration>,
    /// Useful bytes a second that leave the time of [`Limits::progress`] as it is; fewer use it up, more bring it back.
    /// Nothing: git's `http.lowSpeedLimit`, else 128. With 0 any useful byte brings all of it back.
    pub rate: Option<u64>,
    /// The longest that all about one repository may take, from its first connection to its last byte.
    pub fetch: Duration,
    /// Bytes of a listing that names every ref. A longer one is broken off and asked again by name.
    pub advertisement: usize,
    /// Bytes of a repository that git copies for us, where a server gives nothing less.
    pub copy: u64,
    /// Bytes of address space that git may use while it makes such a copy, and each program that it starts.
    pub git_memory: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connect: Duration::from_secs(20),
            idle: Duration::from_secs(60),
            progress: None,
            rate: None,
            fetch: Duration::from_secs(3600),
            advertisement: 256 * 1024,
            copy: 2 << 30,
            git_memory: 8 << 30,
        }
    }
}

impl Limits {
    /// The time without progress and the lowest rate, where git's configuration says this of them.
    pub fn pace(&self, git: LowSpeed) -> (Duration, u64) {
        let is_off = git.limit == Some(0) || git.time == Some(0);
        let time = git.time.filter(|_| !is_off).map(Duration::from_secs);
        let rate = if is_off { Some(0) } else { git.limit };
        (
            self.progress.or(time).unwrap_or(self.idle.saturating_mul(IDLE_TIMES)),
            self.rate.or(rate).unwrap_or(RATE),
        )
    }
}

/// git's `http.lowSpeedLimit` in bytes a second and `http.lowSpeedTime` in seconds. One of them 0 turns both off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LowSpeed {
    pub limit: Option<u64>,
    pub time: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked_for_here_outranks_git_and_git_outranks_the_default() {
        let ours = Limits { idle: Duration::from_secs(3), ..Limits::default() };
        let git = |limit, time| LowSpeed { limit, time };
        let seconds = Duration::from_secs;
        assert_eq!(ours.pace(git(None, None)), (seconds(15), RATE));
        assert_eq!(ours.pace(git(Some(1000), Some(2))), (seconds(2), 1000));
        assert_eq!(ours.pace(git(Some(1000), None)), (seconds(15), 1000));
        assert_eq!(ours.pace(git(Some(1000), Some(0))), (seconds(15), 0));
        let named = Limits { progress: Some(seconds(9)), rate: Some(7), ..ours };
        assert_eq!(named.pace(git(Some(1000), Some(2))), (seconds(9), 7));
    }
}
