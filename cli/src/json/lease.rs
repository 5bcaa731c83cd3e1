//! [`LeaseHolder`]: a process that keeps a generation.

use modstore::Leased;
use schemars::JsonSchema;
use serde::Serialize;

use super::Time;

/// A lease: a process, or one that it started, uses a generation, which is kept as long.
///
/// `pid`, `command` and `since` are null if that process may not write to the store.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct LeaseHolder {
    /// The generation that is kept.
    pub(crate) generation: u64,
    /// The process that took the lease; it may have ended, and its descendants hold the lease.
    pub(crate) pid: Option<u32>,
    /// The command that this process ran.
    pub(crate) command: Option<String>,
    /// When it took the lease.
    pub(crate) since: Option<Time>,
}

impl From<Leased> for LeaseHolder {
    fn from(Leased { generation, holder }: Leased) -> Self {
        Self {
            generation: generation.number(),
            pid: holder.as_ref().map(|holder| holder.pid),
            since: holder.as_ref().map(|holder| Time::new(holder.since.saturating_mul(1000))),
            command: holder.map(|holder| holder.command),
        }
    }
}

impl LeaseHolder {
    /// `generation 17, by process 4711 (modstore exec host), 3 min ago`.
    pub(crate) fn summary(&self) -> String {
        let generation = format!("generation {}", self.generation);
        match (self.pid, &self.command, self.since) {
            (Some(pid), Some(command), Some(since)) => {
                format!("{generation}, by process {pid} ({command}), {}", since.ago())
            }
            _ => format!("{generation}, by a process that may not write to the store"),
        }
    }
}
