//! Source → Staged. May be slow; holds no store lock; nothing is visible.

// The network half of a fetch.
pub mod limits;
pub mod network_error;
mod idle;
mod host;
pub mod listing;
mod process;
mod http_agent;
mod http;
mod connect;
mod diagnosis;
pub mod session;
