//! SeaweedFS, a distributed store that speaks S3: real signatures, real conditions.
//!
//! `tests/setup.sh` installs it. There are one bucket and three users: one that may do all, one that may read and list, and one
//! that may only read. Limits: one machine; without TLS. Its filer shows and takes away objects behind the back of S3.

use std::{
    cell::Cell,
    io::{self, Read as _, Write as _},
    net::{Ipv4Addr, TcpListener, TcpStream},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use super::process::ServerProcess;
use crate::system::skip_loudly;

/// The bucket that there is.
const BUCKET: &str = "modules";
/// Servers of its own that it starts, each with a second port.
const SERVERS: [&str; 4] = ["master", "volume", "filer", "admin"];
const TRIES: usize = 5;
const START_LIMIT: Duration = Duration::from_secs(30);
const USERS: &str = r#"{"identities":[
{"name":"ci","credentials":[{"accessKey":"ci","secretKey":"ci-secret"}],"actions":["Admin"]},
{"name":"reader","credentials":[{"accessKey":"reader","secretKey":"reader-secret"}],"actions":["Read:modules","List:modules"]},
{"name":"blind","credentials":[{"accessKey":"blind","secretKey":"blind-secret"}],"actions":["Read:modules"]}]}"#;

/// A running SeaweedFS with the bucket `modules`.
#[derive(Debug)]
pub struct SeaweedFs {
    server: ServerProcess,
    filer: u16,
    _place: tempfile::TempDir,
}

impl SeaweedFs {
    /// Starts one. Where it is not installed it says so loudly and gives `None`.
    ///
    /// # Panics
    /// When it is installed and does not start.
    pub fn start() -> Option<Self> {
        let weed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/tools/seaweedfs/bin/weed");
        let weed = Path::new(weed);
        if !weed.is_file() {
            skip_loudly("SeaweedFS is not installed; tests/setup.sh installs it");
            return None;
        }
        let started = (0..TRIES).find_map(|_| Self::start_once(weed));
        Some(started.expect("there are free ports for SeaweedFS"))
    }

    /// Starts it, unless another program takes one of its ports meanwhile.
    fn start_once(weed: &Path) -> Option<Self> {
        let place = tempfile::tempdir().expect("a temporary directory can be made");
        for name in ["data", "home", "tmp"] {
            std::fs::create_dir(place.path().join(name)).expect("it is empty");
        }
        std::fs::write(place.path().join("users.json"), USERS).expect("it can be written to");
        let (filer, log) = (Cell::new(0), place.path().join("log"));
        let server = ServerProcess::start(&log, "", |port| {
            let (command, of_filer) = command(weed, place.path(), port);
            filer.set(of_filer);
            command
        });
        let server = server.unwrap_or_else(|said| panic!("SeaweedFS does not start: {said}"));
        is_ready(&server, filer.get())?;
        let started = Self { server, filer: filer.get(), _place: place };
        assert_eq!(started.remove("ready"), Some(()));
        Some(started)
    }

    /// The port that speaks S3.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The address of a tier below a prefix of the bucket, by way of this port.
    pub fn url_by(&self, port: u16, prefix: &str) -> String {
        format!("s3://{BUCKET}/{prefix}?region=us-east-1&endpoint=http://127.0.0.1:{port}")
    }

    /// The address of a tier below a prefix of the bucket.
    pub fn url(&self, prefix: &str) -> String {
        self.url_by(self.port(), prefix)
    }

    /// The object with this key, which is percent-encoded, or none.
    pub fn object(&self, key: &str) -> Option<Vec<u8>> {
        let (status, body) = self.filed("GET", key, b"").expect("the filer answers");
        (status == 200).then_some(body)
    }

    /// Gives an object other bytes, as whoever owns the bucket can.
    pub fn replace(&self, key: &str, bytes: &[u8]) {
        let (status, _) = self.filed("PUT", key, bytes).expect("the filer answers");
        assert_eq!(status, 201, "{key}");
    }

    /// Takes an object away, as a rule of the bucket's does; none if it is not there.
    pub fn remove(&self, key: &str) -> Option<()> {
        self.object(key)?;
        let (status, _) = self.filed("DELETE", key, b"").expect("the filer answers");
        (status == 204).then_some(())
    }

    fn filed(&self, method: &str, key: &str, body: &[u8]) -> io::Result<(u16, Vec<u8>)> {
        filed(self.filer, method, key, body)
    }
}

/// Makes the bucket, and waits until an object can be written to it: its port answers before that. None if a port was taken.
fn is_ready(server: &ServerProcess, filer: u16) -> Option<()> {
    let begun = Instant::now();
    let is_ready = || {
        let made = filed(filer, "PUT", "ready", b"ready").is_ok_and(|(status, _)| status == 201);
        made && request(server.port(), "GET", "/", b"").is_ok_and(|(status, _)| status == 403)
    };
    while !is_ready() {
        let log = server.log();
        if log.contains("address already in use") || log.contains("Port allocation failed") {
            return None;
        }
        assert!(begun.elapsed() < START_LIMIT, "SeaweedFS: {log}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(())
}

fn filed(filer: u16, method: &str, key: &str, body: &[u8]) -> io::Result<(u16, Vec<u8>)> {
    request(filer, method, &format!("/buckets/{BUCKET}/{key}"), body)
}

/// How it is started so that S3 is spoken at a port, and the port of its filer.
fn command(weed: &Path, place: &Path, port: u16) -> (Command, u16) {
    let mut command = Command::new(weed);
    command.arg("mini").arg("-dir").arg(place.join("data"));
    command.args(["-ip", "127.0.0.1", "-ip.bind", "127.0.0.1", "-admin.ui=false"]);
    command.args(["-webdav=false", "-s3.port.iceberg=0", "-s3.port.lance=0"]);
    command.arg("-s3.config").arg(place.join("users.json"));
    command.args(["-s3.port", &port.to_string()]);
    // Held until all are chosen, so that they differ.
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("loopback has free ports");
    let held: Vec<TcpListener> = (0..=2 * SERVERS.len()).map(|_| listen()).collect();
    let mut ports = held.iter().map(|each| each.local_addr().expect("it is bound").port());
    let mut next = || ports.next().expect("there is one for each");
    command.args(["-s3.port.grpc", &next().to_string()]);
    let mut filer = 0;
    for server in SERVERS {
        let own = next();
        command.args([format!("-{server}.port"), own.to_string()]);
        command.args([format!("-{server}.port.grpc"), next().to_string()]);
        filer = if server == "filer" { own } else { filer };
    }
    // Configuration and sockets of other runs lie in the usual places.
    command.env("HOME", place.join("home")).env("TMPDIR", place.join("tmp"));
    (command, filer)
}

/// The status and body of an answer.
fn request(port: u16, method: &str, path: &str, body: &[u8]) -> io::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    let length = body.len();
    write!(stream, "{method} {path} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n")?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n");
    let (head, body) = answer.split_at(end.map_or(answer.len(), |end| end + 4));
    let head = String::from_utf8_lossy(head);
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or(io::ErrorKind::InvalidData)?, body.to_vec()))
}
