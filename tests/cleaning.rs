//! A clean-up that cannot succeed blocks nothing: it is reported, and the next writer tries again. Stores in the layers of
//! a container image, where a directory of a lower layer cannot be renamed, are a supported case.
//!
//! Limits: overlays, bind mounts and file systems that fold names need root, and are skipped loudly without; what they
//! refuses is also played by an observer. Kills of the ordinary sweep are in `crash`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

use std::{
    collections::BTreeSet,
    fs, io,
    num::NonZeroUsize,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use modstore::{
    Cancel, Event, Events, Generation, Options, Policy, Silent, Store, SweepReport, UpdateRequest,
};
use modstore_core::disk::{Act, Disk, LockWait, Observer, Verb};
use modstore_testbed::{Change, Mount, Ran, Repo, TestHome};

const BINARY: &str = env!("CARGO_BIN_EXE_modstore");

/// What an act meets.
type Refusal = dyn Fn(Act<'_>) -> Option<io::Error> + Send + Sync;

/// A disk that refuses some acts, and remembers all that it did not.
#[derive(Default)]
struct Refusing {
    refuses: Mutex<Option<Box<Refusal>>>,
    done: Mutex<Vec<(Verb, PathBuf)>>,
}

impl Refusing {
    fn to(&self, refuses: impl Fn(Act<'_>) -> Option<io::Error> + Send + Sync + 'static) {
        *self.refuses.lock().unwrap() = Some(Box::new(refuses));
    }

    fn nothing(&self) {
        *self.refuses.lock().unwrap() = None;
    }
}

impl Observer for Refusing {
    fn before(&self, act: Act<'_>) -> io::Result<()> {
        let refused = self.refuses.lock().unwrap().as_ref().and_then(|refuses| refuses(act));
        match refused {
            Some(error) => Err(error),
            None => {
                self.done.lock().unwrap().push((act.verb, act.path.to_owned()));
                Ok(())
            }
        }
    }
}

/// As an overlay does it when all directories but those in staging came with a lower layer.
fn of_lower_layer(act: Act<'_>) -> Option<io::Error> {
    let moved = match act.verb {
        Verb::Rename => [act.from, None],
        Verb::Exchange => [act.from, Some(act.path)],
        _ => [None, None],
    };
    let is_new = |path: &Path| path.iter().any(|part| part == "staging");
    let is_old = |path: &Path| path.is_dir() && !path.is_symlink() && !is_new(path);
    moved.into_iter().flatten().any(is_old).then(|| io::ErrorKind::CrossesDevices.into())
}

fn denied() -> io::Error {
    io::ErrorKind::PermissionDenied.into()
}

/// Collects the notices for a person.
#[derive(Default)]
struct Notices(Mutex<Vec<String>>);

impl Events for Notices {
    fn happened(&self, event: Event<'_>) {
        if let Event::Notice { text } = event {
            self.0.lock().unwrap().push(text.to_owned());
        }
    }
}

impl Notices {
    fn of(&self, what: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|text| text.contains(what)).count()
    }
}

/// A store of one module whose repository gets a commit for each generation.
struct Place {
    root: tempfile::TempDir,
    repo: Repo,
    disk: Arc<Refusing>,
    store: Store,
}

impl Place {
    fn with_generations(count: u64) -> Self {
        let memory = Path::new("/dev/shm");
        let below = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let root = tempfile::tempdir_in(below).unwrap();
        let repo = Repo::create(root.path(), "tool");
        let home = root.path().join("home");
        fs::create_dir(&home).unwrap();
        let declared = format!("[modules.tool]\nsource = \"git+{}\"\n", repo.url_file());
        fs::write(home.join("modules.toml"), declared).unwrap();
        let disk = Arc::<Refusing>::default();
        let store = store(&home, &disk);
        let place = Self { root, repo, disk, store };
        (1..=count).for_each(|number| place.publish(number));
        place
    }

    fn home(&self) -> PathBuf {
        self.root.path().join("home")
    }

    fn publish(&self, number: u64) {
        let notices = Notices::default();
        self.publish_hearing(number, &notices);
    }

    fn publish_hearing(&self, number: u64, events: &dyn Events) {
        self.repo.write(&[("deep/number", &number.to_string()), ("shared", "s")]);
        let report = self.store.update(&UpdateRequest::default(), events, &Cancel::new()).unwrap();
        assert!(report.committed, "{report:?}");
        assert_eq!(self.served(), number.to_string());
    }

    fn served(&self) -> String {
        fs::read_to_string(self.home().join("current/tool/deep/number")).unwrap()
    }

    fn sweep(&self) -> SweepReport {
        let plan = self.store.plan_sweep(&all_but_the_current()).unwrap();
        self.store.sweep(plan, &Silent, &Cancel::new()).unwrap()
    }

    /// The entry of a generation, as its link says.
    fn entry(&self, generation: u64) -> PathBuf {
        let link = self.home().join(format!("generations/{generation}/tool"));
        fs::canonicalize(link).unwrap()
    }

    fn names(&self, directory: &str) -> BTreeSet<String> {
        let names = fs::read_dir(self.home().join(directory)).unwrap();
        names.map(|name| name.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Only the current generation is there.
    #[track_caller]
    fn is_clean(&self) {
        assert_eq!((self.names("entries").len(), self.names("generations").len()), (1, 1));
        assert_eq!(self.names("manifests").len(), 3);
        assert!(self.names("trash").is_empty() && self.names("staging").is_empty());
        assert!(!self.home().join("condemned").exists());
        assert!(self.store.leftovers(&self.store.state().unwrap()).is_empty());
    }
}

fn store(home: &Path, disk: &Arc<Refusing>) -> Store {
    let options = Options { jobs: 1, sweep: None, ..Options::default() };
    Store::open_on(Disk::observed(disk.clone()), home, options).unwrap()
}

fn all_but_the_current() -> Policy {
    Policy { keep: NonZeroUsize::MIN, grace: Duration::ZERO, max_bytes: None }
}

fn number(number: u64) -> Generation {
    number.to_string().parse().unwrap()
}

#[test]
fn what_cannot_be_moved_to_the_trash_is_deleted_in_its_place() {
    let place = Place::with_generations(3);
    place.disk.to(of_lower_layer);
    let report = place.sweep();
    assert_eq!(report.retired, [1, 2].map(number));
    assert!(report.trouble.is_none(), "{report:?}");
    place.is_clean();
    place.publish(4);
}

#[test]
fn what_is_deleted_in_its_place_is_recorded_first() {
    let place = Place::with_generations(3);
    place.disk.to(of_lower_layer);
    place.disk.done.lock().unwrap().clear();
    place.sweep();
    let done = place.disk.done.lock().unwrap();
    let recorded = done.iter().position(|(verb, _)| *verb == Verb::Append).expect("a frame");
    assert_eq!(done[recorded + 1].0, Verb::SyncFile, "and it is durable");
    let is_given_up = |path: &Path| {
        let below = path.strip_prefix(place.home()).unwrap();
        ["entries", "generations", "manifests"].iter().any(|directory| below.starts_with(directory))
    };
    let removed = |(verb, path): &(Verb, PathBuf)| *verb == Verb::Remove && is_given_up(path);
    let first = done.iter().position(removed).expect("something was deleted in its place");
    assert!(first > recorded + 1, "{done:?}");
}

#[test]
fn a_sweep_by_deleting_that_ends_at_any_act_is_finished_by_the_next_writer() {
    let acts = {
        let place = Place::with_generations(2);
        place.disk.to(of_lower_layer);
        place.disk.done.lock().unwrap().clear();
        place.sweep();
        place.disk.done.lock().unwrap().len()
    };
    assert!(acts > 15, "{acts}");
    for last in 0..acts {
        let place = Place::with_generations(2);
        let counted = AtomicUsize::new(0);
        place.disk.to(move |act| {
            let ended = of_lower_layer(act);
            ended.or_else(|| {
                let is_over = counted.fetch_add(1, Ordering::Relaxed) >= last;
                is_over.then(|| io::Error::from_raw_os_error(5))
            })
        });
        let plan = place.store.plan_sweep(&all_but_the_current()).unwrap();
        let _ = place.store.sweep(plan, &Silent, &Cancel::new());
        // Whatever was deleted by then, no link of a generation leads to what is gone.
        for generation in place.names("generations") {
            for name in place.names(&format!("generations/{generation}")) {
                let link = place.home().join("generations").join(&generation).join(name);
                assert!(fs::canonicalize(link).is_ok(), "act {last}");
            }
        }
        // Another process.
        let disk = Arc::<Refusing>::default();
        disk.to(of_lower_layer);
        let place = Place { store: store(&place.home(), &disk), disk, ..place };
        place.publish(3);
        place.sweep();
        place.is_clean();
    }
}

#[test]
fn what_cannot_be_cleaned_up_blocks_nothing_is_reported_and_goes_later() {
    let place = Place::with_generations(4);
    let home = place.home();
    fs::create_dir_all(home.join("staging/0123456789abcdef/0")).unwrap();
    fs::create_dir_all(home.join("trash/0123456789abcdef/0")).unwrap();
    fs::create_dir_all(home.join("generations/5")).unwrap();
    fs::write(home.join("leases/1-0123456789abcdef"), "").unwrap();
    let stuck = [
        place.entry(2),
        home.join("generations/1"),
        home.join("generations/5"),
        home.join("staging/0123456789abcdef"),
        home.join("trash/0123456789abcdef"),
        home.join("leases/1-0123456789abcdef"),
    ];
    let refused = stuck.clone();
    place.disk.to(move |act| {
        let touched = [Some(act.path), act.from];
        let is_stuck = |path: &Path| refused.iter().any(|stuck| path.starts_with(stuck));
        let moves = matches!(act.verb, Verb::Rename | Verb::Remove | Verb::SetMode);
        (moves && touched.into_iter().flatten().any(is_stuck)).then(denied)
    });
    let report = place.sweep();
    assert_eq!(report.retired, [1, 2, 3].map(number));
    assert!(report.trouble.is_some(), "{report:?}");
    assert!(place.entry(1).is_dir(), "a generation that stays leads to what it led to");

    let (notices, cancel) = (Notices::default(), Cancel::new());
    place.publish_hearing(5, &notices);
    for path in [&stuck[0], &stuck[1], &stuck[3]] {
        assert_eq!(notices.of(path.to_str().unwrap()), 1, "{:?}", notices.0.lock().unwrap());
    }
    assert_eq!(place.store.current(), Some(number(6)), "the name of 5 is not free");
    let tool = "linked".parse().unwrap();
    place.store.link(&tool, place.root.path(), &notices, &cancel).unwrap();
    place.store.rollback(None, &[], &notices, &cancel).unwrap();
    place.store.remove(&[tool], &notices, &cancel).unwrap();
    place.store.repair(&notices, &cancel).unwrap();
    place.store.reset(&notices, &cancel).unwrap();
    place.store.compact(&notices, &cancel).unwrap();
    place.sweep();
    let left = place.store.leftovers(&place.store.state().unwrap());
    assert!(left.iter().any(|finding| finding.path == stuck[3]), "{left:?}");
    assert!(stuck.iter().all(|path| path.symlink_metadata().is_ok()));

    place.disk.nothing();
    place.publish(6);
    place.sweep();
    place.sweep();
    assert!(stuck.iter().all(|path| path.symlink_metadata().is_err()));
    place.is_clean();
}

#[test]
fn what_is_mounted_in_an_entry_is_left_alone_and_blocks_nothing() {
    let place = Place::with_generations(2);
    let (mine, at) = (place.root.path().join("mine"), place.entry(1).join("deep"));
    fs::create_dir(&mine).unwrap();
    fs::write(mine.join("precious"), "x").unwrap();
    let Some(mounted) = Mount::bind(&mine, &at) else { return };
    let report = place.sweep();
    assert!(report.trouble.is_some() && mine.join("precious").exists(), "{report:?}");
    place.publish(3);
    place.sweep();
    assert!(mine.join("precious").exists());
    // It went to the trash with the directory that it lies in.
    let trash = place.names("trash");
    let at = place.home().join("trash").join(trash.first().unwrap()).join("deep");
    drop(mounted.moved_to(at));
    place.sweep();
    assert!(mine.join("precious").exists());
    place.is_clean();
}

// ---- Real overlays.

/// A store that was made in an image, with two modules of two generations each.
struct Image {
    base: Mount,
    repos: [Repo; 2],
}

const SWEEP: [&str; 5] = ["gc", "--keep", "1", "--older-than", "0s"];

impl Image {
    fn built() -> Option<Self> {
        let base = Mount::tmpfs(256)?;
        let repos = ["one", "two"].map(|name| Repo::create(&base.path(), name));
        let image = Self { base, repos };
        let home = image.home_at(&image.base.path().join("lower"));
        image.publish("image 1");
        let sources: Vec<String> =
            image.repos.iter().map(|repo| format!("git+{}", repo.url_file())).collect();
        home.declare(&[("one", &sources[0]), ("two", &sources[1])]);
        home.run(&["update"]).ok();
        image.publish("image 2");
        home.run(&["update"]).ok();
        Some(image)
    }

    fn home_at(&self, layer: &Path) -> TestHome {
        TestHome::in_memory(BINARY).with_store_at(layer.join("store"))
    }

    fn publish(&self, text: &str) {
        for (number, repo) in self.repos.iter().enumerate() {
            repo.commit(
                "main",
                &[
                    Change::write("text", text),
                    Change::write("number", number.to_string()),
                    Change::write("deep/same", "the same"),
                    Change::exec("run", "#!/bin/sh\n"),
                    Change::symlink("link", "deep/same"),
                ],
            );
        }
    }

    /// The layer above, mounted with these options.
    fn container(&self, name: &str, options: &str) -> Option<Mount> {
        Mount::layered(&self.base.path().join("lower"), &self.base.path().join(name), options)
    }

    #[track_caller]
    fn is_served(&self, home: &TestHome) {
        for (repo, name) in self.repos.iter().zip(["one", "two"]) {
            assert_eq!(home.tree(name), repo.tree("main"));
        }
    }
}

#[track_caller]
fn without_warning(ran: Ran) -> Ran {
    let ran = ran.ok();
    assert!(!ran.stderr.contains("warning:"), "{ran:?}");
    ran
}

const LAYERINGS: [&str; 4] = [
    ",redirect_dir=off",
    ",redirect_dir=on",
    ",redirect_dir=on,metacopy=on",
    ",redirect_dir=off,index=on",
];

#[test]
fn a_store_of_an_image_is_updated_swept_and_repaired_in_the_layer_above() {
    let Some(image) = Image::built() else { return };
    for (number, options) in LAYERINGS.into_iter().enumerate() {
        let Some(container) = image.container(&format!("container {number}"), options) else {
            continue;
        };
        let home = image.home_at(&container.path());
        without_warning(home.run(&["verify"]));
        image.publish(&format!("day {number}"));
        let report = without_warning(home.run(&["update", "--json"])).json();
        let linked = report["cost"]["files_linked"].as_u64().unwrap();
        assert!(linked >= 2, "files of the lower layer are linked, not fetched: {report}");
        image.is_served(&home);
        let same = home.target("one").join("deep/same").metadata().unwrap();
        assert_eq!((same.nlink() >= 2, same.mode() & 0o777), (true, 0o444), "{options}");
        without_warning(home.run(&["verify"]));
        without_warning(home.run(&SWEEP));
        assert_eq!(fs::read_dir(home.path().join("entries")).unwrap().count(), 2, "{options}");
        assert!(!home.path().join("condemned").exists() && home.leftovers().is_empty());
        let linked = home.scratch();
        image.publish(&format!("later {number}"));
        for args in [
            &["update"][..],
            &["link", "mine", linked.to_str().unwrap()],
            &["remove", "mine"],
            &["rollback"],
            &["update"],
            &SWEEP,
            &["verify", "--repair"],
            &["reset"],
            &["verify"],
        ] {
            without_warning(home.run(args));
        }
        image.is_served(&home);
        without_warning(home.run(&["reset", "--purge"]));
        assert!(!home.path().join("entries").exists());
    }
}

#[test]
fn a_damaged_entry_of_a_lower_layer_is_replaced_and_what_was_there_is_kept() {
    let Some(image) = Image::built() else { return };
    for (number, options) in LAYERINGS.into_iter().enumerate() {
        let Some(container) = image.container(&format!("damaged {number}"), options) else {
            continue;
        };
        let home = image.home_at(&container.path());
        let entry = fs::canonicalize(home.target("one")).unwrap();
        let text = entry.join("text");
        let time = text.metadata().unwrap().modified().unwrap();
        fs::set_permissions(&text, fs::Permissions::from_mode(0o644)).unwrap();
        fs::write(&text, "IMAGE 2").unwrap();
        fs::File::options().write(true).open(&text).unwrap().set_modified(time).unwrap();
        fs::set_permissions(&text, fs::Permissions::from_mode(0o444)).unwrap();
        fs::remove_file(home.path().join("generations/2/two")).unwrap();
        home.run(&["verify", "--repair"]).ok();
        assert_eq!(home.tree("one")["text"], image.repos[0].tree("main")["text"], "{options}");
        image.is_served(&home);
        without_warning(home.run(&["verify"]));
        let kept = home.grep_bytes("IMAGE 2");
        assert!(kept.iter().any(|path| path.iter().any(|part| part == "quarantine")), "{kept:?}");

        // An entry that is not whole, and wanted again.
        let entry = fs::canonicalize(home.target("two")).unwrap();
        fs::set_permissions(entry.join("deep"), fs::Permissions::from_mode(0o755)).unwrap();
        fs::remove_file(entry.join("deep/same")).unwrap();
        home.run(&["update", "--retry"]).ok();
        home.run(&["reset"]).ok();
        image.is_served(&home);
        without_warning(home.run(&["verify"]));
    }
}

#[test]
fn a_lock_of_a_lower_layer_excludes_and_a_sweep_cut_off_in_the_image_is_finished_above() {
    let Some(image) = Image::built() else { return };
    let lower = image.base.path().join("lower/store");
    // As a killed sweep leaves it: recorded, condemned, and all in its place.
    let disk = Arc::<Refusing>::default();
    let store = store(&lower, &disk);
    disk.to(|act| {
        let names = [Some(act.path), act.from];
        let is_kept = |path: &Path| {
            path.starts_with("/")
                && path.iter().any(|part| part == "generations" || part == "entries")
        };
        let moves = matches!(act.verb, Verb::Rename | Verb::Remove | Verb::SetMode);
        (moves && names.into_iter().flatten().any(is_kept)).then(denied)
    });
    let plan = store.plan_sweep(&all_but_the_current()).unwrap();
    assert!(store.sweep(plan, &Silent, &Cancel::new()).unwrap().trouble.is_some());
    assert!(lower.join("condemned").exists() && lower.join("generations/1").is_dir());

    let Some(container) = image.container("container", ",redirect_dir=off") else { return };
    let home = image.home_at(&container.path());
    let path = home.path().join("locks/store");
    let lock =
        modstore_core::disk::Lock::take(&path, "test", LockWait::at_most(Duration::ZERO)).unwrap();
    home.run(&["--lock-timeout", "0", "remove", "two"]).fails(3);
    drop(lock);
    without_warning(home.run(&["remove", "two"]));
    assert!(!home.path().join("generations/1").exists());
    assert!(!home.path().join("condemned").exists());
    without_warning(home.run(&SWEEP));
    without_warning(home.run(&["verify"]));
    assert_eq!(fs::read_dir(home.path().join("entries")).unwrap().count(), 1);
}

#[test]
fn an_immutable_file_stays_is_reported_and_blocks_nothing() {
    let Some(mount) = Mount::ext4(32) else { return };
    let home = TestHome::in_memory(BINARY).with_store_at(mount.path().join("store"));
    let repo = Repo::create(&home.scratch(), "tool");
    repo.write(&[("deep/file", "1")]);
    home.declare(&[("tool", &format!("git+{}", repo.url_file()))]);
    home.run(&["update"]).ok();
    let entry = fs::canonicalize(home.target("tool")).unwrap();
    let chattr = |flag: &str, path: &Path| {
        let ran = std::process::Command::new("chattr").arg(flag).arg(path).status();
        ran.is_ok_and(|status| status.success())
    };
    let file = entry.join("deep/file");
    if !chattr("+i", &file) {
        return modstore_testbed::skip_loudly("chattr cannot make a file immutable here");
    }
    repo.write(&[("deep/file", "2")]);
    home.run(&["update"]).ok();
    let ran = home.run(&[&["--json"][..], &SWEEP[..]].concat()).ok();
    let notices = ran.json()["notices"].to_string();
    assert!(
        notices.contains("Operation not permitted") && notices.contains("deep/file"),
        "{ran:?}"
    );
    assert!(ran.stderr.contains("warning: cannot remove"), "{ran:?}");
    home.run(&["status"]).ok();
    assert!(home.run(&["status"]).ok().stdout.contains("leftovers"));
    repo.write(&[("deep/file", "3")]);
    for args in
        [&["update"][..], &["rollback"], &["update", "tool"], &SWEEP, &["verify", "--repair"]]
    {
        home.run(args).ok();
    }
    assert_eq!(home.tree("tool"), repo.tree("main"));
    let trash = home.leftovers();
    let stuck = trash.iter().find_map(|tree| {
        let file = tree.join("deep/file");
        file.exists().then_some(file)
    });
    assert!(chattr("-i", &stuck.expect("it is in the trash")));
    without_warning(home.run(&SWEEP));
    assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());
    assert!(!home.run(&["status"]).ok().stdout.contains("leftovers"));
}

#[test]
fn a_home_where_names_fold_refuses_what_would_collide_or_leave_by_another_spelling() {
    let Some(mount) = Mount::casefold(32) else { return };
    let home = TestHome::in_memory(BINARY).with_store_at(mount.path().join("folding/store"));
    let trees: [&[Change]; 4] = [
        &[Change::write("A", "1"), Change::write("a", "2")],
        &[Change::write("d/\u{e9}", "1"), Change::write("d/e\u{301}", "2")],
        &[Change::symlink("x/UP", "."), Change::symlink("out", "x/up/../..")],
        &[Change::symlink("D", "x"), Change::write("x/f", ""), Change::write("d/planted", "")],
    ];
    for (number, changes) in trees.iter().enumerate() {
        let repo = Repo::create(&home.scratch(), &format!("folded{number}"));
        repo.commit("main", changes);
        let ran = home.run(&["add", &format!("git+{}", repo.url_file())]).fails(1);
        assert!(ran.stderr.contains("is refused"), "{ran:?}");
    }
    let repo = Repo::create(&home.scratch(), "good");
    repo.commit("main", &[Change::write("Read", "me"), Change::symlink("l", "Read")]);
    home.run(&["add", &format!("git+{}", repo.url_file())]).ok();
}
