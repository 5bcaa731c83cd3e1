//! The main job against real servers: `git daemon`, smart HTTP, a real `sshd` and `file://`, as the command line does it.
//!
//! Every server gets the same questions, so a law that holds for one holds for all. What goes wrong is in `bad_network`.
//! Limits: no TLS (tested in the library).

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

#[path = "servers/world.rs"]
mod world;
#[path = "servers/schemes.rs"]
mod schemes;
#[path = "servers/tags.rs"]
mod tags;
#[path = "servers/refs.rs"]
mod refs;
#[path = "servers/logs.rs"]
mod logs;
#[path = "servers/subdirectories.rs"]
mod subdirectories;
#[path = "servers/attributes.rs"]
mod attributes;
#[path = "servers/logins.rs"]
mod logins;
#[path = "servers/credentials.rs"]
mod credentials;
#[path = "servers/refusals.rs"]
mod refusals;
#[path = "servers/sharing.rs"]
mod sharing;
#[path = "servers/crowd.rs"]
mod crowd;
#[path = "servers/ssh.rs"]
mod ssh;
#[path = "servers/host.rs"]
mod host;
#[path = "servers/ways.rs"]
mod ways;
#[path = "servers/remotes.rs"]
mod remotes;
#[path = "servers/fronts.rs"]
mod fronts;
#[path = "servers/commands.rs"]
mod commands;
