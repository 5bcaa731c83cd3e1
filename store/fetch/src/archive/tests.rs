//! Archives, good and hostile, from files and from servers.

use std::{
    collections::BTreeMap,
    io::Write as _,
    net::TcpStream,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use modstore_core::{
    Cancel,
    disk::{Disk, Layout, Staging},
    model::{ArchiveSource, Class, Source, Stage},
};
use modstore_testbed::ScriptedServer;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;

use super::receive::{ArchiveFetch, FetchedArchive};
use crate::{
    errors::{AcquireError, ArchiveError, LoginError, RemoteError, TransferError, TransportError},
    limits::{ArchiveLimit, ArchiveLimits, Limits},
    pack::MemoryBudget,
    protocol::Network,
    tree_rules::{RefusedTree, RejectReason},
};

/// A home with a staging in it.
struct World {
    root: TempDir,
    staging: Staging,
    network: Network,
    limits: ArchiveLimits,
    cancel: Cancel,
}

impl World {
    fn new() -> Self {
        Self::with(false)
    }

    fn with(offline: bool) -> Self {
        let root = TempDir::new().unwrap();
        std::fs::create_dir(root.path().join("staging")).unwrap();
        let layout = Layout::new(root.path());
        let staging = Staging::claim(&Disk::default(), &layout, "test").unwrap();
        let scratch = root.path().join("scratch");
        let network = Network::open(&scratch, Limits::default(), false, offline).unwrap();
        World { root, staging, network, limits: ArchiveLimits::default(), cancel: Cancel::new() }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.root.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        format!("archive+file://{}#sha256={}", path.display(), sum(bytes))
    }

    fn acquire(&self, source: &str) -> Result<FetchedArchive, AcquireError> {
        let Source::Archive(source) = Source::parse(source, Path::new("/"), None).unwrap() else {
            panic!("{source} is no archive")
        };
        self.acquire_source(&source)
    }

    fn acquire_source(&self, source: &ArchiveSource) -> Result<FetchedArchive, AcquireError> {
        let Self { network, staging, cancel, limits, .. } = self;
        let disk = &Disk::default();
        let memory = &MemoryBudget::new(256 << 20, 1);
        ArchiveFetch { network, source, disk, staging, cancel, limits: *limits, memory }
            .run(&staging.fresh(), &staging.fresh())
    }

    fn tar_gz(&self, entries: &[Entry<'_>]) -> Result<FetchedArchive, AcquireError> {
        self.acquire(&self.file("x.tar.gz", &gz(&tar(entries))))
    }

    /// The files in the staging, all but what is beside the trees.
    fn tree(&self) -> BTreeMap<String, (u32, Vec<u8>)> {
        let mut roots = std::fs::read_dir(self.staging.directory()).unwrap();
        let root = roots.find_map(|entry| {
            let path = entry.unwrap().path();
            path.is_dir().then_some(path)
        });
        let mut files = BTreeMap::new();
        walk(&root.unwrap(), &PathBuf::new(), &mut files);
        files
    }
}

fn walk(root: &Path, below: &Path, files: &mut BTreeMap<String, (u32, Vec<u8>)>) {
    for entry in std::fs::read_dir(root.join(below)).unwrap() {
        let below = below.join(entry.unwrap().file_name());
        let path = root.join(&below);
        let meta = path.symlink_metadata().unwrap();
        let name = below.to_str().unwrap().to_owned();
        if meta.is_dir() {
            walk(root, &below, files);
        } else if meta.is_symlink() {
            let text = std::fs::read_link(path).unwrap().into_os_string().into_encoded_bytes();
            files.insert(name, (0, text));
        } else {
            let mode = meta.permissions().mode() & 0o777;
            files.insert(name, (mode, std::fs::read(path).unwrap()));
        }
    }
}

fn sum(bytes: &[u8]) -> String {
    blake3::Hash::from_bytes(Sha256::digest(bytes).into()).to_hex().to_string()
}

/// One entry of a tar archive, however odd.
#[derive(Clone, Copy)]
struct Entry<'e> {
    name: &'e [u8],
    kind: u8,
    mode: u32,
    link: &'e [u8],
    content: &'e [u8],
}

const fn file<'e>(name: &'e str, content: &'e [u8]) -> Entry<'e> {
    Entry { name: name.as_bytes(), kind: b'0', mode: 0o644, link: b"", content }
}

const fn of_kind<'e>(kind: u8, name: &'e str, link: &'e str) -> Entry<'e> {
    Entry { name: name.as_bytes(), kind, mode: 0o755, link: link.as_bytes(), content: b"" }
}

const fn directory(name: &str) -> Entry<'_> {
    of_kind(b'5', name, "")
}

const fn symlink<'e>(name: &'e str, text: &'e str) -> Entry<'e> {
    of_kind(b'2', name, text)
}

fn tar(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..entry.name.len()].copy_from_slice(entry.name);
        header.as_old_mut().linkname[..entry.link.len()].copy_from_slice(entry.link);
        header.set_entry_type(tar::EntryType::new(entry.kind));
        header.set_mode(entry.mode);
        header.set_size(entry.content.len() as u64);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(entry.content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.extend_from_slice(&[0; 1024]);
    bytes
}

fn gz(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zst(bytes: &[u8]) -> Vec<u8> {
    let level = ruzstd::encoding::CompressionLevel::Fastest;
    ruzstd::encoding::compress_to_vec(bytes, level)
}

fn zip(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for entry in entries {
        let name = std::str::from_utf8(entry.name).unwrap();
        let options = zip::write::SimpleFileOptions::default().unix_permissions(entry.mode);
        match entry.kind {
            b'5' => writer.add_directory(name, options).unwrap(),
            b'2' => {
                writer.add_symlink(name, std::str::from_utf8(entry.link).unwrap(), options).unwrap()
            }
            _ => {
                writer.start_file(name, options).unwrap();
                writer.write_all(entry.content).unwrap();
            }
        }
    }
    writer.finish().unwrap().into_inner()
}

fn sample(big: &[u8]) -> Vec<Entry<'_>> {
    vec![
        directory("pkg-1.0/"),
        file("pkg-1.0/a.txt", b"hello\n"),
        Entry { mode: 0o755, ..file("pkg-1.0/bin/run", b"#!/bin/sh\n") },
        file("pkg-1.0/big", big),
        symlink("pkg-1.0/to", "bin/run"),
        directory("pkg-1.0/empty/"),
    ]
}

fn big() -> Vec<u8> {
    (0..700_000_u32).flat_map(|number| number.to_le_bytes()).collect()
}

fn reason(result: Result<FetchedArchive, AcquireError>) -> RejectReason {
    match result.unwrap_err() {
        AcquireError::Archive(ArchiveError::Refused(RefusedTree { reason, .. })) => reason,
        other => panic!("{other:?}"),
    }
}

fn archive_error(result: Result<FetchedArchive, AcquireError>) -> ArchiveError {
    match result.unwrap_err() {
        AcquireError::Archive(error) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_three_kinds_of_archive_become_one_tree() {
    let big = big();
    let packed = [
        ("x.tar.gz", gz(&tar(&sample(&big)))),
        ("x.tar.zst", zst(&tar(&sample(&big)))),
        ("x.zip", zip(&sample(&big))),
    ];
    let mut digests = Vec::new();
    for (name, bytes) in &packed {
        let world = World::new();
        let acquired = world.acquire(&world.file(name, bytes)).unwrap();
        assert_eq!(acquired.received, bytes.len() as u64, "{name}");
        assert_eq!(acquired.warnings, Vec::<String>::new(), "{name}");
        let tree = world.tree();
        let names: Vec<_> = tree.keys().map(String::as_str).collect();
        let wanted = ["pkg-1.0/a.txt", "pkg-1.0/big", "pkg-1.0/bin/run", "pkg-1.0/to"];
        assert_eq!(names, wanted, "{name}");
        assert_eq!(tree["pkg-1.0/a.txt"], (0o444, b"hello\n".to_vec()), "{name}");
        assert_eq!(tree["pkg-1.0/bin/run"].0, 0o555, "{name}");
        assert_eq!(tree["pkg-1.0/big"].1, big, "{name}");
        assert_eq!(tree["pkg-1.0/to"].1, b"bin/run", "{name}");
        digests.push(acquired.staged.digest());
    }
    assert!(digests.iter().all(|digest| *digest == digests[0]), "{digests:?}");
}

#[test]
fn what_tar_itself_packs_is_unpacked() {
    let world = World::new();
    let tree = world.root.path().join("tree");
    std::fs::create_dir_all(tree.join("deep/er")).unwrap();
    let long = format!("{}.txt", "n".repeat(180));
    std::fs::write(tree.join("deep/er").join(&long), b"long").unwrap();
    std::fs::write(tree.join("one"), b"same").unwrap();
    std::fs::hard_link(tree.join("one"), tree.join("two")).unwrap();
    std::os::unix::fs::symlink(format!("deep/er/{long}"), tree.join("link")).unwrap();
    for format in ["gnu", "pax", "v7"] {
        let world = World::new();
        let path = world.root.path().join("x.tar.gz");
        let mut command = std::process::Command::new("tar");
        command.arg("-C").arg(&tree).arg("-czf").arg(&path).arg(format!("--format={format}"));
        if format == "v7" {
            command.arg("--exclude=deep").arg("--exclude=link");
        }
        assert!(command.arg(".").status().unwrap().success(), "{format}");
        let bytes = std::fs::read(&path).unwrap();
        world.acquire(&world.file("x.tar.gz", &bytes)).unwrap();
        let tree = world.tree();
        assert_eq!(tree["one"], tree["two"], "{format}");
        if format != "v7" {
            assert_eq!(tree[&format!("deep/er/{long}")].1, b"long", "{format}");
            assert_eq!(tree["link"].1, format!("deep/er/{long}").into_bytes(), "{format}");
        }
    }
}

#[test]
fn several_zstd_frames_are_one_archive() {
    let world = World::new();
    let whole = tar(&[file("a", b"1"), file("b", b"2")]);
    let (first, rest) = whole.split_at(700);
    let skippable = [&0x184D_2A50_u32.to_le_bytes()[..], &3_u32.to_le_bytes(), b"xyz"].concat();
    let frames = [zst(first), skippable, zst(rest)].concat();
    world.acquire(&world.file("x.tar.zst", &frames)).unwrap();
    assert_eq!(world.tree().len(), 2);
}

#[test]
fn hard_links_become_copies() {
    let world = World::new();
    let acquired = world
        .tar_gz(&[
            Entry { mode: 0o755, ..file("d/one", b"x") },
            of_kind(b'1', "two", "./d/one"),
            symlink("d/soft", "one"),
            of_kind(b'1', "d/soft2", "d/soft"),
        ])
        .unwrap();
    assert_eq!(acquired.staged.files(), 4);
    let tree = world.tree();
    assert_eq!((tree["two"].0, tree["d/soft2"].1.as_slice()), (0o555, &b"one"[..]));
}

#[test]
fn nothing_that_leaves_the_tree_or_is_no_file_is_unpacked() {
    let long_text = "../".repeat(30) + "etc/passwd";
    type Check = fn(&RejectReason) -> bool;
    let name: Check = |reason| matches!(reason, RejectReason::Name(_));
    let table: Vec<(&str, Vec<Entry<'_>>, Check)> = vec![
        ("..", vec![file("../evil", b"x")], name),
        (".. inside", vec![file("a/../../evil", b"x")], name),
        ("absolute", vec![file("/etc/evil", b"x")], |r| *r == RejectReason::Absolute),
        (".git", vec![file("a/.GIT/config", b"x")], name),
        (".git directory", vec![directory(".git/")], name),
        (".git disguised", vec![file("git~1/config", b"x")], name),
        ("absolute link", vec![symlink("l", "/etc")], |r| {
            matches!(r, RejectReason::AbsoluteLink(_))
        }),
        ("link out", vec![symlink("l", &long_text)], |r| matches!(r, RejectReason::LinkLeaves(_))),
        ("empty link", vec![symlink("l", "")], |r| *r == RejectReason::LinkText),
        (
            "link out through another",
            vec![directory("a/"), symlink("a/up", ".."), symlink("out", "a/up/../x")],
            |r| matches!(r, RejectReason::LinkLeaves(_)),
        ),
        ("through a link", vec![symlink("l", "d"), file("l/x", b"")], |r| {
            *r == RejectReason::Clash
        }),
        ("file as directory", vec![file("f", b""), file("f/x", b"")], |r| {
            *r == RejectReason::Clash
        }),
        ("directory as file", vec![file("d/x", b""), file("d", b"")], |r| {
            *r == RejectReason::Clash
        }),
        ("link over directory", vec![directory("d"), symlink("d", "x")], |r| {
            *r == RejectReason::Clash
        }),
        ("twice", vec![file("a", b"1"), file("./a", b"2")], |r| *r == RejectReason::Twice),
        ("hard link out", vec![of_kind(b'1', "a", "../../etc/passwd")], |r| {
            matches!(r, RejectReason::HardLink(_))
        }),
        ("absolute hard link", vec![of_kind(b'1', "a", "/etc/passwd")], |r| {
            matches!(r, RejectReason::HardLink(_))
        }),
        ("hard link to a directory", vec![directory("d"), of_kind(b'1', "a", "d")], |r| {
            matches!(r, RejectReason::HardLink(_))
        }),
        ("device", vec![of_kind(b'3', "null", "")], |r| matches!(r, RejectReason::Kind(_))),
        ("block device", vec![of_kind(b'4', "sda", "")], |r| matches!(r, RejectReason::Kind(_))),
        ("pipe", vec![of_kind(b'6', "pipe", "")], |r| matches!(r, RejectReason::Kind(_))),
        ("unknown", vec![of_kind(b'Q', "odd", "")], |r| matches!(r, RejectReason::Kind(_))),
    ];
    for (what, entries, check) in table {
        let world = World::new();
        let reason = reason(world.tar_gz(&entries));
        assert!(check(&reason), "{what}: {reason}");
        assert!(!world.root.path().join("evil").exists(), "{what}");
    }
}

#[test]
fn a_zip_archive_is_refused_for_the_same_reasons() {
    let table: [(&str, Entry<'_>); 4] = [
        ("..", file("../../evil", b"x")),
        (".git", file("a/.git/config", b"x")),
        ("link", symlink("l", "../../etc")),
        ("absolute link", symlink("l", "/etc/passwd")),
    ];
    for (what, entry) in table {
        let world = World::new();
        let result = world.acquire(&world.file("x.zip", &zip(&[entry])));
        let error = archive_error(result);
        assert!(matches!(error, ArchiveError::Refused(_)), "{what}: {error:?}");
    }
    let mut twice = zip(&[file("ab", b"1"), file("ac", b"2")]);
    for at in 0..twice.len() - 2 {
        if &twice[at..at + 2] == b"ac" {
            twice[at + 1] = b'b';
        }
    }
    let world = World::new();
    let error = archive_error(world.acquire(&world.file("x.zip", &twice)));
    assert!(matches!(error, ArchiveError::Malformed { .. }), "{error:?}");
}

#[test]
fn long_and_deep_paths_are_refused_and_names_that_fold_are_reported() {
    let deep = "d/".repeat(205) + "f";
    let pax = |path: &str| {
        let record = |length: usize| format!("{length} path={path}\n");
        let mut length = record(0).len();
        while record(length).len() != length {
            length = record(length).len();
        }
        record(length).into_bytes()
    };
    for (path, wanted) in
        [(deep.as_str(), RejectReason::Deep), (&"n".repeat(5000), RejectReason::LongPath)]
    {
        let extended = pax(path);
        let header = Entry { kind: b'x', ..file("x", &extended) };
        let world = World::new();
        assert_eq!(reason(world.tar_gz(&[header, file("f", b"")])), wanted);
    }
    let world = World::new();
    let acquired = world.tar_gz(&[file("d/README", b"1"), file("d/readme", b"2")]);
    if cfg!(target_vendor = "apple") {
        assert!(matches!(reason(acquired), RejectReason::Folds(_)));
    } else {
        let warnings = acquired.unwrap().warnings;
        assert!(warnings.len() == 1 && warnings[0].contains("README"), "{warnings:?}");
    }
}

#[test]
fn an_archive_over_a_limit_is_refused_and_no_more_than_that_is_written() {
    let zeros = vec![0; 40 << 20];
    let bomb = [file("a", b"1"), file("zeros", &zeros)];
    for (name, bytes) in
        [("x.tar.gz", gz(&tar(&bomb))), ("x.tar.zst", zst(&tar(&bomb))), ("x.zip", zip(&bomb))]
    {
        let mut world = World::new();
        world.limits.files = 8 << 20;
        let error = archive_error(world.acquire(&world.file(name, &bytes)));
        assert!(matches!(error, ArchiveError::TooLarge { limit, .. } if limit == 8 << 20));
        let written: usize = world.tree().values().map(|(_, content)| content.len()).sum();
        assert!(written <= 8 << 20, "{name}: {written}");
    }
    let links: Vec<String> = (0..20).map(|number| format!("l{number}")).collect();
    let content = vec![b'x'; 1 << 20];
    let mut entries = vec![file("one", &content)];
    entries.extend(links.iter().map(|name| of_kind(b'1', name, "one")));
    let mut world = World::new();
    world.limits.files = 8 << 20;
    let copies = archive_error(world.tar_gz(&entries));
    assert!(matches!(copies, ArchiveError::TooLarge { .. }), "{copies:?}");

    let limited: [fn(&mut ArchiveLimits); 4] = [
        |limits| limits.entries = 10,
        |limits| limits.paths = 20,
        |limits| limits.archive = 100,
        |limits| limits.headers = 256,
    ];
    for (number, limit) in limited.into_iter().enumerate() {
        let mut world = World::new();
        limit(&mut world.limits);
        let error = archive_error(world.tar_gz(&entries));
        let expected = if number == 3 {
            matches!(error, ArchiveError::Malformed { .. })
        } else {
            matches!(error, ArchiveError::TooLarge { .. })
        };
        assert!(expected, "{number}: {error:?}");
        assert_eq!(error.class(), Class::Permanent);
    }
}

#[test]
fn a_name_without_an_end_is_not_held_in_memory() {
    let name = vec![b'n'; 4 << 20];
    for kind in [b'L', b'K', b'x'] {
        let mut world = World::new();
        world.limits.headers = 1 << 20;
        let entry = Entry { kind, ..file("././@LongLink", &name) };
        let error = archive_error(world.tar_gz(&[entry, file("f", b"")]));
        let ArchiveError::Malformed { source, .. } = error else { panic!("{error:?}") };
        assert!(source.to_string().contains("headers"), "{source}");
    }
}

#[test]
fn another_sum_is_refused_before_anything_is_unpacked() {
    let world = World::new();
    let source = world.file("x.tar.gz", &gz(&tar(&[file("a", b"1")])));
    let other = sum(b"something else");
    let wrong = source.split_once("sha256=").unwrap().0.to_owned() + "sha256=" + &other;
    let error = world.acquire(&wrong).unwrap_err();
    assert_eq!((error.class(), error.stage()), (Class::Permanent, Stage::Fetch));
    assert!(error.to_string().contains(&other) && error.hint().is_some(), "{error}");
    let any_directory = std::fs::read_dir(world.staging.directory())
        .unwrap()
        .any(|entry| entry.unwrap().path().is_dir());
    assert!(!any_directory, "a tree was begun");
}

#[test]
fn every_truncation_is_an_error_and_never_half_a_tree() {
    let big: Vec<u8> = (0..5000_u32).flat_map(|number| (number * 7919).to_le_bytes()).collect();
    for (name, bytes) in [
        ("x.tar.gz", gz(&tar(&sample(&big)))),
        ("x.tar.zst", zst(&tar(&sample(&big)))),
        ("x.zip", zip(&sample(&big))),
    ] {
        // The last KiB of a tar archive is padding, which compresses to next to nothing.
        for cut in (0..bytes.len() - 40).step_by(997) {
            let world = World::new();
            let error = archive_error(world.acquire(&world.file(name, &bytes[..cut])));
            assert!(matches!(error, ArchiveError::Malformed { .. }), "{name} at {cut}: {error:?}");
        }
    }
}

#[test]
fn an_archive_of_another_kind_is_reported_as_such() {
    let world = World::new();
    for name in ["x.tar.gz", "x.tar.zst", "x.zip"] {
        let error = archive_error(world.acquire(&world.file(name, b"<html>not found</html>")));
        assert!(error.to_string().contains(&name[2..]), "{error}");
    }
}

#[test]
fn a_subdirectory_must_exist() {
    let world = World::new();
    let source = world.file("x.tar.gz", &gz(&tar(&[file("pkg-1.0/sub/a", b"1")])));
    let error = world.acquire(&format!("{source}&subdirectory=sub")).unwrap_err();
    assert!(error.to_string().contains("pkg-1.0/sub"), "{error}");
    world.acquire(&format!("{source}&subdirectory=pkg-1.0/sub")).unwrap();
}

#[test]
fn a_missing_file_and_a_directory_are_permanent_and_named() {
    let world = World::new();
    std::fs::create_dir(world.root.path().join("dir.zip")).unwrap();
    for name in ["absent.zip", "dir.zip"] {
        let path = world.root.path().join(name);
        let source = format!("archive+file://{}#sha256={}", path.display(), sum(b""));
        let error = world.acquire(&source).unwrap_err();
        assert_eq!((error.class(), error.stage()), (Class::Permanent, Stage::Resolve), "{name}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

#[test]
fn a_percent_in_the_path_is_decoded() {
    let world = World::new();
    let bytes = zip(&[file("a", b"1")]);
    std::fs::write(world.root.path().join("a b.zip"), &bytes).unwrap();
    let root = world.root.path().display();
    world.acquire(&format!("archive+file://{root}/a%20b.zip#sha256={}", sum(&bytes))).unwrap();
}

#[test]
fn a_cancelled_fetch_ends() {
    let world = World::new();
    let source = world.file("x.zip", &zip(&[file("a", b"1")]));
    world.cancel.cancel();
    assert!(world.acquire(&source).unwrap_err().is_cancelled());
}

fn source(server: &ScriptedServer, login: &str, name: &str, bytes: &[u8]) -> String {
    let port = server.port();
    format!("archive+http://{login}127.0.0.1:{port}/{name}#sha256={}", sum(bytes))
}

fn reply(stream: &mut TcpStream, head: &str, body: &[u8]) {
    let length = body.len();
    write!(stream, "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")
        .unwrap();
    stream.write_all(body).unwrap();
}

fn fault(result: Result<FetchedArchive, AcquireError>) -> TransportError {
    match result.unwrap_err() {
        AcquireError::Remote(RemoteError::Failed { source, .. }) => source,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_archive_is_downloaded_and_redirects_take_no_login_along() {
    let bytes = gz(&tar(&[file("a", b"1")]));
    let given = bytes.clone();
    let far = ScriptedServer::start(move |_, stream| reply(stream, "200 OK", &given));
    let to = format!("302 Found\r\nLocation: http://127.0.0.1:{}/y?token=1", far.port());
    let near = ScriptedServer::start(move |_, stream| reply(stream, &to, b""));
    let world = World::new();
    let acquired = world.acquire(&source(&near, "user:s3cret@", "x.tar.gz", &bytes)).unwrap();
    assert_eq!(acquired.received, bytes.len() as u64);
    assert!(near.heads()[0].to_lowercase().contains("authorization: basic"));
    let asked = far.heads();
    assert!(asked[0].starts_with("GET /y?token=1 "), "{asked:?}");
    assert!(!asked[0].to_lowercase().contains("authorization"), "{asked:?}");
}

#[test]
fn an_archives_login_is_not_sent_to_another_place_that_asks_for_one() {
    let asks = "401 No\r\nWWW-Authenticate: Basic realm=\"x\"";
    let far = ScriptedServer::start(move |_, stream| reply(stream, asks, b""));
    let to = format!("302 Found\r\nLocation: http://127.0.0.1:{}/y", far.port());
    let near = ScriptedServer::start(move |head, stream| {
        let known = head.to_lowercase().contains("authorization");
        reply(stream, if known { &to } else { asks }, b"");
    });
    let world = World::new();
    for login in ["s3cret@", "user:s3cret@"] {
        let error = fault(world.acquire(&source(&near, login, "x.tar.gz", b"")));
        assert!(
            matches!(error, TransportError::Login(LoginError::Missing(_))),
            "{login} {error:?}"
        );
    }
    let far = far.heads();
    assert_eq!(far.len(), 2, "{far:?}");
    assert!(far.iter().all(|head| !head.to_lowercase().contains("authorization")), "{far:?}");
}

#[test]
fn a_server_that_hangs_up_or_fails_is_transient_and_one_that_has_nothing_is_permanent() {
    let bytes = gz(&tar(&[file("a", &big())]));
    let given = bytes.clone();
    let cut = ScriptedServer::start(move |_, stream| {
        write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", given.len()).unwrap();
        stream.write_all(&given[..given.len() / 2]).unwrap();
    });
    let silent = ScriptedServer::start(|_, _| {});
    let busy = ScriptedServer::start(|_, stream| reply(stream, "503 Busy", b"later"));
    let absent = ScriptedServer::start(|_, stream| reply(stream, "404 Not Found", b"no"));
    let world = World::new();
    for (server, class) in [
        (&cut, Class::Transient),
        (&silent, Class::Transient),
        (&busy, Class::Transient),
        (&absent, Class::Permanent),
    ] {
        let source = source(server, "user:s3cret@", "x.tar.gz", &bytes);
        let error = world.acquire(&source).unwrap_err();
        assert_eq!((error.class(), error.stage()), (class, Stage::Fetch), "{error:?}");
        let mut causes = format!("{error:?} {error}");
        let mut cause = std::error::Error::source(&error);
        while let Some(next) = cause {
            causes += &next.to_string();
            cause = next.source();
        }
        assert!(!causes.contains("s3cret"), "{causes}");
    }
    let dropped = fault(world.acquire(&source(&cut, "", "x.tar.gz", &bytes)));
    assert!(
        matches!(dropped, TransportError::Transfer(TransferError::Dropped { .. })),
        "{dropped:?}"
    );
}

#[test]
fn offline_only_local_archives_are_read() {
    let world = World::with(true);
    let bytes = zip(&[file("a", b"1")]);
    world.acquire(&world.file("x.zip", &bytes)).unwrap();
    let server = ScriptedServer::start(|_, stream| reply(stream, "200 OK", b""));
    let error = world.acquire(&source(&server, "", "x.zip", &bytes)).unwrap_err();
    assert!(matches!(error, AcquireError::Remote(RemoteError::Offline { .. })), "{error:?}");
    assert!(server.heads().is_empty());
}

/// A zip archive as older programs on Windows write it: the names are those of DOS, with backslashes for `|`.
fn zip_of_dos(entries: &[Entry<'_>]) -> Vec<u8> {
    let mut bytes = zip(entries);
    for at in 0..bytes.len() {
        if bytes[at..].starts_with(b"PK\x01\x02") {
            bytes[at + 5] = 0;
        }
        if bytes[at] == b'|' {
            bytes[at] = b'\\';
        }
    }
    bytes
}

#[test]
fn a_backslash_is_a_slash_in_a_zip_archive_of_dos_and_goes_through_the_same_checks() {
    let world = World::new();
    let entries = [file("plugins|clock|main.py", b"1"), file("a/b|c", b"2"), file("d|", b"")];
    let unpacked = world.acquire(&world.file("x.zip", &zip_of_dos(&entries))).unwrap();
    assert_eq!(world.tree().into_keys().collect::<Vec<_>>(), ["a/b/c", "plugins/clock/main.py"]);
    assert!(unpacked.warnings.is_empty(), "{:?}", unpacked.warnings);
    for name in ["..|x", "a|..|..|x", "|x", ".git|config", "a|.git|x"] {
        let result = World::new();
        let result = result.acquire(&result.file("x.zip", &zip_of_dos(&[file(name, b"1")])));
        assert!(matches!(archive_error(result), ArchiveError::Refused(_)), "{name}");
    }
    let world = World::new();
    let twice = zip_of_dos(&[file("a|b", b"1"), file("a/b", b"2")]);
    let error = archive_error(world.acquire(&world.file("x.zip", &twice)));
    assert!(matches!(error, ArchiveError::Refused(_)), "{error:?}");
}

#[test]
fn a_backslash_elsewhere_is_a_part_of_the_name_and_warned_of_once() {
    let entries = [file("a\\b", b"1"), file("c\\d", b"2")];
    for (name, bytes) in [("x.tar.gz", gz(&tar(&entries))), ("x.zip", zip(&entries))] {
        let world = World::new();
        let unpacked = world.acquire(&world.file(name, &bytes)).unwrap();
        assert_eq!(world.tree().into_keys().collect::<Vec<_>>(), ["a\\b", "c\\d"], "{name}");
        assert_eq!(unpacked.warnings.len(), 1, "{:?}", unpacked.warnings);
        assert!(unpacked.warnings[0].starts_with("a\\b has a backslash"), "{name}");
    }
}

#[test]
fn an_archive_that_was_compressed_for_the_way_is_known_by_its_sum() {
    let packed = gz(&tar(&[file("a", b"1")]));
    let zipped = zip(&[file("a", b"1")]);
    for encoding in ["gzip", "X-Gzip", "gzip; q=1"] {
        // Compressed once more without having been asked to; and the archive itself, as some servers label it.
        for (name, file, sent) in [
            ("x.tar.gz", &packed, gz(&packed)),
            ("x.zip", &zipped, gz(&zipped)),
            ("x.tar.gz", &packed, packed.clone()),
        ] {
            let head = format!("200 OK\r\nContent-Encoding: {encoding}");
            let server = ScriptedServer::start(move |_, stream| reply(stream, &head, &sent));
            let world = World::new();
            world.acquire(&source(&server, "", name, file)).unwrap();
            assert_eq!(world.tree().into_keys().collect::<Vec<_>>(), ["a"], "{encoding} {name}");
        }
    }
    for sent in [gz(b"another"), b"no gzip".to_vec(), gz(&packed)[..20].to_vec()] {
        let head = "200 OK\r\nContent-Encoding: gzip";
        let server = ScriptedServer::start(move |_, stream| reply(stream, head, &sent));
        let error = archive_error(World::new().acquire(&source(&server, "", "x.tar.gz", &packed)));
        assert!(matches!(error, ArchiveError::WrongSum { .. }), "{error:?}");
    }
}

#[test]
fn what_is_compressed_for_the_way_has_the_limit_of_an_archive() {
    let mut world = World::new();
    world.limits.archive = 1000;
    let sent = gz(&vec![0; 2000]);
    let head = "200 OK\r\nContent-Encoding: gzip";
    let server = ScriptedServer::start(move |_, stream| reply(stream, head, &sent));
    let error = archive_error(world.acquire(&source(&server, "", "x.zip", b"")));
    assert!(
        matches!(error, ArchiveError::TooLarge { what: ArchiveLimit::Archive, .. }),
        "{error:?}"
    );
}

#[test]
fn a_page_in_the_place_of_an_archive_is_called_one_whatever_its_parameters() {
    for (kind, is_page) in [
        ("text/html", true),
        ("Text/HTML; charset=utf-8", true),
        ("application/zip; charset=binary", false),
    ] {
        let head = format!("200 OK\r\nContent-Type: {kind}");
        let server = ScriptedServer::start(move |_, stream| reply(stream, &head, b"<html>"));
        let error = archive_error(World::new().acquire(&source(&server, "", "x.zip", b"x")));
        assert_eq!(error.to_string().contains("page"), is_page, "{kind}: {error}");
    }
}

#[test]
fn the_one_directory_of_a_forge_s_archive_stays_and_is_warned_of_unless_it_is_named() {
    let bytes = gz(&tar(&[file("r-1.0/a", b"1"), file("r-1.0/b/c", b"2")]));
    for (path, login, field, warnings) in [
        ("o/r/archive/refs/tags/1.0.tar.gz", "", "", 1),
        ("o/r/-/archive/1.0/r-1.0.tar.gz", "", "", 1),
        ("o/r/archive/refs/tags/1.0.tar.gz", "", "&subdirectory=r-1.0", 0),
        ("dl/r-1.0.tar.gz", "", "", 0),
    ] {
        let given = bytes.clone();
        let server = ScriptedServer::start(move |_, stream| reply(stream, "200 OK", &given));
        let world = World::new();
        let source = format!("{}{field}", source(&server, login, path, &bytes));
        let unpacked = world.acquire(&source).unwrap();
        assert_eq!(world.tree().into_keys().collect::<Vec<_>>(), ["r-1.0/a", "r-1.0/b/c"]);
        assert_eq!(unpacked.warnings.len(), warnings, "{path}{field}: {:?}", unpacked.warnings);
    }
}

#[test]
fn an_address_of_a_forge_without_an_ending_is_asked_for_as_it_is_written() {
    let bytes = zip(&[file("a", b"1")]);
    for path in ["o/r/zipball/v1?ref_type=tags", "dl/r?archive=zip&ref=v%2F1"] {
        let given = bytes.clone();
        let server = ScriptedServer::start(move |_, stream| reply(stream, "200 OK", &given));
        let world = World::new();
        world.acquire(&source(&server, "", path, &bytes)).unwrap();
        assert!(server.heads()[0].starts_with(&format!("GET /{path} ")), "{:?}", server.heads());
    }
}
