//! [`SharedSsh`]: one connection of ssh for all conversations with a server, as OpenSSH's `ControlMaster` makes it.
//!
//! A connection of ssh costs some round trips, a key exchange and a login, and a server drops those that come when too
//! many have no login yet (`MaxStartups`). The first conversation with a server is an ssh of its own; the second opens
//! the shared connection; those that come meanwhile wait for it; all later ones go through it. Where a session is
//! refused, OpenSSH connects by itself.
//!
//! Limits: only with OpenSSH, when it asks no person anything, and where the person's configuration does not set
//! `ControlMaster` or `ControlPath`. OpenSSH moves the shared connection into a process of its own, which is ended with
//! this value; if we are killed, it ends [`IDLE`] seconds after its last conversation, and an empty directory stays.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, Condvar, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use modstore_core::{
    Cancel,
    program::{Input, Manner, Running, Stderr},
};
use tempfile::TempDir;

use super::{process::SshCall, watch::Watch};

/// Seconds after which a shared connection that is not used ends by itself.
const IDLE: u64 = 15;
/// OpenSSH adds a name of its own to the path of its socket, which the system allows about a hundred bytes.
const LONGEST_PLACE: usize = 60;
/// How often a shared connection to one server is opened.
const OPENED: u32 = 3;
/// How often it is looked whether one is there by now.
const LOOK: Duration = Duration::from_millis(10);
/// How long the local program may take to say its configuration, or to end.
const LOCAL: Duration = Duration::from_secs(1);

/// The shared connections of a command.
#[derive(Default)]
pub(crate) struct SharedSsh {
    /// For the sockets. Made when the first is needed; nothing where it cannot be.
    place: OnceLock<Option<TempDir>>,
    servers: Mutex<BTreeMap<Key, Arc<Server>>>,
}

/// Equal for calls that lead to the same server in the same way.
type Key = (OsString, Vec<String>, String);

struct Server {
    /// Its number among all.
    number: usize,
    state: Mutex<Sharing>,
    changed: Condvar,
    /// How its shared connection is ended, once one was opened.
    end: OnceLock<Command>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sharing {
    /// One conversation has begun, over an ssh of its own.
    Lone,
    /// The shared connection is being opened, for this time.
    Opening(u32),
    /// It was opened, or could not be, so often.
    Opened(u32),
    /// There is to be none.
    Never,
}

/// What a conversation has to do.
enum Turn {
    /// Connect by itself.
    Own,
    /// Open the shared connection.
    Open { is_first: bool },
    /// Use the one that is there or is being opened.
    Use,
}

/// How a conversation connects.
#[derive(Default)]
pub(crate) struct Route {
    /// Options for ssh.
    pub options: Vec<String>,
    /// To be kept as long as the conversation.
    pub opening: Option<Opening>,
}

/// A shared connection is being opened. When this is dropped, it is there, or could not be made.
pub(crate) struct Opening(Arc<Server>);

impl SharedSsh {
    /// How this call connects. Waits while the shared connection is being opened.
    pub(crate) fn route(&self, call: &SshCall, watch: &Watch) -> Route {
        let server =
            Some(call).filter(|call| call.is_quiet_openssh()).and_then(|call| self.server(call));
        // The place is not made for a lone conversation.
        let found = server.and_then(|server| Some((server, self.place()?)));
        let Some((server, place)) = found else { return Route::default() };
        let socket = place.join(server.number.to_string());
        match server.turn(&socket) {
            Turn::Own => Route::default(),
            Turn::Open { is_first } if is_first && !may_share(call, watch.cancel()) => {
                server.set(Sharing::Never);
                Route::default()
            }
            Turn::Open { .. } => {
                let _ = server.end.set(call.command(&[
                    format!("-oControlPath={}", socket.display()),
                    "-Oexit".to_owned(),
                ]));
                Route::opens(server, &socket)
            }
            Turn::Use if server.wait(&socket, watch) => Route::uses(&socket),
            Turn::Use => Route::default(),
        }
    }

    /// What is known of the server; nothing for its first conversation.
    fn server(&self, call: &SshCall) -> Option<Arc<Server>> {
        let mut servers = self.servers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = servers.get(&call.key()) {
            return Some(Arc::clone(server));
        }
        let server = Server {
            number: servers.len(),
            state: Mutex::new(Sharing::Lone),
            changed: Condvar::new(),
            end: OnceLock::new(),
        };
        servers.insert(call.key(), Arc::new(server));
        None
    }

    /// A private directory whose path is short and means nothing to ssh.
    fn place(&self) -> Option<&Path> {
        let made = self.place.get_or_init(|| {
            let run = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
            let parents = run.into_iter().chain([env::temp_dir(), PathBuf::from("/tmp")]);
            let made =
                parents.map(|parent| tempfile::Builder::new().prefix("ms").tempdir_in(parent));
            made.flatten().find(|made| is_usable(made.path()))
        });
        made.as_ref().map(TempDir::path)
    }
}

impl Server {
    fn turn(&self, socket: &Path) -> Turn {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match *state {
            Sharing::Lone => {
                *state = Sharing::Opening(1);
                Turn::Open { is_first: true }
            }
            Sharing::Opened(times) if times < OPENED && !socket.exists() => {
                *state = Sharing::Opening(times + 1);
                Turn::Open { is_first: false }
            }
            Sharing::Opening(_) | Sharing::Opened(_) => Turn::Use,
            Sharing::Never => Turn::Own,
        }
    }

    /// Whether the shared connection is there. Waits while it is being opened.
    fn wait(&self, socket: &Path, watch: &Watch) -> bool {
        let end = Instant::now() + watch.connect;
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while matches!(*state, Sharing::Opening(_))
            && !socket.exists()
            && !watch.cancel().is_cancelled()
            && Instant::now() < end
        {
            let waited = self.changed.wait_timeout(state, LOOK);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        socket.exists()
    }

    fn set(&self, new: Sharing) {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = new;
        self.changed.notify_all();
    }
}

impl Route {
    fn opens(server: Arc<Server>, socket: &Path) -> Self {
        let options = vec![
            "-oControlMaster=yes".to_owned(),
            format!("-oControlPersist={IDLE}"),
            format!("-oControlPath={}", socket.display()),
        ];
        Self { options, opening: Some(Opening(server)) }
    }

    fn uses(socket: &Path) -> Self {
        let path = format!("-oControlPath={}", socket.display());
        Self { options: vec!["-oControlMaster=no".to_owned(), path], opening: None }
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let Sharing::Opening(times) = *state {
            *state = Sharing::Opened(times);
        }
        self.0.changed.notify_all();
    }
}

impl Drop for SharedSsh {
    fn drop(&mut self) {
        let servers = self.servers.get_mut().unwrap_or_else(PoisonError::into_inner);
        for server in std::mem::take(servers).into_values() {
            if let Some(end) = Arc::into_inner(server).and_then(|server| server.end.into_inner()) {
                // One that has ended by itself is no trouble.
                let _ = local(end, &Cancel::new());
            }
        }
    }
}

/// Whether the person's configuration leaves it to us whether connections are shared.
fn may_share(call: &SshCall, cancel: &Cancel) -> bool {
    let Some(said) = local(call.command(&["-G".to_owned()]), cancel) else { return false };
    said.lines().filter_map(|line| line.split_once(' ')).all(|(name, value)| match name {
        "controlmaster" => matches!(value, "no" | "false"),
        "controlpath" => value == "none",
        _ => true,
    })
}

/// What a program prints that does not connect to a server; nothing when it fails.
fn local(command: Command, cancel: &Cancel) -> Option<String> {
    let running =
        Running { input: Input::Nothing, limit: LOCAL, cancel, told: &|_| {}, ends_with_us: false };
    let manner = Manner { stderr: Stderr::Nowhere, ..Manner::default() };
    let ran = running.run_as(command, manner).ok().filter(|ran| ran.status.success())?;
    String::from_utf8(ran.stdout).ok()
}

fn is_usable(place: &Path) -> bool {
    let is_plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-');
    let path = place.as_os_str().as_encoded_bytes();
    path.len() <= LONGEST_PLACE && path.iter().copied().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_ssh_would_read_otherwise_or_that_is_too_long_is_not_used() {
        for (place, usable) in [
            ("/run/user/1000/msAbC123", true),
            ("/tmp/a b", false),
            ("/tmp/%h", false),
            ("/tmp/a\"b", false),
            ("/tmp/${HOME}", false),
        ] {
            assert_eq!(is_usable(Path::new(place)), usable, "{place}");
        }
        assert!(!is_usable(Path::new(&format!("/{}", "a".repeat(LONGEST_PLACE)))));
    }
}
