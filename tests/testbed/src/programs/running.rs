//! A command under way, and one that has ended, with all its output.
//!
//! Limits: output is gathered in memory; signals go to the one process, not to its children.

use std::{
    ffi::OsStr,
    fmt,
    fs::File,
    io::Read,
    os::unix::{ffi::OsStrExt as _, process::ExitStatusExt as _},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};

/// How long a command may take before the test calls it hung.
const LIMIT: Duration = Duration::from_secs(120);

/// Waits until another process has done something.
///
/// # Panics
/// When it has not come within this time.
#[track_caller]
pub fn until(limit: Duration, what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + limit;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Runs a command to its end on a terminal of its own, for input and output alike, and gives all its output.
///
/// # Panics
/// Where there is no terminal, or the command does not end in time.
pub fn on_terminal(command: Command) -> Vec<u8> {
    on_terminal_of(0, command)
}

/// The same on a terminal with so many columns; one with 0 does not say how wide it is.
///
/// # Panics
/// Where there is no terminal, or the command does not end in time.
pub fn on_terminal_of(columns: u16, mut command: Command) -> Vec<u8> {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are terminals");
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(&ours, size).expect("a new terminal takes a size");
    grantpt(&ours).and_then(|()| unlockpt(&ours)).expect("a new terminal is ours");
    let name = ptsname(&ours, Vec::new()).expect("a terminal has a name");
    let its = File::options().read(true).write(true).open(OsStr::from_bytes(name.to_bytes()));
    let its = its.expect("a terminal can be opened");
    let side = || Stdio::from(its.try_clone().expect("a file can be named twice"));
    command.env("TERM", "xterm").stdin(side()).stdout(side()).stderr(side());
    let mut child = command.spawn().expect("the command starts");
    drop((command, its));
    let written = gather(File::from(ours));
    until(LIMIT, "a command on a terminal", || {
        child.try_wait().expect("a child can be waited for").is_some()
    });
    written.recv().unwrap_or_default()
}

/// A command under way. Dropped unfinished, it is killed.
#[derive(Debug)]
pub struct Running {
    child: Child,
    shown: String,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
    ended: bool,
}

impl Running {
    /// Starts any command, gathering its output.
    pub fn start(mut command: Command) -> Self {
        let shown = format!("{command:?}");
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("starting {shown}: {e}"));
        let stdout = gather(child.stdout.take().expect("stdout was piped"));
        let stderr = gather(child.stderr.take().expect("stderr was piped"));
        Self { child, shown, stdout, stderr, ended: false }
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal: `Signal::INT` is Ctrl-C for one process.
    pub fn signal(&self, signal: Signal) {
        let id = Pid::from_raw(self.child.id().cast_signed()).expect("a process has a positive id");
        kill_process(id, signal).unwrap_or_else(|e| panic!("signalling {}: {e}", self.shown));
    }

    /// Whether the process ends by itself in this time. [`Running::wait`] still gives its output.
    pub fn ends_within(&mut self, time: Duration) -> bool {
        let deadline = Instant::now() + time;
        while matches!(self.child.try_wait(), Ok(None)) {
            if Instant::now() >= deadline {
                return false;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        true
    }

    /// Waits for the end, two minutes at most.
    pub fn wait(self) -> Ran {
        self.wait_within(LIMIT)
    }

    /// Waits for the end, and for every process that holds its output.
    ///
    /// # Panics
    /// When that takes longer than `limit`; the process is killed.
    pub fn wait_within(mut self, limit: Duration) -> Ran {
        let deadline = Instant::now() + limit;
        let read = |from: &Receiver<Vec<u8>>| {
            from.recv_timeout(deadline.saturating_duration_since(Instant::now()))
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        let (stdout, stderr) = (read(&self.stdout), read(&self.stderr));
        let (Ok(stdout), Ok(stderr)) = (stdout, stderr) else {
            // Killed first, so that its output so far can be read.
            let _ = self.child.kill();
            let said = |from: &Receiver<Vec<u8>>| {
                from.recv_timeout(Duration::from_secs(1))
                    .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            };
            let (stdout, stderr) = (said(&self.stdout), said(&self.stderr));
            panic!(
                "still running after {limit:?}: {}\nstdout: {stdout:?}\nstderr: {stderr:?}",
                self.shown
            );
        };
        let status = self.child.wait().expect("waiting for a child works");
        self.ended = true;
        let status = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        Ran { status, stdout, stderr, shown: std::mem::take(&mut self.shown) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.ended {
            // Fails only for a child that has ended by itself.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// A command that has ended.
pub struct Ran {
    /// Its exit code, or 128 and the signal's number.
    pub status: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    shown: String,
}

impl Ran {
    /// Itself, if the exit code was 0.
    ///
    /// # Panics
    /// With all output, if not.
    #[track_caller]
    pub fn ok(self) -> Self {
        self.fails(0)
    }

    /// Itself, if the exit code was `code`.
    ///
    /// # Panics
    /// With all output, if not.
    #[track_caller]
    pub fn fails(self, code: i32) -> Self {
        assert!(self.status == code, "exit code {} instead of {code}\n{self:?}", self.status);
        self
    }

    /// Standard output as the one JSON value it must be.
    ///
    /// # Panics
    /// With all output, if it is anything else.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|e| panic!("not one JSON value: {e}\n{self:?}"))
    }

    /// Itself, if stderr contains `text`.
    ///
    /// # Panics
    /// With all output, if not.
    #[track_caller]
    pub fn says(self, text: &str) -> Self {
        assert!(self.stderr.contains(text), "stderr does not say {text:?}\n{self:?}");
        self
    }
}

impl fmt::Debug for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "$ {}\n-> {}", self.shown, self.status)?;
        write!(f, "--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr)
    }
}

/// Reads to the end on a thread; the bytes arrive all at once.
fn gather(mut from: impl Read + Send + 'static) -> Receiver<Vec<u8>> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // Bytes read before an error still count, and the receiver may have given up.
        let _ = from.read_to_end(&mut bytes);
        let _ = send.send(bytes);
    });
    receive
}
