//! Programs of others, run to their end: an installer, an interpreter, a build.
//!
//! A program gets a process group of its own and a time limit; when that is over, or somebody wishes to
//! stop, the whole group is killed. When it has ended by itself, what is left of its group is killed too,
//! so that nothing it started outlives it. Nothing is read from a terminal: standard input is what is given
//! here, and no more. What it prints is bounded: one that prints more is ended. A build is ended when this process is
//! killed, too (`Watch`); an installer is not, for what it has begun is better ended well. Until then it holds the lock of
//! its environment ([`Input::Lock`]).
//!
//! All that run are known ([`end_all`]), so that a process that must stop at once leaves none of them behind.
//!
//! A descendant that makes a group of its own (`setsid`) escapes. What a program does to the disk is its own.

use std::{
    ffi::OsStr,
    io::{self, Read, Write as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use process_wrap::std::{CommandWrap, CommandWrapper as _, ProcessSession};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::{Cancel, disk::Lock};

/// The most that is kept of the end of standard error.
const TAIL: usize = 16 << 10;
/// The most that a program may print on standard output; one that prints more is ended.
const MOST: usize = 32 << 20;
/// How long whoever inherited the pipes may keep them open after the program and its group have ended, and how long
/// they may go on to fill them.
const LAST_WORDS: Duration = Duration::from_millis(500);
const MOST_LAST_WORDS: Duration = Duration::from_secs(2);
/// How long a program that shares our group may take to end when it is asked to.
const GRACE: Duration = Duration::from_millis(300);
/// Pieces of standard error, of 8 KiB each, that wait to be heard; then the program waits.
const QUEUE: usize = 32;

/// A program's standard input.
#[derive(Debug, Clone, Copy)]
pub enum Input<'a> {
    /// It ends at once.
    Nothing,
    /// These bytes.
    Bytes(&'a [u8]),
    /// It ends at once, and this lock is held until the program has ended, even where this process is killed before.
    Lock(&'a Lock),
}

/// How a program is run.
pub struct Running<'a> {
    /// What it may read.
    pub input: Input<'a>,
    /// So long it may take.
    pub limit: Duration,
    /// The wish to stop.
    pub cancel: &'a Cancel,
    /// Hears each line of standard error as it comes.
    pub told: &'a dyn Fn(&str),
    /// Whether it ends with this process, however that ends.
    pub ends_with_us: bool,
}

/// Where a program's standard error goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stderr {
    /// To whoever hears it, and into errors.
    Heard,
    /// Where ours goes: a person is asked something.
    Ours,
    /// Nowhere.
    Nowhere,
}

/// How a program is started.
#[derive(Debug, Clone, Copy)]
pub struct Manner {
    /// Whether it stays in our process group, as one must that asks something on the terminal. Then only itself is
    /// ended, not what it started.
    pub shares_our_group: bool,
    /// Whether it runs in a session of its own, where there is no terminal: nothing that it starts can ask there.
    pub has_no_terminal: bool,
    /// Whether what it has started may go on when it has ended by itself and well.
    pub may_leave_others: bool,
    /// Where its standard error goes.
    pub stderr: Stderr,
    /// The most bytes that it may print.
    pub most: usize,
}

impl Default for Manner {
    fn default() -> Self {
        let stderr = Stderr::Heard;
        Self {
            shares_our_group: false,
            has_no_terminal: false,
            may_leave_others: false,
            stderr,
            most: MOST,
        }
    }
}

/// What came of a program that ended by itself.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub status: ExitStatus,
    /// All that it printed on standard output.
    pub stdout: Vec<u8>,
    /// The end of what it said on standard error, without white space around it.
    pub stderr: String,
}

/// A program that did not end by itself, or not well. What it did until then is done.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It could not be started.
    #[error("cannot run {program}")]
    Start {
        /// The program.
        program: String,
        /// What the system says.
        source: io::Error,
    },
    /// It took too long, and was killed.
    #[error("{program} took longer than {} s, and was ended", .limit.as_secs_f32())]
    TimedOut {
        /// The program.
        program: String,
        /// The time limit.
        limit: Duration,
        /// The end of what it said.
        #[source]
        said: Option<Said>,
    },
    /// It ended with an error.
    #[error("{program} ended with {}", ending(.status))]
    Failed {
        /// The program.
        program: String,
        /// How.
        status: ExitStatus,
        /// The end of what it said.
        #[source]
        said: Option<Said>,
    },
    /// It printed more than is read, and was ended.
    #[error("{program} printed more than {most} bytes, and was ended")]
    TooMuch {
        /// The program.
        program: String,
        /// The most bytes.
        most: usize,
    },
    /// It said something that it should not have.
    #[error("{program} gave an answer that cannot be understood")]
    Answer {
        /// The program.
        program: String,
        /// The end of what it said.
        #[source]
        said: Option<Said>,
    },
    /// Somebody wished to stop.
    #[error("interrupted while {program} ran")]
    Cancelled {
        /// The program.
        program: String,
    },
}

/// The end of what a program said on standard error: often the only thing that tells why. More than one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Said(String);

/// A text without what steers a terminal: colours, movements, titles.
fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(next) = rest.next() {
        match (next, rest.peek()) {
            ('\u{1b}', Some('[')) => {
                rest.next();
                rest.by_ref().find(|end| matches!(end, '@'..='~'));
            }
            ('\u{1b}', Some(']' | 'P' | 'X' | '^' | '_')) => {
                let mut before = ' ';
                rest.by_ref().find(|end| {
                    let is_end = *end == '\u{7}' || (before == '\u{1b}' && *end == '\\');
                    before = *end;
                    is_end
                });
            }
            // One that chooses among sets of characters has a byte more.
            ('\u{1b}', Some(' '..='/')) => {
                rest.by_ref().find(|end| !matches!(end, ' '..='/'));
            }
            ('\u{1b}', Some(_)) => drop(rest.next()),
            ('\u{1b}', None) => {}
            _ => plain.push(next),
        }
    }
    plain
}

impl Said {
    /// What was said, unless that is nothing.
    pub fn of(text: String) -> Option<Self> {
        let text = if text.contains('\u{1b}') { without_escapes(&text) } else { text };
        (!text.is_empty()).then_some(Self(text))
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

fn ending(status: &ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

impl Input<'_> {
    fn stdin(self) -> io::Result<Stdio> {
        match self {
            Self::Nothing => Ok(Stdio::null()),
            Self::Bytes(_) => Ok(Stdio::piped()),
            Self::Lock(lock) => lock.shared_file().map(Stdio::from),
        }
    }
}

impl Running<'_> {
    /// Runs `command` to its end.
    ///
    /// # Errors
    /// It was not started, or was killed: by its time limit, or by the wish to stop.
    pub fn run(&self, command: Command) -> Result<Ran, ProgramError> {
        self.run_as(command, Manner::default())
    }

    /// The same, started in a manner of its own.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_as(&self, mut command: Command, manner: Manner) -> Result<Ran, ProgramError> {
        let program = name(command.get_program());
        if self.cancel.is_cancelled() {
            return Err(ProgramError::Cancelled { program });
        }
        let failed = |source| ProgramError::Start { program: program.clone(), source };
        command.stdin(self.input.stdin().map_err(failed)?);
        command.stdout(Stdio::piped()).stderr(match manner.stderr {
            Stderr::Heard => Stdio::piped(),
            Stderr::Ours => Stdio::inherit(),
            Stderr::Nowhere => Stdio::null(),
        });
        let group = if manner.has_no_terminal {
            Group::start_session(command)
        } else {
            Group::start(command, !manner.shares_our_group)
        };
        let group = group.map_err(failed)?;
        self.attend(group, manner, program)
    }

    /// As [`run`](Self::run), and the program must end with 0.
    ///
    /// # Errors
    /// Also [`ProgramError::Failed`].
    pub fn succeed(&self, command: Command) -> Result<Ran, ProgramError> {
        let program = name(command.get_program());
        match self.run(command)? {
            ran if ran.status.success() => Ok(ran),
            Ran { status, stderr, .. } => {
                Err(ProgramError::Failed { program, status, said: Said::of(stderr) })
            }
        }
    }

    fn attend(
        &self,
        mut group: Group,
        manner: Manner,
        program: String,
    ) -> Result<Ran, ProgramError> {
        let child = group.child();
        let stdin = child.stdin.take();
        let Some(stdout) = child.stdout.take() else {
            let source = io::ErrorKind::BrokenPipe.into();
            return Err(ProgramError::Start { program, source });
        };
        let stderr = child.stderr.take();
        // Where there is no shell, it goes on to its end, which harms nobody.
        let _watch = if self.ends_with_us { Watch::over(&group).ok() } else { None };
        let heard = || -> io::Result<_> {
            if let (Some(stdin), Input::Bytes(bytes)) = (stdin, self.input) {
                feed(stdin, bytes.to_vec())?;
            }
            let stdout = Gathered::of(stdout, manner.most)?;
            Ok((stdout, stderr.map_or_else(|| Ok(nothing()), listen)?))
        };
        let (stdout, from) =
            heard().map_err(|source| ProgramError::Start { program: program.clone(), source })?;
        let mut stderr = Lines { from, is_open: true, told: self.told, tail: vec![], line: vec![] };
        let ended = self.wait(&mut group, &stdout, &mut stderr);
        if manner.may_leave_others && ended.is_ok() {
            group.spare();
        }
        drop(group);
        let stderr = stderr.end();
        match ended {
            Ok(status) => match stdout.all() {
                Some(stdout) => Ok(Ran { status, stdout, stderr }),
                None => Err(ProgramError::TooMuch { program, most: manner.most }),
            },
            Err(Stopped::Cancelled) => Err(ProgramError::Cancelled { program }),
            Err(Stopped::TimedOut) => {
                Err(ProgramError::TimedOut { program, limit: self.limit, said: Said::of(stderr) })
            }
            Err(Stopped::TooMuch) => Err(ProgramError::TooMuch { program, most: manner.most }),
            Err(Stopped::Lost(source)) => Err(ProgramError::Start { program, source }),
        }
    }

    fn wait(
        &self,
        group: &mut Group,
        stdout: &Gathered,
        stderr: &mut Lines<'_>,
    ) -> Result<ExitStatus, Stopped> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = group.child().try_wait().map_err(Stopped::Lost)? {
                return Ok(status);
            }
            if self.cancel.is_cancelled() {
                return Err(Stopped::Cancelled);
            }
            if stdout.is_too_much() {
                return Err(Stopped::TooMuch);
            }
            let left = self.limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(Stopped::TimedOut);
            }
            let was_open = stderr.is_open;
            stderr.hear_for(pause.min(left));
            // A program that closes its output ends in a moment: most run for a few milliseconds, as `git status` does.
            pause = match was_open && !stderr.is_open {
                true => Duration::from_micros(100),
                false => (pause * 2).min(Duration::from_millis(5)),
            };
        }
    }
}

enum Stopped {
    Cancelled,
    TimedOut,
    TooMuch,
    Lost(io::Error),
}

/// The programs that run, and whether each has a group of its own; nothing, once all were ended for good.
static RUNNING: Mutex<Option<Vec<(u32, bool)>>> = Mutex::new(Some(Vec::new()));

/// Ends every program that runs for this process, and lets no other begin: for a process that is about to stop, whatever
/// its threads are at.
pub fn end_all() {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner).take();
    for (id, is_own) in running.into_iter().flatten() {
        end(id, is_own, if is_own { Signal::KILL } else { Signal::TERM });
    }
}

/// A program and all it started; dropping it ends what is left of them.
pub struct Group {
    child: Child,
    is_own: bool,
    is_spared: bool,
}

impl Group {
    /// Starts `command`, in a process group of its own if it `is_own`, else in ours.
    pub fn start(mut command: Command, is_own: bool) -> io::Result<Self> {
        if is_own {
            command.process_group(0);
        }
        Self::spawn(command, is_own)
    }

    /// Starts `command` in a session of its own, and so in a process group of its own, without a terminal.
    pub fn start_session(mut command: Command) -> io::Result<Self> {
        // Only what is done to the command before it starts is wanted of the library.
        let unused = CommandWrap::from(Command::new(""));
        ProcessSession.pre_spawn(&mut command, &unused)?;
        Self::spawn(command, true)
    }

    fn spawn(mut command: Command, is_own: bool) -> io::Result<Self> {
        // Held until the child is known, or it could be missed by who ends all.
        let mut running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
        let known = running.as_mut().ok_or(io::ErrorKind::Interrupted)?;
        let child = command.spawn()?;
        known.push((child.id(), is_own));
        Ok(Self { child, is_own, is_spared: false })
    }

    /// The process.
    pub const fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// What the program has started may go on.
    fn spare(&mut self) {
        self.is_spared = true;
    }

    /// Asks a program in our group to end, which lets it end what it has started, and then makes it.
    fn end_alone(&mut self) {
        let asked = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) {
            match asked.elapsed() < GRACE {
                true => end(self.child.id(), false, Signal::TERM),
                // It has ended meanwhile, or is waited for below.
                false => drop(self.child.kill()),
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        match (self.is_own, self.is_spared) {
            (_, true) => {}
            (true, _) => end(self.child.id(), true, Signal::KILL),
            (false, _) => self.end_alone(),
        }
        let id = self.child.id();
        if let Some(known) = &mut *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) {
            known.retain(|(other, _)| *other != id);
        }
        let _ = self.child.wait();
    }
}

/// Signals a group, or a process alone. Nobody is left in most groups by now.
fn end(id: u32, is_group: bool, how: Signal) {
    let Some(id) = i32::try_from(id).ok().and_then(Pid::from_raw) else { return };
    let _ = if is_group { kill_process_group(id, how) } else { kill_process(id, how) };
}

/// A shell that kills a group as soon as this process is no more, by whatever it was ended: it reads from a pipe that
/// only we hold open. Dropping it ends it.
struct Watch(Child);

impl Watch {
    fn over(group: &Group) -> io::Result<Self> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "read _; kill -s KILL -- \"-$0\"", &group.child.id().to_string()]);
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        shell.env_clear().current_dir("/").spawn().map(Self)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // The signal is there before the pipe is closed, which waiting does.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Gives a program what it may read. Nobody waits for that: it need not read it.
fn feed(mut stdin: ChildStdin, input: Vec<u8>) -> io::Result<()> {
    let write = move || {
        let _ = stdin.write_all(&input);
    };
    thread::Builder::new().spawn(write).map(drop)
}

/// Reads to the end on a thread of its own. Nobody waits for that thread: one who has escaped may hold the
/// pipe open. Whoever does not hear makes the program wait.
fn listen(mut from: impl Read + Send + 'static) -> io::Result<Receiver<Vec<u8>>> {
    let (send, receive) = mpsc::sync_channel(QUEUE);
    let read = move || {
        let mut chunk = [0; 8192];
        while let Ok(read @ 1..) = from.read(&mut chunk) {
            if send.send(chunk.split_at(read).0.to_vec()).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().spawn(read).map(|_| receive)
}

/// What is heard of a program whose standard error is not ours to hear.
fn nothing() -> Receiver<Vec<u8>> {
    mpsc::channel().1
}

/// What a program prints, up to a limit, read on a thread of its own as in [`listen`].
struct Gathered {
    bytes: Arc<Mutex<Vec<u8>>>,
    ended: Receiver<()>,
    most: usize,
}

impl Gathered {
    fn of(mut from: impl Read + Send + 'static, most: usize) -> io::Result<Self> {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let (end, ended) = mpsc::channel::<()>();
        let kept = Arc::clone(&bytes);
        let read = move || {
            let mut chunk = [0; 8192];
            while let Ok(read @ 1..) = from.read(&mut chunk) {
                let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                kept.extend_from_slice(chunk.split_at(read).0);
                if kept.len() > most {
                    break;
                }
            }
            drop(end);
        };
        thread::Builder::new().spawn(read).map(|_| Self { bytes, ended, most })
    }

    fn length(&self) -> usize {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    fn is_too_much(&self) -> bool {
        self.length() > self.most
    }

    /// All of it, now that the program has ended; nothing, if it is too much.
    fn all(self) -> Option<Vec<u8>> {
        let (since, mut before) = (Instant::now(), None);
        // As long as it still grows: the end of what was printed may lie in the pipe.
        while before != Some(self.length()) && since.elapsed() < MOST_LAST_WORDS {
            before = Some(self.length());
            if self.ended.recv_timeout(LAST_WORDS) == Err(RecvTimeoutError::Disconnected) {
                break;
            }
        }
        let bytes = std::mem::take(&mut *self.bytes.lock().unwrap_or_else(PoisonError::into_inner));
        (bytes.len() <= self.most).then_some(bytes)
    }
}

/// Tells lines as they come, and keeps the end of all of them.
struct Lines<'a> {
    from: Receiver<Vec<u8>>,
    is_open: bool,
    told: &'a dyn Fn(&str),
    tail: Vec<u8>,
    line: Vec<u8>,
}

impl Lines<'_> {
    /// Waits for so long, or until nothing can come any more, and hears what comes meanwhile.
    fn hear_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match self.from.recv_timeout(left) {
                Ok(chunk) => self.hear(&chunk),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) if self.is_open => {
                    self.is_open = false;
                    return;
                }
                Err(RecvTimeoutError::Disconnected) => return thread::sleep(left),
            }
        }
    }

    /// Hears the rest, and gives the end of all.
    fn end(mut self) -> String {
        let since = Instant::now();
        while let Ok(chunk) = self.from.recv_timeout(LAST_WORDS)
            && since.elapsed() < MOST_LAST_WORDS
        {
            self.hear(&chunk);
        }
        self.tell();
        String::from_utf8_lossy(&self.tail).trim().to_owned()
    }

    fn hear(&mut self, bytes: &[u8]) {
        for byte in bytes {
            match byte {
                b'\n' | b'\r' => self.tell(),
                byte => self.line.push(*byte),
            }
            if self.line.len() > TAIL {
                self.tell();
            }
        }
        self.tail.extend_from_slice(bytes);
        let excess = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..excess);
    }

    fn tell(&mut self) {
        if !self.line.is_empty() {
            (self.told)(&String::from_utf8_lossy(&self.line));
            self.line.clear();
        }
    }
}

fn name(program: &OsStr) -> String {
    Path::new(program).file_name().unwrap_or(program).to_string_lossy().into_owned()
}

/// The program of this name in `PATH`.
pub fn in_path(name: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH")?;
    std::env::split_paths(&paths)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(|path| is_executable(path))
}

/// A new empty directory in which nobody else may look, whatever the umask; it goes away with the value.
///
/// # Errors
/// None was made.
pub fn own_directory() -> std::io::Result<tempfile::TempDir> {
    let own = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o700);
    tempfile::Builder::new().permissions(own).tempdir()
}

/// Whether this is a file that may be run.
pub fn is_executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_is_kept_without_what_steers_a_terminal() {
        let table = [
            ("\u{1b}[1;31merror\u{1b}[0m: x", "error: x"),
            ("a\u{1b}]0;title\u{7}b\u{1b}]8;;http://x\u{1b}\\c", "abc"),
            ("\u{1b}(Bplain\u{1b}[K\u{1b}", "plain"),
            ("ü \u{1b}[", "ü "),
        ];
        for (said, kept) in table {
            assert_eq!(Said::of(said.into()).unwrap().text(), kept, "{said:?}");
        }
        assert_eq!(Said::of("\u{1b}[0m".into()), None);
    }

    fn running(cancel: &Cancel, limit: Duration) -> Running<'_> {
        let input = Input::Bytes(b"what it reads");
        Running { input, limit, cancel, told: &|_| {}, ends_with_us: true }
    }

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_program_reads_what_it_is_given_and_both_its_outputs_are_kept() {
        let cancel = Cancel::new();
        let ran = running(&cancel, LONG).run(shell("cat; echo two >&2; exit 3")).unwrap();
        assert_eq!((ran.stdout.as_slice(), &*ran.stderr), (b"what it reads".as_slice(), "two"));
        assert_eq!(ran.status.code(), Some(3));
        let error = running(&cancel, LONG).succeed(shell("echo why >&2; exit 3")).unwrap_err();
        assert_eq!(error.to_string(), "sh ended with exit code 3");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "why");
    }

    #[test]
    fn only_the_end_of_a_long_story_is_kept() {
        let cancel = Cancel::new();
        let script = "i=0; while [ $i -lt 3000 ]; do echo line $i >&2; i=$((i+1)); done";
        let ran = running(&cancel, LONG).run(shell(script)).unwrap();
        assert!(ran.stderr.ends_with("line 2999") && ran.stderr.len() <= TAIL, "{}", ran.stderr);
    }

    #[test]
    fn when_the_time_is_over_the_whole_group_is_gone() {
        let cancel = Cancel::new();
        let place = tempfile::tempdir().unwrap();
        let number = place.path().join("pid");
        let script = format!("sleep 300 & echo $! > {}; wait", number.display());
        let limit = Duration::from_millis(300);
        let error = running(&cancel, limit).run(shell(&script)).unwrap_err();
        assert!(matches!(error, ProgramError::TimedOut { .. }), "{error}");
        assert!(is_gone(&number));
    }

    #[test]
    fn what_a_program_leaves_running_is_ended_with_it() {
        let cancel = Cancel::new();
        let place = tempfile::tempdir().unwrap();
        let number = place.path().join("pid");
        let script = format!("sleep 300 & echo $! > {}; echo done", number.display());
        let ran = running(&cancel, LONG).run(shell(&script)).unwrap();
        assert_eq!(ran.stdout, b"done\n");
        assert!(is_gone(&number));
    }

    /// Whether the process whose number is in this file is no more, or is only waited for.
    fn is_gone(number: &Path) -> bool {
        let number = std::fs::read_to_string(number).unwrap();
        let status = format!("/proc/{}/stat", number.trim());
        (0..100).any(|_| {
            thread::sleep(Duration::from_millis(10));
            std::fs::read_to_string(&status).map_or(true, |stat| stat.contains(") Z "))
        })
    }

    #[test]
    fn one_that_prints_without_end_is_ended() {
        let cancel = Cancel::new();
        let manner = Manner { most: 1000, ..Manner::default() };
        let error = running(&cancel, LONG).run_as(shell("yes"), manner).unwrap_err();
        assert!(matches!(error, ProgramError::TooMuch { most: 1000, .. }), "{error}");
        let limit = Duration::from_millis(300);
        let error = running(&cancel, limit).run(shell("exec yes >&2")).unwrap_err();
        assert!(matches!(error, ProgramError::TimedOut { .. }), "{error}");
    }

    #[test]
    fn one_who_has_escaped_and_prints_for_ever_keeps_nobody_waiting() {
        let cancel = Cancel::new();
        let (start, place) = (Instant::now(), tempfile::tempdir().unwrap());
        let stop = place.path().join("stop");
        let script = format!(
            "setsid sh -c 'while ! test -e {}; do echo x; echo x >&2; sleep 0.1; done' & echo done",
            stop.display()
        );
        let ran = running(&cancel, LONG).run(shell(&script)).unwrap();
        std::fs::write(stop, "").unwrap();
        assert!(ran.status.success() && start.elapsed() < Duration::from_secs(15));
    }

    #[test]
    fn what_a_program_may_leave_running_goes_on_unless_it_did_not_end_by_itself() {
        let cancel = Cancel::new();
        let place = tempfile::tempdir().unwrap();
        let number = place.path().join("pid");
        let manner = Manner { may_leave_others: true, ..Manner::default() };
        let leaves = format!("sleep 300 >&- 2>&- & echo $! > {}", number.display());
        running(&cancel, LONG).run_as(shell(&leaves), manner).unwrap();
        let id: i32 = std::fs::read_to_string(&number).unwrap().trim().parse().unwrap();
        kill_process(Pid::from_raw(id).unwrap(), Signal::KILL).unwrap();
        let limit = Duration::from_millis(300);
        let hangs = format!("{leaves}; wait");
        running(&cancel, limit).run_as(shell(&hangs), manner).unwrap_err();
        assert!(is_gone(&number));
    }

    #[test]
    fn one_that_shares_our_group_is_asked_to_end_and_can_end_what_it_started() {
        let cancel = Cancel::new();
        let place = tempfile::tempdir().unwrap();
        let number = place.path().join("pid");
        let script = format!(
            "trap 'kill $!; exit 1' TERM; sleep 300 & echo $! > {}; wait",
            number.display()
        );
        let manner = Manner { shares_our_group: true, ..Manner::default() };
        let limit = Duration::from_millis(300);
        let error = running(&cancel, limit).run_as(shell(&script), manner).unwrap_err();
        assert!(matches!(error, ProgramError::TimedOut { .. }), "{error}");
        assert!(is_gone(&number));
    }

    #[test]
    fn one_that_has_no_terminal_leads_a_session_and_is_ended_with_all_it_started() {
        let cancel = Cancel::new();
        let place = tempfile::tempdir().unwrap();
        let number = place.path().join("pid");
        let manner = Manner { has_no_terminal: true, ..Manner::default() };
        // The sixth field is the session, the seventh the terminal.
        let script = "cut -d' ' -f1,6,7 /proc/$$/stat; (: < /dev/tty) 2> /dev/null || echo none";
        let ran = running(&cancel, LONG).run_as(shell(script), manner).unwrap();
        let text = String::from_utf8(ran.stdout).unwrap();
        let fields: Vec<&str> = text.split_whitespace().collect();
        assert_eq!((fields[0], &fields[2..]), (fields[1], &["0", "none"][..]), "{text}");
        let hangs = format!("sleep 300 & echo $! > {}; wait", number.display());
        let limit = Duration::from_millis(300);
        running(&cancel, limit).run_as(shell(&hangs), manner).unwrap_err();
        assert!(is_gone(&number));
    }

    #[test]
    fn the_wish_to_stop_ends_it_at_once() {
        let cancel = Cancel::new();
        let start = Instant::now();
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(50));
                cancel.cancel();
            });
            let error = running(&cancel, LONG).run(shell("sleep 300")).unwrap_err();
            assert!(matches!(error, ProgramError::Cancelled { .. }), "{error}");
        });
        assert!(start.elapsed() < LONG);
    }

    #[test]
    fn one_who_has_escaped_with_the_pipes_keeps_nobody_waiting() {
        let cancel = Cancel::new();
        let start = Instant::now();
        let ran = running(&cancel, LONG).run(shell("setsid sleep 20 & echo done")).unwrap();
        assert!(ran.status.success() && start.elapsed() < Duration::from_secs(15));
    }

    #[test]
    fn a_lock_that_a_program_was_given_is_held_until_it_has_ended() {
        let (cancel, place) = (Cancel::new(), tempfile::tempdir().unwrap());
        let path = place.path().join("lock");
        let lock = Lock::try_take(&path, "test").unwrap().unwrap();
        let manner = Manner { may_leave_others: true, ..Manner::default() };
        let running = Running { input: Input::Lock(&lock), ..running(&cancel, LONG) };
        // A shell gives what it starts behind itself an empty input, unless told otherwise.
        let script = "exec 3<&0; (sleep 0.5; exec true) <&3 >&- 2>&- & exec 3<&-; cat";
        let ran = running.run_as(shell(script), manner).unwrap();
        assert_eq!(ran.stdout, b"", "the text of the lock is not for programs");
        drop(lock);
        assert!(Lock::is_held(&path));
        let begun = Instant::now();
        while Lock::is_held(&path) {
            assert!(begun.elapsed() < LONG);
            thread::sleep(Duration::from_millis(5));
        }
    }

    #[test]
    fn a_program_that_is_not_there_is_named() {
        let cancel = Cancel::new();
        let error = running(&cancel, LONG).run(Command::new("/no/such/thing")).unwrap_err();
        assert_eq!(error.to_string(), "cannot run thing");
    }
}
