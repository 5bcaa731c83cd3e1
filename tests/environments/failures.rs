//! A module that cannot be followed is not activated: one that cannot be imported, built or given its requirements keeps its
//! version, its real reason is reported, and the others move, or none does if that was asked for.

use std::{fs, time::Duration};

use modstore_testbed::{Backend, Project, Python, RefusedPort, Running, Venv};
use rustix::process::Signal;
use serde_json::Value;

use super::world::{World, names, values, version};

const NAMES: [&str; 4] = ["mod-a", "mod-b", "mod-c", "mod-d"];
const PACKAGES: [&str; 4] = ["mod_a", "mod_b", "mod_c", "mod_d"];

fn project(name: &str, value: u32) -> Project {
    let version = format!("{value}.0");
    Project::new(name, Backend::Flit).with_version(&version).with_code(&format!("VALUE = {value}"))
}

fn publish_all(world: &World, value: u32) {
    NAMES.iter().for_each(|name| world.publish(&project(name, value)));
}

/// A world in which all four are bound, and a version 2 of three is waiting.
fn with_next(python: &Python) -> Option<(World, &'static str)> {
    let world = World::new()?;
    publish_all(&world, 1);
    drop(world.bound(python, "venv"));
    publish_all(&world, 2);
    Some((world, "venv"))
}

fn venv<'w>(world: &'w World, name: &str) -> Venv<'w> {
    Venv::at(&world.home, &world.tools, world.home.scratch().join(name))
}

const RAISES: &str = "class OddError(Exception):\n    pass\n\ndef deep():\n    raise OddError('the real reason')\n\ndeep()\n";

/// T11 and T30.
#[test]
fn one_module_of_four_that_raises_keeps_what_it_had_and_the_other_three_are_new() {
    let Some(python) = Python::any() else { return };
    let Some((world, name)) = with_next(&python) else { return };
    let venv = venv(&world, name);
    world.publish(&project("mod-c", 2).with_code(RAISES));
    let answer = world.update_fails();
    assert_eq!((&answer["ok"], &answer["committed"]), (&Value::Bool(false), &Value::Bool(true)));
    assert_eq!(names(&answer["updated"]), ["mod-a", "mod-b", "mod-d"]);
    let failed = &answer["failed"][0];
    assert_eq!(failed["module"], "mod-c");
    assert_eq!((&failed["stage"], &failed["class"]), (&"import".into(), &"deterministic".into()));
    let exception = &failed["exception"];
    assert_eq!(exception["type"], "OddError");
    assert_eq!(exception["message"], "the real reason");
    assert_eq!(exception["importing"], "mod_c");
    let traceback = exception["traceback"].as_str().unwrap();
    assert!(
        traceback.contains("in deep") && traceback.contains("mod_c/__init__.py"),
        "{traceback}"
    );
    assert!(!traceback.contains("importlib"), "{traceback}");
    assert!(failed["current"]["revision"].is_string(), "{failed}");
    assert_eq!(values(&venv, &PACKAGES), "2 2 1 2");
    assert_eq!(NAMES.map(|name| version(&venv, name)), ["2.0", "2.0", "1.0", "2.0"]);
    assert!(world.follows());
    // A person reads the same, and once more with each try.
    let ran = world.home.run(&["update"]).fails(1).says("mod-c").says("OddError: the real reason");
    assert!(ran.stderr.contains("it stays at"), "{ran:?}");
    // Repaired, it comes.
    world.publish(&project("mod-c", 3));
    world.update();
    assert_eq!(values(&venv, &PACKAGES), "2 2 3 2");
}

/// T13, and the same when it is an import that fails.
#[test]
fn none_is_new_when_all_or_nothing_was_asked_for_and_one_fails() {
    let Some(python) = Python::any() else { return };
    let Some((world, name)) = with_next(&python) else { return };
    let venv = venv(&world, name);
    let before = (world.generation(), venv.pth_files());
    let tries = || {
        let ran = world.home.run(&["--json", "update", "--all-or-nothing"]).fails(1);
        let answer = ran.json();
        assert_eq!(answer["committed"], false);
        assert_eq!(names(&answer["failed"]), ["mod-c"]);
        assert_eq!((world.generation(), venv.pth_files()), before);
        assert_eq!(values(&venv, &PACKAGES), "1 1 1 1");
        answer["failed"][0].clone()
    };
    world.publish(&project("mod-c", 2).with_code(RAISES));
    assert_eq!(tries()["exception"]["type"], "OddError");
    world.publish(&project("mod-c", 2));
    world.lose_repository("mod-c");
    assert_eq!(tries()["stage"], "resolve");
    assert!(world.follows());
}

/// T17.
#[test]
fn a_dependency_that_cannot_be_fetched_holds_back_its_module_and_no_other() {
    let Some(python) = Python::any() else { return };
    let Some((world, name)) = with_next(&python) else { return };
    let venv = venv(&world, name);
    world.publish(&project("mod-b", 2).needing(&["no-such-distribution>=3"]));
    world.publish(&project("mod-d", 2).needing(&["six"]));
    let answer = world.update_fails();
    assert_eq!(names(&answer["failed"]), ["mod-b"]);
    let failed = &answer["failed"][0];
    assert_eq!((&failed["stage"], &failed["class"]), (&"install".into(), &"transient".into()));
    assert!(failed["causes"].to_string().contains("no-such-distribution"), "{failed}");
    assert_eq!(values(&venv, &PACKAGES), "2 1 2 2");
    venv.says("import six");
    // Without the network it is the same, and no other either.
    world.publish(&project("mod-a", 3).needing(&["also-not-there"]));
    let ran = world.home.run(&["--json", "--offline", "update"]).fails(1);
    assert!(ran.json()["updated"].as_array().unwrap().is_empty());
    assert_eq!(values(&venv, &PACKAGES), "2 1 2 2");
}

/// T29: every way to fail, reported unchanged, in one update.
#[test]
fn each_way_to_fail_at_import_is_reported_unchanged_and_touches_no_other_module() {
    let (Some(world), Some(python)) = (World::new(), Python::any()) else { return };
    let broken = [
        ("dependency", "import not_there_at_all"),
        (
            "chained",
            "try:\n    import nope\nexcept ImportError as e:\n    raise ImportError('chained') from e",
        ),
        ("syntax", "def"),
        ("exits", "raise SystemExit(3)"),
        (
            "exits-hard",
            "import os, sys; print('last words', file=sys.stderr, flush=True); os._exit(7)",
        ),
        ("crashes", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"),
        (
            "noisy",
            "import sys; print('{\"module\": \"mod-noisy\"}'); print('noise', file=sys.stderr); 1/0",
        ),
    ];
    let named = |name: &str| format!("mod-{name}");
    for (name, _) in broken.iter().chain([&("good", "")]) {
        world.publish(&project(&named(name), 1));
    }
    let venv = world.bound(&python, "venv");
    let before = world.generation();
    for (name, code) in broken {
        world.publish(&project(&named(name), 1).with_code(code));
    }
    world.publish(&project("mod-good", 1).with_code("import sys\nsys.stdin.read()\nVALUE = 2"));
    let answer = world.update_fails();
    assert_eq!(names(&answer["updated"]), ["mod-good"], "{answer}");
    assert_eq!(world.generation(), before + 1);
    let told = |name: &str| {
        let all = answer["failed"].as_array().unwrap();
        let failed = all.iter().find(|failed| failed["module"] == named(name)).unwrap();
        assert_eq!(failed["stage"], "import", "{failed}");
        let exception = &failed["exception"];
        (
            exception["type"].as_str().unwrap().to_owned(),
            exception["message"].as_str().unwrap().to_owned(),
        )
    };
    let text = |kind: &str, message: &str| (kind.to_owned(), message.to_owned());
    assert_eq!(
        told("dependency"),
        text("ModuleNotFoundError", "No module named 'not_there_at_all'")
    );
    assert_eq!(told("chained"), text("ImportError", "chained"));
    assert_eq!(told("syntax").0, "SyntaxError");
    assert_eq!(told("exits"), text("SystemExit", "3"));
    assert!(told("exits-hard").1.contains("exit code 7"));
    assert!(told("crashes").1.contains("signal 11"));
    assert_eq!(told("noisy"), text("ZeroDivisionError", "division by zero"));
    let hint =
        answer["failed"].as_array().unwrap().iter().find_map(|failed| failed["hint"].as_str());
    assert!(
        hint.unwrap().contains("`nope`") || hint.unwrap().contains("not_there_at_all"),
        "{hint:?}"
    );
    assert_eq!(venv.says("import mod_good, mod_syntax, mod_crashes; print(mod_good.VALUE)"), "2");
}

#[test]
fn a_module_that_needs_the_new_version_of_one_that_fails_is_held_back_too() {
    let Some(python) = Python::any() else { return };
    let Some((world, name)) = with_next(&python) else { return };
    let venv = venv(&world, name);
    world.publish(&project("mod-a", 2).with_code(RAISES));
    world.publish(
        &project("mod-b", 2).with_code("import mod_a\nassert mod_a.VALUE == 2\nVALUE = 2"),
    );
    let answer = world.update_fails();
    assert_eq!(names(&answer["failed"]), ["mod-a", "mod-b"]);
    assert_eq!(answer["failed"][1]["exception"]["importing"], "mod_b");
    assert_eq!(values(&venv, &PACKAGES), "1 1 2 2");
}

#[test]
fn a_module_that_fails_only_because_another_one_fails_becomes_current_beside_the_old_one() {
    let Some(python) = Python::any() else { return };
    let Some((world, name)) = with_next(&python) else { return };
    let venv = venv(&world, name);
    world.publish(&project("mod-a", 2).with_code(RAISES));
    world.publish(&project("mod-b", 2).with_code("import mod_a\nVALUE = 2"));
    world.publish(&project("mod-c", 2).with_code("import mod_b\nVALUE = mod_b.VALUE"));
    let answer = world.update_fails();
    assert_eq!(names(&answer["failed"]), ["mod-a"], "{answer}");
    assert_eq!(values(&venv, &PACKAGES), "1 2 2 2");
}

#[test]
fn a_build_that_fails_is_reported_with_the_output_of_its_backend() {
    let Some(python) = Python::any() else { return };
    let Some((world, name)) = with_next(&python) else { return };
    let venv = venv(&world, name);
    let mut files = project("mod-b", 2).files();
    files[0].1 = files[0].1.replace("version = \"2.0\"", "version = \"not a version\"");
    world.publish_files("mod-b", &files);
    let answer = world.update_fails();
    let failed = &answer["failed"][0];
    assert_eq!((&failed["module"], &failed["stage"]), (&"mod-b".into(), &"build".into()));
    let causes = failed["causes"].to_string();
    assert!(causes.contains("flit_core") && causes.contains("not a version"), "{causes}");
    assert_eq!(values(&venv, &PACKAGES), "2 1 2 2");
}

#[test]
fn an_index_that_cannot_be_reached_is_a_failure_that_is_worth_another_try() {
    let Some(python) = Python::any() else { return };
    let Some((mut world, name)) = with_next(&python) else { return };
    let port = RefusedPort::reserve();
    let settings = world.home.user_home().join(".config/uv/uv.toml");
    let offline = fs::read_to_string(&settings).unwrap();
    let index = format!("index-url = \"http://127.0.0.1:{}/simple\"\n", port.port());
    world.home.env("UV_HTTP_RETRIES", "0").env("NO_PROXY", "*");
    fs::write(&settings, index).unwrap();
    world.publish(&project("mod-b", 2).needing(&["iniconfig"]));
    let answer = world.update_fails();
    let venv = venv(&world, name);
    assert_eq!(values(&venv, &["mod_b"]), "1");
    let failed = answer["failed"].as_array().unwrap();
    let failed = failed.iter().find(|failed| failed["module"] == "mod-b").unwrap();
    assert_eq!(failed["class"], "transient", "{failed}");
    fs::write(&settings, offline).unwrap();
    world.update();
    assert_eq!(values(&venv, &PACKAGES), "2 2 2 2");
}

/// An installer that fails after the switch: the previous modules are current again.
#[test]
fn what_an_environment_cannot_follow_is_taken_back_and_comes_when_it_can() {
    let Some(python) = Python::any() else { return };
    let Some((world, name)) = with_next(&python) else { return };
    let venv = venv(&world, name);
    let before = (world.generation(), venv.pth_files());
    world.calls.before_each(
        "case \"$*\" in *--target*) ;; *--editable*) echo 'no room on the device' >&2; exit 9 ;; esac",
    );
    let answer = world.update_fails();
    assert_eq!(names(&answer["failed"]), NAMES);
    assert!(
        answer["failed"][0]["causes"].to_string().contains("no room on the device"),
        "{answer}"
    );
    assert_eq!(answer["failed"][0]["stage"], "install");
    assert_eq!(values(&venv, &PACKAGES), "1 1 1 1");
    assert_eq!(NAMES.map(|name| version(&venv, name)), ["1.0"; 4]);
    assert_eq!(venv.pth_files(), before.1);
    assert_eq!(world.generation(), before.0 + 2, "activated, and undone");
    world.calls.leave_alone();
    world.update();
    assert_eq!(values(&venv, &PACKAGES), "2 2 2 2");
    assert_eq!(NAMES.map(|name| version(&venv, name)), ["2.0"; 4]);
}

/// T14: nothing is fetched and nothing breaks; what was taken out is put back all the same.
#[test]
fn an_update_that_can_fetch_nothing_still_looks_after_the_environments() {
    let Some(python) = Python::any() else { return };
    let Some((world, name)) = with_next(&python) else { return };
    let venv = venv(&world, name);
    NAMES.iter().for_each(|name| world.lose_repository(name));
    venv.uv_pip("uninstall", &["-q", "mod-a", "mod-c"]).ok();
    let answer = world.update_fails();
    assert_eq!(names(&answer["failed"]), NAMES);
    assert_eq!(names(&answer["environments"][0]["reinstalled"]), ["mod-a", "mod-c"], "{answer}");
    assert_eq!(values(&venv, &PACKAGES), "1 1 1 1");
}

/// Ctrl-C while an installer adds what a new version requires: it ends, nothing is changed, and the next update does all of
/// it.
#[test]
fn an_update_that_is_interrupted_in_an_installer_ends_soon_and_changes_nothing() {
    let Some(python) = Python::any() else { return };
    let Some((world, name)) = with_next(&python) else { return };
    let venv = venv(&world, name);
    world.publish(&project("mod-b", 2).needing(&["six"]));
    let before = (world.generation(), venv.pth_files());
    interrupted_in_an_installer(&world);
    assert_eq!((world.generation(), venv.pth_files()), before);
    assert_eq!(values(&venv, &PACKAGES), "1 1 1 1");
    assert!(world.home.leftovers().is_empty(), "{:?}", world.home.leftovers());
    world.calls.leave_alone();
    world.update();
    assert_eq!(values(&venv, &PACKAGES), "2 2 2 2");
}

/// The same in the one that installs the stand-ins, after the switch: the previous modules are current again, and none of the
/// new ones is called bad.
#[test]
fn an_update_that_is_interrupted_after_its_switch_is_undone_and_blames_no_module() {
    let Some(python) = Python::any() else { return };
    let Some((world, name)) = with_next(&python) else { return };
    let venv = venv(&world, name);
    interrupted_in_an_installer(&world);
    assert_eq!(values(&venv, &PACKAGES), "1 1 1 1");
    let status = world.home.run(&["--json", "status"]);
    assert!(!status.stdout.contains("\"class\""), "{status:?}");
    world.calls.leave_alone();
    assert_eq!(names(&world.update()["updated"]), NAMES);
    assert_eq!(values(&venv, &PACKAGES), "2 2 2 2");
    assert!(world.follows());
}

/// Starts an update whose first installer waits, and interrupts it.
fn interrupted_in_an_installer(world: &World) {
    let waiting = world.home.scratch().join("waiting");
    world.calls.before_each(&format!("echo $$ >'{}'; sleep 1000; exit 1", waiting.display()));
    let mut running: Running = world.home.spawn(&["update"]);
    while !fs::read_to_string(&waiting).is_ok_and(|text| text.ends_with('\n')) {
        assert!(!running.ends_within(Duration::from_millis(5)), "it has not waited");
    }
    running.signal(Signal::INT);
    assert!(running.ends_within(Duration::from_secs(5)), "it goes on and on");
    running.wait().fails(130);
    let installer: i32 = fs::read_to_string(&waiting).unwrap().trim().parse().unwrap();
    let installer = rustix::process::Pid::from_raw(installer).unwrap();
    assert!(rustix::process::test_kill_process(installer).is_err(), "the installer runs on");
}
