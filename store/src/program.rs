//! Programs of others, run to their end: an installer, an interpreter, a build.
//!
//! A program gets a process group of its own and a time limit; when that is over, or somebody wishes to
//! stop, the whole group is killed. When it has ended by itself, what is left of its group is killed too,
//! so that nothing it started outlives it. Nothing is read from a terminal: standard input is what is given
//! here, and no more. A build is ended when this process is killed, too (`Watch`); an installer is not, for what it
//! has begun is better ended well.
//!
//! A descendant that makes a group of its own (`setsid`) escapes. What a program does to the disk is its own.

use std::{
    ffi::OsStr,
    io::{self, Read, Write as _},
    os::unix::process::{CommandExt as _, ExitStatusExt as _},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process_group};

use crate::acquire::Cancel;

/// The most that is kept of the end of standard error.
const TAIL: usize = 16 << 10;
/// The most that is kept of standard output; a program that says more is told to be one that fails.
const MOST: usize = 32 << 20;
/// How long whoever inherited the pipes may keep them open after the program and its group have ended.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// How a program is run.
pub(crate) struct Running<'a> {
    /// What it may read.
    pub(crate) input: &'a [u8],
    /// So long it may take.
    pub(crate) limit: Duration,
    /// The wish to stop.
    pub(crate) cancel: &'a Cancel,
    /// Hears each line of standard error as it comes.
    pub(crate) told: &'a dyn Fn(&str),
    /// Whether it ends with this process, however that ends.
    pub(crate) ends_with_us: bool,
}

/// What came of a program that ended by itself.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    /// The end of what it said on standard error, without white space around it.
    pub(crate) stderr: String,
}

/// A program that did not end by itself, or not well. What it did until then is done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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

impl Said {
    /// What was said, unless that is nothing.
    pub(crate) fn of(text: String) -> Option<Self> {
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

impl Running<'_> {
    /// Runs `command` to its end.
    ///
    /// # Errors
    /// It was not started, or was killed: by its time limit, or by the wish to stop.
    pub(crate) fn run(&self, mut command: Command) -> Result<Ran, ProgramError> {
        let program = name(command.get_program());
        if self.cancel.is_cancelled() {
            return Err(ProgramError::Cancelled { program });
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.process_group(0);
        let child = command
            .spawn()
            .map_err(|source| ProgramError::Start { program: program.clone(), source })?;
        self.attend(Group(child), program)
    }

    /// As [`run`](Self::run), and the program must end with 0.
    ///
    /// # Errors
    /// Also [`ProgramError::Failed`].
    pub(crate) fn succeed(&self, command: Command) -> Result<Ran, ProgramError> {
        let program = name(command.get_program());
        match self.run(command)? {
            ran if ran.status.success() => Ok(ran),
            Ran { status, stderr, .. } => {
                Err(ProgramError::Failed { program, status, said: Said::of(stderr) })
            }
        }
    }

    fn attend(&self, mut group: Group, program: String) -> Result<Ran, ProgramError> {
        let (Some(stdin), Some(stdout), Some(stderr)) =
            (group.0.stdin.take(), group.0.stdout.take(), group.0.stderr.take())
        else {
            let source = io::ErrorKind::BrokenPipe.into();
            return Err(ProgramError::Start { program, source });
        };
        // Where there is no shell, it goes on to its end, which harms nobody.
        let _watch = if self.ends_with_us { Watch::over(&group).ok() } else { None };
        feed(stdin, self.input.to_vec());
        let stdout = listen(stdout);
        let mut stderr =
            Lines { from: listen(stderr), told: self.told, tail: vec![], line: vec![] };
        let ended = self.wait(&mut group, &mut stderr);
        drop(group);
        let stderr = stderr.end();
        match ended {
            Ok(status) => Ok(Ran { status, stdout: all(&stdout), stderr }),
            Err(Stopped::Cancelled) => Err(ProgramError::Cancelled { program }),
            Err(Stopped::TimedOut) => {
                Err(ProgramError::TimedOut { program, limit: self.limit, said: Said::of(stderr) })
            }
            Err(Stopped::Lost(source)) => Err(ProgramError::Start { program, source }),
        }
    }

    fn wait(&self, group: &mut Group, stderr: &mut Lines<'_>) -> Result<ExitStatus, Stopped> {
        let start = Instant::now();
        let mut pause = Duration::from_millis(1);
        loop {
            if let Some(status) = group.0.try_wait().map_err(Stopped::Lost)? {
                return Ok(status);
            }
            if self.cancel.is_cancelled() {
                return Err(Stopped::Cancelled);
            }
            let left = self.limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Err(Stopped::TimedOut);
            }
            stderr.hear_for(pause.min(left));
            pause = (pause * 2).min(Duration::from_millis(5));
        }
    }
}

enum Stopped {
    Cancelled,
    TimedOut,
    Lost(io::Error),
}

/// A program and all it started; dropping it kills what is left of them.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw) {
            // Nobody is left in most groups by now.
            let _ = kill_process_group(group, Signal::KILL);
        }
        let _ = self.0.wait();
    }
}

/// A shell that kills a group as soon as this process is no more, by whatever it was ended: it reads from a pipe that
/// only we hold open. Dropping it ends it.
struct Watch(Child);

impl Watch {
    fn over(group: &Group) -> io::Result<Self> {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "read _; kill -s KILL -- \"-$0\"", &group.0.id().to_string()]);
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
fn feed(mut stdin: ChildStdin, input: Vec<u8>) {
    thread::spawn(move || {
        let _ = stdin.write_all(&input);
    });
}

/// Reads to the end on a thread of its own. Nobody waits for that thread: one who has escaped may hold the
/// pipe open.
fn listen(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (send, receive) = mpsc::channel();
    thread::spawn(move || {
        let mut chunk = [0; 8192];
        while let Ok(read @ 1..) = from.read(&mut chunk) {
            if send.send(chunk.split_at(read).0.to_vec()).is_err() {
                return;
            }
        }
    });
    receive
}

/// The rest of what comes, now that the program has ended.
fn all(from: &Receiver<Vec<u8>>) -> Vec<u8> {
    let mut all = Vec::new();
    while let Ok(chunk) = from.recv_timeout(LAST_WORDS) {
        let room = MOST.saturating_sub(all.len()).min(chunk.len());
        all.extend_from_slice(chunk.split_at(room).0);
    }
    all
}

/// Tells lines as they come, and keeps the end of all of them.
struct Lines<'a> {
    from: Receiver<Vec<u8>>,
    told: &'a dyn Fn(&str),
    tail: Vec<u8>,
    line: Vec<u8>,
}

impl Lines<'_> {
    /// Waits for so long, and hears what comes meanwhile.
    fn hear_for(&mut self, time: Duration) {
        let until = Instant::now() + time;
        while let Some(left) = until.checked_duration_since(Instant::now()) {
            match self.from.recv_timeout(left) {
                Ok(chunk) => self.hear(&chunk),
                Err(RecvTimeoutError::Timeout) => return,
                Err(RecvTimeoutError::Disconnected) => return thread::sleep(left),
            }
        }
    }

    /// Hears the rest, and gives the end of all.
    fn end(mut self) -> String {
        while let Ok(chunk) = self.from.recv_timeout(LAST_WORDS) {
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
pub(crate) fn in_path(name: &str) -> Option<PathBuf> {
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
pub(crate) fn own_directory() -> std::io::Result<tempfile::TempDir> {
    let own = <std::fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(0o700);
    tempfile::Builder::new().permissions(own).tempdir()
}

/// Whether this is a file that may be run.
pub(crate) fn is_executable(path: &Path) -> bool {
    path.is_file() && rustix::fs::access(path, rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(cancel: &Cancel, limit: Duration) -> Running<'_> {
        Running { input: b"what it reads", limit, cancel, told: &|_| {}, ends_with_us: true }
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
    fn a_program_that_is_not_there_is_named() {
        let cancel = Cancel::new();
        let error = running(&cancel, LONG).run(Command::new("/no/such/thing")).unwrap_err();
        assert_eq!(error.to_string(), "cannot run thing");
    }
}
