//! Archives: bytes as a tar, a zip or what decompresses to one; what is unpacked lies in its tree, within its limits.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use modstore::{Cancel, Source};
use modstore_core::disk::{Disk, Layout, Staging};
use modstore_fetch::{ArchiveLimits, Limits, MemoryBudget, Network, fetch_archive};
use sha2::{Digest as _, Sha256};

use super::memory_directory;

/// Bytes of memory for one archive: windows of decompression and buffers.
const MEMORY: u64 = 200 << 20;

/// The first byte says which kind, and whether the rest is compressed first. Says whether it became a tree.
pub fn archive(bytes: &[u8]) -> bool {
    let Some((kind, content)) = bytes.split_first() else { return false };
    let (name, content) = match kind % 5 {
        0 => ("a.tar.gz", gzip(content)),
        1 => ("a.tar.gz", content.to_vec()),
        2 => ("a.zip", content.to_vec()),
        3 => ("a.tar.zst", stored(content)),
        _ => ("a.tar.zst", content.to_vec()),
    };
    let place =
        tempfile::tempdir_in(memory_directory()).expect("a temporary directory can be made");
    let file = place.path().join(name);
    fs::write(&file, &content).expect("it can be written");
    let home = place.path().join("home");
    let mut became = false;
    let used = allocation_counter::measure(|| became = unpacked(&home, &file, &content));
    assert!(used.bytes_max <= MEMORY, "{} bytes of memory for one archive", used.bytes_max);
    let beside: Vec<PathBuf> = fs::read_dir(place.path())
        .expect("it is there")
        .map(|child| child.expect("it can be listed").path())
        .filter(|path| *path != file && *path != home)
        .collect();
    assert!(beside.is_empty(), "written outside: {beside:?}");
    became
}

fn unpacked(home: &Path, file: &Path, content: &[u8]) -> bool {
    let sum: String = Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect();
    let text = format!("archive+file://{}#sha256={sum}", file.display());
    let source = Source::parse(&text, Path::new("/"), None).expect("it is a source");
    let Source::Archive(source) = source else { panic!("it is an archive") };
    let (disk, layout) = (Disk::default(), Layout::new(home));
    fs::create_dir_all(home.join("staging")).expect("it is new");
    let staging = Staging::claim(&disk, &layout, "fuzz").expect("the home is ours");
    let network = Network::open(&home.join("host.git"), Limits::default(), false, true)
        .expect("git's configuration can be read");
    let (cancel, limits) = (Cancel::new(), ArchiveLimits::default());
    let memory = MemoryBudget::new(64 << 20, 1);
    let acquired = fetch_archive(&network, &source, &disk, &staging, &cancel, limits, &memory);
    let Ok(acquired) = acquired else { return false };
    let root = acquired.staged.tree().canonicalize().expect("the tree is there");
    leads_nowhere_else(&root, &root);
    true
}

/// Every link of the tree leads into the tree.
fn leads_nowhere_else(root: &Path, at: &Path) {
    for child in fs::read_dir(at).expect("it can be listed") {
        let path = child.expect("it can be listed").path();
        let meta = path.symlink_metadata().expect("it is there");
        if meta.is_symlink() {
            let to = path.canonicalize();
            assert!(
                to.as_ref().map_or(true, |to| to.starts_with(root)),
                "{path:?} leads to {to:?}"
            );
        } else if meta.is_dir() {
            leads_nowhere_else(root, &path);
        }
    }
}

fn gzip(content: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    out.write_all(content).expect("memory takes it");
    out.finish().expect("memory takes it")
}

/// A zstd frame that holds `content` as it is.
fn stored(content: &[u8]) -> Vec<u8> {
    // Magic, a descriptor without checksum or size, and a window of 1 MiB.
    let mut out = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50];
    let mut blocks = content.chunks(100_000).peekable();
    while let Some(block) = blocks.next() {
        let head = (block.len() as u32) << 3 | u32::from(blocks.peek().is_none());
        out.extend_from_slice(&head.to_le_bytes()[..3]);
        out.extend_from_slice(block);
    }
    out
}
