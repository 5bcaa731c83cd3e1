//! Kind of file × damage.

use std::{
    collections::BTreeMap,
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use modstore::{Cancel, Depth, Options, Silent, Store};
use modstore_testbed::{Running, skip_loudly};

use super::{
    harm::{Harm, undo_permissions},
    kinds::Kind,
    world::{Verified, World},
};

/// What people and hosts run on a store they do not know to be damaged. The last two change it.
const COMMANDS: [&[&str]; 8] = [
    &["list"],
    &["status"],
    &["history"],
    &["path", "tool", "--entry"],
    &["diff", "1"],
    &["outdated"],
    &["update"],
    &["rollback", "--to", "1"],
];

#[derive(Debug)]
struct Point {
    kind: Kind,
    path: String,
    harm: Harm,
}

fn points(world: &World) -> Vec<Point> {
    let kinds = Kind::ALL.into_iter();
    kinds
        .flat_map(|kind| {
            let paths = kind.stand_ins(world).into_iter();
            paths.flat_map(move |path| {
                Harm::ALL.map(|harm| Point { kind, path: path.clone(), harm })
            })
        })
        .collect()
}

/// Runs one point; none, when the damage makes no sense for that kind of file.
fn run(world: &World, point: &Point) -> Option<String> {
    let Point { kind, path, harm } = point;
    let (kind, harm) = (*kind, *harm);
    let what = format!("{kind:?} {path} {harm:?}");
    let home = world.copy();
    if !harm.does(&home.path().join(path), |length| kind.flipped_byte(length)) {
        return None;
    }
    let full = Verified::of(&home, &[]);
    let quick = Verified::of(&home, &["--quick"]);
    let found = match kind.found_as(harm) {
        Some((code, by_quick)) => {
            let at = kind.found_at(harm, path);
            assert!(full.has(code, &at), "{what}: {:?}", full.findings());
            assert_eq!(quick.has(code, &at), by_quick, "{what}: {:?}", quick.findings());
            match by_quick {
                true => code.to_owned(),
                false => format!("{code}; quick: {:?}", quick.codes()),
            }
        }
        None => {
            assert_eq!(full.findings(), [], "{what}");
            "-".to_owned()
        }
    };
    if matches!(kind, Kind::File | Kind::Executable) {
        let is_seen = !quick.findings().is_empty();
        assert_eq!(is_seen, harm != Harm::SilentlyFlipped, "{what}: {:?}", quick.findings());
    }
    assert_eq!(full.ran.status, if full.is_sound() { 0 } else { 4 }, "{what}: {:?}", full.ran);
    if full.is_sound() {
        world.assert_serves_what_git_has(&home, &what);
    }
    for command in COMMANDS {
        let ran = home.run(command);
        let is_an_end = matches!(ran.status, 0..=4) && !ran.stderr.contains("panicked");
        assert!(is_an_end, "{what}, then {command:?}: {ran:?}");
        assert_eq!(ran.status != 0, ran.stderr.contains("error:"), "{what}, {command:?}: {ran:?}");
        let changes = matches!(command[0], "update" | "rollback");
        if changes && Verified::of(&home, &[]).is_sound() {
            world.assert_serves_what_git_has(&home, &format!("{what}, then {command:?}"));
        }
    }
    undo_permissions(home.path());
    Some(found)
}

/// Damages, repairs, and says how it was repaired; none, when the damage makes no sense for that kind of file.
fn repair(world: &World, point: &Point) -> Option<String> {
    let Point { kind, path, harm } = point;
    let what = format!("{kind:?} {path} {harm:?}");
    let home = world.copy();
    if !harm.does(&home.path().join(path), |length| kind.flipped_byte(length)) {
        return None;
    }
    let yours = fs::read(home.path().join("modules.toml")).ok();
    let ran = home.run(&["verify", "--repair", "--json"]).ok();
    let mended = ran.json()["repair"]["repaired"].clone();
    let hows = mended.as_array().unwrap().iter().map(|mended| mended["how"].as_str().unwrap());
    let hows = hows.collect::<Vec<_>>().join(", ");
    let now = Verified::of(&home, &[]);
    // What is yours is not touched, and git's names come with the next full fetch.
    let may_stay = |code: &str| {
        code.starts_with("declarations-")
            || ["quarantined", "journal-kept", "git-damaged"].contains(&code)
    };
    let left = now.codes().into_iter().filter(|code| !may_stay(code));
    assert_eq!(left.collect::<Vec<_>>(), Vec::<String>::new(), "{what}: {:?}", now.findings());
    assert_eq!(fs::read(home.path().join("modules.toml")).ok(), yours, "{what}");
    if *kind != Kind::Declarations {
        home.run(&["list"]).ok();
        world.assert_serves_what_git_has(&home, &what);
        home.run(&["rollback", "--to", "1"]).ok();
        world.assert_serves_what_git_has(&home, &format!("{what}, then a rollback"));
    }
    let again = home.run(&["verify", "--repair", "--json"]).ok();
    assert_eq!(
        again.json()["repair"]["repaired"].as_array().unwrap().len(),
        0,
        "{what}: {again:?}"
    );
    undo_permissions(home.path());
    Some(if hows.is_empty() { "-".into() } else { hows })
}

#[test]
fn every_kind_of_damage_to_every_kind_of_file_is_found_and_named() {
    try_all(run);
}

#[test]
fn every_kind_of_damage_to_every_kind_of_file_is_repaired() {
    try_all(repair);
}

/// Tries every point, and prints what came of it.
fn try_all(run: impl Fn(&World, &Point) -> Option<String> + Sync) {
    let world = World::new();
    let (points, next) = (points(&world), AtomicUsize::new(0));
    let found: Mutex<BTreeMap<(Kind, Harm), String>> = Mutex::default();
    let failed: Mutex<Vec<String>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(point) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    // So that one that fails keeps none of the others from being tried.
                    match catch_unwind(AssertUnwindSafe(|| run(&world, point))) {
                        Ok(Some(code)) => {
                            found.lock().unwrap().insert((point.kind, point.harm), code);
                        }
                        Ok(None) => {}
                        Err(_) => failed.lock().unwrap().push(format!("{point:?}")),
                    }
                }
            });
        }
    });
    let found = found.into_inner().unwrap();
    for ((kind, harm), code) in &found {
        println!("{:14} {:16} {code}", format!("{kind:?}"), format!("{harm:?}"));
    }
    println!("{} points", points.len());
    let failed = failed.into_inner().unwrap();
    assert!(failed.is_empty(), "{} points failed: {failed:#?}", failed.len());
    assert!(Kind::ALL.iter().all(|kind| found.keys().any(|(each, _)| each == kind)));
}

#[test]
fn the_matrix_has_every_file_of_a_home() {
    let world = World::new();
    for path in world.paths() {
        assert!(Kind::of(world.home.path(), &path).is_some(), "{} is of no kind", path.display());
    }
    for kind in Kind::ALL {
        for path in kind.stand_ins(&world) {
            assert_eq!(Kind::of(world.home.path(), Path::new(&path)), Some(kind), "{path}");
        }
    }
}

#[test]
fn no_flipped_bit_of_the_marker_keeps_a_store_from_being_opened_or_looked_at() {
    let world = World::new();
    let home = world.copy();
    let path = home.path().join("format.json");
    let good = fs::read(&path).unwrap();
    let mut noticed = 0;
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, bytes).unwrap();
        let opened = Store::open(home.path(), Options::default());
        let found = Store::open_to_inspect(home.path(), Options::default())
            .map(|store| store.verify(Depth::Quick, &[], &Silent, &Cancel::new()).unwrap());
        match found {
            // Another version: it is for that version to say what is damaged.
            Err(error) => assert!(error.to_string().contains("format"), "bit {bit}: {error}"),
            Ok(found) => assert!(opened.is_ok() || !found.is_sound(), "bit {bit}"),
        }
        noticed += usize::from(opened.is_err());
    }
    println!("{noticed} of {} flipped bits of format.json are noticed", good.len() * 8);
}

#[test]
fn a_last_frame_that_rots_after_the_switch_is_found_by_the_switch() {
    let world = World::new();
    let home = world.copy();
    let path = home.path().join("journal");
    let good = fs::read(&path).unwrap();
    let last = good.windows(4).rposition(|bytes| bytes == b"msj1").unwrap();
    for byte in (last..good.len()).step_by(7) {
        let mut bytes = good.clone();
        bytes[byte] ^= 1;
        fs::write(&path, bytes).unwrap();
        let verified = Verified::of(&home, &["--quick"]);
        let torn_or_damaged = verified.has("journal-torn", "journal")
            && verified.has("current-ahead", "current")
            || verified.has("journal-damaged", "journal");
        assert!(torn_or_damaged && !verified.is_sound(), "byte {byte}: {:?}", verified.findings());
    }
}

#[test]
fn what_may_not_be_read_is_found_by_who_may_not_read_it() {
    if !rustix::process::geteuid().is_root() {
        return skip_loudly("becoming another user needs root");
    }
    let world = World::new();
    for kind in [Kind::Journal, Kind::Manifest, Kind::Entry, Kind::File, Kind::Folder, Kind::Part] {
        for path in kind.stand_ins(&world) {
            let home = world.copy();
            let binary = home.scratch().join("modstore");
            fs::copy(super::BINARY, &binary).unwrap();
            let place = home.path().parent().unwrap();
            let owned = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(place).status();
            assert!(owned.unwrap().success());
            assert!(Harm::Permissions.does(&home.path().join(&path), |length| length / 2));
            let user = ["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"];
            let command = [&user[..], &[binary.to_str().unwrap(), "verify", "--json"]].concat();
            let ran = Running::start(home.command_of(Path::new("setpriv"), &command)).wait();
            let ran = ran.fails(4);
            let findings = ran.json()["findings"].to_string();
            assert!(findings.contains(&path), "{kind:?} {path}: {findings}");
            undo_permissions(home.path());
        }
    }
}
