//! Packs that do not come whole, or not as they were sent, or that are large.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use modstore_testbed::{
    Change, Fault, GitDaemon, HttpServer, Repo, Running, SshServer, TestHome, Wire, skip_loudly,
};

use crate::day::{Day, Trouble, noise};

const TRANSIENT: Trouble<'_> =
    Trouble { class: "transient", stage: "fetch", words: &["/troubled"], hint: "try again" };

/// Lets only the pack be spoilt, and all be well afterwards, with something new to fetch again.
#[track_caller]
fn spoilt(day: &Day, fault: Fault, trouble: &Trouble<'_>) {
    let fired = day.server.stats().faults_fired;
    day.server.fault_on_fetch("troubled", fault);
    day.fails(trouble);
    assert!(day.server.stats().faults_fired > fired, "the fault never was");
}

#[test]
fn a_server_that_closes_in_the_middle_of_a_pack_is_called_so() {
    let day = Day::begun();
    for after in [0, 1, 100, 100_000] {
        let trouble = Trouble { words: &["/troubled", "broke off"], ..TRANSIENT };
        spoilt(&day, Fault::CloseMidPack { after }, &trouble);
        day.server.clear();
    }
    day.is_sound_again();
}

#[test]
fn a_server_that_hangs_in_the_middle_of_a_pack_is_given_up_on() {
    let mut day = Day::begun();
    day.home.env("MODSTORE_IDLE_TIMEOUT", "0.4");
    let words = &["/troubled", "the server was silent for 400 ms"];
    let trouble = Trouble { words, hint: "MODSTORE_IDLE_TIMEOUT", ..TRANSIENT };
    spoilt(&day, Fault::HangMidPack { after: 100_000 }, &trouble);
    day.is_sound_again();
}

#[test]
fn a_wire_that_breaks_or_falls_silent_in_the_middle_is_called_so() {
    let mut day = Day::begun();
    day.home.env("MODSTORE_IDLE_TIMEOUT", "1.5");
    let daemon = GitDaemon::start(day.root());
    let mut wires = vec![(Wire::to(daemon.port()), daemon.url("troubled"))];
    let ssh = SshServer::start(day.root());
    if let Some(ssh) = &ssh {
        day.home.env("GIT_SSH_COMMAND", ssh.ssh_command());
        wires.push((Wire::to(ssh.port()), ssh.url("troubled")));
    }
    for (wire, url) in &wires {
        day.from(&format!("git+{}", wire.url(url)));
        wire.cut_after(100_000);
        day.fails(&Trouble { words: &["/troubled", "broke off"], ..TRANSIENT });
        wire.stall_after(100_000);
        let words = &["/troubled", "the server was silent for 1500 ms"];
        day.fails(&Trouble { words, hint: "MODSTORE_IDLE_TIMEOUT", ..TRANSIENT });
    }
    for (wire, _) in &wires {
        wire.heal();
    }
    day.succeeds();
}

#[test]
fn a_byte_that_changes_on_the_way_is_noticed_wherever_it_is() {
    let day = Day::begun();
    for at in [0, 5, 11, 12, 13, 40, 300, 5_000, 100_000, 200_000] {
        day.server.fault_on_fetch("troubled", Fault::FlipByteInPack { at });
        let ran = day.home.run(&["update", "--json"]).fails(1);
        let failed = &ran.json()["failed"][0];
        assert_eq!(
            (&failed["class"], &failed["stage"]),
            (&"transient".into(), &"fetch".into()),
            "{at}: {ran:?}"
        );
        day.stayed(&ran);
        assert!(day.server.stats().faults_fired > 0);
        day.server.clear();
    }
    let words = &["/troubled", "the pack is damaged near byte"];
    let hint = "damages what it sends";
    spoilt(&day, Fault::FlipByteInPack { at: 100_000 }, &Trouble { words, hint, ..TRANSIENT });
    day.is_sound_again();
}

#[test]
fn a_first_install_that_is_spoilt_shows_nothing_and_leaves_nothing() {
    let day = Day::begun();
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    home.declare(&[("troubled", &format!("git+{}", day.server.url("troubled")))]);
    for at in [12, 100_000] {
        for fault in [
            Fault::FlipByteInPack { at },
            Fault::CloseMidPack { after: at },
            Fault::TruncatedPackCleanEof { after: at },
        ] {
            day.server.fault_on_fetch("troubled", fault);
            let ran = home.run(&["update"]).fails(1).says("it has no version yet");
            assert!(!home.path().join("current").exists(), "{ran:?}");
            assert_eq!(home.leftovers(), Vec::<PathBuf>::new(), "{ran:?}");
            day.server.clear();
        }
    }
    assert!(day.server.stats().faults_fired >= 6);
    home.run(&["update"]).ok();
    assert_eq!(home.tree("troubled"), day.troubled.tree("main"));
}

#[test]
fn a_pack_that_ends_early_in_good_order_is_noticed() {
    let day = Day::begun();
    for after in [0, 12, 100, 100_000] {
        let trouble = Trouble { words: &["/troubled", "ended early"], ..TRANSIENT };
        spoilt(&day, Fault::TruncatedPackCleanEof { after }, &trouble);
        day.server.clear();
    }
    day.is_sound_again();
}

#[test]
fn a_pack_larger_than_its_memory_goes_to_a_file_that_is_gone_afterwards() {
    if Command::new("strace").arg("-V").output().is_err() {
        return skip_loudly("no strace to see what is written");
    }
    let root = tempfile::tempdir().unwrap();
    let repo = Repo::create(root.path(), "large");
    let files: Vec<_> =
        (0..15).map(|number| Change::write(format!("large-{number}"), noise(number))).collect();
    repo.commit("main", &files);
    let server = HttpServer::start(root.path());
    for (memory, spills) in [("67108864", false), ("1048576", true)] {
        let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        home.declare(&[("large", &format!("git+{}", server.url("large")))]);
        home.env("MODSTORE_PACK_MEMORY", memory);
        let log = home.scratch().join("trace");
        let trace = ["-f", "-qq", "-e", "trace=pwrite64", "-o"].map(OsString::from);
        let command = [log.clone().into(), env!("CARGO_BIN_EXE_modstore").into(), "update".into()];
        let args: Vec<OsString> = trace.into_iter().chain(command).collect();
        let ran = Running::start(home.command_of(Path::new("strace"), &args)).wait().ok();
        let written = fs::read_to_string(&log).unwrap();
        assert_eq!(written.contains("pwrite64("), spills, "memory {memory}: {ran:?}");
        assert_eq!(home.tree("large"), repo.tree("main"));
        assert_eq!(home.leftovers(), Vec::<PathBuf>::new(), "{ran:?}");
    }
}
