//! One connection to one server, whatever the scheme.
//!
//! Limits: a `git://` server is reached by TCP or by the program of `core.gitProxy`, and through no other proxy.

use std::{
    io::{BufReader, BufWriter},
    net::TcpStream,
    process::Command,
    sync::Arc,
};

use gix::{bstr::BString, url::Scheme};
use gix_transport::{
    Protocol,
    client::{
        blocking_io::Transport,
        git::{ConnectMode, blocking_io::Connection},
    },
};
use tempfile::TempDir;

use super::{
    addresses::Addresses,
    git_config::{GitConfig, RemoteUrl},
    git_copy::{self, CopyClient},
    git_helper::{self, Helper},
    http::{HttpClient, transport},
    http_agent::HttpAgents,
    kept::KeptTransport,
    process::{
        Grouping, ProcessInput, ProcessOutput, ServerProcess, SshCall, StderrTail,
        fault_from_stderr, upload_pack,
    },
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
    /// Whether the next answer follows the last one on the same stream.
    pub is_one_stream: bool,
    /// The most bytes of a first answer that has no refs in it.
    pub without_refs: Option<usize>,
}

/// All that a connection is made with.
#[derive(Clone, Copy)]
pub(crate) struct Dialing<'d> {
    pub config: &'d Arc<GitConfig>,
    pub agents: &'d HttpAgents,
    pub limits: &'d Limits,
}

impl Dialing<'_> {
    /// Connects to `remote`. Over HTTP nothing is sent before the first request.
    pub(crate) fn dial(
        self,
        remote: &RemoteUrl,
        version: Protocol,
        watch: &Arc<Watch>,
    ) -> Result<Link, TransportError> {
        dial(self, remote, version, watch)
    }

    /// Why a server hung up on git before it answered, where its words in an older handshake tell.
    pub(crate) fn alert_to_git(
        self,
        remote: &RemoteUrl,
        watch: &Arc<Watch>,
    ) -> Option<TransportError> {
        let is_https = remote.url.scheme == Scheme::Https;
        let asked = is_https.then(|| git_helper::alert_in_handshake(self.config, remote, watch));
        asked.flatten()
    }

    /// Connects to an HTTP server through git, for this reason.
    pub(crate) fn dial_git(
        self,
        remote: &RemoteUrl,
        reason: &str,
        watch: &Arc<Watch>,
    ) -> Result<Link, TransportError> {
        match git_helper::start(self.config, remote, reason, watch)? {
            Helper::Speaks(transport, stderr) => Ok(Link {
                transport,
                stderr: Some(stderr),
                is_one_stream: true,
                without_refs: Some(self.limits.advertisement),
            }),
            Helper::FallsBack => {
                let most = self.limits.into();
                let copy = CopyClient::new(self.config, remote, reason, most, watch);
                let transport = Box::new(git_copy::transport(copy));
                Ok(Link { transport, stderr: None, is_one_stream: false, without_refs: None })
            }
        }
    }
}

fn dial(
    dialing: Dialing<'_>,
    remote: &RemoteUrl,
    version: Protocol,
    watch: &Arc<Watch>,
) -> Result<Link, TransportError> {
    let Dialing { config, agents, limits } = dialing;
    match remote.url.scheme {
        Scheme::Http | Scheme::Https => {
            // A proxy may want a login, for which programs are asked.
            let options = watch.during(|| config.http(&remote.url));
            let agent = agents.get(&options.connection)?;
            let client = HttpClient::new(config, agent, options, remote, watch);
            let transport = Box::new(transport(client, remote, version));
            Ok(Link { transport, stderr: None, is_one_stream: false, without_refs: None })
        }
        Scheme::Git => git_daemon((config, agents.addresses()), remote, version, limits, watch),
        Scheme::Ssh => {
            let call = SshCall::new(config.ssh(), remote, config.interactive(), limits, watch)?;
            let Route { options, opening } = agents.ssh().route(&call, watch);
            let command = call.upload_pack(&options, remote, version);
            let started = ServerProcess::start(command, "ssh", !config.interactive(), watch)?;
            Ok(over_process(started, (opening, None), remote, version, ConnectMode::Process))
        }
        _ => {
            let copy = git_copy::of_bundle(config, remote, limits.into(), watch)?;
            let mut served = remote.clone();
            if let Some(copy) = &copy {
                // A path that stands for itself.
                served.url.serialize_alternative_form = true;
                served.url.path = gix::path::into_bstr(copy.path())
                    .map_or_else(|_| remote.url.path.clone(), |path| path.into_owned());
            }
            let started = ServerProcess::start(upload_pack(&served, version), "git", true, watch)?;
            Ok(over_process(started, (None, copy), remote, version, ConnectMode::Process))
        }
    }
}

fn over_process(
    (program, output, input): (ServerProcess, ProcessOutput, ProcessInput),
    (opening, copy): (Option<Opening>, Option<TempDir>),
    remote: &RemoteUrl,
    version: Protocol,
    mode: ConnectMode,
) -> Link {
    let stderr = Some(program.stderr());
    let path: BString = remote.url.path.clone();
    let host = (mode == ConnectMode::Daemon)
        .then(|| (remote.url.host().unwrap_or_default().to_owned(), remote.url.port));
    let inner = Connection::new(output, BufWriter::new(input), version, path, host, mode, false);
    let transport = Box::new(KeptTransport::of(inner, (program, copy, opening)));
    Link { transport, stderr, is_one_stream: true, without_refs: None }
}

/// A server behind the program that `core.gitProxy` names.
fn behind_proxy(
    program: String,
    remote: &RemoteUrl,
    version: Protocol,
    watch: &Arc<Watch>,
) -> Result<Link, TransportError> {
    let mut command = Command::new(&program);
    command.arg(remote.url.host().unwrap_or_default());
    command.arg(remote.url.port.unwrap_or(PORT).to_string());
    let started =
        ServerProcess::start_as(command, &program, Grouping::Own, fault_from_stderr, watch)?;
    Ok(over_process(started, (None, None), remote, version, ConnectMode::Daemon))
}

fn git_daemon(
    (config, addresses): (&GitConfig, &Addresses),
    remote: &RemoteUrl,
    version: Protocol,
    limits: &Limits,
    watch: &Arc<Watch>,
) -> Result<Link, TransportError> {
    let host = remote.url.host().unwrap_or_default().to_owned();
    if let Some(program) = config.git_proxy(&host) {
        return behind_proxy(program, remote, version, watch);
    }
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
    Ok(Link {
        transport: Box::new(transport),
        stderr: None,
        is_one_stream: true,
        without_refs: None,
    })
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
