//! As much of a git server as it takes to hand out packs that no git would make.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use crate::packs::{Bomb, Pack};

/// Serves bombs by their names, until the process ends.
pub(crate) struct Server {
    port: u16,
}

/// What it serves of one repository.
struct Served {
    name: &'static str,
    commit: String,
    shallow: bool,
    pack: Pack,
}

impl Server {
    pub(crate) fn start(bombs: &[&Bomb]) -> Server {
        let served = bombs.iter().map(|bomb| Served {
            name: bomb.name,
            commit: bomb.commit.to_string(),
            shallow: bomb.shallow,
            pack: bomb.pack.clone(),
        });
        let served: Arc<[Served]> = served.collect();
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let served = Arc::clone(&served);
                // A client that has enough hangs up.
                std::thread::spawn(move || answer(&served, stream));
            }
        });
        Server { port }
    }

    pub(crate) fn url(&self, name: &str) -> String {
        format!("http://127.0.0.1:{}/{name}.git", self.port)
    }
}

fn answer(served: &[Served], stream: TcpStream) -> io::Result<()> {
    let mut from = BufReader::new(stream.try_clone()?);
    let mut to = stream;
    let mut first = String::new();
    from.read_line(&mut first)?;
    let (mut length, mut chunked, mut line) = (0, false, String::new());
    while from.read_line(&mut line)? > 2 {
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        chunked |= lower.starts_with("transfer-encoding:") && lower.contains("chunked");
        line.clear();
    }
    assert!(!chunked, "requests are small");
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    let path = first.split(' ').nth(1).unwrap_or_default();
    let name = path.trim_start_matches('/').split(".git").next().unwrap_or_default();
    let served = served.iter().find(|served| served.name == name).unwrap();
    match first.starts_with("GET") {
        true => to.write_all(&listing(served)),
        false => pack(served, &body, &mut to),
    }
}

fn line(text: &str) -> String {
    format!("{:04x}{text}", text.len() + 4)
}

fn head(kind: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/x-git-upload-pack-{kind}\r\n\r\n"
    )
}

fn listing(served: &Served) -> Vec<u8> {
    let shallow = if served.shallow { "shallow allow-reachable-sha1-in-want " } else { "" };
    let able = format!("multi_ack_detailed side-band-64k ofs-delta {shallow}agent=git/2");
    let commit = &served.commit;
    let lines = [
        head("advertisement"),
        line("# service=git-upload-pack\n") + "0000",
        line(&format!("{commit} HEAD\0{able} symref=HEAD:refs/heads/main\n")),
        line(&format!("{commit} refs/heads/main\n")) + "0000",
    ];
    lines.concat().into_bytes()
}

fn pack(served: &Served, body: &[u8], to: &mut TcpStream) -> io::Result<()> {
    to.write_all(head("result").as_bytes())?;
    if body.windows(6).any(|part| part == b"deepen") {
        to.write_all((line(&format!("shallow {}\n", served.commit)) + "0000").as_bytes())?;
    }
    to.write_all(line("NAK\n").as_bytes())?;
    band(&served.pack.start, to)?;
    while let Some(more) = &served.pack.endless {
        band(more, to)?;
    }
    to.write_all(b"0000")
}

fn band(bytes: &[u8], to: &mut TcpStream) -> io::Result<()> {
    for part in bytes.chunks(65_000) {
        to.write_all(format!("{:04x}\x01", part.len() + 5).as_bytes())?;
        to.write_all(part)?;
    }
    Ok(())
}
