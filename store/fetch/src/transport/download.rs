//! A file that is received over HTTP, in pieces.
//!
//! Connections, proxies, certificates and time limits are those of git's conversations.
//!
//! Limits: a download that failed starts from its first byte; nothing is resumed.

use std::{io, sync::Arc};

use ureq::BodyReader;

use super::{
    git_config::{GitConfig, RemoteUrl},
    http::HttpClient,
    http_agent::HttpAgents,
    http_request::{Response, read_some},
    watch::Watch,
};
use crate::errors::{RemoteError, RemoteStage, TransferError, TransportError};

/// An answer being received.
pub(crate) struct Download {
    body: BodyReader<'static>,
    watch: Arc<Watch>,
    /// Bytes still to come, when the server said how many there are.
    left: Option<u64>,
    redacted: String,
}

impl Download {
    /// Asks for what `remote` leads to, and gives it when the server has begun to answer.
    pub(crate) fn open(
        config: &Arc<GitConfig>,
        agents: &HttpAgents,
        remote: RemoteUrl,
        watch: Arc<Watch>,
    ) -> Result<Download, RemoteError> {
        match ask(config, agents, &remote, &watch) {
            Ok(response) => {
                let left = response.body().content_length();
                let body = response.into_body().into_reader();
                Ok(Download { body, watch, left, redacted: remote.redacted })
            }
            Err(source) => {
                Err(RemoteError::Failed { stage: RemoteStage::Fetch, url: remote.redacted, source })
            }
        }
    }

    /// The next piece of the file, 0 bytes at its end.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> Result<usize, RemoteError> {
        let Download { body, watch, left, .. } = self;
        let read =
            watch.during(|| read_some(body, buf, watch)).inspect(|read| watch.count_useful(*read));
        let read = read.map_err(|error| cause(watch, error)).and_then(|read| match left {
            Some(left) if read == 0 && *left > 0 => {
                Err(TransferError::Dropped { source: None }.into())
            }
            Some(left) => {
                *left = left.saturating_sub(read as u64);
                Ok(read)
            }
            None => Ok(read),
        });
        read.map_err(|source| RemoteError::Failed {
            stage: RemoteStage::Fetch,
            url: self.redacted.clone(),
            source,
        })
    }
}

fn ask(
    config: &Arc<GitConfig>,
    agents: &HttpAgents,
    remote: &RemoteUrl,
    watch: &Arc<Watch>,
) -> Result<Response, TransportError> {
    let options = watch.during(|| config.http(&remote.url));
    let agent = agents.get(&options.connection)?;
    let client = HttpClient::new(config, agent, options, remote, watch);
    let url = remote.url.to_bstring().to_string();
    client.download(&url).map_err(|error| cause(watch, error))
}

fn cause(watch: &Watch, error: io::Error) -> TransportError {
    watch
        .take_error()
        .unwrap_or_else(|| TransferError::Dropped { source: Some(error.into()) }.into())
}
