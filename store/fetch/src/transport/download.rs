//! A file that is received over HTTP, in pieces.
//!
//! Connections, proxies, certificates and time limits are those of git's conversations.
//!
//! Limits: knows nothing of where in a file it begins; who asks for a part of a file checks what came.

use std::{
    io::{self, BufReader, Read},
    sync::Arc,
};

use flate2::bufread::MultiGzDecoder;
use ureq::{
    BodyReader,
    http::{
        HeaderName,
        header::{CONTENT_ENCODING, CONTENT_TYPE},
    },
};

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
    /// The server says that it compressed the file for the way, as it was not asked to.
    is_gzipped: bool,
    /// The server says that it is a page.
    is_page: bool,
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
            Ok(response) => Ok(Download::of(response, watch, remote.redacted)),
            Err(source) => {
                Err(RemoteError::Failed { stage: RemoteStage::Fetch, url: remote.redacted, source })
            }
        }
    }

    /// The body of an answer from `redacted`.
    pub(crate) fn of(response: Response, watch: Arc<Watch>, redacted: String) -> Download {
        let left = response.body().content_length();
        let is_gzipped = says(&response, CONTENT_ENCODING, &["gzip", "x-gzip"]);
        let is_page = says(&response, CONTENT_TYPE, &["text/html"]);
        let body = response.into_body().into_reader();
        Download { body, watch, left, redacted, is_gzipped, is_page }
    }

    /// Whether the server says that it compressed the file for the way.
    pub(crate) const fn is_gzipped(&self) -> bool {
        self.is_gzipped
    }

    /// Whether the server says that this is a page.
    pub(crate) const fn is_page(&self) -> bool {
        self.is_page
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

/// An answer without the compression that it was not asked for.
pub(crate) enum PlainDownload {
    AsSent(Download),
    Unzipped { bytes: Box<MultiGzDecoder<BufReader<DownloadBytes>>>, redacted: String },
}

/// The bytes of a [`Download`], for a decoder.
pub(crate) struct DownloadBytes(Download);

impl PlainDownload {
    /// The same answer. One that has `size` bytes as it was sent is what was meant: servers call a file compressed that is
    /// an archive.
    pub(crate) fn of(download: Download, size: Option<u64>) -> Self {
        if !download.is_gzipped || (size.is_some() && download.left == size) {
            return Self::AsSent(download);
        }
        let redacted = download.redacted.clone();
        let bytes = BufReader::with_capacity(64 * 1024, DownloadBytes(download));
        Self::Unzipped { bytes: Box::new(MultiGzDecoder::new(bytes)), redacted }
    }

    /// Whether a part of it can be used: a part of compressed bytes cannot.
    pub(crate) const fn is_as_sent(&self) -> bool {
        matches!(self, Self::AsSent(_))
    }

    /// The next piece, 0 bytes at the end.
    pub(crate) fn read(&mut self, buf: &mut [u8]) -> Result<usize, RemoteError> {
        let (bytes, redacted) = match self {
            Self::AsSent(download) => return download.read(buf),
            Self::Unzipped { bytes, redacted } => (bytes, redacted),
        };
        bytes.read(buf).map_err(|error| match error.downcast::<RemoteError>() {
            Ok(error) => error,
            Err(error) => {
                let source = TransferError::Dropped { source: Some(error.into()) }.into();
                RemoteError::Failed { stage: RemoteStage::Fetch, url: redacted.clone(), source }
            }
        })
    }
}

impl Read for DownloadBytes {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf).map_err(io::Error::other)
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

/// Whether a header of the answer has one of these values, whatever its parameters.
fn says(response: &Response, name: HeaderName, values: &[&str]) -> bool {
    let value = response.headers().get(name).and_then(|value| value.to_str().ok());
    let value = value.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    values.iter().any(|known| known.eq_ignore_ascii_case(value))
}

/// The first cause of a failure that the watch has seen.
pub(crate) fn cause(watch: &Watch, error: io::Error) -> TransportError {
    watch
        .take_error()
        .unwrap_or_else(|| TransferError::Dropped { source: Some(error.into()) }.into())
}
