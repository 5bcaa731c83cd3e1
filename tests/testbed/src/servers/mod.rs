//! Other servers, addresses without one, and networks that a test can cut.

mod process;
mod git_daemon;
mod ssh;
mod wire;
mod far_wire;
mod tls_front;
mod proxy;
mod scripted;
mod ports;
mod cut_network;
mod lfs;
mod giftless;
mod seaweedfs;
mod nginx;
mod request_log;

pub use cut_network::CutNetwork;
pub use far_wire::FarWire;
pub use giftless::Giftless;
pub use git_daemon::GitDaemon;
pub use lfs::{LfsFault, LfsRequest, LfsServer};
pub use nginx::Nginx;
pub use ports::{BlackHole, RefusedPort};
pub use proxy::Proxy;
pub use request_log::RequestLog;
pub use scripted::ScriptedServer;
pub use seaweedfs::SeaweedFs;
pub use ssh::SshServer;
pub use tls_front::{Certificate, TlsFront};
pub use wire::Wire;
