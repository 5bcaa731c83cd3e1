//! A real `sshd` on a loopback port, with keys of its own, that runs git as the user of the tests.
//!
//! Limits: one user, one key; the login shell of that user must run commands; sessions outlive a dropped server until
//! their client hangs up.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use super::process::ServerProcess;
use crate::{
    repositories::{line, run},
    system::{is_root, skip_loudly},
};

/// A name that only the client configuration of [`SshServer::ssh_command`] knows, with the port behind it.
const HOST_ALIAS: &str = "modstore-test";

/// A running `sshd`, and the client configuration that reaches it.
#[derive(Debug)]
pub struct SshServer {
    server: ServerProcess,
    root: PathBuf,
    user: String,
    place: tempfile::TempDir,
}

impl SshServer {
    /// Serves `root`. Where there is no working `sshd` it says so loudly and gives `None`.
    pub fn start(root: &Path) -> Option<Self> {
        Self::start_with_startups(root, "1000")
    }

    /// The same, with this value of `MaxStartups`: connections above it that have no login yet are dropped.
    pub fn start_with_startups(root: &Path, startups: &str) -> Option<Self> {
        match Self::try_start(root, startups) {
            Ok(server) => Some(server),
            Err(why) => {
                skip_loudly(&why);
                None
            }
        }
    }

    /// `ssh://USER@127.0.0.1:PORT/<root>/<name>.git`.
    pub fn url(&self, name: &str) -> String {
        format!("ssh://{}@127.0.0.1:{}{}", self.user, self.port(), self.path_of(name))
    }

    /// The scp form, `USER@HOST:/<root>/<name>.git`: it has no place for a port, so its host is an alias that
    /// [`SshServer::ssh_command`] knows.
    pub fn scp_url(&self, name: &str) -> String {
        format!("{}@{HOST_ALIAS}:{}", self.user, self.path_of(name))
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// A value for `GIT_SSH_COMMAND` or `core.sshCommand` with which fetching works.
    pub fn ssh_command(&self) -> String {
        self.client("good")
    }

    /// The same with a key that the server refuses.
    pub fn wrong_key_command(&self) -> String {
        self.client("wrong-key")
    }

    /// The same, but the server's host key is not the one the client knows.
    pub fn wrong_host_command(&self) -> String {
        self.client("wrong-host")
    }

    /// The log of the server.
    pub fn log(&self) -> String {
        self.server.log()
    }

    fn try_start(root: &Path, startups: &str) -> Result<Self, String> {
        let sshd = find("sshd").ok_or("sshd is not installed")?;
        find("ssh").ok_or("ssh is not installed")?;
        let place = tempfile::tempdir().map_err(|e| format!("no temporary directory: {e}"))?;
        if is_root() {
            // Where sshd keeps its unprivileged half; packages make it when their service starts.
            fs::create_dir_all("/run/sshd").map_err(|e| format!("making /run/sshd: {e}"))?;
        }
        let user = line(Command::new("id").arg("-un"), b"");
        make_keys(place.path());
        write(place.path(), "sshd_config", &server_config(place.path(), startups));
        let server =
            ServerProcess::start(&place.path().join("log"), "Server listening on", |port| {
                let mut command = Command::new(&sshd);
                command.args(["-D", "-e", "-f"]).arg(place.path().join("sshd_config"));
                command.args(["-o", &format!("Port={port}")]);
                command
            })
            .map_err(|said| format!("sshd does not start: {said}"))?;
        write_client_configs(place.path(), &user, server.port());
        let server = Self { server, root: root.to_owned(), user, place };
        server.probe()?;
        Ok(server)
    }

    /// Locked accounts and login shells that run nothing show only now.
    fn probe(&self) -> Result<(), String> {
        let command = format!("{} -o BatchMode=yes {HOST_ALIAS} git --version", self.ssh_command());
        let out = Command::new("sh")
            .args(["-c", &command])
            .output()
            .map_err(|e| format!("no shell: {e}"))?;
        if out.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&out.stderr).into_owned();
        Err(format!("{} cannot use git over ssh here: {said}{}", self.user, self.log()))
    }

    fn path_of(&self, name: &str) -> String {
        self.root.join(format!("{name}.git")).display().to_string()
    }

    fn client(&self, config: &str) -> String {
        format!("ssh -F {}", self.place.path().join(config).display())
    }
}

fn make_keys(place: &Path) {
    for key in ["host_key", "user_key", "other_key"] {
        let mut keygen = Command::new("ssh-keygen");
        run(
            keygen.args(["-q", "-t", "ed25519", "-N", "", "-C", key, "-f"]).arg(place.join(key)),
            b"",
        );
    }
    let public = |key: &str| fs::read_to_string(place.join(key)).expect("ssh-keygen wrote the key");
    write(place, "authorized_keys", &public("user_key.pub"));
    write(place, "known_hosts", &format!("* {}", public("host_key.pub")));
    write(place, "wrong_hosts", &format!("* {}", public("other_key.pub")));
}

fn server_config(place: &Path, startups: &str) -> String {
    let place = place.display();
    let path = std::env::var("PATH").unwrap_or_default();
    format!(
        "ListenAddress 127.0.0.1\n\
         HostKey {place}/host_key\n\
         AuthorizedKeysFile {place}/authorized_keys\n\
         PidFile none\n\
         StrictModes no\n\
         UsePAM no\n\
         UseDNS no\n\
         PasswordAuthentication no\n\
         KbdInteractiveAuthentication no\n\
         PermitRootLogin yes\n\
         MaxStartups {startups}\n\
         LogLevel VERBOSE\n\
         AcceptEnv GIT_PROTOCOL\n\
         SetEnv PATH={path} GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1\n"
    )
}

fn write_client_configs(place: &Path, user: &str, port: u16) {
    let here = place.display();
    for (config, key, hosts) in [
        ("good", "user_key", "known_hosts"),
        ("wrong-key", "other_key", "known_hosts"),
        ("wrong-host", "user_key", "wrong_hosts"),
    ] {
        let text = format!(
            "Host {HOST_ALIAS}\n  HostName 127.0.0.1\n  Port {port}\n\
             Host *\n  User {user}\n  IdentityFile {here}/{key}\n  IdentitiesOnly yes\n  IdentityAgent none\n  \
             UserKnownHostsFile {here}/{hosts}\n  GlobalKnownHostsFile /dev/null\n  StrictHostKeyChecking yes\n  \
             LogLevel ERROR\n"
        );
        write(place, config, &text);
    }
}

/// Writes a file that only its owner can read, as ssh wants it.
fn write(place: &Path, name: &str, text: &str) {
    let path = place.join(name);
    fs::write(&path, text)
        .and_then(|()| fs::set_permissions(&path, fs::Permissions::from_mode(0o600)))
        .unwrap_or_else(|e| panic!("writing {}: {e}", path.display()));
}

/// A program's absolute path, which sshd insists on; system programs may be off the PATH.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|candidate| candidate.is_file())
}
