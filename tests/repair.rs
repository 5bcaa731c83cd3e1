//! `verify --repair`: a damaged module is served whole again, the damaged copy is kept, and no reader misses anything
//! meanwhile.
//!
//! Each test damages a store by hand. Limits: kills and power cuts during a repair are tested with those of
//! everything else.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use modstore::{
    Cancel, Depth, Digest, ModuleName, Options, RepairReport, Silent, State, Store, UpdateRequest,
    internals::{
        acquire::TreeFrom,
        check::How,
        commit::{GenerationInfo, Journal},
    },
};
use modstore_core::{disk::Layout, model::Binding};
use modstore_testbed::{Backend, Change, Project, Python, PythonTools, Repo, TestHome, Venv};

const BINARY: &str = env!("CARGO_BIN_EXE_modstore");

/// What [`rot`] makes of the file `a` of the module `one`.
const ROTTEN: &[u8] = b"`!3";

fn git(repo: &Repo) -> String {
    format!("git+{}", repo.url_file())
}

/// A store with two modules and three generations: `one` changed in the second, `two` in the third.
struct World {
    home: TestHome,
    one: Repo,
    two: Repo,
}

/// A generation, as the journal records it.
#[derive(Debug, PartialEq)]
struct Told {
    number: u64,
    made: (u64, String),
    trees: BTreeMap<ModuleName, Option<Digest>>,
    bindings: BTreeMap<ModuleName, Binding>,
}

impl World {
    fn new() -> Self {
        let home = TestHome::in_memory(BINARY);
        let [one, two] = ["one", "two"].map(|name| Repo::create(&home.scratch(), name));
        one.write(&[("a", "a 1"), ("deep/same", "same\n"), ("own", "of one")]);
        one.commit(
            "main",
            &[Change::exec("run", "#!/bin/sh\n"), Change::symlink("to", "deep/same")],
        );
        two.write(&[("b", "b 1"), ("other", "same\n")]);
        home.declare(&[("one", &git(&one)), ("two", &git(&two))]);
        home.run(&["update"]).ok();
        one.write(&[("a", "a 2")]);
        home.run(&["update"]).ok();
        two.write(&[("b", "b 2")]);
        home.run(&["update"]).ok();
        Self { home, one, two }
    }

    fn layout(&self) -> Layout {
        Layout::new(self.home.path())
    }

    fn store(&self) -> Store {
        Store::open_to_inspect(self.home.path(), Options::default()).unwrap()
    }

    fn state(&self) -> State {
        Journal::state(&self.layout().journal()).unwrap()
    }

    /// The entry that a module leads to now.
    fn entry(&self, module: &str) -> PathBuf {
        fs::canonicalize(self.home.target(module)).unwrap()
    }

    /// Repairs all of it.
    #[track_caller]
    fn repair(&self) -> RepairReport {
        let report = self.try_repair();
        assert!(report.is_sound(), "{report:#?}");
        self.assert_served();
        assert!(self.home.leftovers().is_empty(), "{:?}", self.home.leftovers());
        let again = self.try_repair();
        assert!(again.repaired.is_empty() && again.is_sound(), "{again:#?}");
        report
    }

    fn try_repair(&self) -> RepairReport {
        self.store().repair(&Silent, &Cancel::new()).unwrap()
    }

    #[track_caller]
    fn assert_served(&self) {
        assert_eq!(self.home.tree("one"), self.one.tree("main"));
        assert_eq!(self.home.tree("two"), self.two.tree("main"));
    }

    /// Every generation on the disk, as the journal recorded it.
    fn told(&self) -> Vec<Told> {
        let state = self.state();
        let told = |info: &GenerationInfo| {
            let bindings = state.modules_of(info.number).unwrap();
            Told {
                number: info.number.number(),
                made: (info.at, info.reason.clone()),
                trees: bindings.iter().map(|(name, to)| (name.clone(), to.digest())).collect(),
                bindings,
            }
        };
        state.kept().map(told).collect()
    }

    fn quarantine(&self) -> Vec<PathBuf> {
        let names = fs::read_dir(self.layout().quarantine()).into_iter().flatten().flatten();
        names.map(|name| name.path()).collect()
    }
}

/// Writes other bytes of the same length and leaves the time: nothing but reading finds it.
fn rot(path: &Path) {
    let before = path.metadata().unwrap();
    let mode = before.permissions();
    fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
    let bytes: Vec<u8> = fs::read(path).unwrap().iter().map(|byte| byte ^ 1).collect();
    fs::write(path, bytes).unwrap();
    let file = fs::File::options().write(true).open(path).unwrap();
    file.set_modified(before.modified().unwrap()).unwrap();
    fs::set_permissions(path, mode).unwrap();
    assert_eq!(path.metadata().unwrap().mtime(), before.mtime());
}

fn unlink_all(path: &Path) {
    let status = std::process::Command::new("rm").arg("-rf").arg(path).status().unwrap();
    assert!(status.success());
}

#[test]
fn a_sound_store_is_not_touched() {
    let world = World::new();
    let report = world.repair();
    assert!(report.repaired.is_empty() && world.quarantine().is_empty());
}

#[test]
fn a_rotten_file_is_served_right_after_a_repair_and_its_old_tree_lies_in_quarantine() {
    let world = World::new();
    let entry = world.entry("one");
    rot(&entry.join("a"));
    assert!(!world.store().verify(Depth::Full, &[], &Silent, &Cancel::new()).unwrap().is_sound());
    let report = world.repair();
    assert_eq!(report.repaired.len(), 1, "{report:#?}");
    assert_eq!(report.repaired[0].how, How::Rebuilt(TreeFrom::Git));
    assert_eq!(report.repaired[0].modules, ["one"]);
    let aside = report.repaired[0].aside.as_ref().unwrap();
    assert_eq!(fs::read(aside.join("a")).unwrap(), ROTTEN);
    assert_eq!(world.quarantine(), std::slice::from_ref(aside));
    assert_eq!(fs::read(entry.join("a")).unwrap(), b"a 2");
}

#[test]
fn rot_that_entries_share_by_hard_links_is_repaired_in_all_of_them() {
    let world = World::new();
    let shared = world.entry("one").join("own");
    assert!(shared.metadata().unwrap().nlink() > 1, "the entry before has it, too");
    rot(&shared);
    let report = world.repair();
    assert_eq!(report.repaired.len(), 2, "{report:#?}");
    let had = |how| report.repaired.iter().filter(|it| it.how == How::Rebuilt(how)).count();
    assert_eq!((had(TreeFrom::Git), had(TreeFrom::Store)), (1, 1), "one fetch serves both");
}

#[test]
fn a_repair_without_a_network_takes_content_from_other_entries() {
    let world = World::new();
    unlink_all(&world.home.scratch());
    let entry = world.entry("two");
    let damaged = entry.join("other");
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(&damaged).unwrap();
    let report = world.try_repair();
    assert!(report.is_sound(), "{report:#?}");
    assert_eq!(report.repaired[0].how, How::Rebuilt(TreeFrom::Store));
    assert_eq!(fs::read(damaged).unwrap(), b"same\n");
}

#[test]
fn an_entry_that_is_gone_is_fetched_again_from_its_commit_although_the_branch_moved_on() {
    let world = World::new();
    let entry = world.entry("one");
    let served = world.home.tree("one");
    unlink_all(&entry);
    world.one.write(&[("a", "a 3")]);
    let report = world.try_repair();
    assert!(report.is_sound(), "{report:#?}");
    assert_eq!(world.home.tree("one"), served);
}

#[test]
fn what_cannot_be_rebuilt_is_named_with_its_cause_and_stays_as_it_is() {
    let world = World::new();
    rot(&world.entry("one").join("a"));
    let repo = world.one.path().to_owned();
    unlink_all(&repo);
    let report = world.try_repair();
    assert!(!report.is_sound() && report.repaired.is_empty(), "{report:#?}");
    assert_eq!(report.not_repaired[0].modules, ["one"]);
    assert_eq!(fs::read(world.home.target("one").join("a")).unwrap(), ROTTEN);
    assert!(world.quarantine().is_empty());
    assert!(world.home.leftovers().is_empty());
}

#[test]
fn wrong_permissions_and_times_are_set_right_in_place() {
    let world = World::new();
    let entry = world.entry("one");
    fs::set_permissions(entry.join("own"), fs::Permissions::from_mode(0o000)).unwrap();
    fs::set_permissions(entry.join("deep"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(entry.join("run"), fs::Permissions::from_mode(0o444)).unwrap();
    let inode = entry.metadata().unwrap().ino();
    let late = fs::File::open(entry.join("a")).unwrap();
    late.set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    let report = world.repair();
    assert!(report.repaired.iter().all(|it| it.how == How::SetRight), "{report:#?}");
    assert_eq!(entry.metadata().unwrap().ino(), inode);
    assert!(world.quarantine().is_empty());
}

#[test]
fn a_file_that_does_not_belong_into_an_entry_goes_to_the_quarantine_with_the_old_tree() {
    let world = World::new();
    let entry = world.entry("one");
    fs::set_permissions(&entry, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(entry.join("mine"), "notes").unwrap();
    let report = world.repair();
    assert_eq!(report.repaired[0].how, How::Rebuilt(TreeFrom::Store), "{report:#?}");
    assert_eq!(fs::read(world.quarantine()[0].join("mine")).unwrap(), b"notes");
}

#[test]
fn a_list_is_rebuilt_from_its_tree_and_a_damaged_git_file_is_put_aside() {
    let world = World::new();
    let digest = world.state().modules()["one"].digest().unwrap();
    let (list, git) = (world.layout().manifest(digest), world.layout().git_tree(digest));
    let right = fs::read(&list).unwrap();
    fs::write(&list, &right[1..]).unwrap();
    fs::write(&git, "no").unwrap();
    let report = world.repair();
    assert_eq!(fs::read(&list).unwrap(), right);
    assert!(!git.exists() || fs::read(&git).unwrap() != b"no", "{report:#?}");
    fs::remove_file(&list).unwrap();
    world.repair();
    assert_eq!(fs::read(&list).unwrap(), right);
}

#[test]
fn a_journal_of_which_any_frame_is_gone_tells_the_same_afterwards() {
    let world = World::new();
    let (told, path) = (world.told(), world.layout().journal());
    let bytes = fs::read(&path).unwrap();
    let ends = frame_ends(&bytes);
    assert_eq!(ends.len(), 3);
    for gone in 0..3 {
        let start = if gone == 0 { 0 } else { ends[gone - 1] };
        fs::write(&path, [&bytes[..start], &bytes[ends[gone]..]].concat()).unwrap();
        let report = world.repair();
        let rebuilt = report.journal.clone().unwrap_or_else(|| panic!("{gone}: {report:#?}"));
        assert_eq!((rebuilt.frames, rebuilt.lost.len()), (2, 0), "{rebuilt:?}");
        let now = world.told();
        assert_eq!(now.len(), told.len(), "frame {gone}: {now:#?}");
        for (now, told) in now.iter().zip(&told) {
            assert_eq!((now.number, &now.trees), (told.number, &told.trees), "frame {gone}");
            // Links have no time and no command, and no commit that is recorded nowhere else.
            if now.number as usize != gone + 1 {
                assert_eq!(now.made, told.made, "frame {gone}");
            }
        }
        assert_eq!(now[2].bindings, told[2].bindings, "the current generation is known in full");
        world.home.run(&["list"]).ok();
        world.home.run(&["history"]).ok();
        world.home.run(&["rollback", "--to", "1"]).ok();
        assert_eq!(fs::read(world.home.target("one").join("a")).unwrap(), b"a 1");
        assert_eq!(fs::read(world.home.target("two").join("b")).unwrap(), b"b 1");
        world.home.run(&["rollback"]).ok();
        world.assert_served();
        // As it was: three generations.
        unlink_all(&world.layout().generations().join("4"));
        unlink_all(&world.layout().generations().join("5"));
        fs::remove_file(world.layout().current()).unwrap();
        std::os::unix::fs::symlink("generations/3", world.layout().current()).unwrap();
        fs::write(&path, &bytes).unwrap();
    }
}

#[test]
fn with_no_journal_at_all_every_generation_on_the_disk_is_known_again() {
    for damage in ["gone", "empty", "garbage", "directory"] {
        let world = World::new();
        let (told, path) = (world.told(), world.layout().journal());
        fs::remove_file(&path).unwrap();
        match damage {
            "empty" => fs::write(&path, "").unwrap(),
            "garbage" => fs::write(&path, vec![b'x'; 5000]).unwrap(),
            "directory" => fs::create_dir(&path).unwrap(),
            _ => {}
        }
        let report = world.repair();
        assert_eq!(report.journal.unwrap().frames, 0);
        let now = world.told();
        assert_eq!(now.len(), 3, "{damage}");
        assert_eq!(
            now[2].bindings, told[2].bindings,
            "{damage}: modules.lock knows the current generation"
        );
        world.home.run(&["rollback", "--to", "1"]).ok();
        assert_eq!(fs::read(world.home.target("one").join("a")).unwrap(), b"a 1");
        world.home.run(&["unhold", "--all"]).ok();
        world.home.run(&["update"]).ok();
        world.assert_served();
        let kept = fs::read_dir(world.home.path())
            .unwrap()
            .flatten()
            .any(|name| name.file_name().to_string_lossy().starts_with("journal.damaged-"));
        assert_eq!(kept, matches!(damage, "garbage" | "directory"), "{damage}");
    }
}

#[test]
fn any_flipped_bit_of_the_journal_is_repaired() {
    let world = World::new();
    let (told, path) = (world.told(), world.layout().journal());
    let bytes = fs::read(&path).unwrap();
    let step = bytes.len() * 8 / 60;
    for bit in (0..bytes.len() * 8).step_by(step) {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, &flipped).unwrap();
        let report = world.try_repair();
        assert!(report.is_sound(), "bit {bit}: {report:#?}");
        assert_eq!(world.told().len(), 3, "bit {bit}");
        assert_eq!(world.told()[2].bindings, told[2].bindings, "bit {bit}");
    }
}

#[test]
fn links_and_the_switch_are_recreated_as_the_journal_says() {
    let world = World::new();
    let layout = world.layout();
    let generation = |number: u64| layout.generations().join(number.to_string());
    fs::remove_file(generation(3).join("one")).unwrap();
    fs::write(generation(2).join("stranger"), "x").unwrap();
    unlink_all(&generation(1));
    fs::remove_file(layout.current()).unwrap();
    world.repair();
    for number in 1..=3 {
        assert_eq!(fs::read_dir(generation(number)).unwrap().count(), 2);
    }
    assert_eq!(fs::read_link(layout.current()).unwrap(), Path::new("generations/3"));
    fs::remove_file(layout.current()).unwrap();
    fs::create_dir(layout.current()).unwrap();
    fs::write(layout.current().join("mine"), "x").unwrap();
    world.repair();
    assert!(world.quarantine().iter().any(|path| path.join("mine").exists()));
}

#[test]
fn a_switch_that_shows_what_nothing_is_left_of_goes_on_with_what_is_known() {
    let world = World::new();
    fs::remove_file(world.layout().current()).unwrap();
    std::os::unix::fs::symlink("generations/9", world.layout().current()).unwrap();
    world.repair();
    assert_eq!(world.state().head().unwrap().number.number(), 10);
}

#[test]
fn the_marker_and_directories_are_recreated_and_the_old_ones_are_kept() {
    let world = World::new();
    let layout = world.layout();
    fs::write(layout.format(), "{\"format\":").unwrap();
    for name in ["locks", "staging", "leases"] {
        unlink_all(&layout.home().join(name));
    }
    fs::write(layout.home().join("locks"), "a file").unwrap();
    fs::write(layout.home().join("strange"), "mine").unwrap();
    fs::remove_file(layout.modules_lock()).unwrap();
    let declared = fs::read(layout.modules_toml()).unwrap();
    world.repair();
    assert_eq!(fs::read(layout.modules_toml()).unwrap(), declared);
    assert_eq!(fs::read(layout.home().join("strange")).unwrap(), b"mine");
    assert!(layout.modules_lock().is_file());
    world.home.run(&["update"]).ok();
    fs::remove_file(layout.format()).unwrap();
    world.repair();
    fs::write(layout.format(), r#"{"format":2,"store":""}"#).unwrap();
    assert!(Store::open_to_inspect(layout.home(), Options::default()).is_err(), "a newer one");
}

#[test]
fn a_damaged_entry_that_no_generation_needs_is_put_aside_and_forgotten() {
    let world = World::new();
    let old = world.layout().generation("1".parse().unwrap()).join("one");
    let old = fs::canonicalize(old).unwrap();
    // A journal that has given up all generations but the last.
    unlink_all(&world.layout().generations().join("1"));
    unlink_all(&world.layout().generations().join("2"));
    fs::set_permissions(&old, fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(old.join("a")).unwrap();
    fs::remove_file(world.layout().journal()).unwrap();
    world.repair();
    assert!(!old.exists());
    assert_eq!(world.told().len(), 1);
}

#[test]
fn an_archive_is_unpacked_again() {
    let home = TestHome::in_memory(BINARY);
    let archive = home.scratch().join("tool.tar.gz");
    let inside = home.scratch().join("inside");
    fs::create_dir(&inside).unwrap();
    fs::write(inside.join("file"), "content").unwrap();
    let tar = std::process::Command::new("tar")
        .args([
            "-czf".as_ref(),
            archive.as_os_str(),
            "-C".as_ref(),
            inside.as_os_str(),
            ".".as_ref(),
        ])
        .status();
    assert!(tar.unwrap().success());
    let sum = std::process::Command::new("sha256sum").arg(&archive).output().unwrap().stdout;
    let sum = String::from_utf8_lossy(&sum[..64]).into_owned();
    home.declare(&[("tool", &format!("archive+file://{}#sha256={sum}", archive.display()))]);
    home.run(&["update"]).ok();
    let file = fs::canonicalize(home.target("tool")).unwrap().join("file");
    rot(&file);
    let store = Store::open(home.path(), Options::default()).unwrap();
    let report = store.repair(&Silent, &Cancel::new()).unwrap();
    assert!(report.is_sound(), "{report:#?}");
    assert_eq!(report.repaired[0].how, How::Rebuilt(TreeFrom::Archive));
    assert_eq!(fs::read(file).unwrap(), b"content");
}

#[test]
fn readers_never_miss_anything_during_a_repair() {
    let world = World::new();
    let (done, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for (module, file) in [("one", "own"), ("one", "deep/same"), ("two", "b")] {
                    fs::read(world.home.target(module).join(file))
                        .expect("nothing is ever missing");
                }
                reads.fetch_add(1, Ordering::Relaxed);
            }
        });
        for round in 0..20 {
            rot(&world.entry("one").join("a"));
            if round % 2 == 0 {
                let bytes = fs::read(world.layout().journal()).unwrap();
                fs::write(world.layout().journal(), &bytes[3..]).unwrap();
                fs::write(world.layout().generations().join("3/stranger"), "x").unwrap();
            }
            world.repair();
        }
        done.store(true, Ordering::Relaxed);
    });
    println!("20 repairs, {} reads, 0 misses", reads.load(Ordering::Relaxed));
    assert!(reads.into_inner() > 20);
}

/// Where each frame of a journal ends: magic, length, check, sequence, link, payload, link.
fn frame_ends(bytes: &[u8]) -> Vec<usize> {
    let (mut at, mut ends) = (0, Vec::new());
    while at < bytes.len() {
        let length = u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
        at += 12 + 8 + 16 + length + 16;
        ends.push(at);
    }
    ends
}

#[test]
fn an_update_after_a_repair_fetches_nothing_that_is_known() {
    let world = World::new();
    fs::remove_file(world.layout().journal()).unwrap();
    world.repair();
    let store = world.store();
    let report = store.update(&UpdateRequest::default(), &Silent, &Cancel::new()).unwrap();
    assert_eq!((report.updated.len(), report.unchanged.len()), (0, 2), "{report:#?}");
}

#[test]
fn an_environment_has_again_what_was_made_for_it_in_an_entry_that_was_repaired() {
    let (Some(tools), Some(python)) = (PythonTools::find(), Python::any()) else { return };
    let mut home = TestHome::new(BINARY);
    tools.lead(&mut home);
    let repo = Repo::create(&home.scratch(), "mod-a");
    let files = Project::new("mod-a", Backend::Hatchling).with_code("VALUE = 1").files();
    let files: Vec<(&str, &str)> =
        files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    repo.write(&files);
    home.run(&["add", &git(&repo)]).ok();
    let venv = Venv::create(&home, &tools, &python, "venv");
    home.run(&["bind", "--compile", "--python", &venv.python_text()]).ok();
    let byte_code = || venv.says("import mod_a; print(mod_a.__cached__)");
    assert!(Path::new(&byte_code()).is_file(), "{}", byte_code());
    let entry = fs::canonicalize(home.target("mod-a")).unwrap();
    let code = entry.join(files[1].0);
    fs::set_permissions(code.parent().unwrap(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::remove_file(&code).unwrap();
    home.run(&["verify", "--repair"]).ok();
    assert!(code.is_file());
    assert!(Path::new(&byte_code()).is_file(), "{}", byte_code());
    home.run(&["verify"]).ok();
}
