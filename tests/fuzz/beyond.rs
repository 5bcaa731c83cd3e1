//! What a commit has beyond its own files: pointers of Git LFS, the answers of servers that keep the content, and `.gitmodules`.
//!
//! No panic, no memory beyond what the bytes are worth; a pointer names what its plain form names; no header that is the
//! connection's; no path that leaves its tree, and nothing that a program could take for an option.

use modstore_fetch::{
    SubmoduleList,
    internals::{read_batch_answer, read_pointer},
};

use super::frugally;

fn is_oid(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The text of a file that may be a pointer.
pub fn pointer(bytes: &[u8]) {
    let Some((oid, size, _)) = frugally(bytes, || read_pointer(bytes)) else { return };
    assert!(is_oid(&oid), "{oid}");
    let text = String::from_utf8_lossy(bytes);
    assert!(text.contains(&oid), "{oid} does not stand in {text}");
    let plain =
        format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize {size}\n");
    assert_eq!(read_pointer(plain.as_bytes()), Some((oid, size, false)));
}

/// An answer of the batch protocol.
pub fn batch(bytes: &[u8]) {
    for (oid, offered) in frugally(bytes, || read_batch_answer(bytes)).unwrap_or_default() {
        assert!(is_oid(&oid), "{oid}");
        let Some((href, headers)) = offered else { continue };
        assert!(!href.is_empty());
        for (name, value) in headers {
            let own = ["host", "content-length", "transfer-encoding", "connection", "range"];
            assert!(!own.contains(&name.to_ascii_lowercase().as_str()), "{name}");
            assert!(!name.is_empty() && !name.contains([':', ' ', '\r', '\n']), "{name:?}");
            assert!(!value.contains(['\r', '\n', '\0']), "{value:?}");
        }
    }
}

/// The text of a `.gitmodules`.
pub fn gitmodules(bytes: &[u8]) {
    let used = allocation_counter::measure(|| drop(SubmoduleList::read(bytes)));
    let most = 2048 * bytes.len() as u64 + (64 << 10);
    assert!(used.bytes_max <= most, "{} bytes of memory for {}", used.bytes_max, bytes.len());
    let Ok(list) = SubmoduleList::read(bytes) else { return };
    for path in list.paths() {
        let mut parts = path.split(|byte| *byte == b'/');
        let leaves = |part: &[u8]| part == b".." || part.eq_ignore_ascii_case(b".git");
        assert!(!path.starts_with(b"/") && !path.starts_with(b"-"), "{path}");
        assert!(!parts.any(leaves) && !path.contains(&0), "{path}");
        let submodule = list.at(path).expect("it is listed");
        let mut parts = submodule.name.split(|byte| matches!(byte, b'/' | b'\\'));
        assert!(!submodule.name.starts_with(b"-") && !parts.any(|part| part == b".."));
        assert!(submodule.url.as_ref().is_none_or(|url| !url.starts_with(b"-")));
    }
}
