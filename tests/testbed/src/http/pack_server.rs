//! Repositories of one commit each, answered with a given pack: one that no git would make, for example.
//!
//! Speaks protocol v0. Limits: nothing is negotiated, and every request for a pack gets the whole of it.

use std::{
    io::{self, Cursor, Read},
    sync::Arc,
};

use super::{
    message::Request,
    pkt_line::pkt_line,
    reply::{Reply, Repositories},
};

/// How much of a pack one side-band packet holds.
const BAND: usize = 65_000;

/// A repository that is only a pack.
#[derive(Debug, Clone)]
pub struct ServedPack {
    /// The repository's name, without `.git`.
    pub name: String,
    /// The id of the commit that its branch `main` names.
    pub commit: String,
    /// Whether the server offers one commit without its history.
    pub shallow: bool,
    /// The pack, or its beginning.
    pub start: Arc<[u8]>,
    /// Bytes that follow again and again, without an end.
    pub endless: Option<Arc<[u8]>>,
}

impl Repositories for Vec<ServedPack> {
    fn answer(&self, request: &Request, _: Option<&str>) -> io::Result<Reply> {
        let name = request.repo_and_rest().0;
        let Some(served) = self.iter().find(|served| served.name == name) else {
            return Ok(Reply::failed(404));
        };
        if request.method == "GET" {
            return Ok(Reply::git("advertisement", Cursor::new(served.listing())));
        }
        let deepens = request.body.windows(6).any(|part| part == b"deepen");
        Ok(Reply::git("result", served.pack(deepens)))
    }
}

impl ServedPack {
    fn listing(&self) -> Vec<u8> {
        let shallow = if self.shallow { "shallow allow-reachable-sha1-in-want " } else { "" };
        let able = format!("multi_ack_detailed side-band-64k ofs-delta {shallow}agent=git/2");
        let commit = &self.commit;
        let lines = [
            pkt_line("# service=git-upload-pack\n"),
            b"0000".to_vec(),
            pkt_line(format!("{commit} HEAD\0{able} symref=HEAD:refs/heads/main\n")),
            pkt_line(format!("{commit} refs/heads/main\n")),
            b"0000".to_vec(),
        ];
        lines.concat()
    }

    fn pack(&self, deepens: bool) -> impl Read + use<> {
        let mut head = Vec::new();
        if deepens {
            head = [pkt_line(format!("shallow {}\n", self.commit)), b"0000".to_vec()].concat();
        }
        head.extend(pkt_line("NAK\n"));
        let endless = self.endless.as_deref().map(bands).unwrap_or_default();
        let end = if endless.is_empty() { &b"0000"[..] } else { &[] };
        Cursor::new(head)
            .chain(Cursor::new(bands(&self.start)))
            .chain(Endless(Cursor::new(endless)))
            .chain(end)
    }
}

/// The packets of the pack's side band.
fn bands(bytes: &[u8]) -> Vec<u8> {
    bytes.chunks(BAND).flat_map(|part| pkt_line([b"\x01", part].concat())).collect()
}

/// The same bytes again and again; none if there are none.
struct Endless(Cursor<Vec<u8>>);

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.0.read(buffer)?;
        if read > 0 {
            return Ok(read);
        }
        self.0.set_position(0);
        self.0.read(buffer)
    }
}
