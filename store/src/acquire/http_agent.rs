//! The HTTP connections of all threads: kept alive, counted, and never waiting without an end.
//!
//! Limits: HTTP/1.1. A proxy is used by CONNECT for plain http too, which some proxies refuse.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use ureq::config::Config;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::unversioned::resolver::DefaultResolver;
use ureq::unversioned::transport::{
    Buffers, ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout, RustlsConnector,
    SocksConnector, TcpConnector, Transport,
};
use ureq::{Agent, Proxy, ProxyProtocol};

use crate::acquire::host::ConnectionOptions;
use crate::acquire::idle::Watch;
use crate::acquire::limits::{Counters, Limits};
use crate::acquire::network_error::Fault;

/// Idle connections kept for one server: as many as there are modules fetched at once.
const PER_HOST: usize = 16;

/// One agent, which is one pool, for each way to connect. Nearly always there is one way.
pub(crate) struct Agents {
    limits: Limits,
    counters: Arc<Counters>,
    made: Mutex<Vec<(ConnectionOptions, Agent)>>,
}

impl Agents {
    pub(crate) fn new(limits: Limits, counters: Arc<Counters>) -> Self {
        Agents { limits, counters, made: Mutex::new(Vec::new()) }
    }

    /// The agent whose connections are made with `options`.
    pub(crate) fn get(&self, options: &ConnectionOptions) -> Result<Agent, Fault> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, agent)) = made.iter().find(|(each, _)| each == options) {
            return Ok(agent.clone());
        }
        let agent = self.make(options)?;
        made.push((options.clone(), agent.clone()));
        Ok(agent)
    }

    fn make(&self, options: &ConnectionOptions) -> Result<Agent, Fault> {
        let proxy = options.proxy.as_deref().map(Proxy::new).transpose();
        let proxy = proxy.map_err(|_| Fault::Proxy("its address cannot be read".into()))?;
        let config = Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(self.limits.connect))
            .timeout_per_write(Some(self.limits.idle))
            .max_idle_connections(PER_HOST * 4)
            .max_idle_connections_per_host(PER_HOST)
            .input_buffer_size(64 * 1024)
            .proxy(proxy)
            .tls_config(tls(options)?)
            .build();
        let connector =
            ().chain(SocksConnector::default())
                .chain(ConnectProxyConnector::default())
                .chain(TcpConnector::default())
                .chain(PatientConnector(Arc::clone(&self.counters)))
                .chain(RustlsConnector::default());
        Ok(Agent::with_parts(config, connector, DefaultResolver::default()))
    }
}

fn tls(options: &ConnectionOptions) -> Result<TlsConfig, Fault> {
    let roots = match &options.authorities {
        None => RootCerts::PlatformVerifier,
        Some(path) => {
            let pem = fs_err::read(path).map_err(|source| Fault::Tls { source: source.into() })?;
            let found: Vec<Certificate<'static>> = parse_pem(&pem)
                .filter_map(|item| match item {
                    Ok(PemItem::Certificate(certificate)) => Some(certificate),
                    _ => None,
                })
                .collect();
            RootCerts::from(found)
        }
    };
    Ok(TlsConfig::builder().root_certs(roots).disable_verification(options.no_verify).build())
}

/// Below TLS, so that a wait that is cut into slices never cuts a TLS record.
struct PatientConnector(Arc<Counters>);

impl fmt::Debug for PatientConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PatientConnector")
    }
}

impl<In: Transport> Connector<In> for PatientConnector {
    type Out = PatientTransport<In>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        // A connection to a CONNECT proxy came through here on its own already.
        let is_new = details.config.proxy().is_none_or(|proxy| is_socks(proxy.protocol()));
        if chained.is_some() && is_new {
            self.0.connection();
        }
        if let Some(watch) = Watch::obeyed() {
            watch.connected();
        }
        Ok(chained.map(PatientTransport))
    }
}

fn is_socks(protocol: ProxyProtocol) -> bool {
    matches!(
        protocol,
        ProxyProtocol::Socks4
            | ProxyProtocol::Socks4A
            | ProxyProtocol::Socks5
            | ProxyProtocol::Socks5h
    )
}

#[derive(Debug)]
struct PatientTransport<T>(T);

impl<T: Transport> Transport for PatientTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let Some(watch) = Watch::obeyed() else { return self.0.await_input(timeout) };
        let deadline: Duration = *timeout.after;
        let begun = Instant::now();
        watch
            .patiently(|slice| {
                let left = deadline.saturating_sub(begun.elapsed());
                let after = slice.min(left).into();
                match self.0.await_input(NextTimeout { after, ..timeout }) {
                    Err(ureq::Error::Timeout(_)) if !left.is_zero() => None,
                    result => Some(result),
                }
            })
            .map_err(ureq::Error::Io)?
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}
