//! The servers, faults and file systems that other tests lean on do what they say, with real git as the client.
//!
//! A fault that does not bite would make every test above it pass for nothing; so each is seen to make git fail.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::io::Read as _;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use modstore_testbed::{
    BlackHole, Change, CutNetwork, Fault, GitDaemon, HttpServer, Item, Mount, Random, RefusedPort,
    Repo, Running, SshServer, TestHome, Unsynced, Wire, git, listing,
};
use tempfile::{TempDir, tempdir};

/// A directory of repositories with one in it: `one`, with a file of 200 kB that does not compress.
fn served() -> (TempDir, Repo) {
    let root = tempdir().expect("a temporary directory");
    let repo = Repo::create(root.path(), "one");
    repo.commit(
        "main",
        &[Change::write("main.py", "print('hello')\n"), Change::write("noise", noise(200_000))],
    );
    (root, repo)
}

fn noise(length: usize) -> Vec<u8> {
    Random::of(1).bytes(length)
}

fn clone_with(mut git: Command, url: &str) -> (TempDir, Output) {
    let place = tempdir().expect("a temporary directory");
    let out = git
        .args(["clone", "--quiet", "--depth", "1", url])
        .arg(place.path().join("clone"))
        .output()
        .expect("git starts");
    (place, out)
}

fn said(out: &Output) -> String {
    String::from_utf8_lossy(&out.stderr).into_owned()
}

#[track_caller]
fn clones(git: Command, url: &str) -> TempDir {
    let (place, out) = clone_with(git, url);
    assert!(out.status.success(), "{url}: {}", said(&out));
    assert_eq!(std::fs::read(place.path().join("clone/noise")).expect("the file"), noise(200_000));
    place
}

#[track_caller]
fn does_not_clone(url: &str, because: &str) {
    let (_, out) = clone_with(git(), url);
    assert!(!out.status.success(), "cloned in spite of the fault");
    assert!(said(&out).contains(because), "git says: {}", said(&out));
}

/// Whether the connection comes and is refused, as opposed to being swallowed.
fn refused(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port))
        .is_err_and(|e| e.kind() == std::io::ErrorKind::ConnectionRefused)
}

fn path_of(program: &str) -> PathBuf {
    let path = std::env::var_os("PATH").expect("a PATH");
    std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|path| path.exists())
        .expect("the program")
}

// Repositories

#[test]
fn a_repository_has_the_same_ids_on_every_run() {
    let commit = || {
        let root = tempdir().unwrap();
        let repo = Repo::create(root.path(), "same");
        repo.write(&[("a", "1")]);
        repo.write(&[("a", "2")])
    };
    assert_eq!(commit(), commit());
}

#[test]
fn a_commit_holds_what_was_written_and_keeps_the_rest() {
    let root = tempdir().unwrap();
    let repo = Repo::create(root.path(), "group/kinds");
    repo.write(&[("gone", "x"), ("kept", "y")]);
    let commit = repo.commit(
        "main",
        &[
            Change::exec("bin/run", "#!/bin/sh\n"),
            Change::symlink("link", "kept"),
            Change::write("a \"quoted\"\\ name\nof two lines", "z"),
            Change::write("empty", ""),
            Change::delete("gone"),
            Change::gitlink("sub", "1111111111111111111111111111111111111111"),
        ],
    );
    assert_eq!(repo.rev("main").as_deref(), Some(commit.as_str()));
    let tree = repo.tree(&commit);
    assert_eq!(
        tree.get("bin/run"),
        Some(&Item::File { bytes: b"#!/bin/sh\n".to_vec(), executable: true })
    );
    assert_eq!(tree.get("link"), Some(&Item::Link("kept".into())));
    assert!(tree.contains_key("a \"quoted\"\\ name\nof two lines"));
    assert!(tree.contains_key("kept") && tree.contains_key("empty") && !tree.contains_key("gone"));
    assert!(repo.git(&["ls-tree", "main", "sub"]).starts_with("160000 commit 1111"));
}

#[test]
fn tags_branches_and_head_are_where_they_were_put() {
    let (_root, repo) = served();
    let first = repo.rev("main").unwrap();
    let second = repo.write(&[("main.py", "2")]);
    repo.tag("v1", &first);
    let object = repo.annotated_tag("v2", &second);
    repo.branch("old", &first);
    repo.set_head("old");
    assert_eq!(repo.rev("v1"), Some(first.clone()));
    assert_eq!(repo.rev("v2"), Some(object));
    assert_eq!(repo.rev("v2^{commit}"), Some(second));
    assert_eq!(repo.rev("HEAD"), Some(first));
    assert_eq!(repo.rev("refs/heads/nothing"), None);
}

#[test]
fn a_hostile_tree_is_served_as_it_is() {
    let (_root, repo) = served();
    let blob = repo.blob(b"evil");
    let below = repo.raw_tree(&[("100644", b"x", &blob)]);
    let commit = repo.raw_tree_commit(&[
        ("100644", b"..", &blob),
        ("40000", b".GIT", &below),
        ("100644", b"/etc/passwd", &blob),
        ("100644", b"twice", &blob),
        ("100644", b"twice", &blob),
        ("120000", b"way-out", &repo.blob(b"../../outside")),
    ]);
    let names = repo.git(&["ls-tree", "--name-only", &commit]);
    assert_eq!(names, "..\n.GIT\n/etc/passwd\ntwice\ntwice\nway-out");
    let (place, out) = clone_with(git(), &repo.url_file());
    assert!(
        !out.status.success() && !place.path().join("passwd").exists(),
        "git checked out a hostile tree"
    );
}

#[test]
fn a_hundred_repositories_of_forty_files_and_one_of_fifty_thousand_are_made_in_seconds() {
    let root = tempdir().unwrap();
    let started = Instant::now();
    for number in 0..100 {
        let files: Vec<_> = (0..40)
            .map(|file| Change::write(format!("m/{file}.py"), format!("{number} {file}")))
            .collect();
        Repo::create(root.path(), &format!("module-{number}")).commit("main", &files);
    }
    let hundred = started.elapsed();
    let files: Vec<_> = (0..50_000)
        .map(|file| Change::write(format!("d{}/f{file}", file % 500), format!("{file}")))
        .collect();
    let big = Repo::create(root.path(), "big");
    big.commit("main", &files);
    println!("100 repositories in {hundred:?}, 50,000 files in {:?}", started.elapsed() - hundred);
    assert_eq!(big.git(&["ls-tree", "-r", "--name-only", "main"]).lines().count(), 50_000);
}

// Transports

#[test]
fn git_clones_over_all_four_transports() {
    let (root, repo) = served();
    let daemon = GitDaemon::start(root.path());
    let http = HttpServer::start(root.path());
    clones(git(), &repo.url_file());
    clones(git(), &daemon.url("one"));
    clones(git(), &http.url("one"));
    assert!(daemon.log().contains("Request upload-pack for '/one.git'"), "{}", daemon.log());
    let Some(ssh) = SshServer::start(root.path()) else { return };
    for url in [ssh.url("one"), ssh.scp_url("one")] {
        let mut git = git();
        git.env("GIT_SSH_COMMAND", ssh.ssh_command());
        clones(git, &url);
    }
}

#[test]
fn ssh_refuses_a_wrong_key_and_the_client_refuses_a_wrong_host() {
    let (root, _repo) = served();
    let Some(ssh) = SshServer::start(root.path()) else { return };
    for (command, because) in [
        (ssh.wrong_key_command(), "Permission denied"),
        (ssh.wrong_host_command(), "Host key verification failed"),
    ] {
        let mut git = git();
        git.env("GIT_SSH_COMMAND", command);
        let (_, out) = clone_with(git, &ssh.url("one"));
        assert!(!out.status.success() && said(&out).contains(because), "{}", said(&out));
    }
}

#[test]
fn ssh_passes_the_wish_for_protocol_v2_on() {
    let (root, _repo) = served();
    let Some(ssh) = SshServer::start(root.path()) else { return };
    let mut git = git();
    git.env("GIT_SSH_COMMAND", ssh.ssh_command()).env("GIT_TRACE_PACKET", "1");
    let out =
        git.args(["-c", "protocol.version=2", "ls-remote", &ssh.url("one")]).output().unwrap();
    assert!(said(&out).contains("< version 2"), "{}", said(&out));
}

#[test]
fn no_server_outlives_its_value() {
    let (root, _repo) = served();
    let daemon = GitDaemon::start(root.path());
    let http = HttpServer::start(root.path());
    let ports = [daemon.port(), http.port()];
    assert!(!ports.into_iter().any(refused));
    drop((daemon, http));
    eventually(|| ports.into_iter().all(refused).then_some(()));
}

/// Not a law: started by the test below in a process of its own, which is then killed.
#[test]
fn a_server_waits_to_be_orphaned() {
    let Some(root) = std::env::var_os("MODSTORE_TESTS_ORPHAN") else { return };
    let daemon = GitDaemon::start(Path::new(&root));
    std::fs::write(Path::new(&root).join("port"), daemon.port().to_string()).unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn no_server_outlives_a_killed_test_process() {
    let (root, _repo) = served();
    let mut parent = Command::new(std::env::current_exe().unwrap());
    parent
        .args(["--exact", "a_server_waits_to_be_orphaned"])
        .env("MODSTORE_TESTS_ORPHAN", root.path());
    let parent = Running::start(parent);
    let port = eventually(|| std::fs::read_to_string(root.path().join("port")).ok()?.parse().ok());
    assert!(!refused(port));
    drop(parent);
    eventually(|| refused(port).then_some(()));
}

/// Tries again until there is an answer, for ten seconds at most.
#[track_caller]
fn eventually<T>(mut answer: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(10) {
        if let Some(answer) = answer() {
            return answer;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("not within ten seconds");
}

#[test]
fn a_wire_cuts_and_stalls_any_protocol_and_heals() {
    let (root, _repo) = served();
    let daemon = GitDaemon::start(root.path());
    let wire = Wire::to(daemon.port());
    let url = wire.url(&daemon.url("one"));
    clones(git(), &url);
    for after in [0, 10, 1000, 150_000] {
        wire.cut_after(after);
        does_not_clone(&url, "");
    }
    wire.stall_after(100_000);
    let place = tempdir().unwrap();
    let mut clone = git();
    clone.args(["clone", "--quiet", &url]).arg(place.path().join("clone"));
    let mut running = Running::start(clone);
    assert!(!running.ends_within(Duration::from_millis(300)), "finished over a silent wire");
    wire.heal();
    running.wait().ok();
}

#[test]
fn an_ssh_session_can_be_cut_on_the_wire() {
    let (root, _repo) = served();
    let Some(ssh) = SshServer::start(root.path()) else { return };
    let wire = Wire::to(ssh.port());
    let through = || {
        let mut git = git();
        git.env("GIT_SSH_COMMAND", ssh.ssh_command());
        git
    };
    clones(through(), &wire.url(&ssh.url("one")));
    wire.cut_after(100_000);
    let (_, out) = clone_with(through(), &wire.url(&ssh.url("one")));
    assert!(!out.status.success());
}

#[test]
fn http_serves_as_a_proxy_too() {
    let (root, _repo) = served();
    let server = HttpServer::start(root.path());
    let mut proxied = git();
    proxied.args(["-c", &format!("http.proxy=http://127.0.0.1:{}", server.port())]);
    clones(proxied, "http://modules.invalid/one.git");
    let stats = server.stats();
    assert!(
        stats
            .requests
            .iter()
            .all(|seen| seen.repo == "one" && seen.target.starts_with("http://modules.invalid/"))
    );
}

#[test]
fn http_speaks_v2_on_kept_connections_and_takes_compressed_requests() {
    let (root, repo) = served();
    // Enough refs that git compresses its request, and that it negotiates.
    for number in 0..200 {
        repo.tag(&format!("t{number}"), &repo.write(&[("main.py", &number.to_string())]));
    }
    let server = HttpServer::start(root.path());
    let place = tempdir().unwrap();
    let out = git()
        .args(["clone", "--quiet", "--mirror", &server.url("one")])
        .arg(place.path())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", said(&out));
    let stats = server.stats();
    assert_eq!(stats.connections, 1);
    assert!(
        stats
            .requests
            .iter()
            .all(|seen| seen.protocol.as_deref() == Some("version=2") && seen.repo == "one")
    );
    let compressed = |seen: &modstore_testbed::RecordedRequest| {
        seen.headers.contains(&("content-encoding".into(), "gzip".into()))
    };
    assert!(stats.requests.iter().any(compressed), "{stats:?}");
    server.forget();
    assert!(server.stats().requests.is_empty());
}

#[test]
fn http_takes_chunked_requests() {
    let (root, repo) = served();
    for number in 0..200 {
        repo.tag(&format!("t{number}"), &repo.write(&[("main.py", &number.to_string())]));
    }
    let server = HttpServer::start(root.path());
    let place = tempdir().unwrap();
    let out = git()
        .args([
            "-c",
            "http.postBuffer=2000",
            "-c",
            "protocol.version=0",
            "clone",
            "--quiet",
            "--mirror",
            &server.url("one"),
        ])
        .arg(place.path())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", said(&out));
    let chunked = |seen: &modstore_testbed::RecordedRequest| {
        seen.headers.contains(&("transfer-encoding".into(), "chunked".into()))
    };
    assert!(server.stats().requests.iter().any(chunked), "{:?}", server.stats());
}

#[test]
fn a_hundred_repositories_are_served_to_sixteen_clients_at_once() {
    let root = tempdir().unwrap();
    for number in 0..100 {
        Repo::create(root.path(), &format!("m{number}"))
            .commit("main", &[Change::write("noise", noise(200_000))]);
    }
    let server = HttpServer::start(root.path());
    let next = AtomicUsize::new(0);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..16 {
            scope.spawn(|| {
                while let number @ 0..100 = next.fetch_add(1, Ordering::SeqCst) {
                    clones(git(), &server.url(&format!("m{number}")));
                }
            });
        }
    });
    println!("100 clones in {:?}", started.elapsed());
}

// Faults

/// Git fails while the fault is on, for the reason given, and clones again when it is off.
#[track_caller]
fn fault_bites(fault: Fault, because: &str) {
    let (root, _repo) = served();
    let server = HttpServer::start(root.path());
    server.fault("one", fault);
    does_not_clone(&server.url("one"), because);
    assert!(server.stats().faults_fired > 0);
    server.clear();
    clones(git(), &server.url("one"));
}

#[test]
fn a_status_is_what_the_client_gets() {
    fault_bites(Fault::Status(503), "503");
    fault_bites(Fault::Status(404), "not found");
    fault_bites(Fault::StatusWithHeader(429, "Retry-After", "7"), "429");
}

#[test]
fn a_connection_closed_without_reply_is_an_empty_reply() {
    fault_bites(Fault::CloseBeforeReply, "Empty reply");
}

#[test]
fn a_pack_cut_anywhere_does_not_clone() {
    for after in [0, 1, 20, 100_000, u64::MAX] {
        fault_bites(Fault::CloseMidPack { after }, "");
    }
    for after in [0, 1, 20, 100_000] {
        fault_bites(Fault::TruncatedPackCleanEof { after }, "");
    }
}

#[test]
fn a_flipped_byte_does_not_clone() {
    for at in [0, 5, 15, 100_000] {
        fault_bites(Fault::FlipByteInPack { at }, "");
    }
}

#[test]
fn offsets_are_the_same_over_protocol_v0_and_v2() {
    let (root, _repo) = served();
    let server = HttpServer::start(root.path());
    for version in ["0", "2"] {
        let client = || {
            let mut git = git();
            git.args(["-c", &format!("protocol.version={version}")]);
            git
        };
        server.clear();
        clones(client(), &server.url("one"));
        server.fault("*", Fault::FlipByteInPack { at: 0 });
        let (_, out) = clone_with(client(), &server.url("one"));
        // What git says, in two places, of a first byte that is not the P of "PACK".
        let about_the_start = ["pack signature mismatch", "bad pack header"];
        assert!(
            about_the_start.iter().any(|message| said(&out).contains(message)),
            "{}",
            said(&out)
        );
    }
}

#[test]
fn protocol_v0_is_spoken_when_forced() {
    let (root, _repo) = served();
    let server = HttpServer::start(root.path());
    server.fault("*", Fault::ForceProtocolV0);
    clones(git(), &server.url("one"));
    let stats = server.stats();
    assert!(stats.faults_fired > 0);
    assert!(
        stats
            .requests
            .iter()
            .all(|seen| !seen.body_start.windows(8).any(|part| part == b"command=")),
        "{stats:?}"
    );
}

#[test]
fn a_hanging_server_hangs_until_cleared() {
    for fault in [
        Fault::HangBeforeReply,
        Fault::HangMidPack { after: 1000 },
        Fault::HangMidPack { after: u64::MAX },
    ] {
        let (root, _repo) = served();
        let server = HttpServer::start(root.path());
        server.fault("one", fault);
        let place = tempdir().unwrap();
        let mut git = git();
        git.args(["clone", "--depth", "1", &server.url("one")]).arg(place.path().join("clone"));
        let running = Running::start(git);
        while server.stats().faults_fired == 0 {
            std::thread::yield_now();
        }
        server.clear();
        let ran = running.wait();
        assert_ne!(ran.status, 0, "{ran:?}");
    }
}

#[test]
fn a_client_with_a_time_limit_gives_up_on_a_hanging_server() {
    let (root, _repo) = served();
    let server = HttpServer::start(root.path());
    server.fault("one", Fault::HangMidPack { after: 1000 });
    let mut impatient = git();
    impatient.args(["-c", "http.lowSpeedLimit=1000", "-c", "http.lowSpeedTime=1"]);
    let (_, out) = clone_with(impatient, &server.url("one"));
    assert!(!out.status.success());
}

#[test]
fn a_fault_for_a_number_of_times_is_over_after_them() {
    let (root, _repo) = served();
    let server = HttpServer::start(root.path());
    server.fault_times("one", 2, Fault::Status(503));
    does_not_clone(&server.url("one"), "503");
    does_not_clone(&server.url("one"), "503");
    clones(git(), &server.url("one"));
    assert_eq!(server.stats().faults_fired, 2);
}

#[test]
fn a_fault_of_one_repository_leaves_the_others_alone() {
    let (root, _repo) = served();
    let other = Repo::create(root.path(), "other");
    other.write(&[("a", "b")]);
    let server = HttpServer::start(root.path());
    server.fault("other", Fault::Status(500));
    clones(git(), &server.url("one"));
    does_not_clone(&server.url("other"), "500");
    does_not_clone(&server.url("other").replace(".git", ""), "500");
}

#[test]
fn a_fault_on_fetches_lets_listings_through() {
    let (root, _repo) = served();
    let server = HttpServer::start(root.path());
    server.fault_on_fetch("one", Fault::Status(503));
    for version in ["0", "2"] {
        let out = git()
            .args(["-c", &format!("protocol.version={version}"), "ls-remote", &server.url("one")])
            .output();
        assert!(out.unwrap().status.success());
        assert_eq!(server.stats().faults_fired, 0);
    }
    does_not_clone(&server.url("one"), "503");
}

#[test]
fn a_capability_taken_away_is_not_offered_over_either_protocol() {
    let (root, _repo) = served();
    let server = HttpServer::start(root.path());
    let offers = |version: &str| {
        let mut git = git();
        git.args(["-c", &format!("protocol.version={version}"), "ls-remote", &server.url("one")]);
        said(&git.env("GIT_TRACE_PACKET", "1").output().unwrap())
    };
    assert!(offers("0").contains("shallow") && offers("2").contains("fetch=shallow"));
    server.fault("*", Fault::WithoutCapability("shallow"));
    assert!(
        !offers("0").contains(" shallow ") && !offers("2").contains("shallow "),
        "{}",
        offers("2")
    );
    assert!(offers("0").contains("side-band-64k") && offers("2").contains("fetch="));
    assert!(offers("0").contains("refs/heads/main"));
    does_not_clone_over_v0(&server);
    server.fault("*", Fault::WithoutCapability("fetch"));
    assert!(!offers("2").contains("fetch="));
}

#[track_caller]
fn does_not_clone_over_v0(server: &HttpServer) {
    let mut old = git();
    old.args(["-c", "protocol.version=0"]);
    let (_, out) = clone_with(old, &server.url("one"));
    assert!(said(&out).contains("does not support shallow"), "{}", said(&out));
}

#[test]
fn only_the_right_password_gets_in() {
    let (root, _repo) = served();
    let server = HttpServer::start(root.path());
    for password in ["s", "se", "sec", "s3cr:et"] {
        server.clear();
        server.fault("*", Fault::BasicAuth { user: "me", password });
        does_not_clone(&server.url("one"), "could not read Username");
        does_not_clone(&server.url_with_secret("one", "me", "wrong"), "Authentication failed");
        clones(git(), &server.url_with_secret("one", "me", &password.replace(':', "%3A")));
    }
}

#[test]
fn a_redirect_leads_to_the_other_repository() {
    let (root, _repo) = served();
    let server = HttpServer::start(root.path());
    server.fault("moved", Fault::Redirect { to: server.url("one") });
    clones(git(), &server.url("moved"));
}

#[test]
fn a_delay_delays() {
    let (root, _repo) = served();
    let server = HttpServer::start(root.path());
    server.fault("*", Fault::Delay(50));
    let started = Instant::now();
    clones(git(), &server.url("one"));
    assert!(started.elapsed() >= Duration::from_millis(100), "two requests at least");
}

#[test]
fn a_hook_runs_in_the_middle_of_the_pack_and_can_hold_it_up() {
    let (root, _repo) = served();
    let server = HttpServer::start(root.path());
    let (arrived, arrival) = channel();
    let (go_on, wait) = channel();
    let wait = Mutex::new(wait);
    let requests = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&requests);
    server.fault(
        "one",
        Fault::on_request(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        }),
    );
    server.fault(
        "one",
        Fault::on_pack(100_000, move || {
            arrived.send(()).unwrap();
            wait.lock().unwrap().recv().unwrap();
        }),
    );
    let url = server.url("one");
    let cloning = std::thread::spawn(move || clones(git(), &url));
    arrival.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(!cloning.is_finished());
    assert!(requests.load(Ordering::SeqCst) >= 2);
    go_on.send(()).unwrap();
    cloning.join().unwrap();
}

#[test]
fn cut_connections_fail_the_client() {
    let (root, _repo) = served();
    let server = Arc::new(HttpServer::start(root.path()));
    let cutter = Arc::downgrade(&server);
    server.fault("one", Fault::on_pack(1000, move || cutter.upgrade().unwrap().cut_connections()));
    does_not_clone(&server.url("one"), "");
}

#[test]
fn a_refused_port_refuses_and_a_black_hole_swallows() {
    let refusing = RefusedPort::reserve();
    assert!(refused(refusing.port()));
    does_not_clone(&refusing.url("http", "one"), "127.0.0.1");
    let hole = BlackHole::start();
    let mut stream = TcpStream::connect(("127.0.0.1", hole.port())).unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    assert!(stream.read(&mut [0]).is_err(), "something answered");
}

// Homes

#[test]
fn a_command_sees_nothing_of_the_machine_but_its_path() {
    let home = TestHome::new(path_of("env"));
    let ran = home.run::<&str>(&[]).ok();
    let mut names: Vec<_> =
        ran.stdout.lines().filter_map(|line| Some(line.split_once('=')?.0)).collect();
    names.sort_unstable();
    names.retain(|name| *name != "LLVM_PROFILE_FILE");
    let wanted = [
        "GIT_CONFIG_NOSYSTEM",
        "HOME",
        "LC_ALL",
        "MODSTORE_HOME",
        "PATH",
        "TMPDIR",
        "XDG_CACHE_HOME",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
    ];
    assert_eq!(names, wanted);
}

#[test]
fn a_home_runs_reports_searches_and_signals() {
    let mut home = TestHome::new("/bin/sh");
    home.env("SECRET", "s3cret");
    let ran =
        home.run(&["-c", r#"echo '{"schema":2}'; echo oops >&2; exit 3"#]).fails(3).says("oops");
    assert_eq!(ran.json()["schema"], 2);
    home.git_config("[user]\n\tname = x\n");
    home.declare(&[("a", "git+file:///x")]);
    assert!(home.leftovers().is_empty());
    home.run(&["-c", "mkdir -p $MODSTORE_HOME/staging/1 && echo -n $SECRET > $TMPDIR/x; ln -s $SECRET $HOME/l; : > $MODSTORE_HOME/.tmp1"]).ok();
    assert_eq!(home.leftovers().len(), 3);
    assert_eq!(home.grep_bytes("s3cret").len(), 2);
    let running = home.spawn(&["-c", "kill -STOP $$; exit 0"]);
    running.signal(rustix::process::Signal::KILL);
    assert_eq!(running.wait().status, 137);
}

#[test]
#[should_panic(expected = "still running after")]
fn a_command_that_hangs_fails_the_test() {
    let home = TestHome::new(path_of("sleep"));
    home.spawn(&["1000"]).wait_within(Duration::from_millis(100));
}

// File systems and networks

fn fill(dir: &Path) -> std::io::Error {
    (0..)
        .find_map(|number| std::fs::write(dir.join(format!("f{number}")), vec![1; 1 << 20]).err())
        .expect("a small file system fills up")
}

#[test]
fn small_file_systems_fill_up_and_read_only_ones_refuse() {
    for disk in [Mount::ext4(16), Mount::ext4_without_journal(16), Mount::tmpfs(4)] {
        let Some(disk) = disk else { return };
        assert_eq!(fill(&disk.path()).kind(), std::io::ErrorKind::StorageFull);
        disk.read_only();
        let refused = std::fs::write(disk.path().join("new"), "x").unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
        disk.read_write();
        std::fs::remove_file(disk.path().join("f0")).unwrap();
        let place = disk.path();
        drop(disk);
        assert!(listing(&place).is_empty(), "still mounted");
    }
}

/// Writes one file that is synced and one that is not, cuts the power, and says what is left of the second.
fn lost_in_a_cut(disk: &Mount, unsynced: Unsynced) -> Option<Vec<u8>> {
    let kept = std::fs::File::create(disk.path().join("kept")).unwrap();
    std::io::Write::write_all(&mut &kept, b"synced").unwrap();
    kept.sync_all().unwrap();
    std::fs::File::open(disk.path()).unwrap().sync_all().unwrap();
    drop(kept);
    std::fs::write(disk.path().join("lost"), "not synced").unwrap();
    disk.power_cut_under(unsynced, || ());
    assert_eq!(std::fs::read(disk.path().join("kept")).unwrap(), b"synced");
    std::fs::read(disk.path().join("lost")).ok()
}

#[test]
fn a_power_cut_loses_what_was_not_synced_and_keeps_what_was() {
    type Kind = (&'static str, fn(u64) -> Option<Mount>);
    let kinds: [Kind; 4] = [
        ("ext4", Mount::ext4),
        ("ext4 without journal", Mount::ext4_without_journal),
        ("xfs", Mount::xfs),
        ("btrfs", Mount::btrfs),
    ];
    for (name, make) in kinds {
        let Some(disk) = make(64) else { return };
        for round in 0..3 {
            let left = lost_in_a_cut(&disk, Unsynced::Lost);
            assert_eq!(left, None, "{name}, round {round}: the plug was not pulled");
        }
        let left = lost_in_a_cut(&disk, Unsynced::NamesKept);
        let wanted = (name != "btrfs").then(Vec::new);
        assert_eq!(left, wanted, "{name}: the name was to survive, and the content was not");
    }
}

#[test]
fn a_cut_network_stops_a_clone_and_a_restored_one_lets_it_finish() {
    let (root, _repo) = served();
    let Some(network) = CutNetwork::new() else { return };
    let server = HttpServer::start_on(root.path(), network.near());
    let network = Arc::new(network);
    let cutter = Arc::clone(&network);
    let (cut, was_cut) = channel();
    server.fault(
        "one",
        Fault::on_pack(50_000, move || {
            cutter.cut();
            cut.send(()).unwrap();
        }),
    );
    let place = tempdir().unwrap();
    let mut clone = git();
    clone.args(["clone", "--quiet", &server.url("one")]).arg(place.path().join("clone"));
    clone.env("PATH", std::env::var_os("PATH").unwrap());
    let mut running = Running::start(network.wrap(&clone));
    was_cut.recv_timeout(Duration::from_secs(30)).unwrap();
    assert!(!running.ends_within(Duration::from_millis(300)), "finished without a network");
    network.restore();
    running.wait().ok();
}
