//! Answers without an end, or by drops: any byte is not progress.
//!
//! The time limits are short here, so that the tests are; what they end is the same.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use modstore_testbed::{BlackHole, Fault, pkt_line, until};
use rustix::process::Signal;

use crate::day::{Day, Trouble};

const NO_PROGRESS: Trouble<'_> = Trouble {
    class: "transient",
    stage: "fetch",
    words: &["the server made no progress for 1 s"],
    hint: "MODSTORE_PROGRESS_TIMEOUT",
};

/// A pkt-line of the side band.
fn band(number: u8, text: &[u8]) -> Vec<u8> {
    pkt_line([&[number], text].concat())
}

fn keep_alive() -> Vec<u8> {
    [band(2, b""), band(1, b"")].concat()
}

/// A day on which a second without progress is too long.
fn impatient() -> Day {
    let mut day = Day::begun();
    day.home.env("MODSTORE_PROGRESS_TIMEOUT", "1").env("MODSTORE_IDLE_TIMEOUT", "30");
    day
}

#[test]
fn words_and_keep_alives_and_drops_of_a_pack_are_no_progress() {
    let day = impatient();
    let lines = |lines, pause| Fault::LinesWithoutEnd { after_the_pack: false, lines, pause };
    for fault in [
        lines(keep_alive(), 100),
        lines(band(2, b"Counting objects: 1\r"), 20),
        Fault::PackInPieces { piece: 1, pause: 100 },
    ] {
        let fired = day.server.stats().faults_fired;
        day.server.fault_on_fetch("troubled", fault.clone());
        let begun = Instant::now();
        day.fails(&NO_PROGRESS);
        assert!(begun.elapsed() < Duration::from_secs(20), "{fault:?}: {:?}", begun.elapsed());
        assert!(day.server.stats().faults_fired > fired, "the fault never was");
        day.server.clear();
    }
    day.is_sound_again();
}

#[test]
fn interim_answers_and_drops_of_a_header_and_trailers_are_no_progress() {
    let day = impatient();
    let trouble = Trouble { stage: "resolve", ..NO_PROGRESS };
    let bytes = |first, again, pause| Fault::BytesWithoutEnd { first, again, pause };
    for fault in [
        bytes(b"", b"HTTP/1.1 100 Continue\r\n\r\n", 20),
        bytes(b"", b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\n", 20),
        bytes(b"HTTP/1.1 200 OK\r\n", b"X", 100),
        bytes(
            b"HTTP/1.1 200 OK\r\nContent-Type: application/x-git-upload-pack-advertisement\r\n\
              Transfer-Encoding: chunked\r\n\r\n0\r\n",
            b"X-T: yyyyyyyyyyyyyyyyyyyyyyyy\r\n",
            20,
        ),
    ] {
        day.endures(fault, &trouble);
    }
}

#[test]
fn bytes_without_use_have_a_budget_however_fast_they_come() {
    let mut day = Day::begun();
    day.home.env("MODSTORE_IDLE_TIMEOUT", "30");
    let lines = band(2, &[b'x'; 60_000]);
    day.server.fault_on_fetch(
        "troubled",
        Fault::LinesWithoutEnd { after_the_pack: false, lines, pause: 0 },
    );
    let words = &["the server sent more than 4 MiB besides what was asked for"];
    day.fails(&Trouble { words, hint: "far less", ..NO_PROGRESS });
    day.is_sound_again();
}

#[test]
fn what_follows_a_pack_is_not_waited_for() {
    let mut day = Day::begun();
    day.home.env("MODSTORE_IDLE_TIMEOUT", "30");
    for (lines, pause) in
        [(band(2, b"Counting\r"), 20), (band(1, &[b'z'; 60_000]), 0), (keep_alive(), 300)]
    {
        day.publish(&day.troubled);
        let fired = day.server.stats().faults_fired;
        let fault = Fault::LinesWithoutEnd { after_the_pack: true, lines, pause };
        day.server.fault_on_fetch("troubled", fault);
        let begun = Instant::now();
        day.succeeds();
        assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
        assert!(day.server.stats().faults_fired > fired, "the fault never was");
        day.server.clear();
    }
}

#[test]
fn a_slow_line_is_no_fault_however_long_it_takes() {
    let day = impatient();
    // 40 KB a second, where 128 bytes are enough: three times as long as a server may be without progress.
    day.server.fault_on_fetch("troubled", Fault::PackInPieces { piece: 2000, pause: 50 });
    let begun = Instant::now();
    day.succeeds();
    assert!(begun.elapsed() > Duration::from_secs(2), "it was fast: {:?}", begun.elapsed());
}

#[test]
fn all_about_one_repository_has_an_end_however_well_it_goes() {
    let mut day = Day::begun();
    day.home.env("MODSTORE_FETCH_TIMEOUT", "1");
    day.server.fault_on_fetch("troubled", Fault::PackInPieces { piece: 2000, pause: 50 });
    let words = &["the fetch took longer than 1 s"];
    day.fails(&Trouble { words, hint: "MODSTORE_FETCH_TIMEOUT", ..NO_PROGRESS });
    day.home.env("MODSTORE_FETCH_TIMEOUT", "600");
    day.is_sound_again();
}

#[test]
fn the_lowest_rate_that_git_is_given_is_kept() {
    let mut day = Day::begun();
    let config = day.root().join("gitconfig");
    day.server.fault_on_fetch("troubled", Fault::PackInPieces { piece: 3000, pause: 50 });
    fs::write(&config, "[http]\n\tlowSpeedLimit = 100k\n\tlowSpeedTime = 1\n").unwrap();
    day.home.env("GIT_CONFIG_GLOBAL", &config);
    let words = &["made no progress for 1 s, or less than 102400 bytes a second"];
    day.fails(&Trouble { words, ..NO_PROGRESS });
    day.home.env("GIT_HTTP_LOW_SPEED_LIMIT", "100");
    day.succeeds();
}

/// A program that starts another, and neither says a word or ends. The other's number is in the file `number`.
fn silent_program(place: &Path, condition: &str) -> std::path::PathBuf {
    let (program, number) = (place.join("program"), place.join("number"));
    let number = number.display();
    let text = format!("#!/bin/sh\n{condition}\nsleep 600 & echo $! > {number}; wait\n");
    fs::write(&program, text).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    program
}

/// Whether the child of the silent program has ended.
#[track_caller]
fn is_gone(place: &Path) {
    let number = fs::read_to_string(place.join("number")).unwrap();
    let status = format!("/proc/{}/stat", number.trim());
    until(Duration::from_secs(2), "what a program started is ended with it", || {
        fs::read_to_string(&status).map_or(true, |stat| stat.contains(") Z "))
    });
}

fn helper(day: &mut Day, script: &str) {
    let config = day.root().join("gitconfig");
    fs::write(&config, format!("[credential]\n\thelper = \"!f() {{ {script}; }}; f\"\n")).unwrap();
    day.home.env("GIT_CONFIG_GLOBAL", &config);
    day.server.fault("troubled", Fault::BasicAuth { user: "me", password: "secret" });
}

#[test]
fn a_credential_helper_that_never_answers_is_ended_with_all_it_started() {
    let mut day = impatient();
    let program = silent_program(day.root(), "");
    helper(&mut day, &program.display().to_string());
    let words = &["a credential helper could not be used", "no answer within 1 s"];
    let trouble = Trouble { stage: "resolve", words, ..NO_PROGRESS };
    day.fails(&trouble);
    is_gone(day.root());
    helper(&mut day, "yes username=me");
    day.fails(&Trouble { words, ..trouble });
    let long = "test $1 = get && echo username=me && printf 'password=%070000d' 0 && echo";
    helper(&mut day, long);
    let words = &["a credential helper could not be used", "printed more than 65536 bytes"];
    day.fails(&Trouble { words, ..trouble });
    helper(&mut day, "test $1 = get && echo username=me && echo password=secret");
    day.succeeds();
}

#[test]
fn what_a_credential_helper_leaves_running_may_go_on() {
    let mut day = Day::begun();
    let number = day.root().join("number");
    let script = format!(
        "test $1 = get && {{ sleep 600 >&- 2>&- & echo $! > {}; echo username=me; echo password=secret; }}",
        number.display()
    );
    helper(&mut day, &script);
    day.succeeds();
    let id: i32 = fs::read_to_string(&number).unwrap().trim().parse().unwrap();
    let id = rustix::process::Pid::from_raw(id).unwrap();
    rustix::process::kill_process(id, Signal::KILL).expect("it is there still");
}

#[test]
fn a_program_between_us_and_a_repository_that_hangs_is_ended_with_all_it_started() {
    let mut day = Day::begun();
    day.home.env("MODSTORE_IDLE_TIMEOUT", "0.4");
    let words = &["the server was silent for 400 ms"];
    let trouble = Trouble { stage: "resolve", words, hint: "MODSTORE_IDLE_TIMEOUT", ..NO_PROGRESS };
    let ssh = silent_program(day.root(), "");
    day.home.env("GIT_SSH_COMMAND", &ssh).env("GIT_SSH_VARIANT", "ssh");
    day.from("git+ssh://git@h/m.git");
    day.fails(&trouble);
    is_gone(day.root());
    let path = std::env::var("PATH").unwrap();
    fs::rename(&ssh, day.root().join("git")).unwrap();
    day.home.env("PATH", format!("{}:{path}", day.root().display()));
    let repository = day.root().join("troubled.git");
    day.from(&format!("git+file://{}", repository.display()));
    day.fails(&trouble);
    is_gone(day.root());
}

#[test]
fn one_signal_ends_what_waits_for_a_program_and_for_what_cannot_be_interrupted() {
    let mut day = Day::begun();
    let program = silent_program(day.root(), "");
    helper(&mut day, &program.display().to_string());
    // Until a SOCKS proxy has connected us, the wish to stop is not seen.
    day.home.env("MODSTORE_CONNECT_TIMEOUT", "30");
    let hole = BlackHole::start();
    let socks = format!("socks5h://127.0.0.1:{}", hole.port());
    for (signal, proxy) in [(Signal::INT, ""), (Signal::TERM, ""), (Signal::INT, socks.as_str())] {
        let number = day.root().join("number");
        // There is none before the first.
        let _ = fs::remove_file(&number);
        day.home.env("http_proxy", proxy);
        let mut running = day.home.spawn(&["update"]);
        match proxy {
            "" => until(Duration::from_secs(20), "the helper runs", || {
                fs::read_to_string(&number).is_ok_and(|number| number.ends_with('\n'))
            }),
            _ => std::thread::sleep(Duration::from_millis(500)),
        }
        running.signal(signal);
        assert!(running.ends_within(Duration::from_secs(2)), "{signal:?} {proxy}");
        let ran = running.wait().fails(130).says("interrupted");
        day.left_nothing(&ran);
        if proxy.is_empty() {
            is_gone(day.root());
        }
    }
    day.home.env("http_proxy", "");
    day.is_sound_again();
}
