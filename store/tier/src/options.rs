//! How a place is spoken to.

use std::time::Duration;

use modstore_core::disk::Disk;

/// How a place is spoken to.
#[derive(Debug, Clone)]
pub struct TierOptions {
    /// The server of an `s3://` place that is not AWS's.
    pub endpoint: Option<String>,
    /// A command that prints a login: a bearer token, or headers.
    pub credentials: Vec<String>,
    /// The longest wait for a connection.
    pub connect_timeout: Duration,
    /// The longest wait for the next byte.
    pub stall_timeout: Duration,
    /// The longest object that is read or written.
    pub max_object: u64,
    /// Whether a directory that is not there is made: for those who publish. Else it is an error.
    pub make_directory: bool,
    /// The disk that a place in a directory is written with, and who watches it.
    pub disk: Disk,
}

impl Default for TierOptions {
    fn default() -> Self {
        Self {
            endpoint: None,
            credentials: Vec::new(),
            connect_timeout: Duration::from_secs(2),
            stall_timeout: Duration::from_secs(10),
            max_object: 1 << 30,
            make_directory: false,
            disk: Disk::default(),
        }
    }
}
