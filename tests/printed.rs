//! What servers, names and programs say is printed so that it cannot pass for anything else: on a terminal, in lines, in
//! JSON, in the files that people look at.
//!
//! Limits: letters that look alike and combining marks are printed as they are; what `path` prints for a program is the
//! path, byte for byte.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt as _, os::unix::fs::PermissionsExt as _};

use modstore_testbed::{Change, Repo, TestHome, on_terminal, pkt_line};

/// A title, a cleared screen, a bell, C1 as a byte and as text, changes of direction, what has no width, tags.
const ODD: &[u8] = b"\x1b]0;T\x07\x1b[2J\x1b[1A\x9b31m\xc2\x9b31m\xe2\x80\xae\xe2\x81\xa6RTL\xe2\x80\x8b\xf3\xa0\x81\x81\xef\xbb\xbf";
/// What would be lines of ours.
const FORGED: &[u8] = b"\nerror: FORGED\r\nhint: FORGED\n";
const LFS: &str = "version https://git-lfs.github.com/spec/v1\noid sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\nsize 1\n";

const MODES: [&[&str]; 5] = [
    &[],
    &["-v", "--progress", "plain"],
    &["--json"],
    &["--progress", "json"],
    &["--color", "always", "--progress", "bar"],
];

/// What terminals obey and what CVE-2021-42574 and its kind are made of; a list of its own, so that one that is missing in
/// the product's is missed.
fn deceives(c: char) -> bool {
    matches!(u32::from(c),
        0..=0x1f | 0x7f..=0x9f | 0x61c | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x2069 | 0xfe00..=0xfe0f | 0xfeff
        | 0xe0000..=0xe007f)
}

fn home() -> TestHome {
    TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"))
}

/// Fails where `written` holds anything that deceives and is not a colour, a cursor or an end of a line of ours.
#[track_caller]
fn assert_harmless(what: &str, written: &[u8]) {
    let text = String::from_utf8(written.to_vec())
        .unwrap_or_else(|_| panic!("{what}: no text: {}", written.escape_ascii()));
    for sequence in ["\u{1b}]", "\u{1b}[2J", "\u{1b}[1A\u{9b}", "\u{7}"] {
        assert!(!text.contains(sequence), "{what}: {text:?}");
    }
    let mut rest = text.as_str();
    while let Some(at) = rest.find(|c| deceives(c) && c != '\n' && c != '\r') {
        let ours = rest.get(at..).and_then(|from| from.strip_prefix("\u{1b}["));
        let end = ours.and_then(|from| from.find(|c: char| c.is_ascii_alphabetic()));
        let (Some(ours), Some(end)) = (ours, end) else { panic!("{what}: {text:?}") };
        rest = ours.get(end..).unwrap();
    }
    let is_forged =
        |line: &str| line.starts_with("error: FORGED") || line.starts_with("hint: FORGED");
    assert!(!text.lines().any(is_forged), "{what}: {text}");
}

/// Runs it on a terminal and without one, and looks at all that comes.
#[track_caller]
fn harmless(home: &TestHome, arguments: &[&str]) {
    for mode in MODES {
        let arguments = [mode, arguments].concat();
        let ran = home.run(&arguments);
        assert_harmless(&format!("{arguments:?}"), ran.stdout.as_bytes());
        assert_harmless(&format!("{arguments:?}"), ran.stderr.as_bytes());
        let written = on_terminal(home.command(&arguments));
        assert_harmless(&format!("{arguments:?} on a terminal"), &written);
    }
}

/// A repository with odd names in it, whose branch has one, behind a server that says odd things while it sends.
fn odd_repository(home: &TestHome) -> Repo {
    let repo = Repo::create(&home.scratch(), "odd");
    let name = [b"a", ODD, FORGED, b"b"].concat();
    repo.commit("main", &[Change::write(name, LFS), Change::write("plain", "1")]);
    let branch = "evil\u{202e}\u{200b}";
    repo.branch(branch, &repo.rev("main").unwrap());
    repo.set_head(branch);
    let hook = home.scratch().join("hook");
    let says = [b"#!/bin/sh\ncat >&2 <<'END'\n", ODD, FORGED, b"END\nexec \"$@\"\n"].concat();
    fs::write(&hook, says).unwrap();
    fs::set_permissions(&hook, fs::Permissions::from_mode(0o755)).unwrap();
    home.git_config(&format!("[uploadpack]\npackObjectsHook = {}\n", hook.display()));
    repo
}

#[test]
fn names_branches_and_progress_of_a_server_are_written_out() {
    for mode in MODES {
        let home = home();
        let repo = odd_repository(&home);
        let source = format!("git+{}", repo.url_file());
        let add = [mode, &["add", &source, "--name", "m"]].concat();
        assert_harmless(&format!("{add:?} on a terminal"), &on_terminal(home.command(&add)));
    }
    let home = home();
    let repo = odd_repository(&home);
    let source = format!("git+{}", repo.url_file());
    let added = home.run(&["-v", "add", &source, "--name", "m"]).ok();
    assert_harmless("add", added.stderr.as_bytes());
    assert!(
        added.stderr.contains(r"server: \u{1b}]0;T\u{7}\u{1b}[2J"),
        "its output is printed: {added:?}"
    );
    repo.commit("main", &[Change::write([b"c", ODD].concat(), "2")]);
    repo.branch("evil\u{202e}\u{200b}", &repo.rev("main").unwrap());
    home.run(&["update"]).ok();
    for command in [
        &["list"][..],
        &["show", "m"],
        &["status"],
        &["outdated"],
        &["history"],
        &["diff", "1", "2"],
        &["events"],
        &["verify"],
        &["gc", "--dry-run"],
        &["add", &format!("{source}@evel"), "--name", "n"],
    ] {
        harmless(&home, command);
    }
}

#[test]
fn in_json_the_value_is_exactly_what_it_was() {
    let home = home();
    let repo = odd_repository(&home);
    home.run(&["add", &format!("git+{}", repo.url_file()), "--name", "m"]).ok();
    let shown = home.run(&["--json", "show", "m"]).ok();
    assert!(shown.stdout.contains(r#""refs/heads/evil\u202e\u200b""#), "{}", shown.stdout);
    assert_eq!(shown.json()["current"]["reference"], "refs/heads/evil\u{202e}\u{200b}");
}

#[test]
fn a_lockfile_shows_what_a_branch_is_called_and_still_means_it() {
    let home = home();
    let repo = odd_repository(&home);
    home.run(&["add", &format!("git+{}", repo.url_file()), "--name", "m"]).ok();
    let lock = fs::read_to_string(home.path().join("modules.lock")).unwrap();
    assert!(lock.contains(r#"reference = "refs/heads/evil\U0000202E\U0000200B""#), "{lock}");
    home.run(&["update", "--locked"]).ok();
}

#[test]
fn a_refusal_in_several_lines_is_one_cause_and_no_lines_of_ours() {
    let mut home = home();
    let ssh = home.scratch().join("ssh");
    let says = [b"no ", ODD, FORGED].concat();
    let packet = pkt_line([b"ERR ", &says[..]].concat());
    fs::write(home.scratch().join("packet"), packet).unwrap();
    fs::write(home.scratch().join("words"), &says).unwrap();
    let script = "#!/bin/sh\ncd \"$(dirname \"$0\")\"\ncat words >&2\ncat packet\nexit 3\n";
    fs::write(&ssh, script).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    home.env("GIT_SSH_COMMAND", &ssh).env("GIT_SSH_VARIANT", "simple");
    let add = ["add", "git+ssh://example.invalid/x", "--name", "m"];
    let ran = home.run(&add).fails(1);
    assert!(ran.stderr.contains(r"\u{1b}]0;T"), "its output is printed: {ran:?}");
    harmless(&home, &add);
    fs::remove_file(home.scratch().join("packet")).unwrap();
    harmless(&home, &add);
    home.declare(&[("m", "git+ssh://example.invalid/x")]);
    home.run(&["update"]).fails(1);
    for command in
        [&["status"][..], &["show", "m"], &["list"], &["events"], &["scan"], &["outdated"]]
    {
        harmless(&home, command);
    }
}

#[test]
fn a_home_with_an_odd_name_is_written_out_and_path_gives_a_program_its_bytes() {
    let home = home();
    let odd = home.scratch().join(OsStr::from_bytes(&[b"h", ODD, b"\nhint: FORGED"].concat()));
    let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore")).with_store_at(&odd);
    let repo = Repo::create(&home.scratch(), "r");
    repo.write(&[("a", "1")]);
    home.run(&["add", &format!("git+{}", repo.url_file()), "--name", "m"]).ok();
    for command in
        [&["status"][..], &["show", "m"], &["list"], &["update"], &["verify"], &["path", "no"]]
    {
        harmless(&home, command);
    }
    let ran = home.command(&["path", "m"]).output().unwrap();
    let path = [home.target("m").as_os_str().as_bytes(), b"\n"].concat();
    assert_eq!(ran.stdout, path, "a program gets the bytes of the file system");
    assert_harmless("path on a terminal", &on_terminal(home.command(&["path", "m"])));
}

#[test]
fn a_very_long_refusal_is_cut_and_says_how_long_it_is() {
    let mut home = home();
    let ssh = home.scratch().join("ssh");
    let script = "#!/bin/sh\nprintf 'fff0ERR '\nhead -c 65512 /dev/zero | tr '\\0' x\n";
    fs::write(&ssh, script).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    home.env("GIT_SSH_COMMAND", &ssh).env("GIT_SSH_VARIANT", "simple");
    let add = ["add", "git+ssh://example.invalid/x", "--name", "m"];
    let ran = home.run(&add).fails(1);
    assert!(ran.stderr.len() < 10_000, "{} bytes", ran.stderr.len());
    assert!(ran.stderr.contains("xxx… (655"), "{ran:?}");
}
