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
    git_config::{Host, Route},
    http::{Client, transport},
    http_agent::Agents,
    process::{Input, Output, Program, Stderr, ssh, upload_pack},
    tcp,
    watch::{Patient, Watch},
};
use crate::{errors::Fault, limits::Limits};

/// gix's view of a connection.
pub(crate) type BoxedTransport = Box<dyn Transport + Send>;

/// git's port.
const PORT: u16 = 9418;

/// A connection, and what may explain its end.
pub(crate) struct Link {
    pub transport: BoxedTransport,
    pub stderr: Option<Stderr>,
}

/// Connect to `route`. Over HTTP nothing happens until something is asked.
pub(crate) fn dial(
    host: &Arc<Host>,
    agents: &Agents,
    route: &Route,
    version: Protocol,
    limits: &Limits,
    watch: &Arc<Watch>,
) -> Result<Link, Fault> {
    match route.url.scheme {
        Scheme::Http | Scheme::Https => {
            // A proxy may want a login, for which programs are asked.
            let options = watch.during(|| host.http(&route.url));
            let agent = agents.get(&options.connection)?;
            let client = Client::new(host, agent, options, route, watch);
            Ok(Link { transport: Box::new(transport(client, route, version)), stderr: None })
        }
        Scheme::Git => daemon(route, version, limits, watch),
        Scheme::Ssh => {
            let command = ssh(&host.ssh(), route, version, host.interactive(), limits, watch)?;
            let started = Program::start(command, "ssh", !host.interactive(), watch)?;
            Ok(talk(started, route, version))
        }
        _ => {
            let started = Program::start(upload_pack(route, version), "git", true, watch)?;
            Ok(talk(started, route, version))
        }
    }
}

fn talk(
    (program, output, input): (Program, Output, Input),
    route: &Route,
    version: Protocol,
) -> Link {
    let stderr = Some(program.stderr());
    let path: BString = route.url.path.clone();
    let inner = Connection::new(
        output,
        BufWriter::new(input),
        version,
        path,
        None::<(&str, _)>,
        ConnectMode::Process,
        false,
    );
    Link { transport: Box::new(Held { inner, _program: program }), stderr }
}

fn daemon(
    route: &Route,
    version: Protocol,
    limits: &Limits,
    watch: &Arc<Watch>,
) -> Result<Link, Fault> {
    let host = route.url.host().unwrap_or_default().to_owned();
    let stream = tcp(&host, route.url.port.unwrap_or(PORT), limits, watch)?;
    let broken = |error: std::io::Error| Fault::Dropped { source: Some(error.into()) };
    let writer = Patient::new(stream.try_clone().map_err(broken)?, Arc::clone(watch));
    let reader = BufReader::with_capacity(64 * 1024, Patient::new(stream, Arc::clone(watch)));
    let path: BString = route.url.path.clone();
    // A question is one message: a server that refuses its first line closes on the rest, and what it
    // said to us could be lost by our still writing.
    let transport = Connection::new(
        reader,
        BufWriter::new(writer),
        version,
        path,
        Some((host, route.url.port)),
        ConnectMode::Daemon,
        false,
    );
    Ok(Link { transport: Box::new(transport), stderr: None })
}

fn tcp(host: &str, port: u16, limits: &Limits, watch: &Watch) -> Result<TcpStream, Fault> {
    let lost = |error: std::io::Error| {
        watch.take_fault().unwrap_or(Fault::Dropped { source: Some(error.into()) })
    };
    let addresses = tcp::look_up(host, port, watch, limits.connect).map_err(lost)?;
    let stream = tcp::connect(&addresses, watch, limits.connect).map_err(lost)?;
    watch.counters.connection();
    Ok(stream)
}

/// A transport whose program lives as long as it.
struct Held<T> {
    inner: T,
    _program: Program,
}

impl<T: Transport> TransportWithoutIO for Held<T> {
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

impl<T: Transport> Transport for Held<T> {
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
