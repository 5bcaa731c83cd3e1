//! Nothing is built needlessly: a store that was moved, or whose journal is gone: T8, T11.

use std::{fs, process::Command};

use modstore_testbed::{TestHome, skip_loudly};

use super::world::{World, json, says};

#[test]
fn t8_a_store_that_was_moved_with_its_sources_builds_nothing_and_has_no_second_rows() {
    let world = World::new();
    world.scan(0);
    let history = world.json(&["history"], 0)["generations"].as_array().unwrap().len();
    let moved = world.home.scratch().join("moved");
    fs::create_dir(&moved).unwrap();
    fs::rename(world.home.path(), moved.join("store")).unwrap();
    fs::rename(world.home.scratch().join("src"), moved.join("src")).unwrap();
    let text = fs::read_to_string(moved.join("store/modules.toml")).unwrap();
    let (old, new) =
        (world.source("tool").display().to_string(), moved.join("src/tool").display().to_string());
    fs::write(moved.join("store/modules.toml"), text.replace(&old, &new)).unwrap();
    let told = world
        .home
        .run(&["--json", "--home", moved.join("store").to_str().unwrap(), "scan"])
        .ok()
        .json();
    assert_eq!((world.starts(), told["unchanged"][0]["module"].as_str()), (0, Some("tool")));
    let past = world
        .home
        .run(&["--json", "--home", moved.join("store").to_str().unwrap(), "history"])
        .ok()
        .json();
    assert_eq!(past["generations"].as_array().unwrap().len(), history);
}

#[test]
fn t8_a_store_that_is_seen_at_a_second_path_is_the_same_store() {
    let world = World::new();
    world.scan(0);
    let second = world.home.scratch().join("second");
    fs::create_dir(&second).unwrap();
    let mount = |arguments: &[&std::ffi::OsStr]| {
        Command::new("mount").args(arguments).status().is_ok_and(|status| status.success())
    };
    if !mount(&["--bind".as_ref(), world.home.path().as_os_str(), second.as_os_str()]) {
        return skip_loudly("bind mounts need root");
    }
    let there =
        |home: &TestHome| home.run(&["--json", "--home", second.to_str().unwrap(), "scan"]).json();
    let told = there(&world.home);
    let unmounted =
        Command::new("umount").arg(&second).status().is_ok_and(|status| status.success());
    assert!(unmounted);
    assert_eq!((told["ok"].as_bool(), world.starts()), (Some(true), 0), "{told}");
    assert_eq!(world.scan(0).0, 0);
    assert_eq!(world.json(&["list"], 0)["modules"].as_array().unwrap().len(), 1);
}

#[test]
fn t11_after_a_repair_of_everything_the_first_scan_builds_nothing() {
    let world = World::with(&["a", "b"], "");
    world.scan(0);
    let keys = |home: &TestHome| {
        let list = json(home, &["list"], 0);
        let modules = list["modules"].as_array().unwrap().clone();
        modules.iter().map(|one| one["current"]["built"]["input_key"].clone()).collect::<Vec<_>>()
    };
    let before = keys(&world.home);
    for gone in [
        vec!["journal"],
        vec!["journal", "modules.lock"],
        vec!["journal", "modules.lock", "current"],
    ] {
        for name in &gone {
            let _ = fs::remove_file(world.home.path().join(name));
        }
        world.home.run(&["verify", "--repair"]).ok();
        assert_eq!(world.scan(0).0, 0, "{gone:?}");
        assert_eq!(keys(&world.home), before, "{gone:?}");
        assert_eq!(says(&world.home, "a").as_deref(), Some("one"));
    }
}
