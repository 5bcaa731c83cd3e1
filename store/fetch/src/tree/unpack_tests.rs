//! Laws of writer, on packs made by git and on packs no git would make.
//!
//! Limits: no network; streams are slices, cut and flipped.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, BufReader, Read, Write},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use gix::{
    ObjectId,
    bstr::{BString, ByteSlice},
    objs::Kind,
};
use modstore_core::{
    Cancel,
    disk::{Disk, FoldsNames, Planting},
    events::Step,
    model::{Class, FileKind, GitTree, Manifest},
};
use modstore_testbed::{Delta, PackWriter, Random, commit_object, deflate, object_id, tree_object};

use crate::{
    Base, MemoryBudget, Tip, UnpackOptions, WrittenTree, base_is_usable, checkout_into,
    errors::{LimitError, PackError, TagError},
    limits::{PackLimit, PackLimits},
    pack::hash_of,
    tree_rules::RejectReason,
    unpack_into,
};

/// A repository made by git.
struct Repo {
    dir: tempfile::TempDir,
}

impl Repo {
    fn new() -> Repo {
        let repo = Repo { dir: tempfile::tempdir().unwrap() };
        repo.git(&["init", "-q", "-b", "main"], b"");
        repo
    }

    fn path(&self, path: &str) -> PathBuf {
        self.dir.path().join(path)
    }

    fn git(&self, args: &[&str], input: &[u8]) -> Vec<u8> {
        let mut child = Command::new("git")
            .args(args)
            .current_dir(self.dir.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.dir.path().join(".git"))
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .envs(["AUTHOR", "COMMITTER"].iter().flat_map(|who| {
                [
                    (format!("GIT_{who}_NAME"), "t"),
                    (format!("GIT_{who}_EMAIL"), "t@t"),
                    (format!("GIT_{who}_DATE"), "1700000000 +0000"),
                ]
            }))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", output.stderr.as_bstr());
        output.stdout
    }

    fn write(&self, path: &str, contents: impl AsRef<[u8]>) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        let _ = fs::remove_file(self.path(path));
        fs::write(self.path(path), contents).unwrap();
    }

    fn commit(&self) -> ObjectId {
        self.git(&["add", "-A"], b"");
        self.git(&["commit", "-q", "--allow-empty", "-m", "m"], b"");
        self.id("HEAD")
    }

    fn id(&self, name: &str) -> ObjectId {
        let out = self.git(&["rev-parse", name], b"");
        ObjectId::from_hex(out.trim()).unwrap()
    }

    /// The pack a server would send for a shallow fetch of `commit`, thin against `have`.
    fn pack(&self, commit: ObjectId, have: Option<ObjectId>, args: &[&str]) -> Vec<u8> {
        let mut revs = format!("--shallow {commit}\n{commit}\n");
        let mut all = vec!["pack-objects", "--stdout", "--revs", "-q"];
        if let Some(have) = have {
            revs = format!("{commit}\n^{have}\n");
            all.push("--thin");
        }
        all.extend(args);
        self.git(&all, revs.as_bytes())
    }

    /// `mode id path` of every file, as git has it.
    fn listing(&self, commit: ObjectId) -> BTreeMap<BString, (String, ObjectId)> {
        let out = self.git(&["ls-tree", "-r", "-z", "--full-tree", &commit.to_string()], b"");
        out.split(|byte| *byte == 0)
            .filter(|line| !line.is_empty())
            .map(|line| {
                let (meta, path) = line.split_once_str("\t").unwrap();
                let meta: Vec<&str> = meta.to_str().unwrap().split(' ').collect();
                (path.into(), (meta[0].into(), ObjectId::from_hex(meta[2].as_bytes()).unwrap()))
            })
            .collect()
    }
}

/// A directory for entries, and what writing into it needs.
struct Store {
    dir: tempfile::TempDir,
    limits: PackLimits,
    memory: OnceLock<MemoryBudget>,
    folds: bool,
    cancel: Cancel,
}

impl Store {
    fn new() -> Store {
        let dir = tempfile::tempdir().unwrap();
        let limits = PackLimits::default();
        Store { dir, limits, memory: OnceLock::new(), folds: false, cancel: Cancel::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn options<'a>(&'a self, base: Option<&'a Base<'a>>) -> UnpackOptions<'a> {
        let limits = self.limits;
        let folds: &FoldsNames<'_> = if self.folds { &|| Ok(true) } else { &|| Ok(false) };
        let memory = self.memory.get_or_init(|| MemoryBudget::new(limits.memory, 1));
        let (keeps_pack, on_step, cancel) = (true, &|_: Step<'_>| {}, &self.cancel);
        UnpackOptions { base, folds, limits, keeps_pack, memory, on_step, cancel }
    }

    fn writer(&self, name: &str) -> Planting {
        let root = self.path(name);
        if root.exists() {
            clear(&root);
        }
        Planting::create(&Disk::default(), &root).unwrap()
    }

    fn plant(
        &self,
        name: &str,
        mut pack: &[u8],
        tip: impl Into<Tip>,
        base: Option<&Base<'_>>,
    ) -> Result<WrittenTree, PackError> {
        let writer = self.writer(name);
        let spill = self.path("spill");
        let planted = unpack_into(&mut pack, tip, &writer, &spill, &self.options(base))?;
        assert!(pack.is_empty(), "the whole pack is read");
        assert!(!spill.exists());
        writer.seal(&planted.manifest).unwrap();
        Ok(planted)
    }

    fn base<'a>(&self, name: &str, commit: ObjectId, planted: &'a WrittenTree) -> Base<'a> {
        Base::new(self.path(name), commit, &planted.manifest, &planted.git)
    }
}

fn clear(root: &Path) {
    for entry in walk(root, &|_| true) {
        if entry.symlink_metadata().unwrap().is_dir() {
            fs::set_permissions(&entry, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }
    fs::remove_dir_all(root).unwrap();
}

fn walk(root: &Path, keep: &dyn Fn(&fs::Metadata) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            if meta.is_dir() {
                directories.push(path.clone());
            }
            if keep(&meta) {
                found.push(path);
            }
        }
    }
    found
}

/// What lies on disk, as git would name it.
fn on_disk(root: &Path) -> BTreeMap<BString, (String, ObjectId)> {
    let files = walk(root, &|meta| !meta.is_dir());
    let name = |path: &Path| BString::from(path.strip_prefix(root).unwrap().to_str().unwrap());
    files
        .iter()
        .map(|path| {
            let meta = path.symlink_metadata().unwrap();
            let (mode, contents) = if meta.is_symlink() {
                ("120000", fs::read_link(path).unwrap().to_str().unwrap().as_bytes().to_vec())
            } else if meta.permissions().mode() & 0o100 != 0 {
                ("100755", fs::read(path).unwrap())
            } else {
                ("100644", fs::read(path).unwrap())
            };
            (name(path), (mode.to_owned(), hash_of(Kind::Blob, &contents).unwrap()))
        })
        .collect()
}

/// Disk, manifest and git agree on every file.
fn assert_same(store: &Store, name: &str, planted: &WrittenTree, repo: &Repo, commit: ObjectId) {
    let expected = repo.listing(commit);
    assert!(on_disk(&store.path(name)) == expected, "the tree on disk is the commit's");
    let listed: BTreeMap<BString, (String, ObjectId)> = planted
        .manifest
        .files()
        .iter()
        .zip(&planted.git.blobs)
        .map(|(file, id)| {
            let mode = match file.kind {
                FileKind::File => "100644",
                FileKind::Executable => "100755",
                FileKind::Symlink => "120000",
            };
            (file.path.clone(), (mode.to_owned(), *id))
        })
        .collect();
    assert!(listed == expected, "the manifest is the commit's");
    assert_eq!(planted.git.root, repo.id(&format!("{commit}^{{tree}}")));
    let base = store.base(name, commit, planted);
    assert!(base_is_usable(&base), "the trees can be made again");
}

/// Text that deflates little and differs little between versions.
fn text(seed: u64, lines: usize) -> Vec<u8> {
    let mut random = Random::of(seed);
    let mut out = Vec::new();
    for line in 0..lines {
        writeln!(out, "{line} {:016x}", random.draw()).unwrap();
    }
    out
}

/// A repository with everything ordinary in it.
fn rich() -> (Repo, ObjectId) {
    let repo = Repo::new();
    for number in 0..70 {
        let mut body = text(1, 300);
        body.extend(text(number + 2, 3));
        repo.write(&format!("similar/{:02}/file.txt", number), body);
    }
    for number in 0..40 {
        repo.write(&format!("deep/a/b/c/d{number}/x"), text(number + 900, 5));
    }
    repo.write("same/one", "same");
    repo.write("same/two", "same");
    for directory in ["a", "b", "c", "z"] {
        repo.write(&format!("again/{directory}/x"), "the same in four directories");
        fs::set_permissions(
            repo.path(&format!("again/{directory}/x")),
            fs::Permissions::from_mode(if directory == "c" { 0o755 } else { 0o644 }),
        )
        .unwrap();
        symlink("x", repo.path(&format!("again/{directory}/l"))).unwrap();
    }
    repo.write("empty", "");
    repo.write("pyproject.toml", "[project]\nname='x'\n");
    repo.write("a.b", "1");
    repo.write("a/b", "2");
    repo.write("a0", "3");
    repo.write("r\u{e9}sum\u{e9} with space", "4");
    repo.write("run.sh", "#!/bin/sh\n");
    fs::set_permissions(repo.path("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("../same/one", repo.path("deep/link")).unwrap();
    symlink("deep", repo.path("to-dir")).unwrap();
    let commit = repo.commit();
    (repo, commit)
}

#[test]
fn a_pack_becomes_the_commits_tree_however_it_is_packed() {
    let (repo, commit) = rich();
    let ways: [&[&str]; 6] = [
        &[],
        &["--delta-base-offset"],
        &["--depth=60", "--window=60", "--delta-base-offset"],
        &["--depth=60", "--window=60"],
        &["--window=0"],
        &["--compression=0"],
    ];
    for (number, way) in ways.iter().chain(&ways).enumerate() {
        if number == ways.len() {
            // With a tag at the tip git sends trees before blobs, without they are mixed.
            repo.git(&["tag", "tip"], b"");
        }
        let store = Store::new();
        let name = format!("entry{number}");
        let pack = repo.pack(commit, None, way);
        let planted = store.plant(&name, &pack, commit, None).unwrap();
        assert_same(&store, &name, &planted, &repo, commit);
        assert_eq!(planted.linked, 0);
        assert_eq!(planted.received_bytes + 20, pack.len() as u64);
    }
}

#[test]
fn a_stream_in_single_bytes_gives_the_same_tree() {
    let (repo, commit) = rich();
    let store = Store::new();
    let pack = repo.pack(commit, None, &[]);
    let mut stream = BufReader::with_capacity(1, pack.as_slice());
    let writer = store.writer("entry");
    let planted =
        unpack_into(&mut stream, commit, &writer, &store.path("spill"), &store.options(None))
            .unwrap();
    assert_same(&store, "entry", &planted, &repo, commit);
}

#[test]
fn a_pack_larger_than_memory_spills_and_gives_the_same_tree() {
    let repo = Repo::new();
    for number in 0..6 {
        let mut body = text(7, 40_000);
        body.extend(text(number, 9000));
        repo.write(&format!("big{number}"), body);
        repo.write(&format!("other{number}"), text(1000 + number, 30_000));
    }
    let commit = repo.commit();
    let mut store = Store::new();
    store.limits.memory = 1;
    store.limits.in_flight = 1;
    for way in [&["--depth=50", "--window=50"], &["--window=0", "--no-reuse-delta"]] {
        let pack = repo.pack(commit, None, way);
        assert!(pack.len() > 3 << 20);
        let planted = store.plant("entry", &pack, commit, None).unwrap();
        assert_same(&store, "entry", &planted, &repo, commit);
    }
}

#[test]
fn an_empty_commit_is_an_empty_tree() {
    let repo = Repo::new();
    let commit = repo.commit();
    let store = Store::new();
    let planted = store.plant("entry", &repo.pack(commit, None, &[]), commit, None).unwrap();
    assert!(planted.manifest.files().is_empty());
    assert_eq!(planted.git.root, ObjectId::empty_tree(gix::hash::Kind::Sha1));
}

/// A second commit with changes of every kind.
fn changed(repo: &Repo) -> ObjectId {
    let mut body = text(1, 300);
    body.extend(b"new end\n");
    repo.write("similar/03/file.txt", body);
    repo.write("similar/90/file.txt", text(5, 30));
    repo.write("moved/x", text(900, 5));
    fs::remove_dir_all(repo.path("deep/a/b/c/d0")).unwrap();
    fs::remove_file(repo.path("a.b")).unwrap();
    fs::remove_dir_all(repo.path("a")).unwrap();
    repo.write("a", "now a file");
    fs::set_permissions(repo.path("a0"), fs::Permissions::from_mode(0o755)).unwrap();
    repo.commit()
}

#[test]
fn a_thin_update_equals_a_full_checkout_and_links_what_did_not_change() {
    let (repo, first) = rich();
    let second = changed(&repo);
    let ways: [&[&str]; 3] = [&[], &["--delta-base-offset"], &["--window=0"]];
    for way in ways {
        let store = Store::new();
        let old = store.plant("old", &repo.pack(first, None, &[]), first, None).unwrap();
        let base = store.base("old", first, &old);
        let pack = repo.pack(second, Some(first), way);
        let new = store.plant("new", &pack, second, Some(&base)).unwrap();
        assert_same(&store, "new", &new, &repo, second);

        let full = store.plant("full", &repo.pack(second, None, &[]), second, None).unwrap();
        assert_eq!(new.manifest, full.manifest);
        assert_eq!(new.git, full.git);

        let inode = |entry: &str, path: &str| {
            store.path(entry).join(path).symlink_metadata().unwrap().ino()
        };
        let fragile = ["pyproject.toml", "a0", "to-dir", "deep/link"];
        let same = new.manifest.files().iter().filter(|file| {
            let path = file.path.to_str().unwrap();
            old.manifest.find(file.path.as_bstr()).is_some_and(|(_, before)| before == *file)
                && inode("old", path) == inode("new", path)
        });
        assert_eq!(same.count(), new.manifest.files().len() - 4 - 3 - 1 - 4);
        for path in fragile {
            assert_ne!(inode("old", path), inode("new", path), "{path}");
        }
        assert_eq!(inode("old", "deep/a/b/c/d1/x"), inode("new", "deep/a/b/c/d1/x"));
        assert_eq!(new.linked + new.written, new.manifest.files().len() as u64);
        assert!(new.linked > 100 && new.written < 16, "{} {}", new.linked, new.written);
    }
}

#[test]
fn a_full_pack_is_accepted_where_a_thin_one_was_asked_for() {
    let (repo, first) = rich();
    let second = changed(&repo);
    let store = Store::new();
    let old = store.plant("old", &repo.pack(first, None, &[]), first, None).unwrap();
    let base = store.base("old", first, &old);
    let new = store.plant("new", &repo.pack(second, None, &[]), second, Some(&base)).unwrap();
    assert_same(&store, "new", &new, &repo, second);
    assert!(new.linked > 100);
}

#[test]
fn an_update_that_changes_no_file_links_all_of_them() {
    let (repo, first) = rich();
    let second = repo.commit();
    let third = {
        repo.git(&["commit", "-q", "--allow-empty", "-m", "again"], b"");
        repo.id("HEAD")
    };
    let store = Store::new();
    let old = store.plant("old", &repo.pack(first, None, &[]), first, None).unwrap();
    let base = store.base("old", first, &old);
    for commit in [second, third] {
        let pack = repo.pack(commit, Some(first), &[]);
        let new = store.plant("new", &pack, commit, Some(&base)).unwrap();
        assert_eq!(new.manifest, old.manifest);
        assert_same(&store, "new", &new, &repo, commit);
    }
}

/// What it is called, and what it does to a file.
type Damage<'d> = (&'d str, &'d dyn Fn(&Path));

#[test]
fn a_damaged_base_never_gives_a_wrong_tree() {
    let (repo, first) = rich();
    let second = changed(&repo);
    let pack = repo.pack(second, Some(first), &["--delta-base-offset"]);
    let damages: [Damage<'_>; 4] = [
        ("truncated", &|path| fs::write(path, b"").unwrap()),
        ("flipped", &|path| {
            let mtime = path.metadata().unwrap().modified().unwrap();
            let mut contents = fs::read(path).unwrap();
            contents[0] ^= 1;
            fs::write(path, contents).unwrap();
            fs::File::open(path).unwrap().set_modified(mtime).unwrap();
        }),
        ("deleted", &|path| fs::remove_file(path).unwrap()),
        ("replaced", &|path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
    ];
    for (damage, act) in damages {
        // One that is read as a delta's base or written again, one that is only linked.
        for path in ["pyproject.toml", "a0", "deep/a/b/c/d7/x"] {
            if (damage, path) == ("flipped", "deep/a/b/c/d7/x") {
                continue; // same size, mode and time: left to `verify`
            }
            let store = Store::new();
            let old = store.plant("old", &repo.pack(first, None, &[]), first, None).unwrap();
            let file = store.path("old").join(path);
            let parent = file.parent().unwrap().to_owned();
            fs::set_permissions(&parent, fs::Permissions::from_mode(0o755)).unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
            act(&file);
            let base = store.base("old", first, &old);
            let error = store.plant("new", &pack, second, Some(&base)).unwrap_err();
            let PackError::BaseDamaged { path: named, .. } = &error else {
                panic!("{damage} {path}: {error:?}")
            };
            assert_eq!(named, path, "{damage}");
        }
    }
}

#[test]
fn a_damaged_base_of_a_delta_is_named() {
    let repo = Repo::new();
    repo.write("file", text(1, 500));
    let first = repo.commit();
    let mut body = text(1, 500);
    body.extend(b"more");
    repo.write("file", body);
    let second = repo.commit();
    let pack = repo.pack(second, Some(first), &[]);
    assert!(pack.len() < 1000, "it is thin");
    let store = Store::new();
    let old = store.plant("old", &repo.pack(first, None, &[]), first, None).unwrap();
    let base = store.base("old", first, &old);
    let new = store.plant("new", &pack, second, Some(&base)).unwrap();
    assert_same(&store, "new", &new, &repo, second);
    fs::set_permissions(store.path("old/file"), fs::Permissions::from_mode(0o644)).unwrap();
    fs::write(store.path("old/file"), text(2, 500)).unwrap();
    let error = store.plant("new", &pack, second, Some(&base)).unwrap_err();
    assert!(matches!(error, PackError::BaseDamaged { path, .. } if path == "file"));
    let error = store.plant("new", &pack, second, None).unwrap_err();
    assert!(matches!(error, PackError::MissingObject { .. }), "{error:?}");
}

#[test]
fn a_base_whose_ids_are_not_its_own_is_not_usable() {
    let (repo, commit) = rich();
    let store = Store::new();
    let planted = store.plant("old", &repo.pack(commit, None, &[]), commit, None).unwrap();
    let mut git = planted.git.clone();
    git.blobs.swap(0, 1);
    let usable = |git: &GitTree| {
        base_is_usable(&Base::new(store.path("old"), commit, &planted.manifest, git))
    };
    assert!(usable(&planted.git));
    assert!(!usable(&git));
    git.blobs.pop();
    assert!(!usable(&git));
}

fn small() -> (Repo, ObjectId, Vec<u8>) {
    let repo = Repo::new();
    repo.write("dir/one", text(1, 12));
    let mut two = text(1, 12);
    two.extend(b"two\n");
    repo.write("dir/two", two);
    repo.write("run", "#!/bin/sh\n");
    symlink("dir/one", repo.path("link")).unwrap();
    let commit = repo.commit();
    let pack = repo.pack(commit, None, &["--delta-base-offset"]);
    (repo, commit, pack)
}

#[test]
fn a_flipped_bit_never_gives_a_wrong_tree() {
    let (repo, commit, pack) = small();
    let expected = repo.listing(commit);
    let store = Store::new();
    let mut refused = 0;
    for at in 0..pack.len() {
        let mut flipped = pack.clone();
        flipped[at] ^= 1 << (at % 8);
        let writer = store.writer("entry");
        let mut stream = flipped.as_slice();
        match unpack_into(&mut stream, commit, &writer, &store.path("spill"), &store.options(None))
        {
            Ok(_) => assert_eq!(on_disk(&store.path("entry")), expected, "byte {at}"),
            Err(_) => refused += 1,
        }
    }
    // The checksum at the end, and zlib's level bits, carry nothing of the tree.
    assert!(refused + 60 > pack.len(), "{refused} of {}", pack.len());
}

#[test]
fn every_truncation_is_an_error_that_says_so() {
    let (_repo, commit, pack) = small();
    let store = Store::new();
    for end in 0..pack.len() {
        let error = store.plant("entry", &pack[..end], commit, None).unwrap_err();
        assert!(matches!(error, PackError::Truncated { .. }), "{end}: {error:?}");
    }
    store.plant("entry", &pack, commit, None).unwrap();
}

/// Gives its bytes, then fails.
struct Broken<'b>(&'b [u8]);

impl Read for Broken<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.read(buffer)? {
            0 => Err(io::ErrorKind::ConnectionReset.into()),
            count => Ok(count),
        }
    }
}

#[test]
fn the_streams_own_error_is_the_source() {
    let (_repo, commit, pack) = small();
    let store = Store::new();
    let writer = store.writer("entry");
    let mut stream = BufReader::new(Broken(&pack[..100]));
    let error = unpack_into(&mut stream, commit, &writer, &store.path("s"), &store.options(None))
        .unwrap_err();
    let source = std::error::Error::source(&error).unwrap();
    let source = source.downcast_ref::<io::Error>().unwrap();
    assert_eq!(source.kind(), io::ErrorKind::ConnectionReset);
}

#[test]
fn a_cancelled_reception_ends() {
    let (_repo, commit, pack) = small();
    let store = Store::new();
    let writer = store.writer("entry");
    store.cancel.cancel();
    let options = store.options(None);
    let error = unpack_into(&mut pack.as_slice(), commit, &writer, &store.path("s"), &options);
    assert!(matches!(error, Err(PackError::Cancelled)));
}

#[test]
fn a_pack_is_kept_as_it_came_if_it_is_the_commits_own_and_nothing_else() {
    let (rich, of_rich) = rich();
    let (repo, commit, small) = small();
    let whole = rich.pack(of_rich, None, &["--delta-base-offset"]);
    for (pack, commit) in [(&small, commit), (&whole, of_rich)] {
        let store = Store::new();
        let kept = store.plant("entry", pack, commit, None).unwrap().pack;
        assert!(kept.as_ref() == Some(pack));
        // It is enough for a reader that has nothing.
        let again = store.plant("again", &kept.unwrap(), commit, None).unwrap();
        assert!(again.pack.as_ref() == Some(pack));
    }
    // A thin one is of no use to others.
    let store = Store::new();
    let planted = store.plant("entry", &small, commit, None).unwrap();
    let next = changed_once(&repo);
    let base = store.base("entry", commit, &planted);
    let thin = repo.pack(next, Some(commit), &[]);
    assert_eq!(store.plant("next", &thin, next, Some(&base)).unwrap().pack, None);
    // Nor is one with a tag, whose tree would come without it too.
    repo.git(&["tag", "-a", "-m", "x", "named"], b"");
    let revs = format!("{}\n", repo.id("named"));
    let pack = repo.git(&["pack-objects", "--stdout", "--revs", "-q"], revs.as_bytes());
    assert_eq!(store.plant("tagged", &pack, next, None).unwrap().pack, None);
}

#[test]
fn what_a_server_adds_to_a_pack_is_not_kept() {
    let root = tree_object(&[("100644", b"a", blob_id(b"wanted"))]);
    let of = |others: &[(Kind, &[u8])]| pack_of(&root, others);
    let (exact, commit) = of(&[(Kind::Blob, b"wanted")]);
    let kept = |pack: &[u8]| Store::new().plant("entry", pack, commit, None).unwrap().pack;
    assert!(kept(&exact).is_some());
    assert_eq!(kept(&of(&[(Kind::Blob, b"wanted"), (Kind::Blob, b"secret")]).0), None);
    assert_eq!(kept(&of(&[(Kind::Blob, b"wanted"), (Kind::Blob, b"wanted")]).0), None);
    // Bytes between those of an object that say nothing.
    let mut padded = PackWriter::new();
    padded.add(Kind::Tree, &root);
    padded.add(Kind::Commit, &commit_object(object_id(Kind::Tree, &root)));
    let mut stream = vec![0x78, 0x01];
    stream.extend([0x00, 0x00, 0x00, 0xff, 0xff].repeat(200));
    stream.extend(deflate(b"wanted").get(2..).unwrap());
    padded.add_deflated(Kind::Blob, 6, &stream);
    assert_eq!(kept(&padded.finish()), None);
    // A sum that is that of other bytes: the objects are proven, and git would not take the pack.
    let mut flipped = exact;
    *flipped.last_mut().unwrap() ^= 1;
    assert_eq!(kept(&flipped), None);
}

#[test]
fn another_commit_than_the_one_asked_for_is_refused() {
    let (repo, commit, pack) = small();
    let store = Store::new();
    let other = ObjectId::from_hex(b"1111111111111111111111111111111111111111").unwrap();
    let error = store.plant("entry", &pack, other, None).unwrap_err();
    assert!(matches!(error, PackError::MissingObject { id, .. } if id == other), "{error:?}");
    let tree = repo.id(&format!("{commit}^{{tree}}"));
    let error = store.plant("entry", &pack, tree, None).unwrap_err();
    assert!(matches!(error, PackError::NotACommit { id } if id == tree), "{error:?}");
}

#[test]
fn a_tag_in_the_pack_must_lead_to_the_commit_that_was_listed() {
    let (repo, commit, _) = small();
    let other = changed_once(&repo);
    for (name, target) in [("right", commit), ("wrong", other), ("tree", repo.id("HEAD^{tree}"))] {
        repo.git(&["tag", "-a", "-m", "x", name, &target.to_string()], b"");
    }
    let store = Store::new();
    let plant = |name: &str, absent: bool| {
        let tag = repo.id(name);
        let revs = if absent { format!("{commit}\n") } else { format!("{tag}\n{commit}\n") };
        let pack = repo.git(&["pack-objects", "--stdout", "--revs", "-q"], revs.as_bytes());
        store.plant("entry", &pack, Tip { commit, tag: Some(tag) }, None)
    };
    plant("right", false).unwrap();
    let wrong = plant("wrong", false).unwrap_err();
    assert!(
        matches!(wrong, PackError::Tag(TagError::LeadsElsewhere { found, listed, .. }) if found == other && listed == commit),
        "{wrong:?}"
    );
    let tree = plant("tree", false).unwrap_err();
    assert!(
        matches!(tree, PackError::Tag(TagError::OfNoCommit { kind: Kind::Tree, .. })),
        "{tree:?}"
    );
    let absent = plant("right", true).unwrap_err();
    assert!(
        matches!(absent, PackError::MissingObject { id, .. } if id == repo.id("right")),
        "{absent:?}"
    );
}

fn changed_once(repo: &Repo) -> ObjectId {
    repo.write("another", "file");
    repo.commit()
}

#[test]
fn a_database_gives_the_same_tree_as_a_pack() {
    let (repo, first) = rich();
    let second = changed(&repo);
    let store = Store::new();
    let old = store.plant("old", &repo.pack(first, None, &[]), first, None).unwrap();
    let base = store.base("old", first, &old);
    let objects = gix::open(repo.dir.path()).unwrap().into_sync();
    let find = |id: &ObjectId, buffer: &mut Vec<u8>| {
        let local = objects.to_thread_local();
        let Some(object) = local.try_find_object(*id)? else { return Ok(None) };
        buffer.clear();
        buffer.extend_from_slice(&object.data);
        Ok(Some(object.kind))
    };
    let tree = repo.id("HEAD^{tree}");
    for (name, base) in [("cold", None), ("warm", Some(&base))] {
        let writer = store.writer(name);
        let planted = checkout_into(&find, tree, &writer, &store.options(base)).unwrap();
        assert_same(&store, name, &planted, &repo, second);
        assert_eq!(planted.linked > 0, base.is_some());
    }
    let lying = |_: &ObjectId, buffer: &mut Vec<u8>| {
        *buffer = b"not this".to_vec();
        Ok(Some(Kind::Tree))
    };
    let error =
        checkout_into(&lying, tree, &store.writer("lie"), &store.options(None)).unwrap_err();
    assert!(matches!(error, PackError::Corrupt { .. }));
}

// Packs that no git would make.

/// A delta that copies all of `base` and appends `more`; at most 127 bytes each.
fn append(pack: &mut PackWriter, kind: Kind, base: &[u8], more: &[u8]) -> ObjectId {
    let made = [base, more].concat();
    let delta = Delta::new(base.len() as u64, made.len() as u64);
    let delta = delta.copy(0, base.len()).insert(more).bytes();
    pack.reference_delta(object_id(kind, base), &delta);
    object_id(kind, &made)
}

fn blob_id(data: &[u8]) -> ObjectId {
    hash_of(Kind::Blob, data).unwrap()
}

/// A pack of one commit with this root tree and these other objects.
fn pack_of(root: &[u8], others: &[(Kind, &[u8])]) -> (Vec<u8>, ObjectId) {
    let mut hand = PackWriter::new();
    let root_id = hand.add(Kind::Tree, root);
    let commit = hand.add(Kind::Commit, &commit_object(root_id));
    for (kind, data) in others {
        hand.add(*kind, data);
    }
    (hand.finish(), commit)
}

#[test]
fn objects_may_come_in_any_order() {
    let sub = tree_object(&[("100644", b"x", blob_id(b"base one two"))]);
    let sub_id = hash_of(Kind::Tree, &sub).unwrap();
    let root_start = tree_object(&[("100644", b"a", blob_id(b"base"))]);
    let root_end =
        tree_object(&[("100644", b"b", blob_id(b"base one")), ("40000", b"sub", sub_id)]);
    let mut hand = PackWriter::new();
    append(&mut hand, Kind::Blob, b"base one", b" two");
    append(&mut hand, Kind::Blob, b"base", b" one");
    let root = append(&mut hand, Kind::Tree, &root_start, &root_end);
    hand.add(Kind::Blob, b"base");
    let commit = hand.add(Kind::Commit, &commit_object(root));
    hand.add(Kind::Tree, &sub);
    hand.add(Kind::Tree, &root_start);
    hand.add(Kind::Blob, b"base");
    let pack = hand.finish();
    let store = Store::new();
    let planted = store.plant("entry", &pack, commit, None).unwrap();
    let files: Vec<&[u8]> =
        planted.manifest.files().iter().map(|file| file.path.as_slice()).collect();
    assert_eq!(files, [b"a".as_slice(), b"b", b"sub/x"]);
    assert_eq!(fs::read(store.path("entry/sub/x")).unwrap(), b"base one two");
}

#[test]
fn a_blob_may_come_long_before_or_after_the_trees_that_want_it() {
    // Larger than a batch, and with nothing allowed in flight each is planted when the next arrives.
    let early = noise(1);
    let big = noise(2);
    let next = noise(3);
    let a =
        tree_object(&[("100644", b"big", blob_id(&big)), ("100644", b"early", blob_id(&early))]);
    let b = tree_object(&[("100755", b"big", blob_id(&big)), ("100644", b"next", blob_id(&next))]);
    let [a_id, b_id] = [&a, &b].map(|tree| hash_of(Kind::Tree, tree).unwrap());
    let root = tree_object(&[("40000", b"a", a_id), ("40000", b"b", b_id)]);
    let mut hand = PackWriter::new();
    hand.add(Kind::Blob, &early);
    hand.add(Kind::Blob, &noise(4));
    let commit = hand.add(Kind::Commit, &commit_object(hash_of(Kind::Tree, &root).unwrap()));
    hand.add(Kind::Tree, &root);
    hand.add(Kind::Tree, &a);
    hand.add(Kind::Blob, &big);
    hand.add(Kind::Blob, &next);
    hand.add(Kind::Tree, &b);
    let mut store = Store::new();
    store.limits.in_flight = 0;
    let planted = store.plant("entry", &hand.finish(), commit, None).unwrap();
    for (path, contents) in
        [("a/big", &big), ("a/early", &early), ("b/big", &big), ("b/next", &next)]
    {
        assert!(fs::read(store.path("entry").join(path)).unwrap() == *contents, "{path}");
    }
    assert!(base_is_usable(&store.base("entry", commit, &planted)));
}

/// Half a megabyte.
fn noise(seed: u64) -> Vec<u8> {
    text(seed, 24_000)
}

#[test]
fn a_file_that_uv_watches_is_never_linked_under_any_name() {
    let repo = Repo::new();
    repo.write("setup.cfg", "one");
    repo.write("plain", "two");
    repo.write("kept", "three");
    let first = repo.commit();
    repo.write("copy", "one");
    repo.write("setup.py", "two");
    let second = repo.commit();
    let store = Store::new();
    let old = store.plant("old", &repo.pack(first, None, &[]), first, None).unwrap();
    let base = store.base("old", first, &old);
    let new =
        store.plant("new", &repo.pack(second, Some(first), &[]), second, Some(&base)).unwrap();
    assert_same(&store, "new", &new, &repo, second);
    let links = |path: &str| store.path("new").join(path).metadata().unwrap().nlink();
    assert_eq!(["copy", "setup.cfg", "setup.py", "plain", "kept"].map(links), [1, 1, 1, 2, 2]);
}

#[test]
fn hostile_trees_are_refused_before_they_are_written() {
    let blob: &[u8] = b"evil";
    let id = blob_id(blob);
    let name = |name: &'static [u8]| tree_object(&[("100644", name, id)]);
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("..", name(b"..")),
        (".", name(b".")),
        ("empty", name(b"")),
        ("slash", name(b"a/b")),
        ("up", name(b"../x")),
        ("absolute", name(b"/etc/x")),
        (".git", name(b".git")),
        (".GIT", name(b".GIT")),
        ("git~1", name(b"git~1")),
        ("hfs", name(".g\u{200c}it".as_bytes())),
        ("dots", name(b".git. .")),
        ("device", tree_object(&[("20644", b"tty", id)])),
        ("fifo", tree_object(&[("10644", b"fifo", id)])),
        ("no mode", tree_object(&[("0", b"zero", id)])),
        ("odd link", tree_object(&[("120777", b"link", id)])),
        ("twice", tree_object(&[("100644", b"a", id), ("100644", b"a", id)])),
        (
            "file and directory",
            tree_object(&[
                ("100644", b"a", id),
                ("40000", b"a", hash_of(Kind::Tree, &name(b"b")).unwrap()),
            ]),
        ),
    ];
    for (case, root) in cases {
        let store = Store::new();
        let (pack, commit) = pack_of(&root, &[(Kind::Tree, &name(b"b")), (Kind::Blob, blob)]);
        let error = store.plant("entry", &pack, commit, None).unwrap_err();
        assert!(matches!(error, PackError::Refused(_)), "{case}: {error:?}");
        assert_eq!(fs::read_dir(store.path("entry")).unwrap().count(), 0, "{case}");
        assert_eq!(fs::read_dir(store.path("")).unwrap().count(), 1, "{case}");
    }
}

#[test]
fn a_directory_may_not_hide_behind_a_link() {
    let inner = tree_object(&[("100644", b"x", blob_id(b"evil"))]);
    let inner_id = hash_of(Kind::Tree, &inner).unwrap();
    let root = tree_object(&[("120000", b"a", blob_id(b"/tmp")), ("40000", b"a", inner_id)]);
    let others: [(Kind, &[u8]); 3] =
        [(Kind::Tree, &inner), (Kind::Blob, b"/tmp"), (Kind::Blob, b"evil")];
    let (pack, commit) = pack_of(&root, &others);
    let error = Store::new().plant("entry", &pack, commit, None).unwrap_err();
    assert!(matches!(error, PackError::Refused(refused) if refused.reason == RejectReason::Twice));
}

#[test]
fn links_that_leave_the_tree_are_refused() {
    for text in ["/etc/passwd", "..", "a/../../b", "", "x\0y", &"l".repeat(4096), "up/.."] {
        let dir = tree_object(&[("120000", b"down", blob_id(b"."))]);
        let dir_id = hash_of(Kind::Tree, &dir).unwrap();
        let root = tree_object(&[
            ("120000", b"bad", blob_id(text.as_bytes())),
            ("40000", b"dir", dir_id),
            ("120000", b"up", blob_id(b".")),
        ]);
        let others: [(Kind, &[u8]); 3] =
            [(Kind::Tree, &dir), (Kind::Blob, text.as_bytes()), (Kind::Blob, b".")];
        let (pack, commit) = pack_of(&root, &others);
        let error = Store::new().plant("entry", &pack, commit, None).unwrap_err();
        let PackError::Refused(refused) = error else { panic!("{text:?}: {error:?}") };
        assert_eq!(refused.path, "bad");
    }
}

#[test]
fn names_that_fold_together_are_refused_or_reported() {
    let id = blob_id(b"x");
    let root = tree_object(&[
        ("100644", b"README", id),
        ("100644", b"other", id),
        ("100644", b"readme", id),
    ]);
    let (pack, commit) = pack_of(&root, &[(Kind::Blob, b"x")]);
    let mut store = Store::new();
    let planted = store.plant("entry", &pack, commit, None).unwrap();
    let [collision] = planted.collisions.as_slice() else { panic!("one collision") };
    assert_eq!(
        (collision.first.as_bstr(), collision.second.as_bstr()),
        ("README".into(), "readme".into())
    );
    store.folds = true;
    let error = store.plant("entry", &pack, commit, None).unwrap_err();
    assert!(matches!(error, PackError::Refused(_)), "{error:?}");
}

#[test]
fn odd_modes_and_submodules_are_kept_and_the_base_stays_usable() {
    let id = blob_id(b"x");
    let link = ObjectId::from_hex(b"2222222222222222222222222222222222222222").unwrap();
    let inner = tree_object(&[("160000", b"module", link), ("100644", b"z", id)]);
    let inner_id = hash_of(Kind::Tree, &inner).unwrap();
    let only = tree_object(&[("160000", b"alone", link)]);
    let only_id = hash_of(Kind::Tree, &only).unwrap();
    let root = tree_object(&[
        ("100664", b"group", id),
        ("40000", b"inner", inner_id),
        ("40000", b"only", only_id),
        ("160000", b"sub", link),
    ]);
    let (pack, commit) =
        pack_of(&root, &[(Kind::Tree, &inner), (Kind::Tree, &only), (Kind::Blob, b"x")]);
    let store = Store::new();
    let planted = store.plant("entry", &pack, commit, None).unwrap();
    assert_eq!(planted.git.odd_modes, [("group".into(), 0o100_664)]);
    let links: Vec<&BString> = planted.git.gitlinks.iter().map(|(path, _)| path).collect();
    assert_eq!(links, ["inner/module", "only/alone", "sub"]);
    assert!(base_is_usable(&store.base("entry", commit, &planted)));
    assert!(!store.path("entry/only").exists());
}

#[test]
fn modes_with_zeros_before_them_are_what_they_are_without_and_such_a_base_is_not_usable() {
    let id = blob_id(b"x");
    let inner = tree_object(&[("0100755", b"run", id)]);
    let root = tree_object(&[
        ("00000000000100644", b"a", id),
        ("0000000000100644", b"b", id),
        ("0040000", b"inner", hash_of(Kind::Tree, &inner).unwrap()),
    ]);
    let parts = [(Kind::Tree, inner.as_slice()), (Kind::Blob, &b"x"[..])];
    let (pack, commit) = pack_of(&root, &parts);
    let error = Store::new().plant("entry", &pack, commit, None).unwrap_err();
    assert!(matches!(error, PackError::Malformed { .. }), "seventeen digits: {error:?}");

    let (_, rest) = root.split_at(root.iter().position(|byte| *byte == 0).unwrap() + 21);
    let (pack, commit) = pack_of(rest, &parts);
    let store = Store::new();
    let planted = store.plant("entry", &pack, commit, None).unwrap();
    assert_eq!(planted.git.odd_modes, []);
    assert!(store.path("entry/b").is_file() && store.path("entry/inner/run").is_file());
    assert!(!base_is_usable(&store.base("entry", commit, &planted)));
}

#[test]
fn an_empty_directory_is_not_made_and_such_a_base_is_not_usable() {
    let empty = ObjectId::empty_tree(gix::hash::Kind::Sha1);
    let root = tree_object(&[("40000", b"hollow", empty), ("100644", b"x", blob_id(b"x"))]);
    let (pack, commit) = pack_of(&root, &[(Kind::Tree, b""), (Kind::Blob, b"x")]);
    let store = Store::new();
    let planted = store.plant("entry", &pack, commit, None).unwrap();
    assert!(!store.path("entry/hollow").exists());
    assert!(!base_is_usable(&store.base("entry", commit, &planted)));
}

#[test]
fn a_missing_blob_is_named_with_its_path() {
    let root =
        tree_object(&[("100644", b"here", blob_id(b"x")), ("100644", b"not", blob_id(b"y"))]);
    let (pack, commit) = pack_of(&root, &[(Kind::Blob, b"x")]);
    let error = Store::new().plant("entry", &pack, commit, None).unwrap_err();
    assert!(matches!(error, PackError::MissingObject { path, .. } if path == "not"));
}

#[test]
fn a_large_file_may_be_inflated_to_as_much_as_comes_of_it() {
    let mut random = Random::of(7);
    let file = random.bytes(3 << 20);
    let root = tree_object(&[("100644", b"large", blob_id(&file))]);
    let (pack, commit) = pack_of(&root, &[(Kind::Blob, &file)]);
    let mut store = Store::new();
    store.limits.memory = 4 << 20;
    store.limits.unpacked = 1 << 20;
    store.plant("entry", &pack, commit, None).unwrap();
}

#[test]
fn what_is_too_large_is_refused_without_being_made() {
    let store = |change: &dyn Fn(&mut PackLimits)| {
        let mut store = Store::new();
        change(&mut store.limits);
        store
    };
    let id = blob_id(&[7; 5000]);
    let root = tree_object(&[("100644", b"a", id), ("100644", b"b", id)]);
    let (pack, commit) = pack_of(&root, &[(Kind::Blob, &[7; 5000])]);
    let too_large = |store: &Store, pack: &[u8], commit| {
        let error = store.plant("entry", pack, commit, None).unwrap_err();
        assert!(matches!(error, PackError::Limit(LimitError::TooLarge { .. })), "{error:?}");
    };
    let error = store(&|limits| limits.object = 4999).plant("entry", &pack, commit, None);
    let error = error.unwrap_err();
    assert!(
        matches!(&error, PackError::LargeFile { path, source: LimitError::TooLarge { size: 5000, .. } } if path == "a"),
        "{error:?}"
    );
    too_large(&store(&|limits| limits.tree = 9999), &pack, commit);
    too_large(&store(&|limits| limits.files = 1), &pack, commit);
    too_large(&store(&|limits| limits.objects = 2), &pack, commit);
    too_large(&store(&|limits| limits.trees = 100), &pack, commit);
    store(&|limits| limits.tree = 10_000).plant("entry", &pack, commit, None).unwrap();

    // Forty levels of a directory that holds the next one twice: 10^12 files in 3 kB.
    let mut hand = PackWriter::new();
    let mut level = tree_object(&[("100644", b"x", id)]);
    for _ in 0..40 {
        let below = hand.add(Kind::Tree, &level);
        level = tree_object(&[("40000", b"a", below), ("40000", b"b", below)]);
    }
    let root = hand.add(Kind::Tree, &level);
    let commit = hand.add(Kind::Commit, &commit_object(root));
    hand.add(Kind::Blob, &[7; 5000]);
    too_large(&store(&|limits| limits.files = 100_000), &hand.finish(), commit);

    // A header that promises more than an address space, and one that promises many objects.
    let mut hand = PackWriter::new();
    hand.header(3, 1 << 50);
    hand.raw(&deflate(b"x"));
    too_large(&store(&|_| {}), &hand.finish(), commit);
    let mut many = pack.clone();
    many[8..12].copy_from_slice(&[255; 4]);
    too_large(&store(&|_| {}), &many, commit);
}

#[test]
fn a_deep_tree_is_refused() {
    let mut hand = PackWriter::new();
    let blob = hand.add(Kind::Blob, b"x");
    let mut level = tree_object(&[("100644", b"x", blob)]);
    for _ in 0..300 {
        let below = hand.add(Kind::Tree, &level);
        level = tree_object(&[("40000", b"a", below)]);
    }
    let root = hand.add(Kind::Tree, &level);
    let commit = hand.add(Kind::Commit, &commit_object(root));
    let error = Store::new().plant("entry", &hand.finish(), commit, None).unwrap_err();
    assert!(matches!(error, PackError::Refused(refused) if refused.reason == RejectReason::Deep));
}

#[test]
fn lfs_pointers_are_listed_also_when_they_are_linked() {
    let repo = Repo::new();
    let oid = "0".repeat(64);
    let pointer = format!("version https://git-lfs.github.com/spec/v1\noid sha256:{oid}\nsize 5\n");
    repo.write("model.bin", &pointer);
    repo.write(".gitattributes", "*.bin filter=lfs -text\n");
    repo.git(&["config", "filter.lfs.clean", "cat"], b"");
    let first = repo.commit();
    repo.write("other", "x");
    let second = repo.commit();
    let store = Store::new();
    let old = store.plant("old", &repo.pack(first, None, &[]), first, None).unwrap();
    assert_eq!(old.lfs_pointers, ["model.bin"]);
    let base = store.base("old", first, &old);
    let new =
        store.plant("new", &repo.pack(second, Some(first), &[]), second, Some(&base)).unwrap();
    assert_eq!(new.lfs_pointers, ["model.bin"]);
    assert_eq!(new.linked, 2);
}

#[test]
fn a_manifest_alone_does_not_make_a_base() {
    let empty = ObjectId::empty_tree(gix::hash::Kind::Sha1);
    let git = GitTree::plain(empty, Vec::new(), Vec::new(), Vec::new());
    let manifest = Manifest::new(Vec::new()).unwrap();
    let base = Base::new("/nonexistent".into(), git.root, &manifest, &git);
    assert!(base_is_usable(&base), "an empty tree is git's empty tree");
}

#[test]
fn a_malformed_object_stays_as_it_is_and_is_not_asked_for_again() {
    let id = blob_id(b"x");
    let mut cut = tree_object(&[("100644", b"a", id)]);
    cut.truncate(cut.len() - 5);
    let roots = [
        ("the mode -1", tree_object(&[("-1", b"a", id)])),
        ("the mode 10064x", tree_object(&[("10064x", b"a", id)])),
        ("no mode", tree_object(&[("", b"a", id)])),
        ("a mode of 17 bits", tree_object(&[("200000", b"a", id)])),
        ("an id that is cut short", cut),
        ("no end of a name", b"100644 a".to_vec()),
    ];
    for (what, root) in roots {
        let (pack, commit) = pack_of(&root, &[(Kind::Blob, b"x")]);
        let error = Store::new().plant("entry", &pack, commit, None).unwrap_err();
        assert_eq!(error.class(), Class::Permanent, "{what}: {error:?}");
        assert!(error.hint().is_some(), "{what}");
    }
    for bytes in [&b"tree 12\n"[..], b"", b"parent x\n"] {
        let mut hand = PackWriter::new();
        let commit = hand.add(Kind::Commit, bytes);
        let error = Store::new().plant("entry", &hand.finish(), commit, None).unwrap_err();
        assert_eq!(error.class(), Class::Permanent, "{error:?}");
    }
}

#[test]
fn a_delta_that_nothing_needs_is_not_made() {
    let root = tree_object(&[("100644", b"a", blob_id(b"base one"))]);
    for whole in [false, true] {
        let mut hand = PackWriter::new();
        let root_id = hand.add(Kind::Tree, &root);
        let commit = hand.add(Kind::Commit, &commit_object(root_id));
        hand.add(Kind::Blob, b"base");
        if whole {
            hand.add(Kind::Blob, b"base one");
        } else {
            append(&mut hand, Kind::Blob, b"base", b" one");
        }
        // Applying one of these fails.
        for _ in 0..3 {
            hand.reference_delta(blob_id(b"base"), &[4, 9, 0]);
        }
        let store = Store::new();
        store.plant("entry", &hand.finish(), commit, None).unwrap();
        assert_eq!(fs::read(store.path("entry/a")).unwrap(), b"base one");
    }
}

#[test]
fn what_a_small_pack_may_become_is_bounded_and_the_error_says_how_to_raise_it() {
    let zeros = vec![0; 1 << 20];
    let root = tree_object(&[("100644", b"a", blob_id(&zeros))]);
    let (pack, commit) = pack_of(&root, &[(Kind::Blob, &zeros)]);
    let (useless, other) = pack_of(&tree_object(&[]), &[(Kind::Blob, &zeros)]);
    for limit in [PackLimit::Unpacked, PackLimit::Staging, PackLimit::Unwanted] {
        let (pack, commit) = match limit {
            PackLimit::Unwanted => (&useless, other),
            _ => (&pack, commit),
        };
        let mut store = Store::new();
        store.plant("entry", pack, commit, None).unwrap();
        store.limits.set(limit, 1000);
        let error = store.plant("entry", pack, commit, None).unwrap_err();
        let PackError::Limit(LimitError::TooLarge { what, size, .. }) = &error else {
            panic!("{error:?}")
        };
        assert_eq!(*what, limit);
        assert!(*size >= 1 << 20);
        let hint = error.hint().unwrap();
        assert!(hint.contains(limit.variable()) && hint.contains(&size.to_string()), "{hint}");
        store.limits.set(limit, *size);
        store.plant("entry", pack, commit, None).unwrap();
    }
}

#[test]
fn a_large_file_that_so_small_a_pack_may_not_become_is_named_with_the_way_out() {
    let zeros = vec![0; (1 << 20) + 1];
    let root = tree_object(&[("100644", b"weights.bin", blob_id(&zeros))]);
    let (pack, commit) = pack_of(&root, &[(Kind::Blob, &zeros)]);
    let mut store = Store::new();
    store.limits.set(PackLimit::Staging, 1000);
    let error = store.plant("entry", &pack, commit, None).unwrap_err();
    assert!(
        matches!(&error, PackError::LargeFile { path, .. } if path == "weights.bin"),
        "{error:?}"
    );
    assert!(error.hint().unwrap().contains("MODSTORE_PACK_STAGING"));
}

#[test]
fn a_commit_tree_or_tag_that_is_too_large_is_refused_by_its_header() {
    for kind in [1, 2, 4] {
        let mut hand = PackWriter::new();
        hand.header(kind, 65 << 20);
        let error = Store::new().plant("entry", &hand.finish(), blob_id(b""), None).unwrap_err();
        let is_listing = matches!(
            error,
            PackError::Limit(LimitError::TooLarge { what: PackLimit::Listing, .. })
        );
        assert!(is_listing, "{error:?}");
    }
}

#[test]
fn no_server_says_how_much_memory_its_tables_take() {
    let names: Vec<String> = (0..200_000).map(|number| format!("{number:06}")).collect();
    let id = blob_id(b"x");
    let entries: Vec<(&str, &[u8], ObjectId)> =
        names.iter().map(|name| ("100644", name.as_bytes(), id)).collect();
    let (pack, commit) = pack_of(&tree_object(&entries), &[]);
    let mut store = Store::new();
    store.limits.memory = 1 << 20;
    let error = store.plant("entry", &pack, commit, None).unwrap_err();
    let is_memory =
        matches!(error, PackError::Limit(LimitError::TooLarge { what: PackLimit::Memory, .. }));
    assert!(is_memory, "{error:?}");
}
