//! Git's pkt-lines: reading, writing, and taking a capability out of an advertisement.
//!
//! Limits: of the lines' meaning it knows the two forms of an advertisement, and nothing else.

use std::io::{self, Read};

/// One pkt-line.
pub(crate) enum Pkt {
    /// `0000`, `0001` or `0002`, as sent.
    Special([u8; 4]),
    /// A line's payload, without its length.
    Data(Vec<u8>),
    /// Not a pkt-line: the four bytes where a length should be, as when a pack follows without side band.
    Raw([u8; 4]),
}

/// The next pkt-line, or `None` at the end of the stream.
pub(crate) fn read_pkt(from: &mut dyn Read) -> io::Result<Option<Pkt>> {
    let mut head = [0; 4];
    if from.read(&mut head[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut head[1..])?;
    let length =
        std::str::from_utf8(&head).ok().and_then(|hex| usize::from_str_radix(hex, 16).ok());
    match length {
        None => Ok(Some(Pkt::Raw(head))),
        Some(0..4) => Ok(Some(Pkt::Special(head))),
        Some(length) => {
            let mut payload = vec![0; length - 4];
            from.read_exact(&mut payload)?;
            Ok(Some(Pkt::Data(payload)))
        }
    }
}

/// A whole pkt-line.
#[must_use]
pub fn pkt_line(payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    [length_of(payload.len()).as_bytes(), payload].concat()
}

/// The four digits that go before a payload of this many bytes.
pub(crate) fn length_of(payload: usize) -> String {
    format!("{:04x}", payload + 4)
}

/// An advertisement (the reply to `info/refs`) that does not offer `capability`, protocol v0 and v2 alike.
pub(crate) fn without_capability(advertisement: &[u8], capability: &str) -> Vec<u8> {
    let mut rest = advertisement;
    let mut out = Vec::with_capacity(advertisement.len());
    while let Ok(Some(pkt)) = read_pkt(&mut rest) {
        match pkt {
            Pkt::Special(head) | Pkt::Raw(head) => out.extend(head),
            Pkt::Data(payload) => {
                if let Some(payload) = stripped(&payload, capability) {
                    out.extend(pkt_line(payload));
                }
            }
        }
    }
    out
}

/// The payload without the capability; `None` if nothing of the line is left.
fn stripped(payload: &[u8], capability: &str) -> Option<Vec<u8>> {
    if let Some(nul) = payload.iter().position(|byte| *byte == 0) {
        let (name, capabilities) = payload.split_at(nul);
        let kept = without_word(capabilities.get(1..).unwrap_or_default(), capability);
        return Some([name, b"\0", kept.as_bytes(), b"\n"].concat());
    }
    let line = String::from_utf8_lossy(payload);
    let line = line.trim_end();
    // v2: `fetch=shallow filter` lists words after the key; anything else is one capability per line.
    match line.split_once('=') {
        _ if is(line, capability) => None,
        Some((key @ ("fetch" | "ls-refs"), words)) => {
            Some(format!("{key}={}\n", without_word(words.as_bytes(), capability)).into_bytes())
        }
        _ => Some(payload.to_vec()),
    }
}

fn without_word(words: &[u8], capability: &str) -> String {
    let words = String::from_utf8_lossy(words);
    words.split_whitespace().filter(|word| !is(word, capability)).collect::<Vec<_>>().join(" ")
}

fn is(word: &str, capability: &str) -> bool {
    word.strip_prefix(capability).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
}
