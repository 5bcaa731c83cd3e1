//! The HTTP connections of all threads: kept alive, counted, and never waiting without an end.
//!
//! Limits: HTTP/1.1. A proxy is used by CONNECT for plain http too, which some proxies refuse. Talking to a SOCKS proxy
//! until it has connected us ends by the connection's limit, not by a request to stop.

use std::{
    fmt,
    io::{ErrorKind, Read as _, Write as _},
    net::TcpStream,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use modstore_core::Cancel;
use ureq::{
    Agent, Proxy, ProxyProtocol, Timeout,
    config::Config,
    http::Uri,
    tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem},
    unversioned::{
        resolver::{ResolvedSocketAddrs, Resolver},
        transport::{
            Buffers, ConnectProxyConnector, ConnectionDetails, Connector, Either, LazyBuffers,
            NextTimeout, RustlsConnector, SocksConnector, Transport,
        },
    },
};

use super::{
    addresses::Addresses,
    git_config::ConnectionOptions,
    lanes::Wait,
    pace::Pace,
    shared_ssh::SharedSsh,
    tcp,
    watch::{SLICE, Watch},
};
use crate::{
    errors::{ConnectError, ServerError},
    limits::{Counters, Limits, LowSpeed},
};

/// Idle connections kept for one server, and for all: more than repositories are worked on at once, so that none is
/// closed that could be used again.
const PER_HOST: usize = 128;
const IN_ALL: usize = 256;

/// The buffers of a connection.
const INPUT: usize = 64 * 1024;
const OUTPUT: usize = 128 * 1024;

/// One agent, which is one pool, for each way to connect. Nearly always there is one way.
pub(crate) struct HttpAgents {
    limits: Limits,
    counters: Arc<Counters>,
    made: Mutex<Vec<(ConnectionOptions, Agent)>>,
    addresses: Arc<Addresses>,
    ssh: SharedSsh,
}

impl HttpAgents {
    pub(crate) fn new(limits: Limits, counters: Arc<Counters>) -> Self {
        let (made, addresses) = (Mutex::default(), Arc::default());
        HttpAgents { limits, counters, made, addresses, ssh: SharedSsh::default() }
    }

    /// The addresses that all connections are made with, those that are not for HTTP too.
    pub(crate) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    /// The connections of ssh that several conversations share.
    pub(crate) fn ssh(&self) -> &SharedSsh {
        &self.ssh
    }

    /// The agent whose connections are made with `options`.
    pub(crate) fn get(&self, options: &ConnectionOptions) -> Result<Agent, ConnectError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, agent)) = made.iter().find(|(each, _)| each == options) {
            return Ok(agent.clone());
        }
        let agent = self.make(options)?;
        made.push((options.clone(), agent.clone()));
        Ok(agent)
    }

    fn make(&self, options: &ConnectionOptions) -> Result<Agent, ConnectError> {
        let proxy = options.proxy.as_deref().map(Proxy::new).transpose();
        let proxy =
            proxy.map_err(|_| ConnectError::Proxy("the proxy's address cannot be read".into()))?;
        let config = Config::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(self.limits.connect))
            .timeout_per_write(Some(self.limits.idle))
            .max_idle_connections(IN_ALL)
            .max_idle_connections_per_host(PER_HOST)
            .input_buffer_size(INPUT)
            .proxy(proxy)
            .tls_config(tls(options)?)
            .build();
        let connector =
            ().chain(SocksConnector::default())
                .chain(ConnectProxyConnector::default())
                .chain(TcpConnector(self.limits, Arc::clone(&self.addresses)))
                .chain(TimeoutConnector(Arc::clone(&self.counters)))
                .chain(RustlsConnector::default());
        let resolver = TimeoutResolver(self.limits, Arc::clone(&self.addresses));
        Ok(Agent::with_parts(config, connector, resolver))
    }
}

fn tls(options: &ConnectionOptions) -> Result<TlsConfig, ConnectError> {
    let roots = match &options.authorities {
        None => RootCerts::PlatformVerifier,
        Some(path) => {
            let pem =
                fs_err::read(path).map_err(|source| ConnectError::Tls { source: source.into() })?;
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

/// The watch of this thread; where there is none, one of its own.
fn watch(limits: &Limits) -> Arc<Watch> {
    Watch::current().unwrap_or_else(|| {
        let pace = Arc::new(Pace::new(limits, LowSpeed::default()));
        Watch::new(Cancel::new(), limits, Arc::default(), pace)
    })
}

/// Name look-ups that can be given up. ureq asks before every request, also where a kept connection serves it.
#[derive(Debug)]
struct TimeoutResolver(Limits, Arc<Addresses>);

impl Resolver for TimeoutResolver {
    fn resolve(
        &self,
        uri: &Uri,
        _: &Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().ok_or(ureq::Error::HostNotFound)?;
        let port = uri.port_u16().unwrap_or(match uri.scheme_str() {
            Some("https") => 443,
            Some("socks4" | "socks4a" | "socks5" | "socks5h") => 1080,
            _ => 80,
        });
        let found = self.1.look_up(host, port, &watch(&self.0), self.0.connect)?;
        let mut addresses = self.empty();
        found.into_iter().for_each(|address| addresses.push(address));
        Ok(addresses)
    }
}

/// Connections that can be given up while they are made.
#[derive(Debug)]
struct TcpConnector(Limits, Arc<Addresses>);

impl<In: Transport> Connector<In> for TcpConnector {
    type Out = Either<In, TcpTransport>;

    fn connect(
        &self,
        details: &ConnectionDetails<'_>,
        chained: Option<In>,
    ) -> Result<Option<Self::Out>, ureq::Error> {
        if let Some(chained) = chained {
            return Ok(Some(Either::A(chained)));
        }
        let addresses: Vec<_> = details.addrs.iter().copied().collect();
        let stream = tcp::connect(&addresses, &watch(&self.0), self.0.connect)?;
        self.1.worked(stream.peer_addr()?);
        stream.set_write_timeout(Some(SLICE))?;
        let buffers = LazyBuffers::new(INPUT, OUTPUT);
        Ok(Some(Either::B(TcpTransport { stream, buffers, reads_within: None, limits: self.0 })))
    }
}

/// A TCP connection.
#[derive(Debug)]
struct TcpTransport {
    stream: TcpStream,
    buffers: LazyBuffers,
    /// The time limit for reading that the socket has.
    reads_within: Option<Duration>,
    limits: Limits,
}

impl Transport for TcpTransport {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        let watch = watch(&self.limits);
        let mut rest = self.buffers.output().get(..amount).unwrap_or_default();
        while !rest.is_empty() {
            let written = watch.wait(|_| match self.stream.write(rest) {
                Err(error) if is_late(&error) => None,
                result => Some(result),
            })??;
            rest = rest.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        // A limit of 0 would be none at all.
        let within = Some((*timeout.after).min(SLICE).max(Duration::from_millis(1)));
        if self.reads_within != within {
            self.stream.set_read_timeout(within)?;
            self.reads_within = within;
        }
        if self.buffers.input_append_buf().is_empty() {
            // Only the head of an answer has to be there as a whole.
            let what = format!("the head of its answer has more than {INPUT} bytes");
            let error = ServerError::Protocol { source: what.into() };
            return Err(watch(&self.limits).fail(error).into());
        }
        match self.stream.read(self.buffers.input_append_buf()) {
            Ok(read) => {
                self.buffers.input_appended(read);
                Ok(read > 0)
            }
            Err(error) if is_late(&error) => Err(ureq::Error::Timeout(Timeout::PerRead)),
            Err(error) => Err(error.into()),
        }
    }

    fn is_open(&mut self) -> bool {
        // A server that has something to say before it was asked means to close, or worse.
        let is_quiet = self.stream.set_nonblocking(true).is_ok()
            && matches!(self.stream.peek(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock);
        is_quiet && self.stream.set_nonblocking(false).is_ok()
    }
}

/// Whether only the time of this call was up.
fn is_late(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

/// Below TLS, so that a wait that is cut into slices never cuts a TLS record.
struct TimeoutConnector(Arc<Counters>);

impl fmt::Debug for TimeoutConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TimeoutConnector")
    }
}

impl<In: Transport> Connector<In> for TimeoutConnector {
    type Out = TimeoutTransport<In>;

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
        if let Some(watch) = Watch::current() {
            watch.connected();
        }
        Ok(chained.map(|inner| TimeoutTransport { inner, asked: None }))
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
struct TimeoutTransport<T> {
    inner: T,
    /// When something was sent that has no answer yet.
    asked: Option<Instant>,
}

impl<T: Transport> Transport for TimeoutTransport<T> {
    fn buffers(&mut self) -> &mut dyn Buffers {
        self.inner.buffers()
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), ureq::Error> {
        self.inner.transmit_output(amount, timeout)?;
        self.asked = Some(Instant::now());
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, ureq::Error> {
        let Some(watch) = Watch::current() else { return self.inner.await_input(timeout) };
        let deadline: Duration = *timeout.after;
        let begun = Instant::now();
        let before = self.inner.buffers().input().len();
        let came = watch.wait(|slice| {
            let left = deadline.saturating_sub(begun.elapsed());
            let after = slice.min(left).into();
            match self.inner.await_input(NextTimeout { after, ..timeout }) {
                Err(ureq::Error::Timeout(_)) if !left.is_zero() => None,
                Err(ureq::Error::Timeout(_)) => Some(Err(ureq::Error::Timeout(timeout.reason))),
                result => Some(result),
            }
        })??;
        if let Some(asked) = self.asked.take() {
            watch.waited(Wait::Answer, asked.elapsed());
        }
        watch.count_received(self.inner.buffers().input().len().saturating_sub(before))?;
        Ok(came)
    }

    fn is_open(&mut self) -> bool {
        self.inner.is_open()
    }

    fn is_tls(&self) -> bool {
        self.inner.is_tls()
    }
}
