//! [`Access`]: all that it takes to ask other servers about a repository, such as one that keeps its large files.
//!
//! Connections, configuration and limits are those of git's own conversation with the repository's server.
//!
//! Limits: knows nothing of what is asked.

use std::{ffi::OsStr, sync::Arc};

use modstore_core::{
    Cancel,
    program::{Input, Manner, ProgramError, Ran, Running},
};

use super::{
    git_config::{GitConfig, RemoteUrl},
    http::HttpClient,
    http_agent::HttpAgents,
    pace::Pace,
    process::SshCall,
    remembered::Remembered,
    watch::Watch,
};
use crate::{
    errors::{ConnectError, ServerError, TransferError, TransportError},
    limits::{Counters, Limits},
};

/// The most that a command on another machine may print.
const MOST: usize = 64 * 1024;

/// See the module.
#[derive(Clone)]
pub(crate) struct Access {
    pub config: Arc<GitConfig>,
    pub agents: Arc<HttpAgents>,
    pub limits: Limits,
    pub offline: bool,
    pub counters: Arc<Counters>,
    /// What a login has opened, by its origin.
    pub logins: Arc<Remembered>,
    pub cancel: Cancel,
    pub pace: Arc<Pace>,
    /// The repository.
    pub remote: RemoteUrl,
    /// The full name of its branch that was followed.
    pub branch: Option<String>,
}

impl Access {
    /// A watch over one more exchange.
    pub(crate) fn watch(&self) -> Arc<Watch> {
        let (pace, counters) = (Arc::new(self.pace.branch()), Arc::clone(&self.counters));
        let watch = Watch::new(self.cancel.clone(), &self.limits, counters, pace);
        watch.remember_logins(&self.logins, &self.remote.origin());
        watch
    }

    /// A client for one address. With `is_own`, the headers that the configuration adds are sent too: to a place that only
    /// a server has named, they are not.
    pub(crate) fn client(
        &self,
        remote: &RemoteUrl,
        is_own: bool,
        watch: &Arc<Watch>,
    ) -> Result<HttpClient, TransportError> {
        let mut options = watch.during(|| self.config.http(&remote.url));
        if !is_own {
            options.extra_headers.clear();
        }
        let agent = self.agents.get(&options.connection)?;
        Ok(HttpClient::new(&self.config, agent, options, remote, watch))
    }

    /// Runs a line on the machine of `remote`, over ssh.
    pub(crate) fn run_by_ssh(
        &self,
        line: &OsStr,
        remote: &RemoteUrl,
        watch: &Arc<Watch>,
    ) -> Result<Ran, TransportError> {
        let interactive = self.config.interactive();
        let program = self.config.ssh();
        let call = SshCall::new(program, remote, interactive, &self.limits, watch)?;
        let limit = self.limits.idle.min(watch.time_left().map_err(|_| lost(watch))?);
        let cancel = &self.cancel;
        let running =
            Running { input: Input::Nothing, limit, cancel, told: &|_| {}, ends_with_us: true };
        let manner = Manner { shares_our_group: interactive, most: MOST, ..Manner::default() };
        watch.counters.connection();
        watch.counters.request();
        running.run_as(call.run(line), manner).map_err(|error| match error {
            ProgramError::Cancelled { .. } => TransportError::Cancelled,
            ProgramError::TimedOut { limit, .. } => TransferError::Idle(limit).into(),
            ProgramError::Start { program, source } => {
                ConnectError::Start { program, source }.into()
            }
            error => ServerError::Protocol { source: error.to_string().into() }.into(),
        })
    }
}

fn lost(watch: &Watch) -> TransportError {
    watch.take_error().unwrap_or_else(|| TransferError::Dropped { source: None }.into())
}
