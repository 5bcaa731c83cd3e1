//! [`KeptTransport`]: a connection to a program, and what has to live as long as it: the program, the copy that it serves.

use std::{any::Any, borrow::Cow, sync::Arc};

use gix::bstr::BStr;
use gix_transport::{
    Service,
    client::{
        Error, MessageKind, TransportWithoutIO, WriteMode,
        blocking_io::{RequestWriter, SetServiceResponse, Transport},
    },
};

use super::watch::Watch;

/// A transport that keeps `K` for as long as it is there.
pub(super) struct KeptTransport<T, K> {
    inner: T,
    _kept: K,
    /// Counts the requests, where each is one of its own, as over HTTP.
    requests: Option<Arc<Watch>>,
}

impl<T, K> KeptTransport<T, K> {
    /// One conversation from the beginning to the end.
    pub(super) const fn of(inner: T, kept: K) -> Self {
        Self { inner, _kept: kept, requests: None }
    }

    /// Requests of their own, each of which `watch` counts.
    pub(super) const fn asking(inner: T, kept: K, watch: Arc<Watch>) -> Self {
        Self { inner, _kept: kept, requests: Some(watch) }
    }
}

impl<T: TransportWithoutIO, K> TransportWithoutIO for KeptTransport<T, K> {
    fn to_url(&self) -> Cow<'_, BStr> {
        self.inner.to_url()
    }

    fn connection_persists_across_multiple_requests(&self) -> bool {
        self.requests.is_none()
    }

    fn configure(&mut self, config: &dyn Any) -> gix::Result<()> {
        self.inner.configure(config)
    }
}

impl<T: Transport, K> Transport for KeptTransport<T, K> {
    fn handshake<'a>(
        &mut self,
        service: Service,
        extra: &'a [(&'a str, Option<&'a str>)],
    ) -> Result<SetServiceResponse<'_>, Error> {
        self.inner.handshake(service, extra)
    }

    fn request(
        &mut self,
        mode: WriteMode,
        end: MessageKind,
        trace: bool,
    ) -> Result<RequestWriter<'_>, Error> {
        if let Some(watch) = &self.requests {
            watch.counters.request();
        }
        self.inner.request(mode, end, trace)
    }
}
