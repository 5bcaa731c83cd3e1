//! git's own HTTP transport, as a child: `git remote-https`, spoken to as `gitremote-helpers(1)` says.
//!
//! ```text
//! us    stateless-connect git-upload-pack ⏎
//! git   ⏎                                       or `fallback ⏎`: the server speaks version 0, or none
//! git   the server's capabilities, in version 2
//! us    a request, up to its flush packet
//! git   the answer, then a response-end packet  and so on
//! ```
//!
//! The configuration, logins, proxies, certificates, cookies and redirects are git's. Limits, the receiver and all checks
//! of what comes are ours, as for every connection.
//!
//! Limits: a redirect is followed as git does it, with the logins and headers that git sends along.

use std::{
    env,
    io::{self, BufReader, BufWriter, Read, Write as _},
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

use super::{
    git_config::{GitConfig, RemoteUrl},
    git_environment::{add_settings, leave_repository, speak_english},
    git_words::fault_from_git,
    kept::KeptTransport,
    process::{Grouping, ProcessInput, ProcessOutput, ServerProcess, StderrTail},
    refusal::Moment,
    watch::Watch,
};
use crate::errors::{ConnectError, ServerError, TransferError, TransportError};

/// The line that a helper answers with is not longer.
const LINE: usize = 64;

/// A program that fetches over HTTP for us.
pub(crate) enum Helper {
    /// It speaks version 2 with the server.
    Speaks(Box<dyn Transport + Send>, StderrTail),
    /// The server does not speak it.
    FallsBack,
}

/// Why the server of `remote` hung up on git before it answered, if it says so in the handshake of TLS 1.2. In 1.3 it learns
/// of a client's certificate after the client is done, and which of a broken connection and its alert git finds is chance.
pub(crate) fn alert_in_handshake(
    config: &GitConfig,
    remote: &RemoteUrl,
    watch: &Arc<Watch>,
) -> Option<TransportError> {
    let mut command = git_for(config, remote);
    command.env("GIT_SSL_VERSION", "tlsv1.2");
    match speak(command, config, remote, "", watch).err()? {
        TransportError::Connect(ConnectError::Tls { source })
            if !source.to_string().contains("version") =>
        {
            Some(ConnectError::Tls { source }.into())
        }
        _ => None,
    }
}

/// Starts git's transport for `remote`, and lets it ask the server. `reason` says why it is needed.
pub(crate) fn start(
    config: &GitConfig,
    remote: &RemoteUrl,
    reason: &str,
    watch: &Arc<Watch>,
) -> Result<Helper, TransportError> {
    speak(git_for(config, remote), config, remote, reason, watch)
}

fn speak(
    mut command: Command,
    config: &GitConfig,
    remote: &RemoteUrl,
    reason: &str,
    watch: &Arc<Watch>,
) -> Result<Helper, TransportError> {
    command.arg("remote-https").arg("origin").arg(remote.url.to_bstring().to_string());
    let grouping = Grouping::of_git(config.interactive());
    let started = ServerProcess::start_as(command, "git", grouping, fault_from_git, watch);
    let (program, mut output, mut input) = started.map_err(|error| needed(error, reason))?;
    let stderr = program.stderr();
    watch.counters.request();
    let lost = |error: io::Error| {
        let dropped = TransferError::Dropped { source: Some(error.to_string().into()) };
        match watch.take_error() {
            None | Some(TransportError::Transfer(TransferError::Dropped { .. })) => {
                stderr.meaning(dropped, Moment::Asked)
            }
            Some(error) => error,
        }
    };
    let asked =
        input.write_all(b"stateless-connect git-upload-pack\n").and_then(|()| input.flush());
    match asked.and_then(|()| read_line(&mut output)).map_err(lost)?.as_slice() {
        b"\n" => {
            watch.begin_again();
            let stderr = program.stderr();
            let inner = connection(output, input, remote);
            let transport = KeptTransport::asking(inner, program, Arc::clone(watch));
            Ok(Helper::Speaks(Box::new(transport), stderr))
        }
        b"fallback\n" => Ok(Helper::FallsBack),
        // An older git does not know the command, says so, and ends.
        b"" if stderr.last_words().contains("unknown command") => Ok(Helper::FallsBack),
        b"" => Err(stderr.meaning(TransferError::Dropped { source: None }, Moment::Asked)),
        line => {
            let said = format!("git's transport answered {:?}", line.escape_ascii().to_string());
            Err(ServerError::Protocol { source: said.into() }.into())
        }
    }
}

/// Names what asked for git, where there is none.
pub(crate) fn needed(error: ConnectError, reason: &str) -> ConnectError {
    match error {
        ConnectError::Start { source, .. } if source.kind() == io::ErrorKind::NotFound => {
            ConnectError::NeedsGit { reason: reason.to_owned(), source }
        }
        error => error,
    }
}

/// git, to be run on behalf of a clone of `remote`: in our repository without objects, and never asking a person unless
/// that is allowed. A password of the address is in the environment, and not among the arguments, which others can see.
pub(crate) fn git_for(config: &GitConfig, remote: &RemoteUrl) -> Command {
    let mut command = Command::new("git");
    leave_repository(&mut command);
    command
        .env("GIT_DIR", config.repository())
        .env_remove("GIT_CONFIG")
        .env_remove("GIT_NAMESPACE");
    speak_english(&mut command);
    if !config.interactive() {
        // An agent would ask for a passphrase on the terminal that this names.
        command.env("GIT_TERMINAL_PROMPT", "0").env_remove("GPG_TTY");
    }
    trust(&mut command);
    if remote.url.scheme == Scheme::Https {
        // Nor a redirect to less security.
        command.env("GIT_ALLOW_PROTOCOL", "https");
    }
    let mut settings = Vec::new();
    if let Some(login) = &remote.login {
        let mut place = remote.url.clone();
        place.set_user(None);
        place.path = "/".into();
        let key = format!("credential.{}.helper", place.to_bstring());
        let helper = "!f() { test \"$1\" = get && printf 'username=%s\\npassword=%s\\n' \
                      \"$MODSTORE_GIT_USER\" \"$MODSTORE_GIT_PASSWORD\"; }; f";
        settings.extend([(key.clone(), String::new()), (key, helper.to_owned())]);
        command.env("MODSTORE_GIT_USER", &login.username);
        command.env("MODSTORE_GIT_PASSWORD", &login.password);
    }
    settings.extend(config.told_of_remote());
    add_settings(&mut command, &settings);
    command
}

/// What this process trusts beyond git is trusted by git too, as far as a variable can say it and nothing else is set.
fn trust(command: &mut Command) {
    for (ours, gits) in [("SSL_CERT_FILE", "GIT_SSL_CAINFO"), ("SSL_CERT_DIR", "GIT_SSL_CAPATH")] {
        let place = env::var_os(ours).filter(|place| std::path::Path::new(place).exists());
        if let Some(place) = place.filter(|_| env::var_os(gits).is_none()) {
            command.env(gits, place);
        }
    }
}

fn read_line(output: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < LINE && !line.ends_with(b"\n") && output.read(&mut byte)? == 1 {
        line.extend_from_slice(&byte);
    }
    Ok(line)
}

type Inner = Connection<BufReader<WithoutResponseEnds<ProcessOutput>>, BufWriter<ProcessInput>>;

fn connection(output: ProcessOutput, input: ProcessInput, remote: &RemoteUrl) -> Inner {
    let path: BString = remote.url.path.clone();
    Connection::new(
        BufReader::with_capacity(64 * 1024, WithoutResponseEnds::new(output)),
        BufWriter::new(input),
        Protocol::V2,
        path,
        None::<(&str, _)>,
        ConnectMode::Process,
        false,
    )
}

/// Packets, but for the response-end ones, which only a helper sends.
struct WithoutResponseEnds<R> {
    inner: R,
    /// Bytes left of the packet that is being passed on.
    left: usize,
    /// The length of the next packet, as far as it was read, and its bytes that are still to be passed on.
    head: Vec<u8>,
    pending: usize,
    /// From here on these are no packets, and everything is passed on.
    is_lost: bool,
}

/// The length that a response-end packet gives.
const RESPONSE_END: &[u8] = b"0002";

impl<R: Read> WithoutResponseEnds<R> {
    const fn new(inner: R) -> Self {
        Self { inner, left: 0, head: Vec::new(), pending: 0, is_lost: false }
    }

    /// Reads the next length, past any that end a response; false at the end.
    fn next_head(&mut self) -> io::Result<bool> {
        loop {
            self.head.clear();
            let mut byte = [0];
            while self.head.len() < RESPONSE_END.len() {
                if self.inner.read(&mut byte)? == 0 {
                    self.pending = self.head.len();
                    return Ok(self.pending > 0);
                }
                self.head.extend_from_slice(&byte);
            }
            if self.head != RESPONSE_END {
                break;
            }
        }
        self.pending = self.head.len();
        let length = str::from_utf8(&self.head).ok();
        match length.and_then(|digits| usize::from_str_radix(digits, 16).ok()) {
            Some(length) => self.left = length.saturating_sub(self.head.len()),
            None => self.is_lost = true,
        }
        Ok(true)
    }
}

impl<R: Read> Read for WithoutResponseEnds<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.pending == 0 && self.left == 0 && !self.is_lost && !self.next_head()? {
            return Ok(0);
        }
        if self.pending > 0 {
            let begin = self.head.len() - self.pending;
            let read = self.head.get(begin..).unwrap_or_default().read(buf)?;
            self.pending -= read;
            return Ok(read);
        }
        if self.is_lost {
            return self.inner.read(buf);
        }
        let most = buf.len().min(self.left);
        let read = self.inner.read(buf.get_mut(..most).unwrap_or_default())?;
        self.left -= read;
        // An end within a packet is the reader's to find.
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::WithoutResponseEnds;

    #[test]
    fn response_ends_are_left_out_wherever_reads_are_cut_and_nothing_else_is() {
        let sent = b"000eversion 2\n00000002000800020000" as &[u8];
        let sent = [sent, b"00020006a\n00010009a000200000002"].concat();
        let kept = b"000eversion 2\n00000008000200000006a\n00010009a00020000";
        struct Pieces<'a>(&'a [u8], usize);
        impl std::io::Read for Pieces<'_> {
            fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
                let most = self.1.min(buf.len()).min(self.0.len());
                self.0.read(&mut buf[..most])
            }
        }
        for size in 1..sent.len() {
            let mut seen = Vec::new();
            let mut reader = WithoutResponseEnds::new(Pieces(&sent, size));
            let mut piece = vec![0; size];
            while let Ok(read @ 1..) = reader.read(&mut piece) {
                seen.extend_from_slice(&piece[..read]);
            }
            assert_eq!(seen, kept, "pieces of {size}");
        }
        let mut lost = Vec::new();
        WithoutResponseEnds::new(&b"<html>0002</html>"[..]).read_to_end(&mut lost).unwrap();
        assert_eq!(lost, b"<html>0002</html>");
    }
}
