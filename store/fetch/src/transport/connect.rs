//! One connection to one server, whatever the scheme.
//!
//! Limits: `git://` connects straight, without a proxy.

use std::{
    any::Any,
    borrow::Cow,
    io::{BufReader, BufWriter},
    net::TcpStream,
    sync::Arc,
};

use gix::{
    bstr::{BStr, BString},
    url::Scheme,
};
use gix_transport::{
    Protocol, Service,
    client::{
        Error, MessageKind, TransportWithoutIO, WriteMode,
        blocking_io::{RequestWriter, SetServiceResponse, Transport},
        git::{ConnectMode, blocking_io::Connection},
    },
};

use super::{
    addresses::Addresses,
    git_config::{GitConfig, RemoteUrl},
    http::{HttpClient, transport},
    http_agent::HttpAgents,
    process::{ProcessInput, ProcessOutput, ServerProcess, SshCall, StderrTail, upload_pack},
    shared_ssh::{Opening, Route},
    tcp,
    watch::{TimeoutStream, Watch},
};
use crate::{
    errors::{TransferError, TransportError},
    limits::Limits,
};

/// gix's view of a connection.
pub(crate) type BoxedTransport = Box<dyn Transport + Send>;

/// git's port.
const PORT: u16 = 9418;

/// A connection, and what may explain its end.
pub(crate) struct Link {
    pub transport: BoxedTransport,
    pub stderr: Option<StderrTail>,
}

/// Connects to `remote`. Over HTTP nothing is sent before the first request.
pub(crate) fn dial(
    config: &Arc<GitConfig>,
    agents: &HttpAgents,
    remote: &RemoteUrl,
    version: Protocol,
    limits: &Limits,
    watch: &Arc<Watch>,
) -> Result<Link, TransportError> {
    match remote.url.scheme {
        Scheme::Http | Scheme::Https => {
            // A proxy may want a login, for which programs are asked.
            let options = watch.during(|| config.http(&remote.url));
            let agent = agents.get(&options.connection)?;
            let client = HttpClient::new(config, agent, options, remote, watch);
            Ok(Link { transport: Box::new(transport(client, remote, version)), stderr: None })
        }
        Scheme::Git => git_daemon(agents.addresses(), remote, version, limits, watch),
        Scheme::Ssh => {
            let call = SshCall::new(config.ssh(), remote, config.interactive(), limits, watch)?;
            let Route { options, opening } = agents.ssh().route(&call, watch);
            let command = call.upload_pack(&options, remote, version);
            let started = ServerProcess::start(command, "ssh", !config.interactive(), watch)?;
            Ok(over_process(started, opening, remote, version))
        }
        _ => {
            let started = ServerProcess::start(upload_pack(remote, version), "git", true, watch)?;
            Ok(over_process(started, None, remote, version))
        }
    }
}

fn over_process(
    (program, output, input): (ServerProcess, ProcessOutput, ProcessInput),
    opening: Option<Opening>,
    remote: &RemoteUrl,
    version: Protocol,
) -> Link {
    let stderr = Some(program.stderr());
    let path: BString = remote.url.path.clone();
    let inner = Connection::new(
        output,
        BufWriter::new(input),
        version,
        path,
        None::<(&str, _)>,
        ConnectMode::Process,
        false,
    );
    Link {
        transport: Box::new(ProcessTransport { inner, _program: program, _opening: opening }),
        stderr,
    }
}

fn git_daemon(
    addresses: &Addresses,
    remote: &RemoteUrl,
    version: Protocol,
    limits: &Limits,
    watch: &Arc<Watch>,
) -> Result<Link, TransportError> {
    let host = remote.url.host().unwrap_or_default().to_owned();
    let stream = tcp(addresses, (&host, remote.url.port.unwrap_or(PORT)), limits, watch)?;
    let broken = |error: std::io::Error| TransferError::Dropped { source: Some(error.into()) };
    let writer = TimeoutStream::new(stream.try_clone().map_err(broken)?, Arc::clone(watch));
    let reader = BufReader::with_capacity(64 * 1024, TimeoutStream::new(stream, Arc::clone(watch)));
    let path: BString = remote.url.path.clone();
    // A question is one message: a server that refuses its first line closes on the rest, and what it
    // said to us could be lost by our still writing.
    let transport = Connection::new(
        reader,
        BufWriter::new(writer),
        version,
        path,
        Some((host, remote.url.port)),
        ConnectMode::Daemon,
        false,
    );
    Ok(Link { transport: Box::new(transport), stderr: None })
}

fn tcp(
    addresses: &Addresses,
    (host, port): (&str, u16),
    limits: &Limits,
    watch: &Watch,
) -> Result<TcpStream, TransportError> {
    let lost = |error: std::io::Error| {
        watch
            .take_error()
            .unwrap_or_else(|| TransferError::Dropped { source: Some(error.into()) }.into())
    };
    let found = addresses.look_up(host, port, watch, limits.connect).map_err(lost)?;
    let stream = tcp::connect(&found, watch, limits.connect).map_err(lost)?;
    addresses.worked(stream.peer_addr().map_err(lost)?);
    watch.counters.connection();
    Ok(stream)
}

/// A transport whose program lives as long as it.
struct ProcessTransport<T> {
    inner: T,
    _program: ServerProcess,
    _opening: Option<Opening>,
}

impl<T: Transport> TransportWithoutIO for ProcessTransport<T> {
    fn to_url(&self) -> Cow<'_, BStr> {
        self.inner.to_url()
    }

    fn connection_persists_across_multiple_requests(&self) -> bool {
        true
    }

    fn configure(&mut self, config: &dyn Any) -> gix::Result<()> {
        self.inner.configure(config)
    }
}

impl<T: Transport> Transport for ProcessTransport<T> {
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
        self.inner.request(mode, end, trace)
    }
}
