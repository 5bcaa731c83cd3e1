//! Kind of file × damage.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

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

#[test]
fn every_kind_of_damage_to_every_kind_of_file_is_found_and_named() {
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
fn no_flipped_bit_of_the_marker_or_the_switch_keeps_a_command_from_ending_well() {
    let world = World::new();
    let home = world.copy();
    let path = home.path().join("format.json");
    let good = std::fs::read(&path).unwrap();
    let mut found = 0;
    for bit in 0..good.len() * 8 {
        let mut bytes = good.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, bytes).unwrap();
        let ran = home.run(&["verify", "--quick", "--json"]);
        assert!(matches!(ran.status, 0 | 1 | 4) && !ran.stderr.contains("panicked"), "{ran:?}");
        found += usize::from(ran.status != 0);
    }
    println!("{found} of {} flipped bits of format.json are noticed", good.len() * 8);
    assert!(found > good.len() * 4);
}
