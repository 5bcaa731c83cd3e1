//! git's own transport, or a program in its place, that hangs, drips, answers without an end or talks nonsense: it has the
//! same limits as a server.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use modstore_testbed::{Fault, until};
use rustix::process::Signal;

use crate::day::{Day, Trouble};

/// A day on which everything goes through a git of our own making.
fn with_git(script: &str) -> Day {
    let mut day = Day::begun();
    let bin = day.home.scratch().join("bin");
    fs::create_dir(&bin).expect("the directory takes a directory");
    let path = bin.join("git");
    let real = "PATH=${PATH#*:}; exec git \"$@\"";
    let text = format!("#!/bin/sh\ncase $1 in remote-https) ;; *) {real};; esac\n{script}\n");
    fs::write(&path, text).expect("the directory takes a file");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("the file is ours");
    let before = std::env::var("PATH").expect("tests have a PATH");
    day.home.env("PATH", format!("{}:{before}", bin.display()));
    day.home.env("MODSTORE_TRANSPORT", "git");
    day.home.env("MODSTORE_PROGRESS_TIMEOUT", "2").env("MODSTORE_IDLE_TIMEOUT", "1");
    day
}

#[test]
fn a_transport_that_hangs_drips_or_never_ends_is_given_up_like_a_server() {
    for (script, words) in [
        ("exec sleep 1000", "the server was silent for 1 s"),
        ("echo; exec sleep 1000", "the server was silent for 1 s"),
        (
            "echo; printf '000eversion 2\\n'; while :; do printf '0006a\\n'; sleep 0.3; done",
            "made no progress",
        ),
        ("echo; printf '000eversion 2\\n'; exec yes 0006a", ""),
        ("exec yes nonsense", "git's transport answered"),
        ("exec yes nonsense | tr -d '\\n'", "git's transport answered"),
        ("echo; exec yes", ""),
        ("echo 'fatal: something new' >&2; exit 128", "something new"),
        ("exit 0", "the connection broke off"),
    ] {
        let day = with_git(script);
        let begun = Instant::now();
        let ran = day.home.run(&["update"]).fails(1);
        assert!(begun.elapsed() < Duration::from_secs(30), "{script}: {:?}", begun.elapsed());
        assert!(ran.stderr.contains(words), "{script}: {ran:?}");
    }
}

#[test]
fn one_signal_ends_it_and_all_that_it_started() {
    let mut day = with_git("sleep 1000 & sleep 1000");
    day.home.env("MODSTORE_PROGRESS_TIMEOUT", "900").env("MODSTORE_IDLE_TIMEOUT", "900");
    let mark = day.home.scratch().join("mark");
    let bin = day.home.scratch().join("bin/git");
    let text = fs::read_to_string(&bin).expect("it is there");
    fs::write(
        &bin,
        text.replace("sleep 1000 &", &format!("touch {}; sleep 1000 &", mark.display())),
    )
    .expect("it is ours");
    let mut running = day.home.spawn(&["update"]);
    until(Duration::from_secs(20), "the transport runs", || mark.exists());
    running.signal(Signal::INT);
    assert!(running.ends_within(Duration::from_secs(2)), "one Ctrl-C is enough");
}

#[test]
fn a_pack_that_is_cut_or_hangs_behind_git_fails_as_it_does_without() {
    let mut day = Day::begun();
    day.home.env("MODSTORE_TRANSPORT", "git");
    day.home.env("MODSTORE_PROGRESS_TIMEOUT", "2").env("MODSTORE_IDLE_TIMEOUT", "1");
    for (fault, words) in [
        (Fault::CloseMidPack { after: 50 }, &["the connection broke off"][..]),
        (Fault::HangMidPack { after: 50 }, &["the server was silent for 1 s"]),
        (Fault::Status(503), &["HTTP status 503"]),
    ] {
        day.server.fault_on_fetch("troubled", fault);
        day.fails(&Trouble { class: "transient", stage: "fetch", words, hint: "" });
        day.server.clear();
    }
    day.is_sound_again();
}
