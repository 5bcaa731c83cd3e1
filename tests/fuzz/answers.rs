//! Servers: a script is the server's answer, over `git://` or HTTP, to any client; a listing is read, and a pack requested.
//!
//! No panic, no memory beyond what is received, no commit that the server did not name, and an end within seconds.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use modstore::Cancel;
use modstore_fetch::{Limits, Network, Wanted};
use modstore_testbed::pkt_line;

use super::{memory_directory, script::Script};

/// Longest that one conversation may take where the server says all it has to say at once.
const LONGEST: Duration = Duration::from_secs(8);
/// Bytes of memory for one conversation: connections and their buffers.
const MEMORY: u64 = 64 << 20;
const ID: &str = "0123456789abcdef0123456789abcdef01234567";

/// The first byte says which transport, the rest is what the server says.
pub fn answers(bytes: &[u8]) {
    let Some((transport, rest)) = bytes.split_first() else { return };
    let mut script = Script(rest);
    let is_http = transport & 1 == 1;
    let mut said = Vec::new();
    while !script.is_over() && said.len() < 4 {
        said.push(if is_http { http_answer(&mut script) } else { lines(&mut script) });
    }
    let address = server().say(said.clone());
    let url = match is_http {
        true => format!("http://{address}/a.git"),
        false => format!("git://{address}/a.git"),
    };
    let began = Instant::now();
    let used = allocation_counter::measure(|| converse(&url, &said.concat()));
    assert!(used.bytes_max <= MEMORY, "{} bytes of memory for one conversation", used.bytes_max);
    assert!(began.elapsed() < LONGEST, "it took {:?}", began.elapsed());
}

fn converse(url: &str, said: &[u8]) {
    let limits = Limits {
        connect: Duration::from_secs(1),
        idle: Duration::from_millis(60),
        advertisement: 4096,
        ..Limits::default()
    };
    let network = network(limits);
    let named = Wanted::Named("main".into());
    let Ok(mut session) = network.connect(url, &[Wanted::Head, named], &Cancel::new()) else {
        return;
    };
    for resolved in session.take_resolutions().into_iter().flatten() {
        let id = resolved.commit.to_string();
        let is_said = said.windows(40).any(|each| each.eq_ignore_ascii_case(id.as_bytes()));
        assert!(is_said, "{id} is nothing that the server said");
        let mut received = 0;
        drop(session.fetch(resolved.commit, None, &|_| {}, |pack, _| {
            let mut part = [0; 4096];
            while received < 1 << 20 {
                match pack.read(&mut part) {
                    Ok(0) | Err(_) => break,
                    Ok(read) => received += read,
                }
            }
            Ok::<(), std::fmt::Error>(())
        }));
        assert!(received <= said.len(), "more was received than was said");
    }
}

/// A network of its own for each conversation, with one configuration for all.
fn network(limits: Limits) -> Network {
    static PLACE: OnceLock<tempfile::TempDir> = OnceLock::new();
    let place = PLACE.get_or_init(|| {
        tempfile::tempdir_in(memory_directory()).expect("a temporary directory can be made")
    });
    Network::open(&place.path().join("host.git"), limits, false, false)
        .expect("git's configuration can be read")
}

// ---- What a server may say.

/// Packet lines, sound ones and others, up to a step that ends them.
fn lines(script: &mut Script<'_>) -> Vec<u8> {
    let mut said = Vec::new();
    while !script.is_over() {
        let line: Vec<u8> = match script.byte() % 16 {
            0 => return said,
            1 => b"0000".to_vec(),
            2 => b"0001".to_vec(),
            3 => b"0002".to_vec(),
            4 => {
                pkt_line([ID.as_bytes(), b" HEAD\0", CAPABILITIES, script.bytes(), b"\n"].concat())
            }
            5 => pkt_line([ID.as_bytes(), b" refs/heads/main\n"].concat()),
            6 => pkt_line([ID.as_bytes(), b" refs/tags/", script.bytes(), b"\n"].concat()),
            7 => pkt_line(b"version 2\n"),
            8 => pkt_line([b"fetch=shallow ", script.bytes()].concat()),
            9 => pkt_line(
                [&b"ls-refs\n"[..], b"NAK\n", b"packfile\n", b"acknowledgments\n"][script.below(4)],
            ),
            10 => pkt_line(
                [b"ACK ", ID.as_bytes(), [&b"\n"[..], b" common\n", b" ready\n"][script.below(3)]]
                    .concat(),
            ),
            11 => pkt_line([b"shallow ", ID.as_bytes(), b"\n"].concat()),
            12 => pkt_line([&[script.byte() % 4], script.bytes()].concat()),
            13 => pkt_line([b"ERR ", script.bytes()].concat()),
            14 => pkt_line(script.bytes()),
            _ => script.bytes().to_vec(),
        };
        said.extend(line);
    }
    said
}

const CAPABILITIES: &[u8] =
    b"multi_ack_detailed side-band-64k thin-pack ofs-delta shallow symref=HEAD:refs/heads/main ";

/// A response to one request, whose body is packet lines.
fn http_answer(script: &mut Script<'_>) -> Vec<u8> {
    let shape = script.byte();
    if shape >= 0xf0 {
        return script.long().to_vec();
    }
    let status =
        ["200 OK", "200 OK", "401 No", "302 Found", "404 No", "503 Busy", "100 Continue", "200"]
            [usize::from(shape & 7)];
    let mut head = format!("HTTP/1.1 {status}\r\n").into_bytes();
    for _ in 0..(shape >> 3) % 4 {
        match script.byte() % 8 {
            0 => head.extend([b"Location: ", script.bytes(), b"\r\n"].concat()),
            1 => head.extend([b"WWW-Authenticate: ", script.bytes(), b"\r\n"].concat()),
            2 => head.extend([b"Retry-After: ", script.bytes(), b"\r\n"].concat()),
            3 => head.extend(b"Content-Encoding: gzip\r\n"),
            4 => head.extend([b"Content-Type: ", script.bytes(), b"\r\n"].concat()),
            _ => head.extend([script.bytes(), b"\r\n"].concat()),
        }
    }
    let kind = ["advertisement", "result"][script.below(2)];
    head.extend(format!("Content-Type: application/x-git-upload-pack-{kind}\r\n").into_bytes());
    let mut body = lines(script);
    if kind == "advertisement" && shape & 8 == 0 {
        body = [pkt_line(b"# service=git-upload-pack\n"), b"0000".to_vec(), body].concat();
    }
    match shape & 0x80 == 0 {
        true => head.extend(format!("Content-Length: {}\r\n\r\n", body.len()).into_bytes()),
        false => head.extend(b"Connection: close\r\n\r\n"),
    }
    [head, body].concat()
}

// ---- The server.

struct Server {
    address: SocketAddr,
    said: Mutex<Vec<Vec<u8>>>,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<&'static Server> = OnceLock::new();
    SERVER.get_or_init(|| {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
        let address = listener.local_addr().expect("it is bound");
        let server: &Server = Box::leak(Box::new(Server { address, said: Mutex::default() }));
        std::thread::spawn(move || {
            listener.incoming().flatten().for_each(|each| server.answer(each))
        });
        server
    })
}

impl Server {
    /// What it says to the next requests, one after the other.
    fn say(&self, mut said: Vec<Vec<u8>>) -> SocketAddr {
        said.reverse();
        *self.said.lock().unwrap_or_else(PoisonError::into_inner) = said;
        self.address
    }

    /// Says the next thing to each request on the connection, and hangs up at the end of the script.
    fn answer(&self, mut stream: TcpStream) {
        drop(stream.set_read_timeout(Some(Duration::from_secs(2))));
        let mut request = [0; 16384];
        while let Ok(1..) = stream.read(&mut request) {
            let next = self.said.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(next) = next else { break };
            if stream.write_all(&next).is_err() {
                break;
            }
        }
    }
}
