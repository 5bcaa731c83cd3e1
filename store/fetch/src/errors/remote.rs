//! Why a server could not be used, in words and in a class that says whether trying again helps.
//!
//! Nothing here holds a secret: URLs are redacted before they come in, and what a server says is
//! cut to a few lines.
//!
//! Limits: says nothing about objects; a pack that does not decode is the receiver's error.

use std::{error::Error, io, time::Duration};

use gix::ObjectId;

pub use modstore_core::model::Class;

/// An error of another library, kept for the chain.
pub type Cause = Box<dyn Error + Send + Sync>;

/// How far a conversation had come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// No server has answered yet.
    Connect,
    /// It was asked what it has.
    List,
    /// It was asked for a pack.
    Fetch,
}

/// Why the host's git configuration could not be read. Nothing was asked of any server.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// The minimal repository could not be made in the scratch directory.
    #[error("could not prepare {path} to read the host's git configuration")]
    Scratch {
        /// The scratch directory.
        path: std::path::PathBuf,
        /// What the file system said.
        source: io::Error,
    },
    /// A git configuration file of this host does not parse.
    #[error("could not read the host's git configuration")]
    Configuration {
        /// What git's rules say about it.
        source: Cause,
    },
}

/// What went wrong between us and a server.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// An HTTP status that is not success.
    #[error("the server answered with HTTP status {status}")]
    Status {
        /// The status.
        status: u16,
        /// How long the server asked us to stay away.
        retry_after: Option<Duration>,
    },
    /// The host name means nothing to the resolver.
    #[error("the host name could not be resolved")]
    UnknownHost {
        /// What the resolver said.
        source: Option<Cause>,
    },
    /// Nobody listens there, or there is no way there.
    #[error("the connection was refused")]
    Refused {
        /// What the system said.
        source: Option<Cause>,
    },
    /// No connection within [`Limits::connect`](crate::limits::Limits::connect).
    #[error("no connection within {}", seconds(.0))]
    ConnectLimit(Duration),
    /// No byte within [`Limits::idle`](crate::limits::Limits::idle).
    #[error("the server was silent for {}", seconds(.0))]
    Idle(Duration),
    /// It was not silent, but sent less of what was asked for than [`Limits::rate`](crate::limits::Limits::rate)
    /// says, for all the time that [`Limits::progress`](crate::limits::Limits::progress) allows.
    #[error("the server made no progress for {}, or less than {rate} bytes a second", seconds(.over))]
    Slow {
        /// The lowest rate, in bytes a second.
        rate: u64,
        /// The time.
        over: Duration,
    },
    /// All about one repository took longer than [`Limits::fetch`](crate::limits::Limits::fetch).
    #[error("the fetch took longer than {}", seconds(.0))]
    Overlong(Duration),
    /// Too many bytes besides what was asked for: headers, progress, keep-alives, trailers, what follows a pack.
    #[error("the server sent more than {} MiB besides what was asked for", .0 >> 20)]
    Chatter(u64),
    /// A program that knows logins did not answer in time, or said too much.
    #[error("a credential helper could not be used: {0}")]
    Helper(String),
    /// The server hung up before it had said everything.
    #[error("the connection broke off")]
    Dropped {
        /// What the system said.
        source: Option<Cause>,
    },
    /// No trust, or no TLS at all on that port.
    #[error("a secure connection could not be made")]
    Tls {
        /// What the TLS library said.
        source: Cause,
    },
    /// The proxy did not let us through.
    #[error("the proxy refused: {0}")]
    Proxy(String),
    /// The server wants to know who we are.
    #[error("{}", if *.tried { "the login was not accepted" } else { "the server wants a login, and none is configured" })]
    Login {
        /// Whether a login was offered.
        tried: bool,
    },
    /// The server wants a login of a kind that is not known here.
    #[error("the server wants a login by {0}, and only Basic is supported")]
    KindOfLogin(String),
    /// A login would have been readable by anyone on the way. It was not sent.
    #[error("the login was not sent over plain http")]
    ClearText,
    /// The redirect leads to something that is not the same repository, or to less security.
    #[error("the server redirects to a place that is not followed: {0}")]
    Redirect(String),
    /// The server has no such repository, or does not show it to us.
    #[error("the server has no such repository, or does not show it: {0}")]
    NoRepository(String),
    /// The server refuses to give that commit.
    #[error("the server does not give that commit: {0}")]
    NotOurs(String),
    /// The branch was pushed over between its listing and its fetch.
    #[error("the branch was moved while it was fetched")]
    Moved,
    /// The server stopped with a message.
    #[error("the server says: {0}")]
    Said(String),
    /// A program of this host that talks to the server could not be started.
    #[error("could not start {program}")]
    Start {
        /// Its name.
        program: String,
        /// What the system said.
        source: io::Error,
    },
    /// The ssh client does not trust the server's key.
    #[error("the server's key is not trusted: {0}")]
    HostKey(String),
    /// The server does not speak git or HTTP, or not as much of it as is needed.
    #[error("the server's answer is not understood")]
    Protocol {
        /// What was expected.
        source: Cause,
    },
    /// Somebody wished to stop.
    #[error("cancelled")]
    Cancelled,
}

/// Whether the machine lacks open files, processes or memory, which others may give back.
fn is_shortage(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let short = [Errno::MFILE, Errno::NFILE, Errno::AGAIN, Errno::NOMEM];
    error.raw_os_error().is_some_and(|code| short.iter().any(|errno| errno.raw_os_error() == code))
}

impl Fault {
    /// Whether trying again may help.
    pub fn class(&self) -> Class {
        match self {
            Fault::Status { status: 408 | 425 | 429 | 500..=599, .. }
            | Fault::UnknownHost { .. }
            | Fault::Refused { .. }
            | Fault::ConnectLimit(_)
            | Fault::Idle(_)
            | Fault::Slow { .. }
            | Fault::Overlong(_)
            | Fault::Chatter(_)
            | Fault::Helper(_)
            | Fault::Dropped { .. }
            | Fault::Moved
            | Fault::Said(_)
            | Fault::Cancelled => Class::Transient,
            Fault::Start { source, .. } if is_shortage(source) => Class::Transient,
            Fault::Status { .. }
            | Fault::Tls { .. }
            | Fault::Proxy(_)
            | Fault::Login { .. }
            | Fault::ClearText
            | Fault::KindOfLogin(_)
            | Fault::Redirect(_)
            | Fault::NoRepository(_)
            | Fault::NotOurs(_)
            | Fault::Start { .. }
            | Fault::HostKey(_)
            | Fault::Protocol { .. } => Class::Permanent,
        }
    }

    /// The next thing a person can do, if there is one.
    pub fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::Status { status: 404 | 410, .. } | Fault::NoRepository(_) => {
                "check the spelling; a private repository looks the same to someone who is not logged in".into()
            }
            Fault::Status { status: 403, .. } => "this login may not read the repository".into(),
            Fault::Status { status: 429, retry_after: Some(wait) } => {
                format!("the server asks to wait {}", seconds(wait))
            }
            Fault::UnknownHost { .. } => "check the host name and that this machine is online".into(),
            Fault::Tls { .. } => {
                "check that the port speaks TLS, and http.sslCAInfo in the git configuration".into()
            }
            Fault::Login { tried: false } => {
                "configure a git credential helper or an ssh key for this host".into()
            }
            Fault::Login { tried: true } => {
                "renew the token or key this host's git configuration gives".into()
            }
            Fault::KindOfLogin(_) => "let the server offer Basic over https, or use ssh".into(),
            Fault::ClearText => "use https; plain http with a login is accepted for this machine only".into(),
            Fault::NotOurs(_) => {
                "check the commit id; some servers give only commits that a branch or tag reaches".into()
            }
            Fault::Start { source, .. } if is_shortage(source) => {
                "raise the limits of this machine on open files, processes and memory (`ulimit -a`)".into()
            }
            Fault::Start { program, .. } => format!("install {program}, or correct the git configuration that names it"),
            Fault::HostKey(_) => "connect once with ssh by hand, and compare the key".into(),
            Fault::Said(said) if said.contains("dubious ownership") => {
                "add the repository to git's safe.directory".into()
            }
            Fault::Said(_) => "that is what the server says; whoever runs it can tell more".into(),
            Fault::Status { status: 429, retry_after: None } => "the server has too many requests; try again later".into(),
            Fault::Status { status: 500..=599, .. } => "the server is in trouble; try again later".into(),
            Fault::Status { .. } | Fault::Protocol { .. } => {
                "check that the address is that of a git repository, and not of a page about one".into()
            }
            Fault::Refused { .. } => "check that the server runs, and the port in the address".into(),
            Fault::ConnectLimit(_) => {
                "check the network and try again, or allow more time with MODSTORE_CONNECT_TIMEOUT".into()
            }
            Fault::Idle(_) => {
                "check the network and try again, or allow more time with MODSTORE_IDLE_TIMEOUT".into()
            }
            Fault::Slow { .. } => {
                "try again later, or allow more with MODSTORE_PROGRESS_TIMEOUT (seconds) or MODSTORE_LOWEST_RATE (bytes a second)".into()
            }
            Fault::Overlong(_) => "allow more time with MODSTORE_FETCH_TIMEOUT, in seconds".into(),
            Fault::Chatter(_) => "an honest server sends far less; ask whoever runs it".into(),
            Fault::Helper(_) => {
                "run `git credential fill` to see what it does, or allow more time with MODSTORE_PROGRESS_TIMEOUT".into()
            }
            Fault::Dropped { .. } | Fault::Moved => "try again".into(),
            Fault::Proxy(_) => "check http.proxy in the git configuration, and http_proxy and no_proxy".into(),
            Fault::Redirect(_) => "find out where the repository is now, and correct the module's source".into(),
            Fault::Cancelled => return None,
        })
    }

    /// Whether the way to the server, or the server as a whole, is what failed: not this repository of it.
    pub const fn is_network(&self) -> bool {
        matches!(
            self,
            Fault::Status { status: 408 | 429 | 500..=599, .. }
                | Fault::UnknownHost { .. }
                | Fault::Refused { .. }
                | Fault::ConnectLimit(_)
                | Fault::Idle(_)
                | Fault::Slow { .. }
                | Fault::Helper(_)
                | Fault::Dropped { .. }
        )
    }

    /// How long the server asked us to stay away.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Fault::Status { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

/// Why a Source's commit could not be named. Nothing was received.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// This is not an address to fetch from.
    #[error("{url} is not an address git can fetch from")]
    Address {
        /// Redacted.
        url: String,
        /// What is wrong with it, where that can be told without repeating it.
        source: Option<Cause>,
    },
    /// The host's git configuration says never.
    #[error("this host's git configuration does not allow fetching from {url}")]
    Forbidden {
        /// Redacted.
        url: String,
        /// As in `protocol.<scheme>.allow`.
        scheme: String,
    },
    /// The network is not to be used.
    #[error("{url} was not asked, because the network is not to be used")]
    Offline {
        /// Redacted.
        url: String,
    },
    /// The conversation failed.
    #[error("{} {url}", match .stage { Stage::Connect => "could not reach", Stage::List => "could not list", Stage::Fetch => "could not fetch from" })]
    Failed {
        /// How far it had come.
        stage: Stage,
        /// Redacted.
        url: String,
        /// Why.
        source: Fault,
    },
    /// The repository has neither a branch nor a tag of that name.
    #[error("{url} has no branch or tag named {name}{}", near_names(.near))]
    NoSuchRef {
        /// Redacted.
        url: String,
        /// What was asked for.
        name: String,
        /// Up to ten that exist, the nearest spelling first.
        near: Vec<String>,
    },
    /// The name is a branch and a tag, and they are not the same commit.
    #[error("{name} is a branch ({branch}) and a tag ({tag}) in {url}")]
    Ambiguous {
        /// Redacted.
        url: String,
        /// What was asked for.
        name: String,
        /// The commit of `refs/heads/<name>`.
        branch: ObjectId,
        /// The commit of `refs/tags/<name>`.
        tag: ObjectId,
    },
    /// The repository has no commit yet.
    #[error("{url} has no commits")]
    Empty {
        /// Redacted.
        url: String,
    },
}

impl RemoteError {
    /// Whether trying again may help.
    pub fn class(&self) -> Class {
        match self {
            RemoteError::Failed { source, .. } => source.class(),
            RemoteError::Offline { .. } => Class::Transient,
            _ => Class::Permanent,
        }
    }

    /// How far the conversation had come.
    pub fn stage(&self) -> Stage {
        match self {
            RemoteError::Failed { stage, .. } => *stage,
            RemoteError::Address { .. }
            | RemoteError::Forbidden { .. }
            | RemoteError::Offline { .. } => Stage::Connect,
            RemoteError::NoSuchRef { .. }
            | RemoteError::Ambiguous { .. }
            | RemoteError::Empty { .. } => Stage::List,
        }
    }

    /// What went wrong between us and the server, if that is what it was.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            RemoteError::Failed { source, .. } => Some(source),
            _ => None,
        }
    }

    /// The next thing a person can do, if there is one.
    pub fn hint(&self) -> Option<String> {
        match self {
            RemoteError::Failed { source, .. } => source.hint(),
            RemoteError::Forbidden { scheme, .. } => {
                Some(format!("see protocol.{scheme}.allow in the git configuration"))
            }
            RemoteError::Offline { .. } => Some("try again without --offline".into()),
            RemoteError::Ambiguous { name, .. } => {
                Some(format!("write refs/heads/{name} or refs/tags/{name}"))
            }
            RemoteError::Address { .. } => Some("correct the module's source".into()),
            RemoteError::NoSuchRef { name, .. } if name == "HEAD" => {
                Some("it has no default branch; name one as @BRANCH in the module's source".into())
            }
            RemoteError::NoSuchRef { .. } => {
                Some("correct what stands behind @ in the module's source".into())
            }
            RemoteError::Empty { .. } => Some("push a first commit to it".into()),
        }
    }
}

/// Why a pack was not received. What the receiver has written so far is the receiver's to remove.
#[derive(Debug, thiserror::Error)]
pub enum FetchError<E: Error + 'static> {
    /// The conversation failed.
    #[error(transparent)]
    Remote(RemoteError),
    /// The pack came, and the receiver could not use it.
    #[error("could not use the pack from {url}")]
    Receive {
        /// Redacted.
        url: String,
        /// What the receiver said.
        source: E,
    },
}

fn seconds(duration: &Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} ms", duration.as_millis())
    }
}

fn near_names(near: &[String]) -> String {
    match near {
        [] => String::new(),
        near => format!("; it has {}", near.join(", ")),
    }
}
