//! A file that is received over HTTP, in pieces.
//!
//! Connections, proxies, certificates and time limits are those of git's conversations.
//!
//! Limits: begins anew after a failure; nothing is resumed.

use std::{io, sync::Arc};

use ureq::BodyReader;

use super::{
    exchange::{Response, read_some},
    git_config::{Host, Route},
    http::Client,
    http_agent::Agents,
    watch::Watch,
};
use crate::errors::{Fault, RemoteError, Stage};

/// An answer being received.
pub(crate) struct Download {
    body: BodyReader<'static>,
    watch: Arc<Watch>,
    /// Bytes still to come, when the server said how many there are.
    left: Option<u64>,
    shown: String,
}

impl Download {
    /// Asks for what `route` leads to, and gives it when the server has begun to answer.
    pub(crate) fn open(
        host: &Arc<Host>,
        agents: &Agents,
        route: Route,
        watch: Arc<Watch>,
    ) -> Result<Download, RemoteError> {
        match ask(host, agents, &route, &watch) {
            Ok(response) => {
                let left = response.body().content_length();
                let body = response.into_body().into_reader();
                Ok(Download { body, watch, left, shown: route.shown })
            }
            Err(source) => {
                Err(RemoteError::Failed { stage: Stage::Fetch, url: route.shown, source })
            }
        }
    }

    /// The next piece of the file, 0 bytes at its end.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> Result<usize, RemoteError> {
        let Download { body, watch, left, .. } = self;
        let read = watch.during(|| read_some(body, buf, watch)).inspect(|read| watch.earn(*read));
        let read = read.map_err(|error| cause(watch, error)).and_then(|read| match left {
            Some(left) if read == 0 && *left > 0 => Err(Fault::Dropped { source: None }),
            Some(left) => {
                *left = left.saturating_sub(read as u64);
                Ok(read)
            }
            None => Ok(read),
        });
        read.map_err(|source| RemoteError::Failed {
            stage: Stage::Fetch,
            url: self.shown.clone(),
            source,
        })
    }
}

fn ask(
    host: &Arc<Host>,
    agents: &Agents,
    route: &Route,
    watch: &Arc<Watch>,
) -> Result<Response, Fault> {
    let options = watch.during(|| host.http(&route.url));
    let agent = agents.get(&options.connection)?;
    let client = Client::new(host, agent, options, route, watch);
    let url = route.url.to_bstring().to_string();
    client.download(&url).map_err(|error| cause(watch, error))
}

fn cause(watch: &Watch, error: io::Error) -> Fault {
    watch.take_fault().unwrap_or(Fault::Dropped { source: Some(error.into()) })
}
