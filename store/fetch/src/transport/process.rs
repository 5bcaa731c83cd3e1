//! Programs that talk to a server for us: `git upload-pack` here, `ssh` to elsewhere.
//!
//! A program runs in its own process group and never outlives the connection. What it prints on
//! stderr is kept, because it is often the only thing that says why.
//!
//! Limits: an interactive ssh stays in our process group, or it could not ask; then only ssh itself
//! is ended, and asked to end what it started.

use std::{
    ffi::{OsStr, OsString},
    io::{self, BufReader, Read},
    os::unix::ffi::OsStrExt as _,
    process::{ChildStderr, ChildStdin, ChildStdout, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, RecvTimeoutError, channel},
    },
    thread,
    time::Duration,
};

use gix::{bstr::ByteSlice, url::ArgumentSafety};
use gix_transport::{Protocol, client::blocking_io::ssh::ProgramKind};
use modstore_core::program::{Group, Input, Manner, Running, Stderr};

use super::{
    git_config::{RemoteUrl, SshProgram},
    git_environment::{leave_configuration, leave_repository, speak_english},
    refusal::{Moment, judge, recognised},
    watch::{TimeoutStream, Watch},
};
use crate::{
    errors::{ConnectError, LoginError, ServerError, TransferError, TransportError, Words},
    limits::Limits,
};

/// How much of the end of stderr is kept.
const KEPT: usize = 4096;

/// How long stderr may take to end after the program has hung up.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// The reading side of a program.
pub(crate) type ProcessOutput = BufReader<TimeoutStream<ChildStdout>>;

/// The writing side of a program.
pub(crate) type ProcessInput = TimeoutStream<ChildStdin>;

/// A running program. Dropping it ends it.
pub(crate) struct ServerProcess {
    group: Group,
    stderr: StderrTail,
}

/// The end of what a program printed on stderr.
#[derive(Clone)]
pub(crate) struct StderrTail {
    tail: Arc<Mutex<Vec<u8>>>,
    ended: Arc<Mutex<Receiver<()>>>,
    means: Interpretation,
}

/// What a program that hung up meant by its last words.
type Interpretation = fn(&str, TransferError, Moment) -> TransportError;

/// The processes that a program is together with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Grouping {
    /// Those that it starts, in a session without a terminal.
    Session,
    /// Those that it starts.
    Own,
    /// Ours too: it may ask a person.
    Ours,
}

impl Grouping {
    /// For a git that may ask a person, or may not.
    pub(crate) const fn of_git(interactive: bool) -> Self {
        if interactive { Self::Ours } else { Self::Session }
    }
}

impl ServerProcess {
    /// Starts `command`, which serves a repository, here or elsewhere, and whose name in errors is `name`.
    pub(crate) fn start(
        mut command: Command,
        name: &str,
        has_group: bool,
        watch: &Arc<Watch>,
    ) -> Result<(ServerProcess, ProcessOutput, ProcessInput), ConnectError> {
        leave_repository(&mut command);
        leave_configuration(&mut command);
        let grouping = if has_group { Grouping::Own } else { Grouping::Ours };
        Self::start_as(command, name, grouping, fault_from_stderr, watch)
    }

    /// Starts `command` in the environment that it has, whose last words have this meaning.
    pub(crate) fn start_as(
        mut command: Command,
        name: &str,
        grouping: Grouping,
        means: Interpretation,
        watch: &Arc<Watch>,
    ) -> Result<(ServerProcess, ProcessOutput, ProcessInput), ConnectError> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let failed = |source| ConnectError::Start { program: name.to_owned(), source };
        let group = match grouping {
            Grouping::Session => Group::start_session(command),
            Grouping::Own => Group::start(command, true),
            Grouping::Ours => Group::start(command, false),
        };
        let mut group = group.map_err(failed)?;
        watch.counters.connection();
        let child = group.child();
        let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        let (Some(stdin), Some(stdout), Some(stderr)) = pipes else {
            return Err(failed(io::ErrorKind::BrokenPipe.into()));
        };
        let program = ServerProcess { group, stderr: StderrTail::listen(stderr, means) };
        let output =
            BufReader::with_capacity(64 * 1024, TimeoutStream::new(stdout, Arc::clone(watch)));
        Ok((program, output, TimeoutStream::new(stdin, Arc::clone(watch))))
    }

    pub(crate) fn stderr(&self) -> StderrTail {
        self.stderr.clone()
    }

    /// How it ended, if it has.
    pub(crate) fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.group.child().try_wait()
    }
}

impl StderrTail {
    fn listen(mut stderr: ChildStderr, means: Interpretation) -> Self {
        let tail = Arc::new(Mutex::new(Vec::new()));
        let (end, ended) = channel();
        let kept = Arc::clone(&tail);
        // Without a thread its last words are lost, and it works all the same.
        let _ = thread::Builder::new().spawn(move || {
            let mut chunk = [0; 1024];
            while let Ok(read @ 1..) = stderr.read(&mut chunk) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend_from_slice(chunk.split_at(read).0);
                let excess = kept.len().saturating_sub(KEPT);
                kept.drain(..excess);
            }
            let _ = end.send(());
        });
        StderrTail { tail, ended: Arc::new(Mutex::new(ended)), means }
    }

    /// What the program meant, which has hung up.
    pub(crate) fn meaning(&self, dropped: TransferError, moment: Moment) -> TransportError {
        (self.means)(&self.last_words(), dropped, moment)
    }

    /// What was printed, once the program has closed stderr or had time to.
    pub(crate) fn last_words(&self) -> String {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        if let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(LAST_WORDS) {
            // A program that it started holds its stderr open; the text so far has to do.
        }
        let tail = self.tail.lock().unwrap_or_else(PoisonError::into_inner);
        tail.to_str_lossy().trim().to_owned()
    }
}

/// `git upload-pack` in the repository at `remote`.
pub(crate) fn upload_pack(remote: &RemoteUrl, version: Protocol) -> Command {
    let mut command = Command::new("git");
    command.arg("upload-pack").arg("--").arg(OsStr::from_bytes(&local_path(&remote.url)));
    speak_english(&mut command);
    set_protocol(&mut command, version);
    command
}

/// The path in a `file://` address: as in git, which reads each `%XX` but `%00`. A path that `insteadOf` gave stands for
/// itself.
pub(crate) fn local_path(url: &gix::Url) -> Vec<u8> {
    if url.serialize_alternative_form {
        return url.path.to_vec();
    }
    let mut path = Vec::with_capacity(url.path.len());
    let mut rest = url.path.as_slice();
    while let Some((&byte, tail)) = rest.split_first() {
        let escaped = rest.get(1..3).filter(|_| byte == b'%');
        let escaped = escaped.and_then(|hex| u8::from_str_radix(hex.to_str().ok()?, 16).ok());
        // `from_str_radix` takes a sign for a digit.
        let is_hex = rest.get(1).is_some_and(u8::is_ascii_hexdigit);
        match escaped.filter(|value| *value != 0 && is_hex) {
            Some(value) => {
                path.push(value);
                rest = rest.get(3..).unwrap_or_default();
            }
            None => {
                path.push(byte);
                rest = tail;
            }
        }
    }
    path
}

/// `ssh`, as git would start it for one server.
pub(crate) struct SshCall {
    program: SshProgram,
    kind: ProgramKind,
    options: Vec<String>,
    destination: String,
    interactive: bool,
}

impl SshCall {
    /// For the server of `remote`.
    pub(crate) fn new(
        program: SshProgram,
        remote: &RemoteUrl,
        interactive: bool,
        limits: &Limits,
        watch: &Watch,
    ) -> Result<SshCall, ServerError> {
        let refuse = |why: &str| ServerError::Protocol { source: why.to_owned().into() };
        let ArgumentSafety::Usable(host) = remote.url.host_as_argument() else {
            return Err(refuse("the host name could be taken for an option"));
        };
        let destination = match remote.url.user_as_argument() {
            ArgumentSafety::Absent => host.to_owned(),
            ArgumentSafety::Usable(user) => format!("{user}@{host}"),
            ArgumentSafety::Dangerous(_) => {
                return Err(refuse("the user name could be taken for an option"));
            }
        };
        let kind = program.kind.unwrap_or_else(|| guess_kind(&program, host, limits, watch));
        let options = options(kind, remote.url.port, interactive, limits)?;
        Ok(SshCall { program, kind, options, destination, interactive })
    }

    /// Whether it is OpenSSH, and asks no person anything.
    pub(crate) fn is_quiet_openssh(&self) -> bool {
        self.kind == ProgramKind::Ssh && !self.interactive
    }

    /// Equal for calls that lead to the same server in the same way.
    pub(crate) fn key(&self) -> (OsString, Vec<String>, String) {
        (self.program.command.clone(), self.options.clone(), self.destination.clone())
    }

    /// The command, with more options.
    pub(crate) fn command(&self, more: &[String]) -> Command {
        let mut command = base_command(&self.program);
        command.args(&self.options).args(more).arg(&self.destination);
        speak_english(&mut command);
        if !self.interactive {
            command.env("SSH_ASKPASS_REQUIRE", "never").env("GIT_TERMINAL_PROMPT", "0");
        }
        command
    }

    /// The command that runs `git-upload-pack` on the other side, with more options.
    pub(crate) fn upload_pack(
        &self,
        more: &[String],
        remote: &RemoteUrl,
        version: Protocol,
    ) -> Command {
        let path = gix::url::expand_path::for_shell(remote.url.path.clone());
        let mut there = OsString::from("git-upload-pack ");
        there.push(OsStr::new(&gix::quote::single(path.as_bstr()).to_str_lossy().into_owned()));
        let mut command = self.command(more);
        command.arg(there);
        set_protocol(&mut command, version);
        command
    }

    /// The command that runs this line on the other side, over a connection of its own.
    pub(crate) fn run(&self, line: &OsStr) -> Command {
        let mut command = self.command(&[]);
        command.arg(line);
        leave_repository(&mut command);
        leave_configuration(&mut command);
        command
    }
}

fn base_command(program: &SshProgram) -> Command {
    if !program.shell {
        return Command::new(&program.command);
    }
    let mut line = program.command.clone();
    line.push(" \"$@\"");
    let mut command = Command::new("sh");
    command.arg("-c").arg(line).arg(&program.command);
    command
}

fn options(
    kind: ProgramKind,
    port: Option<u16>,
    interactive: bool,
    limits: &Limits,
) -> Result<Vec<String>, ServerError> {
    let mut options = Vec::new();
    match kind {
        ProgramKind::Ssh => {
            if !interactive {
                options.extend(["-o".to_owned(), "BatchMode=yes".to_owned()]);
            }
            if !interactive {
                // Without banners and warnings, which would stand before the words that say why.
                options.extend(["-o".to_owned(), "LogLevel=ERROR".to_owned()]);
            }
            let seconds = limits.connect.as_secs().max(1);
            options.extend(["-o".to_owned(), format!("ConnectTimeout={seconds}")]);
            options.extend(["-o".to_owned(), "SendEnv=GIT_PROTOCOL".to_owned()]);
            options.extend(port.map(|port| format!("-p{port}")));
        }
        ProgramKind::Plink | ProgramKind::Putty | ProgramKind::TortoisePlink => {
            if !interactive || kind == ProgramKind::TortoisePlink {
                options.push("-batch".to_owned());
            }
            options.extend(port.into_iter().flat_map(|port| ["-P".to_owned(), port.to_string()]));
        }
        ProgramKind::Simple => {
            if port.is_some() {
                let why =
                    "this ssh program takes no port; set ssh.variant in the git configuration";
                return Err(ServerError::Protocol { source: why.into() });
            }
        }
    }
    Ok(options)
}

/// What git does: by name, and if the name says nothing, by asking it for OpenSSH's `-G`.
fn guess_kind(program: &SshProgram, host: &str, limits: &Limits, watch: &Watch) -> ProgramKind {
    let line = program.command.to_string_lossy();
    let first =
        if program.shell { line.split_whitespace().next().unwrap_or_default() } else { &line };
    match ProgramKind::from(OsStr::new(first)) {
        ProgramKind::Simple => {
            let mut probe = base_command(program);
            probe.args(["-G", host]);
            let limit = limits.connect;
            let cancel = watch.cancel();
            let running = Running {
                input: Input::Nothing,
                limit,
                cancel,
                told: &|_| {},
                ends_with_us: false,
            };
            let manner = Manner { stderr: Stderr::Nowhere, ..Manner::default() };
            let ran = running.run_as(probe, manner);
            let is_openssh = ran.is_ok_and(|ran| ran.status.success());
            if is_openssh { ProgramKind::Ssh } else { ProgramKind::Simple }
        }
        kind => kind,
    }
}

fn set_protocol(command: &mut Command, version: Protocol) {
    match version {
        Protocol::V2 => command.env("GIT_PROTOCOL", "version=2"),
        _ => command.env_remove("GIT_PROTOCOL"),
    };
}

/// What a program that hung up meant, by its last words.
pub(crate) fn fault_from_stderr(
    said: &str,
    dropped: TransferError,
    moment: Moment,
) -> TransportError {
    let has = |texts: &[&str]| texts.iter().any(|text| said.contains(text));
    let (of_ssh, words): (Vec<&str>, Vec<&str>) =
        said.lines().map(str::trim).filter(|line| !line.is_empty()).partition(|l| is_of_ssh(l));
    let last = of_ssh.last().or(words.last()).copied().unwrap_or_default();
    let cause = || Some(last.into());
    let words = words.join("\n");
    if said.is_empty() {
        dropped.into()
    } else if has(&["Host key verification failed", "REMOTE HOST IDENTIFICATION HAS CHANGED"]) {
        ConnectError::HostKey(last.to_owned()).into()
    } else if has(&["Could not resolve hostname", "Name or service not known"]) {
        ConnectError::UnknownHost { source: cause() }.into()
    } else if has(&["Connection refused", "No route to host", "Network is unreachable"]) {
        ConnectError::Refused { source: cause() }.into()
    } else if let Some(known) = recognised(&words) {
        known
    } else if has(&["Too many authentication failures", "No supported authentication"]) {
        LoginError::Refused(Words::of(last)).into()
    } else if !of_ssh.is_empty() || Words::of(&words).is_empty() {
        TransferError::Dropped { source: cause() }.into()
    } else {
        judge(&words, moment)
    }
}

/// Whether ssh says this itself, of its connection, and no server.
fn is_of_ssh(line: &str) -> bool {
    const BEGINNINGS: [&str; 15] = [
        "ssh: ",
        "ssh_dispatch_run_fatal",
        "ssh_exchange_identification",
        "kex_exchange_identification",
        "banner exchange",
        "client_loop",
        "packet_write_wait",
        "Read from remote host",
        "Connection closed",
        "Connection reset",
        "Connection timed out",
        "Connection to ",
        "Timeout, server",
        "Received disconnect",
        "Disconnected from",
    ];
    BEGINNINGS.iter().any(|beginning| line.starts_with(beginning))
}

#[cfg(test)]
mod tests {
    use modstore_core::model::Class;

    use super::{Moment, fault_from_stderr, local_path};
    use crate::errors::{TransferError, TransportError};

    fn meant(said: &str) -> TransportError {
        fault_from_stderr(said, TransferError::Dropped { source: None }, Moment::Asked)
    }

    #[test]
    fn the_path_of_a_file_address_is_read_as_git_reads_it() {
        for (url, path) in [
            ("file:///My%20Project/%C3%9C+.git", "/My Project/Ü+.git"),
            ("file:///a b", "/a b"),
            ("file:///100%25/%zz/%0/%", "/100%/%zz/%0/%"),
            ("file:///%00/%+1", "/%00/%+1"),
            ("/srv/%20", "/srv/%20"),
        ] {
            let url = gix::url::parse(url).unwrap();
            assert_eq!(String::from_utf8(local_path(&url)).unwrap(), path, "{url:?}");
        }
    }

    #[test]
    fn a_connection_that_ssh_lost_is_lost_and_not_said_by_the_server() {
        for said in [
            "Connection to h closed by remote host.",
            "kex_exchange_identification: Connection closed by remote host",
            "client_loop: send disconnect: Broken pipe",
            "Warning: Permanently added 'h' to the list of known hosts.\nConnection reset by h port 22",
            "Welcome to the machine room!\nConnection closed by 192.0.2.1 port 22",
        ] {
            let meant = meant(said);
            assert!(
                matches!(
                    meant,
                    TransportError::Transfer(TransferError::Dropped { source: Some(_) })
                ),
                "{meant:?}"
            );
        }
    }

    #[test]
    fn what_ssh_prints_says_whether_to_try_again() {
        for (said, class) in [
            ("ssh: connect to host h port 1: Connection refused", Class::Transient),
            ("ssh: Could not resolve hostname h: Name or service not known", Class::Transient),
            ("kex_exchange_identification: Connection closed by remote host", Class::Transient),
            ("git@h: Permission denied (publickey).", Class::Permanent),
            ("Host key verification failed.", Class::Permanent),
            ("fatal: '/x' does not appear to be a git repository", Class::Permanent),
            ("ERROR: Repository not found.\nfatal: Could not read from remote", Class::Permanent),
            (
                "Received disconnect from h port 22:2: Too many authentication failures",
                Class::Permanent,
            ),
            ("Warning: Permanently added 'h' to the list of known hosts.", Class::Transient),
            (
                "kex_exchange_identification: banner line 0: Not allowed at this time",
                Class::Transient,
            ),
            ("ssh: connect to host h port 22: Connection timed out", Class::Transient),
            ("words that are not known", Class::Permanent),
            ("", Class::Transient),
        ] {
            assert_eq!(meant(said).class(), class, "{said}");
        }
    }
}
