//! `expose`: a link at a place of a host's, from the moment it is made to the moment it is taken away.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

use std::{
    fs,
    os::unix::fs::{PermissionsExt as _, symlink},
    path::{Path, PathBuf},
};

use modstore_testbed::{Repo, TestHome};
use serde_json::{Value, json};

#[test]
fn remove_says_what_hangs_on_a_module() {
    let world = World::new();
    let place = world.expose("weather");
    world.home.run(&["hold", "weather"]).ok();
    let removed = world.json(&["remove", "weather"]);
    let shown = place.to_str().unwrap();
    assert_eq!(removed["exposed"], json!([{"module": "weather", "place": shown, "there": false}]));
    assert_eq!(removed["released"], json!(["weather"]));
    assert_eq!(removed["environments"], json!([]));
    assert!(place.symlink_metadata().is_err());
    assert_eq!(world.json(&["remove", "part"])["exposed"], json!([]));
}

/// A store with two modules, and the directory of a host.
struct World {
    home: TestHome,
    repo: Repo,
    host: PathBuf,
}

impl World {
    fn new() -> Self {
        let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
        let root = home.scratch();
        let repo = Repo::create(&root, "weather");
        repo.write(&[("v", "1"), ("part/v", "1")]);
        let source = format!("git+{}", repo.url_file());
        home.run(&["add", &source, &format!("{source}#subdirectory=part")]).ok();
        let host = home.user_home().join("host/plugins");
        fs::create_dir_all(&host).unwrap();
        let host = host.canonicalize().unwrap();
        Self { home, repo, host }
    }

    fn place(&self, name: &str) -> PathBuf {
        self.host.join(name)
    }

    fn expose(&self, module: &str) -> PathBuf {
        let place = self.place(module);
        self.home.run(&["expose", module, place.to_str().unwrap()]).ok();
        place
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.home.run(&[&["--json"], arguments].concat()).json()
    }

    /// The codes of the findings about exposures.
    fn codes(&self) -> Vec<String> {
        let told = self.json(&["verify", "--quick"]);
        let findings = told["findings"].as_array().unwrap().iter();
        let codes = findings.map(|finding| finding["code"].as_str().unwrap().to_owned());
        codes.filter(|code| code.starts_with("exposed-")).collect()
    }

    fn repair(&self) -> Value {
        let told = self.json(&["verify", "--repair"]);
        assert_eq!(self.codes(), [""; 0], "{told:#}");
        told["repair"].clone()
    }

    fn exposed(&self) -> Value {
        self.json(&["status"])["exposed"].clone()
    }
}

fn version(place: &Path) -> String {
    fs::read_to_string(place.join("v")).unwrap_or_default()
}

#[test]
fn a_link_is_made_once_and_follows_every_switch() {
    let world = World::new();
    let place = world.expose("weather");
    assert_eq!(version(&place), "1");
    world.repo.write(&[("v", "2")]);
    world.home.run(&["update"]).ok();
    assert_eq!(version(&place), "2");
    world.home.run(&["rollback"]).ok();
    assert_eq!(version(&place), "1");
    assert_eq!(world.exposed(), json!([{ "module": "weather", "place": place, "there": true }]));
    world.expose("weather");
    assert!(world.home.run(&["status"]).ok().stdout.contains("weather at "));
    assert_eq!(world.codes(), [""; 0]);
    let events = world.json(&["events"]);
    let events = events["events"].as_array().unwrap();
    assert_eq!(events.iter().filter(|event| event["event"] == "exposed").count(), 1);
}

#[test]
fn several_are_made_and_taken_away_by_their_directory() {
    let world = World::new();
    let host = world.host.to_str().unwrap();
    world.home.run(&["expose", "weather", "part", "--dir", host]).ok();
    assert_eq!(
        (version(&world.place("weather")), version(&world.place("part"))),
        ("1".into(), "1".into())
    );
    let other = world.home.user_home().join("other");
    world.home.run(&["expose", "part", other.to_str().unwrap()]).ok();
    world.home.run(&["unexpose", "--dir", host]).ok();
    assert!(!world.place("weather").is_symlink() && other.is_symlink());
    world.home.run(&["unexpose", "--dir", host]).fails(2).says("no module is exposed in");
    world.home.run(&["unexpose", "part"]).ok();
    assert!(!other.is_symlink());
    assert_eq!(world.exposed(), json!([]));
}

#[test]
fn nothing_that_is_there_is_ever_replaced() {
    let world = World::new();
    let refuses = |place: &Path, says: &str| {
        let ran = world.home.run(&["expose", "weather", place.to_str().unwrap()]).fails(2);
        assert!(ran.stderr.contains(says) && ran.stderr.contains("hint:"), "{says}: {ran:?}");
        assert_eq!(world.exposed(), json!([]), "{says}");
    };
    fs::write(world.place("file"), "mine").unwrap();
    fs::create_dir(world.place("directory")).unwrap();
    symlink("/usr", world.place("link")).unwrap();
    symlink("/nowhere", world.place("dangling")).unwrap();
    refuses(&world.place("file"), "is there already");
    refuses(&world.place("directory"), "is there already");
    refuses(&world.place("link"), "is a link to /usr already");
    refuses(&world.place("dangling"), "is a link to /nowhere already");
    refuses(&world.place("no/such"), "in a directory that does not exist");
    refuses(&world.home.path().join("live/x"), "in the store's own directory");
    assert_eq!(fs::read(world.place("file")).unwrap(), b"mine");
    world.expose("part");
    let taken = world.place("part");
    let ran = world.home.run(&["expose", "weather", taken.to_str().unwrap()]).fails(2);
    assert!(ran.stderr.contains("exposes module `part` already"), "{ran:?}");
    world.home.run(&["expose", "nope", "x"]).fails(2);
    world.home.run(&["expose", "weather"]).fails(2);
    world.home.run(&["unexpose", "weather"]).fails(2);
}

#[test]
fn a_place_that_another_store_wants_too_is_refused_by_name() {
    let (one, two) = (World::new(), World::new());
    let place = one.expose("weather");
    let ran = two.home.run(&["expose", "weather", place.to_str().unwrap()]).fails(2);
    let home = one.home.path().canonicalize().unwrap();
    let says = format!("exposes module `weather` of the store in {}", home.display());
    assert!(ran.stderr.contains(&says), "{ran:?}");
    one.home.run(&["unexpose", "weather"]).ok();
    two.home.run(&["expose", "weather", place.to_str().unwrap()]).ok();
}

#[test]
fn whatever_became_of_a_link_is_found_and_mended_and_nothing_of_the_user_is_lost() {
    let world = World::new();
    let place = world.expose("weather");
    fs::remove_file(&place).unwrap();
    assert_eq!(world.codes(), ["exposed-missing"]);
    assert_eq!(world.exposed()[0]["there"], false);
    world.repair();
    assert_eq!(version(&place), "1");
    // A backup that was put back, with an edit.
    fs::remove_file(&place).unwrap();
    fs::create_dir(&place).unwrap();
    fs::write(place.join("v"), "edited").unwrap();
    assert_eq!(world.codes(), ["exposed-replaced"]);
    let repair = world.repair();
    let kept = repair["repaired"][0]["quarantine"].as_str().unwrap().to_owned();
    assert_eq!((version(&place), version(Path::new(&kept))), ("1".into(), "edited".into()));
    fs::remove_file(&place).unwrap();
    symlink("/usr", &place).unwrap();
    assert_eq!(world.codes(), ["exposed-elsewhere"]);
    // The doctor finds it too, also where there is no Python to look at.
    let told = world.json(&["doctor", "--quick"]);
    assert_eq!(told["exposed"][0]["code"], "exposed-elsewhere", "{told:#}");
    let told = world.json(&["doctor", "--quick", "--fix"]);
    assert_eq!((&told["exposed"], &told["exposed_fixed"]), (&json!([]), &json!([place])));
    assert_eq!(version(&place), "1");
    // The host's directory is elsewhere: the link went along, and is exposed there once that is said.
    let moved = world.home.user_home().join("moved");
    fs::rename(&world.host, &moved).unwrap();
    assert_eq!(world.codes(), ["exposed-unplaced"]);
    world.repair();
    assert_eq!(world.exposed(), json!([]));
    let place = moved.join("weather");
    world.home.run(&["expose", "weather", place.to_str().unwrap()]).ok();
    assert_eq!((version(&place), world.codes()), ("1".into(), Vec::new()));
}

#[test]
fn a_store_that_was_moved_finds_its_old_links_and_leads_them_to_itself() {
    let world = World::new();
    let place = world.expose("weather");
    let moved = world.home.scratch().join("elsewhere");
    fs::rename(world.home.path(), &moved).unwrap();
    let at = ["--home", moved.to_str().unwrap()];
    let told = world.json(&[&at[..], &["verify", "--quick"]].concat());
    assert_eq!(told["findings"][0]["code"], "exposed-elsewhere", "{told:#}");
    world.json(&[&at[..], &["verify", "--repair"]].concat());
    assert_eq!(version(&place), "1");
    let beside = fs::read_dir(&world.host).unwrap().count();
    assert_eq!(beside, 1, "a link of the store's own is no loss");
    world.json(&[&at[..], &["unexpose", "weather"]].concat());
    assert!(!place.is_symlink());
}

#[test]
fn remove_and_purge_take_links_away_and_leave_what_is_not_theirs() {
    let world = World::new();
    let (weather, part) = (world.expose("weather"), world.expose("part"));
    world.home.run(&["remove", "weather"]).ok();
    assert!(!weather.is_symlink() && part.is_symlink());
    assert_eq!(world.exposed(), json!([{ "module": "part", "place": part, "there": true }]));
    world.home.run(&["reset", "--purge"]).ok();
    assert!(!part.is_symlink());
    let world = World::new();
    let (weather, part) = (world.expose("weather"), world.expose("part"));
    fs::remove_file(&weather).unwrap();
    fs::write(&weather, "mine").unwrap();
    // What nobody declares any more goes with the next update, and its link with it.
    let declared = fs::read_to_string(world.home.path().join("modules.toml")).unwrap();
    let (_, of_part) = declared.split_once("[modules.part]").unwrap();
    world.home.write_modules(&declared.replace(&format!("[modules.part]{of_part}"), ""));
    world.home.run(&["update"]).ok();
    assert!(!part.is_symlink());
    world.home.run(&["remove", "weather"]).ok();
    assert_eq!(fs::read(&weather).unwrap(), b"mine", "it took the link's place and stays");
    assert_eq!(world.exposed(), json!([]));
}

#[test]
fn a_place_that_cannot_be_written_is_refused_and_nothing_is_recorded() {
    let world = World::new();
    // `chattr` would do for root too, and not on every file system: a file system that is read-only does.
    let place = Path::new("/proc/weather");
    let ran = world.home.run(&["expose", "weather", place.to_str().unwrap()]);
    assert_ne!(ran.status, 0, "{ran:?}");
    assert!(ran.stderr.contains("/proc/weather"), "{ran:?}");
    assert_eq!(world.exposed(), json!([]));
    let file = world.place("file");
    fs::write(&file, "mine").unwrap();
    let below = file.join("weather");
    world.home.run(&["expose", "weather", below.to_str().unwrap()]).fails(2);
    // On another file system than the store's.
    let other = tempfile::tempdir_in("/dev/shm").unwrap();
    let place = other.path().join("weather");
    world.home.run(&["expose", "weather", place.to_str().unwrap()]).ok();
    assert_eq!(version(&place), "1");
    world.home.run(&["unexpose", place.to_str().unwrap()]).ok();
    fs::set_permissions(&world.host, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn exposures_outlive_a_repair_of_the_journal() {
    let world = World::new();
    let place = world.expose("weather");
    let journal = world.home.path().join("journal");
    let mut bytes = fs::read(&journal).unwrap();
    bytes[60] ^= 1;
    fs::write(&journal, bytes).unwrap();
    world.home.run(&["verify", "--repair"]);
    assert_eq!(world.exposed()[0]["place"], json!(place));
}
