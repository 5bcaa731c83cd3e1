//! `exec`: the program's own exit code and signals, one generation for the whole tree, and a lease that lives exactly
//! as long as the last of it.

use std::{
    fs,
    os::unix::{fs::PermissionsExt as _, process::CommandExt as _},
    path::Path,
    time::Duration,
};

use modstore_core::disk::Disk;
use modstore_testbed::{Mount, Ran, TestHome, until};
use rustix::process::{Pid, Signal, kill_process};

use super::churn::{collect, lease_files, leased, open, publish, read};

/// A home that shows one generation; MODSTORE names the command line for scripts.
fn home() -> TestHome {
    let mut home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
    home.env("MODSTORE", env!("CARGO_BIN_EXE_modstore"));
    open(home.path());
    publish(home.path(), 1);
    home
}

fn exec(home: &TestHome, script: &str) -> Ran {
    home.run(&["exec", "--", "sh", "-c", script])
}

/// So long another process may take for what it is about to do.
const SOON: Duration = Duration::from_secs(30);

fn kill(pid: &str) {
    let pid = Pid::from_raw(pid.trim().parse().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
}

#[test]
fn the_exit_code_the_signal_and_the_process_are_the_programs() {
    let home = home();
    exec(&home, "exit 42").fails(42);
    exec(&home, "kill -TERM $$").fails(128 + 15);
    exec(&home, "kill -KILL $$").fails(128 + 9);
    let running = home.spawn(&["exec", "sh", "-c", "echo $$"]);
    let pid = running.id().to_string();
    assert_eq!(running.wait().ok().stdout.trim(), pid, "the process is replaced");
    let ready = home.scratch().join("ready");
    let script = "trap 'echo caught; exit 7' INT; : > \"$0\"; while :; do sleep 0.01; done";
    let running = home.spawn(&["exec", "sh", "-c", script, ready.to_str().unwrap()]);
    until(SOON, "the program runs", || ready.exists());
    running.signal(Signal::INT);
    assert_eq!(running.wait().fails(7).stdout, "caught\n");
}

#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    let home = home();
    let script = "trap '' HUP INT; exec \"$MODSTORE\" exec -- sh -c 'kill -HUP $$; kill -INT $$; echo alive'";
    let ran = modstore_testbed::Running::start(home.command_of(Path::new("sh"), &["-c", script]));
    assert_eq!(ran.wait().ok().stdout, "alive\n");
}

#[test]
fn the_program_is_given_the_place_of_its_generation_and_all_else_is_as_it_was() {
    let mut home = home();
    home.env("KEPT", "a b");
    let script = "echo \"$MODSTORE_HOME|$MODSTORE_GENERATION|$MODSTORE_MODULES|$KEPT|$PWD\"";
    let store = home.path().to_str().unwrap().to_owned();
    let cwd = home.user_home();
    let told = format!("{store}|1|{store}/generations/1|a b|{}\n", cwd.display());
    assert_eq!(exec(&home, script).ok().stdout, told);
    // A relative home is made absolute, since a program may go elsewhere.
    let mut command = home.command(&["--home", "store", "exec", "sh", "-c", script]);
    command.current_dir(Path::new(&store).parent().unwrap());
    let ran = modstore_testbed::Running::start(command).wait().ok();
    assert!(ran.stdout.starts_with(&format!("{store}|1|{store}/generations/1|")), "{ran:?}");
}

#[test]
fn the_whole_process_tree_sees_one_generation_whatever_becomes_current() {
    let home = home();
    let go = home.scratch().join("go");
    let look = "cat \"$MODSTORE_MODULES\"/one/number; echo \" $MODSTORE_GENERATION\"";
    let script = format!(
        "{look}; : > \"$0.ready\"; until [ -e \"$0\" ]; do sleep 0.01; done; {look}; sh -c '{look}'; \
         \"$MODSTORE\" exec sh -c '{look}'; \
         \"$MODSTORE\" exec --generation \"$MODSTORE_GENERATION\" sh -c '{look}'"
    );
    let running = home.spawn(&["exec", "sh", "-c", &script, go.to_str().unwrap()]);
    until(SOON, "the program runs", || go.with_extension("ready").exists());
    for number in 2..=9 {
        publish(home.path(), number);
        collect(home.path(), &Disk::default()).unwrap();
    }
    fs::write(&go, "").unwrap();
    let said = running.wait().ok().stdout;
    let lines: Vec<&str> = said.lines().collect();
    // A process that asks again gets the current generation, unless it asks for the one that it inherited.
    assert_eq!(lines, ["1 one 1", "1 one 1", "1 one 1", "9 one 9", "1 one 1"]);
}

#[test]
fn a_lease_lives_as_long_as_the_last_descendant_and_dies_with_it() {
    let home = home();
    let store = open(home.path());
    let orphans = "for i in 1 2; do sleep 300 </dev/null >/dev/null 2>&1 & echo $!; done";
    let said = exec(&home, orphans).ok().stdout;
    let pids: Vec<&str> = said.lines().collect();
    publish(home.path(), 2);
    assert_eq!(
        collect(home.path(), &Disk::default()).unwrap(),
        0,
        "their parent is dead, they are not"
    );
    kill(pids[0]);
    until(SOON, "the first is dead", || !Path::new("/proc").join(pids[0]).join("fd/0").exists());
    assert_eq!(leased(&store), [1]);
    assert_eq!(read(&home.path().join("generations/1")).unwrap(), 1);
    kill(pids[1]);
    until(SOON, "the lease is free", || leased(&store).is_empty());
    assert_eq!(collect(home.path(), &Disk::default()).unwrap(), 1);
}

#[test]
fn killing_the_whole_tree_frees_the_lease() {
    let home = home();
    let store = open(home.path());
    let mut command = home.command(&["exec", "sh", "-c", "sleep 300 & sleep 300 & wait"]);
    let running = modstore_testbed::Running::start({
        command.process_group(0);
        command
    });
    until(SOON, "the lease is taken", || leased(&store) == [1]);
    let group = Pid::from_raw(running.id().cast_signed()).unwrap();
    rustix::process::kill_process_group(group, Signal::KILL).unwrap();
    drop(running.wait());
    until(SOON, "the lease is free", || leased(&store).is_empty());
}

#[test]
fn a_script_that_uses_low_descriptors_for_its_own_keeps_the_lease() {
    let home = home();
    let close = (3..=9).map(|fd| format!("exec {fd}</dev/null; exec {fd}<&-;")).collect::<String>();
    let said = exec(&home, &format!("{close} \"$MODSTORE\" --json status")).ok().json();
    assert_eq!(said["leases"][0]["generation"], 1, "{said}");
}

#[test]
fn status_tells_who_holds_what_and_no_secret_and_nothing_a_terminal_obeys() {
    let home = home();
    let odd = home.scratch().join("odd\u{1b}[2Jname");
    fs::write(&odd, "#!/bin/sh\n\"$MODSTORE\" status; \"$MODSTORE\" status --json; cat \"$MODSTORE_HOME\"/leases/*\n")
        .unwrap();
    fs::set_permissions(&odd, fs::Permissions::from_mode(0o755)).unwrap();
    let running = home.spawn(&["exec", "--", odd.to_str().unwrap(), "--token", "s3cr3t"]);
    let pid = running.id();
    let ran = running.wait().ok();
    let line = ran.stdout.lines().find(|line| line.starts_with("leases")).unwrap();
    assert!(line.contains("generation 1") && line.contains(&pid.to_string()), "{line}");
    assert!(line.contains("modstore exec odd [2Jname") && line.ends_with("just now"), "{line}");
    assert!(ran.stdout.contains(&format!("\"pid\":{pid}")), "{ran:?}");
    assert!(!ran.stdout.contains('\u{1b}') && !ran.stdout.contains("s3cr3t"), "{ran:?}");
}

#[test]
fn a_program_that_cannot_be_run_is_reported_with_the_codes_of_a_shell_and_leaves_no_lease() {
    let home = home();
    let text = home.scratch().join("text");
    fs::write(&text, "no program\n").unwrap();
    let script = home.scratch().join("script");
    fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let table = [
        ("no-such-program", 127, "PATH"),
        ("/no/such/program", 127, "PATH"),
        (script.to_str().unwrap(), 127, "interpreter"),
        (text.to_str().unwrap(), 126, "chmod +x"),
        ("/", 126, "chmod +x"),
    ];
    for (program, code, hint) in table {
        let ran = home.run(&["exec", "--", program]).fails(code).says("error: ").says(hint);
        assert!(ran.stdout.is_empty(), "{ran:?}");
        let json = home.run(&["--json", "exec", "--", program]).fails(code).json();
        assert_eq!(
            (json["error"]["exit"].as_i64(), json["generation"].as_i64()),
            (Some(code.into()), Some(1))
        );
        assert_eq!(lease_files(home.path()), 0, "{program}");
    }
}

#[test]
fn without_a_store_or_a_generation_nothing_is_run_and_the_error_says_what_to_do() {
    let empty = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
    empty.run(&["exec", "--", "echo", "run"]).fails(1).says("nothing yet").says("modstore add");
    assert!(!empty.path().exists(), "looking makes no store");
    empty.run(&["exec"]).fails(2).says("<CMD>");
    let home = home();
    for wanted in ["2", "99"] {
        let ran = home.run(&["exec", "--generation", wanted, "--", "echo", "run"]).fails(2);
        assert!(ran.says("modstore history").stdout.is_empty());
    }
    assert_eq!(lease_files(home.path()), 0);
}

#[test]
fn a_held_lock_blocks_no_lease() {
    let home = home();
    let lock =
        modstore_core::disk::Lock::try_take(&home.path().join("locks/store"), "a test").unwrap();
    assert!(lock.is_some());
    exec(&home, "exit 5").fails(5);
}

#[test]
fn the_leases_of_the_dead_are_removed_by_the_next_collector_and_unknown_files_never() {
    let home = home();
    exec(&home, "kill -KILL $$").fails(128 + 9);
    let notes = home.path().join("leases/notes.txt");
    fs::write(&notes, "mine").unwrap();
    assert_eq!(lease_files(home.path()), 2);
    assert!(home.run(&["status", "--json"]).ok().json()["leases"].as_array().unwrap().is_empty());
    assert_eq!(lease_files(home.path()), 2, "who only looks removes nothing");
    collect(home.path(), &Disk::default()).unwrap();
    assert_eq!(lease_files(home.path()), 1);
    assert_eq!(fs::read_to_string(notes).unwrap(), "mine");
}

#[test]
fn a_store_that_cannot_be_written_to_is_leased_all_the_same_and_a_collector_sees_it() {
    let Some(mount) = Mount::ext4(64) else { return };
    let home =
        TestHome::new(env!("CARGO_BIN_EXE_modstore")).with_store_at(mount.path().join("store"));
    let store = open(home.path());
    for number in 1..=2 {
        publish(home.path(), number);
    }
    mount.read_only();
    let orphan = "cat \"$MODSTORE_MODULES\"/one/number; sleep 300 </dev/null >/dev/null 2>&1 & echo; echo $!";
    let said = home.run(&["exec", "--generation", "1", "sh", "-c", orphan]).ok().stdout;
    let (number, pid) = said.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(number.trim(), "1 one");
    let line = home.run(&["status"]).ok().stdout;
    assert!(line.contains("generation 1, by a process that may not write"), "{line}");
    mount.read_write();
    assert_eq!(collect(home.path(), &Disk::default()).unwrap(), 0, "it is leased");
    kill(pid);
    until(SOON, "the lease is free", || leased(&store).is_empty());
    assert_eq!(collect(home.path(), &Disk::default()).unwrap(), 1);
}
