//! Nothing that a person, a shell or a machine does to the command line makes it panic or die by a signal; what is wrong
//! is named.
//!
//! Limits: `ulimit -v` is not here: Rust ends a process that gets no memory, at any point, which is safe as a power cut is.

use std::{
    ffi::{OsStr, OsString},
    fs,
    os::unix::ffi::OsStrExt as _,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use modstore_testbed::{Ran, Repo, Running, TestHome, skip_loudly};

const MODSTORE: &str = env!("CARGO_BIN_EXE_modstore");
/// No text, an escape, an end of a line and a change of direction.
const ODD: &[u8] = b"\xff\x1b[2J\nhint: FORGED\xe2\x80\xae";

/// Commands that look, change, print little or much, and start programs.
const COMMANDS: [&[&str]; 18] = [
    &["list"],
    &["show", "tool"],
    &["status"],
    &["--json", "status"],
    &["outdated"],
    &["history"],
    &["events"],
    &["diff", "1"],
    &["path", "tool"],
    &["verify"],
    &["gc", "--dry-run"],
    &["-v", "update", "--retry"],
    &["--progress", "json", "update"],
    &["doctor", "--quick"],
    &["exec", "--", "/bin/true"],
    &["completions", "bash"],
    &["verify", "--repair"],
    &["reset"],
];

/// A home with a repository `tool`, fetched.
fn home_with_tool() -> (TestHome, Repo) {
    let home = TestHome::in_memory(MODSTORE);
    let repo = Repo::create(&home.scratch(), "tool");
    let noise = "0123456789abcdef".repeat(4096);
    repo.write(&[("README", "a tool\n"), ("noise", &noise), ("modules/one/a", "1\n")]);
    home.run(&["add", &format!("git+{}", repo.url_file())]).ok();
    (home, repo)
}

/// Ends as a program does that knows what it is doing.
#[track_caller]
fn sound(what: &str, ran: Ran) -> Ran {
    assert!(!ran.stderr.contains("panicked"), "{what}: {ran:?}");
    assert!(!ran.stderr.contains("overflowed its stack"), "{what}: {ran:?}");
    assert!(
        (0..=4).contains(&ran.status) || matches!(ran.status, 126 | 127 | 130),
        "{what}: {ran:?}"
    );
    ran
}

/// The command line behind a shell's `before`, with what it leads to.
fn behind(home: &TestHome, before: &str, arguments: &[&str], after: &str) -> Command {
    let script = format!("{before} \"$@\" {after}");
    let words = [&["-c", &script, "sh", MODSTORE], arguments].concat();
    home.command_of(Path::new("/bin/sh"), &words)
}

#[track_caller]
fn run_behind(home: &TestHome, before: &str, arguments: &[&str], after: &str) -> Ran {
    let ran = Running::start(behind(home, before, arguments, after)).wait();
    sound(&format!("{before} {arguments:?} {after}"), ran)
}

#[test]
fn any_argument_at_any_place_ends_in_an_answer_or_an_error() {
    let home = TestHome::in_memory(MODSTORE);
    let places: [&[&str]; 34] = [
        &[],
        &["help"],
        &["add"],
        &["add", "--no-update", "--name"],
        &["add", "x", "--subdirectory"],
        &["remove"],
        &["link"],
        &["link", "m"],
        &["unlink"],
        &["update"],
        &["update", "--jobs"],
        &["scan"],
        &["outdated"],
        &["show"],
        &["path"],
        &["diff"],
        &["diff", "1"],
        &["rollback", "--to"],
        &["gc", "--keep"],
        &["gc", "--older-than"],
        &["gc", "--max-size"],
        &["exec", "--"],
        &["exec", "--python"],
        &["exec", "--generation"],
        &["verify"],
        &["bind", "--python"],
        &["bind", "--python", "x", "--constraints"],
        &["unbind", "--python"],
        &["doctor", "--quick", "--python"],
        &["completions"],
        &["events", "--since"],
        &["--progress"],
        &["--lock-timeout"],
        &["--home"],
    ];
    let long = "a".repeat(100_000);
    let values: [&[u8]; 10] = [
        ODD,
        b"",
        b"-1",
        b"18446744073709551615",
        b"99999999999999999999",
        b"git+https://u:p@\xffh/\x1b",
        b"git+https://h/r@\xe2\x80\xae#subdirectory=\xff",
        b"~x/\n  tip: FORGED",
        b"archive+file:///x#sha256=\xff",
        long.as_bytes(),
    ];
    for place in places {
        for value in values {
            let mut arguments: Vec<OsString> = vec!["--offline".into()];
            arguments.extend(place.iter().map(OsString::from));
            arguments.push(OsStr::from_bytes(value).into());
            let what =
                format!("{place:?} {}", value.get(..40.min(value.len())).unwrap().escape_ascii());
            let ran = sound(&what, home.run(&arguments));
            let is_odd = |c| c != '\n' && modstore_core::model::is_deceptive(c);
            assert!(
                !ran.stderr.contains(is_odd) && !ran.stdout.contains(is_odd),
                "{what}: {ran:?}"
            );
            let forged = |line: &str| ["hint: FORGED", "  tip: FORGED"].contains(&line);
            assert!(!ran.stderr.lines().any(forged), "{what}: {ran:?}");
        }
    }
}

#[test]
fn any_value_of_a_variable_ends_in_an_answer_or_an_error() {
    let (mut home, _repo) = home_with_tool();
    let names = [
        "HOME",
        "XDG_DATA_HOME",
        "XDG_CONFIG_HOME",
        "MODSTORE_HOME",
        "MODSTORE_IDLE_TIMEOUT",
        "MODSTORE_PACK_MEMORY",
        "MODSTORE_CONNECT_TIMEOUT",
        "MODSTORE_RETRY_AFTER",
        "TERM",
        "COLUMNS",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "NO_COLOR",
        "CLICOLOR_FORCE",
        "GIT_CONFIG_GLOBAL",
        "GIT_CONFIG_COUNT",
        "GIT_CONFIG_PARAMETERS",
        "GIT_DIR",
        "GIT_SSH_COMMAND",
        "http_proxy",
        "no_proxy",
        "GIT_ASKPASS",
        "GIT_ALLOW_PROTOCOL",
        "GIT_HTTP_USER_AGENT",
        "USER",
        "VIRTUAL_ENV",
        "PYTHONPATH",
        "PATH",
    ];
    for name in names {
        for value in [ODD, b"", b"1", b"99999999999999999999", b"1e300", b"/dev/null/x"] {
            home.env(name, OsStr::from_bytes(value));
            for command in [&["status"][..], &["update"], &["history"], &["doctor", "--quick"]] {
                let ran = sound(&format!("{name} {command:?}"), home.run(command));
                let forged = |line: &str| line == "hint: FORGED";
                assert!(!ran.stderr.lines().any(forged), "{name}: {ran:?}");
            }
        }
        home.without_env(name);
        for command in [&["status"][..], &["update"], &["doctor", "--quick"]] {
            sound(&format!("no {name} {command:?}"), home.run(command));
        }
        let store = home.path().to_owned();
        home.env("MODSTORE_HOME", store).env("PATH", std::env::var_os("PATH").unwrap());
    }
}

#[test]
fn a_directory_that_is_gone_or_may_not_be_written_is_named() {
    let (home, _repo) = home_with_tool();
    let gone = "mkdir gone; cd gone; rmdir ../gone;";
    for command in COMMANDS {
        run_behind(&home, gone, command, "");
        run_behind(&home, gone, &[&["--home", "relative"], command].concat(), "");
    }
    let ran = run_behind(&home, gone, &["--home", "relative", "status"], "");
    assert!(ran.stderr.contains("the current directory cannot be read"), "{ran:?}");
    let ran = run_behind(&home, gone, &["add", "./x"], "");
    assert!(ran.stderr.contains("change to a directory that exists"), "{ran:?}");
    let ran = run_behind(&home, "unset HOME MODSTORE_HOME XDG_DATA_HOME;", &["status"], "");
    // Where there is no HOME, the system's list of users has one.
    assert!(ran.status == 0 || ran.stderr.contains("--home or MODSTORE_HOME"), "{ran:?}");
    for command in COMMANDS {
        run_behind(&home, "MODSTORE_HOME=/dev/null/x HOME=/dev/null;", command, "");
        run_behind(&home, "export MODSTORE_HOME=/proc/self/x;", command, "");
    }
}

#[test]
fn few_open_files_are_an_error_that_says_so() {
    let (home, repo) = home_with_tool();
    let source = format!("git+{}", repo.url_file());
    for files in [4, 6, 8, 10, 12, 16, 32, 64] {
        let before = format!("ulimit -n {files};");
        for command in COMMANDS {
            run_behind(&home, &before, command, "");
        }
        let ran = run_behind(&home, &before, &["add", &source, "--name", "other"], "");
        if ran.status != 0 {
            let named = ["Too many open files", "os error 24", "Error 24"];
            assert!(named.iter().any(|name| ran.stderr.contains(name)), "{ran:?}");
            assert!(!ran.stderr.contains("permanent"), "others may close theirs: {ran:?}");
        } else {
            home.run(&["remove", "other"]).ok();
        }
    }
    home.run(&["update"]).ok();
    home.run(&["verify"]).ok();
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error_of_the_write() {
    let (home, _repo) = home_with_tool();
    let large = Repo::create(&home.scratch(), "large");
    large.write(&[("file", &"large".repeat(20_000))]);
    let source = format!("git+{}", large.url_file());
    for blocks in [0, 1, 8] {
        let before = format!("ulimit -f {blocks};");
        for command in COMMANDS {
            run_behind(&home, &before, command, "");
        }
        let ran = run_behind(&home, &before, &["add", &source, "--name", "other"], "");
        assert_eq!(ran.status, 1, "{ran:?}");
        assert!(ran.stderr.contains("File too large"), "{ran:?}");
    }
    home.run(&["update"]).ok();
    home.run(&["verify"]).ok();
}

#[test]
fn a_small_stack_is_enough() {
    let (home, _repo) = home_with_tool();
    for kibibytes in [100, 256, 1024] {
        for command in COMMANDS {
            run_behind(&home, &format!("ulimit -s {kibibytes};"), command, "");
        }
    }
}

#[test]
fn a_system_without_free_threads_is_an_error_that_says_so() {
    if !cfg!(target_os = "linux") || !rustix::process::geteuid().is_root() {
        return skip_loudly(
            "a limit on processes is nothing to root, and only root becomes another user",
        );
    }
    if !["setpriv", "prlimit"].iter().all(|tool| Path::new("/usr/bin").join(tool).is_file()) {
        return skip_loudly("needs setpriv and prlimit of util-linux");
    }
    let (home, repo) = home_with_tool();
    let place = home.scratch().parent().unwrap().to_owned();
    let theirs = Command::new("chown").args(["-R", "48123:48123"]).arg(&place).status();
    assert!(theirs.unwrap().success());
    let source = format!("git+{}", repo.url_file());
    for processes in 1..6 {
        // The limit counts what the user has: one that has nothing else.
        let before = format!(
            "exec setpriv --reuid 48123 --regid 48123 --clear-groups prlimit --nproc={processes}"
        );
        let update = run_behind(&home, &before, &["update", "--retry"], "");
        if processes == 1 {
            assert_eq!(update.status, 1, "{update:?}");
            assert!(update.stderr.contains("threads"), "{update:?}");
        }
        run_behind(&home, &before, &["--progress", "bar", "add", &source, "--name", "x"], "");
        for command in COMMANDS {
            run_behind(&home, &before, command, "");
        }
    }
}

#[test]
fn closed_and_full_outputs_are_an_honest_exit() {
    let (home, _repo) = home_with_tool();
    for command in COMMANDS.into_iter().chain([&["--help"][..], &["--version"], &["nonsense"], &[]])
    {
        for after in
            [">&-", "2>&-", "<&-", ">&- 2>&- <&-", "2>/dev/full", "| head -c 1", "2>&1 | head -c 1"]
        {
            run_behind(&home, "", command, after);
        }
        let full = run_behind(&home, "", command, ">/dev/full");
        let says_nothing =
            matches!(command.first(), None | Some(&"exec" | &"nonsense" | &"doctor"));
        assert!(full.status != 0 || says_nothing, "{command:?} {full:?}");
        if full.status == 1 && !says_nothing {
            assert!(full.stderr.contains("No space left"), "{command:?} {full:?}");
        }
    }
}

#[test]
fn every_table_of_ten_thousand_modules_is_printed_in_seconds() {
    const MODULES: usize = 10_000;
    let home = TestHome::in_memory(MODSTORE);
    let scratch = home.scratch();
    let declare = |there: &Path| {
        let text = (0..MODULES).map(|number| {
            format!(
                "[modules.m{number}]\nsource = \"{}\"\n",
                there.join(format!("d{number}")).display()
            )
        });
        home.write_modules(&text.collect::<String>());
    };
    for number in 0..MODULES {
        fs::create_dir(scratch.join(format!("d{number}"))).unwrap();
    }
    declare(&scratch);
    home.run(&["update"]).ok();
    let quickly = |arguments: &[&str], status: i32| {
        let began = Instant::now();
        let ran = sound(&format!("{arguments:?}"), home.run(arguments));
        assert_eq!(
            ran.status,
            status,
            "{arguments:?} {}",
            ran.stderr.get(..300).unwrap_or(&ran.stderr)
        );
        assert!(!ran.stdout.is_empty(), "{arguments:?}");
        // What is quadratic takes minutes; what is not takes a second on a slow machine.
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "{arguments:?} took {:?}",
            began.elapsed()
        );
    };
    let looks: [&[&str]; 11] = [
        &["status"],
        &["list"],
        &["--json", "status"],
        &["--json", "list"],
        &["history"],
        &["events"],
        &["show", "m9999"],
        &["diff", "1"],
        &["gc", "--dry-run"],
        &["verify"],
        &["outdated"],
    ];
    for look in looks {
        quickly(look, 0);
    }
    quickly(&["update"], 0);
    declare(&scratch.join("nowhere"));
    quickly(&["update"], 1);
    for look in [
        &["status"][..],
        &["list"],
        &["--json", "status"],
        &["history"],
        &["events"],
        &["show", "m9999"],
    ] {
        quickly(look, 0);
    }
}

#[test]
fn nesting_without_end_is_refused_and_overflows_nothing() {
    let home = TestHome::in_memory(MODSTORE);
    let deep = 100_000;
    let dotted = vec!["a"; deep].join(".");
    for text in [
        format!("x = {}{}", "[".repeat(deep), "]".repeat(deep)),
        format!("x = {}1{}", "{a=".repeat(deep), "}".repeat(deep)),
        format!("{dotted} = 1"),
        format!("[{dotted}]"),
        format!("[[{dotted}]]"),
        "x = 99999999999999999999999999".to_owned(),
    ] {
        home.write_modules(&text);
        for command in [&["list"][..], &["update"], &["add", "--no-update", "/tmp"]] {
            assert_eq!(sound("nesting", home.run(command)).status, 2, "{command:?}");
        }
        home.declare(&[("m", "/tmp")]);
        fs::write(home.path().join("modules.lock"), &text).unwrap();
        sound("a lock", home.run(&["update", "--locked"]));
    }
    for text in [format!("{}{}", "[".repeat(deep), "]".repeat(deep)), "{\"a\":".repeat(deep)] {
        fs::write(home.path().join("format.json"), text).unwrap();
        assert_eq!(sound("a marker", home.run(&["update"])).status, 4);
    }
}
