//! A `git://` server on loopback whose connection can be cut in the middle.
//!
//! Speaks only the first line of the protocol; the rest is `git upload-pack`, which every git has, where
//! `git daemon` is often a package of its own. For the demo only: no limits, no time-outs.

use std::{
    ffi::OsString,
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use crate::exit::Exit;

use crate::report::Failure;

/// The server; it answers as long as the program runs.
#[derive(Debug)]
pub(super) struct Server {
    port: u16,
    wire: Arc<Wire>,
}

/// How much of what is sent comes through a connection, and whether one was cut.
#[derive(Debug)]
struct Wire {
    limit: AtomicU64,
    cut: AtomicBool,
}

/// What a connection needs to know.
#[derive(Debug)]
struct Site {
    root: PathBuf,
    variables: Vec<(OsString, OsString)>,
    wire: Arc<Wire>,
}

impl Server {
    /// Serves the repositories in `root`.
    pub(super) fn start(
        root: &Path,
        variables: Vec<(OsString, OsString)>,
    ) -> Result<Self, Failure> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
        let address = |listener: TcpListener| Ok((listener.local_addr()?.port(), listener));
        let (port, listener) = listener.and_then(address).map_err(|error: io::Error| {
            Failure::new(Exit::Failed, "could not open a port on 127.0.0.1")
                .because(vec![error.to_string()])
        })?;
        let wire = Arc::new(Wire { limit: AtomicU64::new(u64::MAX), cut: AtomicBool::new(false) });
        let site = Arc::new(Site { root: root.to_owned(), variables, wire: Arc::clone(&wire) });
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let site = Arc::clone(&site);
                // A client that goes away, or is cut off, is what this is for.
                thread::spawn(move || answer(&site, &client));
            }
        });
        Ok(Self { port, wire })
    }

    pub(super) const fn port(&self) -> u16 {
        self.port
    }

    /// From now on a connection ends after so many bytes.
    pub(super) fn cut_after(&self, bytes: u64) {
        self.wire.limit.store(bytes, Ordering::SeqCst);
    }

    /// From now on all comes through.
    pub(super) fn heal(&self) {
        self.cut_after(u64::MAX);
    }

    /// Whether a connection was cut.
    pub(super) fn has_cut(&self) -> bool {
        self.wire.cut.load(Ordering::SeqCst)
    }
}

fn answer(site: &Site, mut client: &TcpStream) -> io::Result<()> {
    let (repository, protocol) = request(&mut client)?;
    let mut git = upload_pack(site, &repository, &protocol)?;
    let copied = exchange(site, &mut git, client);
    // Both may be gone already.
    let _ = client.shutdown(Shutdown::Both);
    let _ = git.kill();
    git.wait()?;
    copied
}

/// The repository that is asked for, and the protocol: `git-upload-pack /path\0host=…\0\0version=2\0`.
fn request(client: &mut impl Read) -> io::Result<(String, String)> {
    let bad = || io::Error::from(io::ErrorKind::InvalidData);
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let length = str::from_utf8(&length).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
    let mut line = vec![0; length.and_then(|length| length.checked_sub(4)).ok_or_else(bad)?];
    client.read_exact(&mut line)?;
    let line = String::from_utf8(line).map_err(|_| bad())?;
    let mut fields = line.split('\0');
    let path =
        fields.next().and_then(|field| field.strip_prefix("git-upload-pack /")).ok_or_else(bad)?;
    let protocol = fields.find(|field| field.starts_with("version="));
    let name = path.trim_end_matches('\n');
    let plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if plain { Ok((name.into(), protocol.unwrap_or_default().into())) } else { Err(bad()) }
}

fn upload_pack(site: &Site, repository: &str, protocol: &str) -> io::Result<Child> {
    let mut git = Command::new("git");
    git.arg("upload-pack").arg(site.root.join(repository));
    git.env_clear().envs(site.variables.iter().cloned()).env("GIT_PROTOCOL", protocol);
    git.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()
}

fn exchange(site: &Site, git: &mut Child, mut client: &TcpStream) -> io::Result<()> {
    let (Some(mut stdin), Some(mut stdout)) = (git.stdin.take(), git.stdout.take()) else {
        return Ok(());
    };
    let mut asking = client.try_clone()?;
    thread::spawn(move || pass_on(&mut asking, &mut stdin));
    let mut part = [0; 8192];
    let mut sent = 0;
    loop {
        let read = stdout.read(&mut part)?;
        let room = site.wire.limit.load(Ordering::SeqCst).saturating_sub(sent);
        let now = read.min(usize::try_from(room).unwrap_or(usize::MAX));
        client.write_all(part.get(..now).unwrap_or_default())?;
        sent += now as u64;
        if now < read {
            site.wire.cut.store(true, Ordering::SeqCst);
            return Ok(());
        }
        if read == 0 {
            return Ok(());
        }
    }
}

/// Passes on what comes, at once. (`io::copy` may let the kernel do it, and some kernels wait for more.)
fn pass_on(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut part = [0; 8192];
    loop {
        match from.read(&mut part)? {
            0 => return Ok(()),
            read => to.write_all(part.get(..read).unwrap_or_default())?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_a_repository_and_nothing_outside() {
        let line = |text: &str| format!("{:04x}{text}", text.len() + 4);
        let good = line("git-upload-pack /tools\0host=127.0.0.1:1\0\0version=2\0");
        assert_eq!(request(&mut good.as_bytes()).unwrap(), ("tools".into(), "version=2".into()));
        for bad in ["git-upload-pack /../x\0", "git-receive-pack /tools\0", ""] {
            assert!(request(&mut line(bad).as_bytes()).is_err(), "{bad}");
        }
        assert!(request(&mut "zzzz".as_bytes()).is_err());
    }
}
