//! A token in the URL: it goes to the server and nowhere else, whatever happens.
//!
//! Limits: what a person types is in the title of the very process they start; all others are looked at.

use std::fs;
use std::path::Path;

use modstore_testbed::{
    BlackHole, Fault, HttpServer, Ran, RefusedPort, Repo, Running, TestHome, skip_loudly,
};

use crate::day::Day;

const TOKEN: &str = "t0k3n-t0-k33p";

/// One that no other test types while this machine's processes are looked at.
const TITLE_TOKEN: &str = "t0k3n-0f-th3-t1tl3s";

/// The ways to follow an update.
const WAYS: [&[&str]; 5] = [
    &["update"],
    &["update", "-v"],
    &["update", "--json"],
    &["update", "--progress", "json"],
    &["outdated", "--json", "-v"],
];

/// A store whose only file with the token is the one a person wrote it to.
#[track_caller]
fn kept(home: &TestHome, ran: &Ran) {
    let written = home.path().join("modules.toml");
    let found: Vec<_> =
        home.grep_bytes(TOKEN).into_iter().filter(|path| *path != written).collect();
    assert!(found.is_empty(), "{found:?} hold the token: {ran:?}");
    // A failing run shows its command, which has no token; so the whole of it can be looked at.
    assert!(!format!("{ran:?}").contains(TOKEN), "{ran:?}");
}

fn declare(home: &TestHome, url: &str) {
    home.declare(&[("m", &format!("git+{url}"))]);
}

#[test]
fn a_token_that_is_added_with_a_url_is_used_and_written_nowhere() {
    let root = tempfile::tempdir().unwrap();
    let repo = Repo::create(root.path(), "m");
    repo.write(&[("a", "1")]);
    let server = HttpServer::start(root.path());
    server.fault("m", Fault::BasicAuth { user: "me", password: TOKEN });
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let source = format!("git+{}", server.url_with_secret("m", "me", TOKEN));
    let ran = home.run(&["add", &source, "-v"]).ok();
    assert!(!ran.stdout.contains(TOKEN) && !ran.stderr.contains(TOKEN), "the token is printed");
    assert!(ran.stderr.contains("is used now and not stored"), "{}", ran.stderr);
    assert_eq!(home.grep_bytes(TOKEN), Vec::<std::path::PathBuf>::new());
    assert_eq!(home.tree("m"), repo.tree("main"));
    for command in
        [&["list", "--json"][..], &["show", "m", "--json"], &["status"], &["history", "--json"]]
    {
        kept(&home, &home.run(command).ok());
    }
    // The next update has no token and says so.
    repo.write(&[("a", "2")]);
    kept(&home, &home.run(&["update"]).fails(1).says("the server wants a login"));
}

#[test]
fn a_token_is_in_no_file_and_no_output_whatever_happens() {
    let root = tempfile::tempdir().unwrap();
    let repo = Repo::create(root.path(), "m");
    repo.write(&[("a", "1")]);
    let server = HttpServer::start(root.path());
    let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    home.env("MODSTORE_IDLE_TIMEOUT", "0.3");
    let with_token = server.url_with_secret("m", "me", TOKEN);
    declare(&home, &with_token);
    let right = || Fault::BasicAuth { user: "me", password: TOKEN };
    let faults: Vec<Option<Fault>> = vec![
        None,
        Some(right()),
        Some(Fault::BasicAuth { user: "me", password: "another" }),
        Some(Fault::Status(404)),
        Some(Fault::Status(500)),
        Some(Fault::HangBeforeReply),
        Some(Fault::CloseBeforeReply),
        Some(Fault::CloseMidPack { after: 20 }),
        Some(Fault::FlipByteInPack { at: 14 }),
        Some(Fault::Redirect { to: server.url_with_secret("elsewhere", "me", TOKEN) }),
        Some(Fault::Redirect { to: format!("ftp://me:{TOKEN}@127.0.0.1/m.git") }),
    ];
    for fault in faults {
        repo.write(&[("a", &format!("{fault:?}"))]);
        server.clear();
        let fired = server.stats().faults_fired;
        if let Some(fault) = &fault {
            server.fault("m", fault.clone());
        }
        WAYS.iter().for_each(|way| kept(&home, &home.run(way)));
        let is_fault =
            fault.is_some_and(|fault| !matches!(fault, Fault::BasicAuth { password: TOKEN, .. }));
        assert!(!is_fault || server.stats().faults_fired > fired, "a fault never was");
    }
    let (refused, hole) = (RefusedPort::reserve(), BlackHole::start());
    let login = format!("://me:{TOKEN}@");
    for url in [
        refused.url("http", "m"),
        refused.url("ssh", "m"),
        hole.url("ssh", "m"),
        "http://no-such-host.invalid/m.git".to_owned(),
        "https://127.0.0.1:1/m.git".to_owned(),
    ] {
        declare(&home, &url.replacen("://", &login, 1));
        WAYS.iter().for_each(|way| kept(&home, &home.run(way)));
    }
    for broken in ["m.git@@", "m.git#nonsense", "m.git?x=1", "a b", "m.git@\\u0001"] {
        declare(&home, &format!("http://me:{TOKEN}@127.0.0.1/{broken}"));
        WAYS.iter().for_each(|way| kept(&home, &home.run(way)));
    }
}

#[test]
fn a_token_that_is_mistyped_with_its_url_is_not_repeated() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    for source in [
        format!("git+https://me:{TOKEN}@host:notaport/m"),
        format!("https://me:{TOKEN}@host"),
        format!("htps://me:{TOKEN}@host/m.git"),
        format!("git+https://{TOKEN}@host/m#sub"),
        format!("--nam=https://me:{TOKEN}@host/m"),
    ] {
        for extra in [&[][..], &["--json"], &["-v"]] {
            let ran = home.run(&[&["add", &source], extra].concat()).fails(2);
            assert!(
                !ran.stdout.contains(TOKEN) && !ran.stderr.contains(TOKEN),
                "{}{}",
                ran.stdout,
                ran.stderr
            );
        }
    }
    assert_eq!(home.grep_bytes(TOKEN), Vec::<std::path::PathBuf>::new());
}

#[test]
#[cfg(target_os = "linux")]
fn a_token_is_in_no_process_title_while_a_fetch_hangs() {
    let root = tempfile::tempdir().unwrap();
    let repo = Repo::create(root.path(), "m");
    repo.commit("main", &[modstore_testbed::Change::write("noise", crate::day::noise(1))]);
    let server = HttpServer::start(root.path());
    let hole = BlackHole::start();
    let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    home.env("MODSTORE_IDLE_TIMEOUT", "1.5");
    home.git_config("[credential]\n helper = \"!f() { sleep 0.3; }; f\"\n");
    server.fault("m", Fault::BasicAuth { user: "me", password: TITLE_TOKEN });
    server.fault_on_fetch("m", Fault::HangMidPack { after: 50_000 });
    let ssh = hole.url("ssh", "m").replacen("://", &format!("://me:{TITLE_TOKEN}@"), 1);
    for url in [server.url_with_secret("m", "me", TITLE_TOKEN), ssh] {
        declare(&home, &url);
        let mut running = home.spawn(&["update"]);
        let mut seen = 0;
        while !running.ends_within(std::time::Duration::from_millis(20)) {
            for title in titles() {
                assert!(!title.contains(TITLE_TOKEN), "{title:?}");
                seen += 1;
            }
        }
        assert!(seen > 0);
        let ran = running.wait().fails(1);
        assert!(!format!("{ran:?}").contains(TITLE_TOKEN), "{ran:?}");
    }
    assert!(server.stats().faults_fired > 0);
}

#[test]
fn a_token_is_in_no_command_that_is_started() {
    if std::process::Command::new("strace").arg("-V").output().is_err() {
        return skip_loudly("no strace to see what is started");
    }
    let day = Day::begun();
    let hole = BlackHole::start();
    let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    home.env("MODSTORE_IDLE_TIMEOUT", "0.5");
    home.git_config("[credential]\n helper = \"!f() { cat >/dev/null; }; f\"\n");
    day.server.fault("troubled", Fault::BasicAuth { user: "me", password: "another" });
    let login = format!("://me:{TOKEN}@");
    let http = day.server.url_with_secret("troubled", "me", TOKEN);
    home.declare(&[
        ("over-http", &format!("git+{http}")),
        ("over-ssh", &format!("git+{}", hole.url("ssh", "m").replacen("://", &login, 1))),
    ]);
    let log = home.scratch().join("trace");
    let args = ["-f", "-qq", "-v", "-s", "4096", "-e", "trace=execve", "-o"].map(Into::into);
    let command = [log.clone().into(), env!("CARGO_BIN_EXE_modstore").into(), "update".into()];
    let args: Vec<std::ffi::OsString> = args.into_iter().chain(command).collect();
    let ran = Running::start(home.command_of(Path::new("strace"), &args)).wait().fails(1);
    let trace = fs::read_to_string(&log).unwrap();
    assert!(trace.contains("ssh"), "no ssh was started: {trace}");
    assert!(!trace.contains(TOKEN), "{trace}");
    kept(&home, &ran);
}

/// The titles of all processes that can be looked at.
#[cfg(target_os = "linux")]
fn titles() -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("there is /proc").flatten();
    let read = |process: fs::DirEntry| fs::read(process.path().join("cmdline")).ok();
    processes.filter_map(read).map(|title| String::from_utf8_lossy(&title).into_owned()).collect()
}
