//! Servers that cannot give one commit alone, and what may happen to the mirror that they make
//! necessary: whatever is done to it, what is served stays, and an update comes about or says why not.
//!
//! Limits: a pack that is cut short while the tree is planted from it is not tried; see the mirror.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use modstore::{Cancel, Options, Silent, Store, UpdateReport, UpdateRequest};
use modstore_core::disk::Lock;
use modstore_core::model::Class;
use modstore_testbed::{Change, Fault, HttpServer, Random, Repo, listing};
use tempfile::TempDir;

/// Repositories, their server, and a store.
struct World {
    root: TempDir,
    server: HttpServer,
}

impl World {
    /// The server of `repo` lacks shallow fetches, in version 0 or in version 2.
    fn new(v0: bool) -> (Self, Repo) {
        let root = TempDir::new().unwrap();
        let repos = root.path().join("repos");
        std::fs::create_dir(&repos).unwrap();
        let repo = Repo::create(&repos, "m");
        repo.commit("main", &first_files());
        let server = HttpServer::start(&repos);
        let world = World { root, server };
        world.misbehave(v0);
        (world, repo)
    }

    fn misbehave(&self, v0: bool) {
        self.server.fault("m", Fault::WithoutCapability("shallow"));
        if v0 {
            self.server.fault("m", Fault::ForceProtocolV0);
        }
    }

    fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    fn declare(&self, at: &str) {
        std::fs::create_dir_all(self.home()).unwrap();
        let url = self.server.url("m");
        let text = format!("[modules.m]\nsource = \"git+{url}{at}\"\n");
        std::fs::write(self.home().join("modules.toml"), text).unwrap();
    }

    fn update(&self) -> UpdateReport {
        let store = Store::open(&self.home(), Options::default()).unwrap();
        store.update(&UpdateRequest::default(), &Silent, &Cancel::new()).unwrap()
    }

    fn assert_served(&self, repo: &Repo, rev: &str) {
        assert_eq!(listing(&self.home().join("current/m")), repo.tree(rev), "{rev}");
    }

    /// Updates, and checks that the module is then as `rev`.
    fn update_to(&self, repo: &Repo, rev: &str) -> UpdateReport {
        let report = self.update();
        assert_eq!(why(&report), "", "{rev}");
        self.assert_served(repo, rev);
        report
    }

    fn mirror(&self) -> PathBuf {
        mirror_in(&self.home())
    }

    fn mirrors(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.home().join("mirrors"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name != "host.git")
            .collect();
        names.sort();
        names
    }
}

fn mirror_in(home: &Path) -> PathBuf {
    let mirrors = std::fs::read_dir(home.join("mirrors")).unwrap();
    let mut paths = mirrors.map(|entry| entry.unwrap().path()).filter(|path| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.ends_with(".git") && name != "host.git"
    });
    paths.next().expect("there is a mirror")
}

/// Bytes that do not compress, so that a pack of it takes many reads.
fn noise(seed: u64) -> Vec<u8> {
    Random::of(seed).bytes(300_000)
}

fn first_files() -> Vec<Change> {
    vec![
        Change::write("a.txt", "one\n"),
        Change::write("dir/b", noise(1)),
        Change::exec("bin/run", "#!/bin/sh\n"),
        Change::symlink("to", "bin/run"),
    ]
}

/// The failures with all their causes, empty when there are none.
fn why(report: &UpdateReport) -> String {
    let mut text = String::new();
    for failed in &report.failed {
        let mut cause: Option<&dyn Error> = Some(failed.error.as_ref());
        while let Some(error) = cause {
            text += &format!("{error}: ");
            cause = error.source();
        }
    }
    text
}

fn packs(mirror: &Path) -> Vec<PathBuf> {
    let names = std::fs::read_dir(mirror.join("objects/pack")).unwrap();
    let paths = names.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "pack")).collect()
}

fn cut_short(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let length = path.metadata().unwrap().len();
    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(length / 2).unwrap();
}

#[test]
fn a_server_without_shallow_fetches_serves_branches_tags_and_pinned_commits() {
    for v0 in [true, false] {
        let (world, repo) = World::new(v0);
        let first = repo.rev("main").unwrap();
        world.declare("@main");
        let cold = world.update_to(&repo, "main");
        assert!(cold.cost.received > 300_000, "{:?}", cold.cost);

        repo.commit("main", &[Change::write("a.txt", "two\n")]);
        let second = repo.rev("main").unwrap();
        let warm = world.update_to(&repo, "main");
        assert!(warm.cost.received < 10_000, "only what is new comes: {:?}", warm.cost);
        assert_eq!((warm.cost.written, warm.cost.linked), (2, 2), "v0 {v0}: the link and a.txt");

        world.server.forget();
        assert_eq!(world.update().unchanged.len(), 1);
        assert!(world.server.stats().requests.iter().all(|request| request.method == "GET") || !v0);

        repo.annotated_tag("v1", &first);
        let tagged = repo.commit("side", &[Change::write("side", "only by a tag\n")]);
        repo.annotated_tag("v2", &tagged);
        repo.delete_ref("refs/heads/side");
        repo.commit("main", &[Change::write("a.txt", "three\n")]);
        world.declare("@v1");
        world.update_to(&repo, &first);
        world.declare("@v2");
        world.update_to(&repo, &tagged);
        world.declare(&format!("@{second}"));
        world.update_to(&repo, &second);
        assert!(world.server.stats().faults_fired > 0);
        assert_eq!(world.mirrors().len(), 1, "{:?}", world.mirrors());
    }
}

#[test]
fn a_commit_that_is_not_listed_is_found_where_only_listed_ones_are_given() {
    let root = TempDir::new().unwrap();
    let repos = root.path().join("repos");
    std::fs::create_dir(&repos).unwrap();
    let repo = Repo::create(&repos, "m");
    let old = repo.commit("main", &first_files());
    repo.commit("main", &[Change::write("a.txt", "two\n")]);
    let lost = repo.commit("side", &[Change::write("lost", "lost\n")]);
    repo.delete_ref("refs/heads/side");
    let server = HttpServer::start(&repos);
    server.fault("m", Fault::ForceProtocolV0);
    let world = World { root, server };
    world.declare(&format!("@{old}"));
    world.update_to(&repo, &old);

    world.declare(&format!("@{lost}"));
    let report = world.update();
    assert_eq!(report.failed[0].class, Class::Permanent, "{}", why(&report));
    assert!(why(&report).contains(&lost), "{}", why(&report));
    world.assert_served(&repo, &old);
}

#[test]
fn a_branch_that_was_pushed_over_is_followed() {
    let (world, repo) = World::new(true);
    world.declare("@main");
    world.update_to(&repo, "main");
    let other = repo.commit("other", &[Change::write("else", "x\n")]);
    repo.branch("main", &other);
    world.update_to(&repo, "main");
    repo.commit("main", &[Change::write("more", "x\n")]);
    world.update_to(&repo, "main");
}

#[test]
fn a_mirror_that_was_damaged_since_is_made_again() {
    let damages: [(&str, Damage); 9] = [
        ("pack cut short", |mirror| packs(mirror).iter().for_each(|pack| cut_short(pack))),
        ("pack gone", |mirror| {
            packs(mirror).iter().for_each(|pack| std::fs::remove_file(pack).unwrap())
        }),
        ("index gone", |mirror| {
            for pack in packs(mirror) {
                std::fs::remove_file(pack.with_extension("idx")).unwrap();
            }
        }),
        ("index cut short", |mirror| {
            packs(mirror).iter().for_each(|pack| cut_short(&pack.with_extension("idx")));
        }),
        ("all objects gone", |mirror| std::fs::remove_dir_all(mirror.join("objects")).unwrap()),
        ("refs gone", |mirror| std::fs::remove_dir_all(mirror.join("refs")).unwrap()),
        ("no repository", |mirror| std::fs::remove_file(mirror.join("HEAD")).unwrap()),
        ("gone", |mirror| std::fs::remove_dir_all(mirror).unwrap()),
        ("emptied", |mirror| {
            std::fs::remove_dir_all(mirror).unwrap();
            std::fs::create_dir(mirror).unwrap();
        }),
    ];
    for v0 in [true, false] {
        for (what, damage) in damages {
            let (world, repo) = World::new(v0);
            world.declare("@main");
            world.update_to(&repo, "main");
            damage(&world.mirror());
            repo.commit("main", &[Change::write("a.txt", "two\n"), Change::write("n", noise(2))]);
            let report = world.update();
            assert_eq!(why(&report), "", "{what}, v0 {v0}");
            world.assert_served(&repo, "main");
            assert_eq!(world.mirrors().len(), 1, "{what}: {:?}", world.mirrors());
        }
    }
}

#[test]
fn what_was_planted_in_a_mirror_is_neither_believed_nor_followed_and_a_new_one_is_made() {
    let (world, repo) = World::new(false);
    world.declare("");
    world.update_to(&repo, "main");
    let victim = world.root.path().join("victim");
    std::fs::create_dir(&victim).unwrap();
    for name in ["precious.lock", ".tmp-precious", "precious.keep"] {
        std::fs::write(victim.join(name), "precious").unwrap();
    }
    let before = listing(&victim);
    // A path that ends with a slash would name what a link leads to.
    let part = |below: &str| match below {
        "" => world.mirror(),
        below => world.mirror().join(below),
    };
    let link = |below: &str| {
        let path = part(below);
        match path.is_dir() {
            true => std::fs::remove_dir_all(&path).unwrap(),
            false => drop(std::fs::remove_file(&path)),
        }
        std::os::unix::fs::symlink(&victim, &path).unwrap();
    };
    let text = |below: &str, text: &str| std::fs::write(world.mirror().join(below), text).unwrap();
    let plants: [&dyn Fn(); 8] = [
        &|| link("objects/pack"),
        &|| link("objects"),
        &|| link("refs/modstore"),
        &|| link("refs"),
        &|| link(""),
        &|| text("commondir", "../../../victim\n"),
        &|| text("config", "[core]\n\tbare = true\n[include]\n\tpath = /dev/zero\n"),
        &|| {
            std::fs::create_dir_all(world.mirror().join("objects/info")).unwrap();
            text("objects/info/alternates", victim.to_str().unwrap());
        },
    ];
    for (number, plant) in plants.iter().enumerate() {
        plant();
        repo.commit("main", &[Change::write("a.txt", format!("{number}\n"))]);
        world.update_to(&repo, "main");
        assert_eq!(listing(&victim), before, "plant {number}");
        for below in ["", "objects", "objects/pack", "refs", "refs/modstore"] {
            assert!(!part(below).is_symlink(), "plant {number}: {below}");
        }
        for below in ["commondir", "objects/info/alternates"] {
            assert!(!world.mirror().join(below).exists(), "plant {number}: {below}");
        }
        let config = std::fs::read_to_string(world.mirror().join("config")).unwrap();
        assert!(!config.contains("include"), "plant {number}: {config}");
        assert_eq!(world.mirrors().len(), 1, "plant {number}");
    }
}

#[test]
fn a_flipped_byte_in_the_mirror_s_pack_is_never_served() {
    let (world, repo) = World::new(true);
    world.declare("@main");
    world.update_to(&repo, "main");
    let (first, length) = {
        let pack = packs(&world.mirror()).remove(0);
        (repo.rev("main").unwrap(), std::fs::metadata(&pack).unwrap().len())
    };
    repo.commit("main", &[Change::write("dir/b", noise(3))]);
    world.update_to(&repo, "main");
    for at in (12..length).step_by(usize::try_from(length / 7).unwrap()) {
        // A store that has the mirror and no entry yet.
        let copy = world.root.path().join(format!("copy-{at}"));
        std::fs::create_dir(&copy).unwrap();
        let mut command = Command::new("cp");
        command.arg("-a").arg(world.home().join("mirrors")).arg(&copy);
        assert!(command.status().unwrap().success());
        for pack in packs(&mirror_in(&copy)) {
            let mut bytes = std::fs::read(&pack).unwrap();
            if let Some(byte) = bytes.get_mut(usize::try_from(at).unwrap()) {
                *byte ^= 0xff;
            }
            std::fs::remove_file(&pack).unwrap();
            std::fs::write(&pack, bytes).unwrap();
        }
        let text = format!("[modules.m]\nsource = \"git+{}@{first}\"\n", world.server.url("m"));
        std::fs::write(copy.join("modules.toml"), text).unwrap();
        let store = Store::open(&copy, Options::default()).unwrap();
        let report = store.update(&UpdateRequest::default(), &Silent, &Cancel::new()).unwrap();
        assert_eq!(why(&report), "", "byte {at}");
        assert_eq!(listing(&copy.join("current/m")), repo.tree(&first), "byte {at}");
    }
}

/// Something done to a mirror.
type Damage = fn(&Path);

/// What another process does to all mirrors of a home while a pack is being received, the ones being made
/// included.
fn meddle(home: &Path, how: Damage) {
    let Ok(mirrors) = std::fs::read_dir(home.join("mirrors")) else { return };
    for path in mirrors.map(|entry| entry.unwrap().path()) {
        if path.file_name().unwrap() != "host.git" {
            how(&path);
        }
    }
}

fn each_file(directory: &Path, wanted: fn(&str) -> bool, then: fn(&Path)) {
    let Ok(files) = std::fs::read_dir(directory) else { return };
    for file in files.flatten().filter(|file| wanted(file.file_name().to_str().unwrap())) {
        then(&file.path());
    }
}

fn remove_temporary(mirror: &Path) {
    let remove = |path: &Path| std::fs::remove_file(path).unwrap();
    each_file(&mirror.join("objects/pack"), |name| name.starts_with(".tmp"), remove);
}

#[test]
fn whatever_happens_to_the_mirror_during_a_fetch_what_is_served_stays_and_the_next_update_succeeds()
{
    let meddlings: [(&str, Damage); 6] = [
        ("temporary pack gone", remove_temporary),
        ("packs cut short", |mirror| packs(mirror).iter().for_each(|pack| cut_short(pack))),
        ("packs gone", |mirror| {
            each_file(
                &mirror.join("objects/pack"),
                |_| true,
                |path| {
                    std::fs::remove_file(path).unwrap();
                },
            );
        }),
        ("pack directory gone", |mirror| {
            let _ = std::fs::remove_dir_all(mirror.join("objects/pack"));
        }),
        ("temporary pack cut short", |mirror| {
            each_file(
                &mirror.join("objects/pack"),
                |name| name.starts_with(".tmp"),
                |path| {
                    std::fs::OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap();
                },
            );
        }),
        ("mirror gone", |mirror| {
            let _ = std::fs::remove_dir_all(mirror);
        }),
    ];
    for v0 in [true, false] {
        for (what, how) in meddlings {
            for always in [false, true] {
                let (world, repo) = World::new(v0);
                world.declare("@main");
                let before = repo.rev("main").unwrap();
                world.update_to(&repo, "main");
                repo.commit("main", &[Change::write("c", noise(4)), Change::write("d", noise(5))]);
                let home = world.home();
                let fault = Fault::on_pack(100_000, move || meddle(&home, how));
                let times = if always { 100 } else { 1 };
                world.server.fault_times("m", times, fault);
                let fired = world.server.stats().faults_fired;
                let report = world.update();
                assert!(world.server.stats().faults_fired > fired, "{what}");
                let case = format!("{what}, v0 {v0}, always {always}: {}", why(&report));
                if report.failed.is_empty() {
                    world.assert_served(&repo, "main");
                } else {
                    assert!(always, "once is put right: {case}");
                    assert_eq!(report.failed.len(), 1, "{case}");
                    assert_eq!(report.failed[0].class, Class::Transient, "{case}");
                    assert!(why(&report).matches(": ").count() >= 2, "it has a cause: {case}");
                    world.assert_served(&repo, &before);
                }
                world.server.clear();
                world.misbehave(v0);
                world.update_to(&repo, "main");
                assert_eq!(world.mirrors().len(), 1, "{case}: {:?}", world.mirrors());
            }
        }
    }
}

#[test]
fn a_first_fetch_that_is_meddled_with_is_put_right_too() {
    let (world, repo) = World::new(true);
    world.declare("@main");
    let home = world.home();
    let fault = Fault::on_pack(100_000, move || meddle(&home, remove_temporary));
    world.server.fault_times("m", 1, fault);
    world.update_to(&repo, "main");
}

#[test]
fn a_server_that_hangs_up_in_the_middle_is_the_server_s_fault_and_not_the_mirror_s() {
    let (world, repo) = World::new(true);
    world.declare("@main");
    world.update_to(&repo, "main");
    let before = repo.rev("main").unwrap();
    repo.commit("main", &[Change::write("c", noise(6))]);
    world.server.fault_on_fetch("m", Fault::CloseMidPack { after: 100_000 });
    let report = world.update();
    assert_eq!(report.failed[0].class, Class::Transient);
    assert!(!why(&report).contains("mirror"), "{}", why(&report));
    world.assert_served(&repo, &before);
    world.server.clear();
    world.misbehave(true);
    world.update_to(&repo, "main");
}

#[test]
fn what_a_killed_fetch_left_is_removed_and_nothing_else() {
    let (world, repo) = World::new(true);
    world.declare("@main");
    world.update_to(&repo, "main");
    let mirror = world.mirror();
    let aside = mirror.with_extension("0123456789abcdef");
    std::fs::create_dir_all(aside.join("objects")).unwrap();
    let gone = ["objects/pack/.tmpAbCdEf", "HEAD.lock", "objects/pack/pack-1.keep"];
    let kept = ["objects/pack/notes.txt", "description"];
    for name in gone.iter().chain(&kept) {
        std::fs::write(mirror.join(name), "x").unwrap();
    }
    let other = world.home().join("mirrors/fedcba98765432100123456789abcdef.0123456789abcdef");
    std::fs::create_dir(&other).unwrap();
    repo.commit("main", &[Change::write("a.txt", "two\n")]);
    world.update_to(&repo, "main");
    assert!(!aside.exists() && other.exists());
    for name in gone {
        assert!(!mirror.join(name).exists(), "{name}");
    }
    for name in kept {
        assert!(mirror.join(name).exists(), "{name}");
    }
}

#[test]
fn a_pack_that_is_corrupt_on_the_way_is_asked_for_once_more() {
    let (world, repo) = World::new(true);
    world.declare("@main");
    world.server.fault_times("m", 1, Fault::FlipByteInPack { at: 5_000 });
    world.update_to(&repo, "main");
    assert!(world.server.stats().faults_fired > 0);
}

#[test]
fn a_pack_that_stays_corrupt_is_the_server_s_fault_and_nothing_of_it_is_kept() {
    for fault in
        [Fault::FlipByteInPack { at: 5_000 }, Fault::TruncatedPackCleanEof { after: 9_000 }]
    {
        let (world, _repo) = World::new(true);
        world.declare("@main");
        world.server.fault_times("m", 100, fault);
        let report = world.update();
        assert_eq!(report.failed[0].class, Class::Transient);
        let why = why(&report);
        assert!(why.contains("the pack from") && !why.contains("mirror"), "{why}");
        assert_eq!(world.mirrors(), Vec::<String>::new());
    }
}

#[test]
fn what_a_mirror_has_not_looked_at_is_fetched_when_it_is_needed() {
    let (world, repo) = World::new(true);
    let before = repo.rev("main").unwrap();
    let mut body = noise(1);
    body.extend(b"a little more");
    repo.commit("main", &[Change::write("dir/b", body.clone()), Change::write("a.txt", "two\n")]);
    world.declare("@main");
    world.update_to(&repo, "main");
    // The server knows that we have the old content, and does not send it.
    repo.commit("main", &[Change::write("dir/b", noise(1)), Change::write("a.txt", "one\n")]);
    world.update_to(&repo, "main");
    world.declare(&format!("@{before}"));
    world.update_to(&repo, &before);
    assert_eq!(world.mirrors().len(), 1, "{:?}", world.mirrors());
}

#[test]
fn the_error_of_a_wait_in_vain_for_the_mirror_names_its_holder() {
    let (world, repo) = World::new(true);
    world.declare("@main");
    world.update_to(&repo, "main");
    let hash = world.mirror().file_stem().unwrap().to_str().unwrap().to_owned();
    let path = world.home().join("locks").join(format!("origin-{hash}"));
    let lock = Lock::try_take(&path, "another update").unwrap().unwrap();
    repo.commit("main", &[Change::write("a.txt", "two\n")]);
    let options = Options { lock_limit: Duration::from_millis(20), ..Options::default() };
    let store = Store::open(&world.home(), options).unwrap();
    let report = store.update(&UpdateRequest::default(), &Silent, &Cancel::new()).unwrap();
    assert_eq!(report.failed[0].class, Class::Transient);
    assert!(why(&report).contains("another update"), "{}", why(&report));
    drop(lock);
    world.update_to(&repo, "main");
}

const HOME_OF_CHILD: &str = "MODSTORE_TEST_MIRROR_HOME";

/// Does nothing on its own; run by the test below as another process.
#[test]
fn another_process_updates_its_home() {
    let Some(home) = std::env::var_os(HOME_OF_CHILD) else { return };
    let store = Store::open(Path::new(&home), Options::default()).unwrap();
    let report = store.update(&UpdateRequest::default(), &Silent, &Cancel::new()).unwrap();
    assert_eq!(why(&report), "");
}

#[test]
fn processes_that_update_at_once_use_one_mirror_in_turn() {
    let (world, repo) = World::new(true);
    world.declare("@main");
    let start = || -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "another_process_updates_its_home", "--nocapture"])
            .env(HOME_OF_CHILD, world.home())
            .spawn()
            .unwrap()
    };
    for round in 0..3 {
        let packs = Arc::new(AtomicUsize::new(0));
        let sent = Arc::clone(&packs);
        let count = move || {
            sent.fetch_add(1, Ordering::SeqCst);
        };
        world.server.fault("m", Fault::on_pack(10, count));
        let children: Vec<Child> = (0..3).map(|_| start()).collect();
        for mut child in children {
            assert!(child.wait().unwrap().success(), "round {round}");
        }
        world.assert_served(&repo, "main");
        assert_eq!(packs.load(Ordering::SeqCst), 1, "the second one finds it in the mirror");
        assert_eq!(world.mirrors().len(), 1, "{:?}", world.mirrors());
        world.server.clear();
        world.misbehave(true);
        repo.commit("main", &[Change::write("n", noise(10 + round))]);
    }
}
