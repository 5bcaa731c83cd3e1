//! What the tests share: real git repositories, real servers with faults, real file systems, a store of its own.
//!
//! A test makes a [`Repo`], serves it ([`GitDaemon`], [`HttpServer`], [`SshServer`] or `file://`), and runs the command
//! line in a [`TestHome`]. Everything listens on loopback, on ports the kernel chose, and is gone when its value is
//! dropped or when the test process dies.
//!
//! Helpers panic, with everything the failing program said: a panic is how a test fails.
//! Not here: assertions about the store itself, which each kind of law makes for itself.

mod skip;
mod chance;
mod listing;
mod git;
mod repo;
mod server_process;
mod git_daemon;
mod pkt_line;
mod faults;
mod pack_stream;
mod http;
mod cgi;
mod http_server;
mod ports;
mod wire;
mod ssh_server;
mod running;
mod home;
mod host;
mod strace;
mod mounts;
mod netns;
mod python;
pub mod sabotage;

pub use chance::Chance;
pub use faults::Fault;
pub use git::git;
pub use git_daemon::GitDaemon;
pub use home::TestHome;
pub use host::Host;
pub use http_server::{HttpServer, Seen, Stats};
pub use listing::{Item, listing};
pub use mounts::{Luck, Mount};
pub use netns::CutNetwork;
pub use ports::{BlackHole, RefusedPort};
pub use python::{Backend, Project, Python, PythonTools, Venv};
pub use repo::{Change, Repo};
pub use running::{Ran, Running, on_terminal, until};
pub use skip::skip_loudly;
pub use ssh_server::SshServer;
pub use strace::has_strace;
pub use wire::Wire;
