//! The connections to places: kept alive, and none waits without an end, or longer than the command is to run.
//!
//! Limits: HTTP/1.1. A proxy is used by CONNECT, for plain http too. A connection that is being made ends by its own limit.

use std::{
    collections::HashMap,
    env,
    fmt::Debug,
    io,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use ureq::{
    Agent, Error, Proxy,
    config::Config,
    http::Uri,
    tls::{RootCerts, TlsConfig},
    unversioned::{
        resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver},
        transport::{
            Buffers, ConnectProxyConnector, ConnectionDetails, Connector, NextTimeout,
            RustlsConnector, SocksConnector, TcpConnector, Transport,
        },
    },
};

use super::exchange::{Exchange, SLICE};
use crate::TierOptions;

/// Idle connections kept for one server, and for all.
const PER_HOST: usize = 64;
const IN_ALL: usize = 128;
/// The buffer of a connection.
const INPUT: usize = 128 * 1024;
/// How long the addresses of a name are remembered. ureq asks for them before every request.
const REMEMBERED: Duration = Duration::from_secs(60);

/// The connections for addresses of one scheme.
pub(super) fn agent(options: &TierOptions, scheme: &str) -> Result<Agent, Error> {
    let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
    let config = Config::builder()
        .http_status_as_error(false)
        // A signature is for one server, and a redirect could lead to another.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_resolve(Some(options.connect_timeout))
        .timeout_connect(Some(options.connect_timeout))
        .timeout_per_read(Some(options.stall_timeout))
        .timeout_per_write(Some(options.stall_timeout))
        .max_idle_connections(IN_ALL)
        .max_idle_connections_per_host(PER_HOST)
        .input_buffer_size(INPUT)
        .user_agent(concat!("modstore/", env!("CARGO_PKG_VERSION")))
        .proxy(proxy(scheme)?)
        .tls_config(tls)
        .build();
    let connector =
        ().chain(SocksConnector::default())
            .chain(ConnectProxyConnector::default())
            .chain(TcpConnector::default())
            .chain(StoppableConnector)
            .chain(RustlsConnector::default());
    Ok(Agent::with_parts(config, connector, Remembering::default()))
}

/// The proxy that the environment names for a scheme, as curl reads it.
fn proxy(scheme: &str) -> Result<Option<Proxy>, Error> {
    let value = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    // `HTTP_PROXY` is what a CGI program has from a header of its visitor.
    let names = match scheme {
        "http" => ["http_proxy", "all_proxy", "ALL_PROXY", "all_proxy"],
        _ => ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"],
    };
    let Some(found) = names.into_iter().find_map(value) else { return Ok(None) };
    let found = Proxy::new(&found)?;
    let mut built = Proxy::builder(found.protocol()).host(found.host()).port(found.port());
    if let (Some(user), Some(password)) = (found.username(), found.password()) {
        built = built.username(user).password(password);
    }
    let without = value("no_proxy").or_else(|| value("NO_PROXY")).unwrap_or_default();
    for host in without.split(',').map(str::trim).filter(|host| !host.is_empty()) {
        built = built.no_proxy(host);
    }
    built.build().map(Some)
}

/// Look-ups of names that are remembered for a while.
#[derive(Debug, Default)]
struct Remembering {
    inner: DefaultResolver,
    known: Mutex<HashMap<String, (Instant, Vec<SocketAddr>)>>,
}

impl Resolver for Remembering {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let name = format!("{:?} {:?}", uri.scheme_str(), uri.authority());
        let known = || self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found = self.empty();
        if let Some((_, addresses)) =
            known().get(&name).filter(|(since, _)| since.elapsed() < REMEMBERED)
        {
            addresses.iter().for_each(|address| found.push(*address));
            return Ok(found);
        }
        let found = self.inner.resolve(uri, config, timeout).map_err(|error| match error {
            Error::Io(_) => Error::HostNotFound,
            error => error,
        })?;
        known().insert(name, (Instant::now(), found.iter().copied().collect()));
        Ok(found)
    }
}

/// Below TLS, so that a wait that is cut into slices never cuts a TLS record.
#[derive(Debug)]
struct StoppableConnector;

impl<In: Transport> Connector<In> for StoppableConnector {
    type Out = StoppableTransport<In>;

    fn connect(
        &self,
        _: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, Error> {
        Ok(chained.map(StoppableTransport))
    }
}

/// A connection whose waits end when the command is stopped.
#[derive(Debug)]
struct StoppableTransport<T>(T);

impl<T: Transport> Transport for StoppableTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.0.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        heed()?;
        self.0.transmit_output(amount, timeout)
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        let timeout = timeout.for_read();
        let (begun, limit): (Instant, Duration) = (Instant::now(), *timeout.after);
        loop {
            heed()?;
            let left = limit.saturating_sub(begun.elapsed());
            // A limit of 0 would be none at all.
            let after = SLICE.min(left).max(Duration::from_millis(1)).into();
            match self.0.await_input(NextTimeout { after, ..timeout }) {
                Err(Error::Timeout(_)) if left > SLICE => {}
                Err(Error::Timeout(_)) => return Err(Error::Timeout(timeout.reason)),
                result => return result,
            }
        }
    }

    fn is_open(&mut self) -> bool {
        self.0.is_open()
    }

    fn is_tls(&self) -> bool {
        self.0.is_tls()
    }
}

/// An error, if the command is stopped.
fn heed() -> Result<(), Error> {
    match Exchange::current().cancel().is_cancelled() {
        true => Err(io::Error::other("stopped").into()),
        false => Ok(()),
    }
}
