//! The network half of a fetch, against real servers: what is listed, what is received, what it costs,
//! and what is said when it fails.
//!
//! Limits: the TLS server does not speak git; packs are judged by git's own `index-pack`.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::io::{self, BufRead, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use gix::ObjectId;
use modstore_core::model::Class;
use modstore_core::{Cancel, events::Step};
use modstore_fetch::{
    ConnectError, FetchError, LoginError, RemoteError, RemoteStage, ServerError, TransferError,
    TransportError,
};
use modstore_fetch::{Counts, Limits, Network, Resolved, Session, Wanted};
use modstore_testbed::{
    BlackHole, Change, Fault, GitDaemon, HttpServer, RefusedPort, Repo, SshServer, git,
};
use tempfile::TempDir;

/// Repositories in a directory, and a way to talk to their servers.
struct World {
    root: TempDir,
    network: Network,
}

impl World {
    fn new() -> Self {
        World::with(Limits::default())
    }

    fn with(limits: Limits) -> Self {
        let root = TempDir::new().unwrap();
        let network = Network::open(&root.path().join("scratch"), limits, false, false).unwrap();
        World { root, network }
    }

    fn root(&self) -> &Path {
        self.root.path()
    }

    fn repo(&self, name: &str) -> Repo {
        let repo = Repo::create(self.root(), name);
        let big = "a line that compresses badly 0123456789\n".repeat(50);
        repo.write(&[("a.txt", "one\n"), ("dir/b.txt", big.as_str())]);
        repo
    }

    fn connect(&self, url: &str, wanted: Wanted) -> Result<(Session, Resolved), RemoteError> {
        self.network.connect_for(url, &wanted, &Cancel::new())
    }

    fn cost<T>(&self, work: impl FnOnce() -> T) -> (T, u64, u64) {
        let before: Counts = self.network.counts();
        let result = work();
        let after = self.network.counts();
        (result, after.requests - before.requests, after.connections - before.connections)
    }
}

fn named(name: &str) -> Wanted {
    Wanted::Named(name.into())
}

fn id(hex: &str) -> ObjectId {
    ObjectId::from_hex(hex.as_bytes()).unwrap()
}

fn fetch(
    session: &mut Session,
    commit: ObjectId,
    have: Option<ObjectId>,
) -> Result<Vec<u8>, FetchError<io::Error>> {
    session.fetch(commit, have, &|_| (), |pack, _| {
        let mut bytes = Vec::new();
        pack.read_to_end(&mut bytes)?;
        Ok(bytes)
    })
}

/// The number of objects that a pack says it has.
fn objects(pack: &[u8]) -> u32 {
    assert!(pack.starts_with(b"PACK"));
    u32::from_be_bytes(*pack.get(8..).unwrap().first_chunk().unwrap())
}

/// Let git read `pack` into a repository that has `have`, and say which files `commit` then has.
fn judged(pack: &[u8], commit: ObjectId, have: Option<(&Repo, ObjectId)>) -> String {
    let place = TempDir::new().unwrap();
    let path = place.path().join("judge.git");
    assert!(git().args(["init", "-q", "--bare"]).arg(&path).status().unwrap().success());
    let run = |args: &[&str]| {
        let output = git().arg("-C").arg(&path).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    if let Some((repo, have)) = have {
        run(&["fetch", "-q", "--depth=1", &repo.url_file(), &have.to_string()]);
    }
    let file = place.path().join("pack");
    std::fs::write(&file, pack).unwrap();
    let mut index = git();
    index.arg("-C").arg(&path).args(["index-pack", "--stdin", "--fix-thin"]);
    let output = index.stdin(std::fs::File::open(&file).unwrap()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    run(&["ls-tree", "-r", "--name-only", &commit.to_string()])
}

/// List, fetch cold, change one line, fetch with what we have.
fn round_trip(world: &World, repo: &Repo, url: &str) {
    let first = id(&repo.rev("main").unwrap());
    let (mut session, resolved) = world.connect(url, named("main")).unwrap();
    assert_eq!(
        resolved,
        Resolved {
            commit: first,
            name: Some("refs/heads/main".into()),
            tag: None,
            also_a_tag: None,
            newer: None
        }
    );
    let cold = fetch(&mut session, first, None).unwrap();
    assert_eq!(judged(&cold, first, None), "a.txt\ndir/b.txt\n");
    drop(session);

    let changed = "a line that compresses badly 0123456789\n".repeat(51);
    let second = id(&repo.write(&[("dir/b.txt", changed.as_str())]));
    let (mut session, resolved) = world.connect(url, Wanted::Head).unwrap();
    assert_eq!(resolved.name.as_deref(), Some("refs/heads/main"));
    assert_eq!(resolved.commit, second);
    let warm = fetch(&mut session, second, Some(first)).unwrap();
    // The commit, two trees and the file; of the other file nothing.
    assert_eq!(objects(&warm), 4);
    assert!(warm.len() < cold.len() + 200, "{} {}", warm.len(), cold.len());
    assert_eq!(judged(&warm, second, Some((repo, first))), "a.txt\ndir/b.txt\n");
}

#[test]
fn a_daemon_lists_and_gives_thin_packs() {
    let world = World::new();
    let repo = world.repo("m");
    let server = GitDaemon::start(world.root());
    round_trip(&world, &repo, &server.url("m"));
}

#[test]
fn a_local_repository_lists_and_gives_thin_packs() {
    let world = World::new();
    let repo = world.repo("m");
    round_trip(&world, &repo, &repo.url_file());
}

#[test]
fn an_http_server_lists_and_gives_thin_packs_in_version_0() {
    let world = World::new();
    let repo = world.repo("m");
    let server = HttpServer::start(world.root());
    round_trip(&world, &repo, &server.url("m"));
    assert!(server.stats().requests.iter().all(|seen| seen.protocol.is_none()));
}

#[test]
fn a_listing_over_the_limit_is_asked_for_by_name_in_version_2() {
    let limits = Limits { advertisement: 300, ..Limits::default() };
    for scheme in ["http", "git", "file"] {
        let world = World::with(limits);
        let repo = world.repo("m");
        (0..20).for_each(|n| repo.branch(&format!("other-{n}"), "main"));
        let http = HttpServer::start(world.root());
        let daemon = GitDaemon::start(world.root());
        let url = match scheme {
            "http" => http.url("m"),
            "git" => daemon.url("m"),
            _ => repo.url_file(),
        };
        round_trip(&world, &repo, &url);
        if scheme == "http" {
            let seen = http.stats().requests;
            let greetings = seen.iter().filter(|seen| seen.method == "GET");
            let versions: Vec<_> = greetings.map(|seen| seen.protocol.as_deref()).collect();
            assert_eq!(
                versions,
                [None, Some("version=2"), Some("version=2")],
                "the limit is remembered"
            );
        }
    }
}

#[test]
fn a_listing_over_the_limit_is_asked_for_by_name_at_once_in_the_next_run() {
    let limits = Limits { advertisement: 300, ..Limits::default() };
    let world = World::new();
    let repo = world.repo("m");
    (0..20).for_each(|n| repo.branch(&format!("other-{n}"), "main"));
    let server = HttpServer::start(world.root());
    let scratch = world.root().join("kept");
    std::fs::create_dir(&scratch).unwrap();
    let cost = || {
        let network = Network::open(&scratch, limits, false, false).unwrap();
        network.connect_for(&server.url("m"), &named("main"), &Cancel::new()).unwrap();
        let counts = network.counts();
        (counts.requests, counts.connections)
    };
    assert_eq!(cost(), (3, 2), "the connection on which the listing is broken off is lost");
    assert_eq!(cost(), (2, 1));
    std::fs::remove_dir_all(&scratch).unwrap();
    std::fs::create_dir(&scratch).unwrap();
    assert_eq!(cost(), (3, 2), "what is not remembered is found out again");
}

#[test]
fn nothing_new_costs_one_request_and_something_new_two_on_one_connection() {
    let world = World::new();
    let repo = world.repo("m");
    let server = HttpServer::start(world.root());
    let commit = id(&repo.rev("main").unwrap());
    let (_, requests, connections) =
        world.cost(|| world.connect(&server.url("m"), Wanted::Head).unwrap());
    assert_eq!((requests, connections), (1, 1));
    let (_, requests, connections) = world.cost(|| {
        let (mut session, _) = world.connect(&server.url("m"), named("main")).unwrap();
        fetch(&mut session, commit, None).unwrap()
    });
    assert_eq!((requests, connections), (2, 0));
    let (_, requests, connections) =
        world.cost(|| world.connect(&server.url("m"), named("main")).unwrap());
    assert_eq!((requests, connections), (1, 0), "the pack's connection was given back");
    assert_eq!(server.stats().connections, 1);
    assert_eq!(server.stats().requests.len(), 4);
}

#[test]
fn many_threads_share_the_connections() {
    let world = World::new();
    let repo = world.repo("m");
    let server = HttpServer::start(world.root());
    let commit = id(&repo.rev("main").unwrap());
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..5 {
                    let (mut session, _) = world.connect(&server.url("m"), named("main")).unwrap();
                    assert_eq!(objects(&fetch(&mut session, commit, None).unwrap()), 5);
                }
            });
        }
    });
    let counts = world.network.counts();
    assert_eq!(counts.requests, 80);
    assert!(counts.connections <= 8, "{counts:?}");
}

#[test]
fn a_commit_that_no_ref_names_is_given_by_its_id_without_history() {
    let world = World::new();
    let repo = world.repo("m");
    let old = id(&repo.rev("main").unwrap());
    repo.write(&[("a.txt", "two\n")]);
    let daemon = GitDaemon::start(world.root());
    let http = HttpServer::start(world.root());
    for url in [daemon.url("m"), http.url("m"), repo.url_file()] {
        let (mut session, resolved) = world.connect(&url, Wanted::Commit(old)).unwrap();
        assert_eq!(resolved.commit, old);
        assert_eq!(objects(&fetch(&mut session, old, None).unwrap()), 5, "{url}");
    }
}

#[test]
fn a_commit_that_does_not_exist_is_a_permanent_error_of_the_fetch() {
    let world = World::new();
    let repo = world.repo("m");
    let daemon = GitDaemon::start(world.root());
    let http = HttpServer::start(world.root());
    let nowhere = id(&"1".repeat(40));
    for url in [daemon.url("m"), http.url("m"), repo.url_file()] {
        let (mut session, _) = world.connect(&url, Wanted::Commit(nowhere)).unwrap();
        let Err(FetchError::Remote(error)) = fetch(&mut session, nowhere, None) else {
            panic!("{url}")
        };
        assert!(
            matches!(error.transport(), Some(TransportError::Server(ServerError::NotGiven(_)))),
            "{url}: {error:?}"
        );
        assert_eq!((error.stage(), error.class()), (RemoteStage::Fetch, Class::Permanent));
    }
}

#[test]
fn several_wishes_take_one_listing_and_fail_apart() {
    let world = World::new();
    let repo = world.repo("m");
    let first = repo.rev("main").unwrap();
    repo.tag("v1", &first);
    let tag = repo.annotated_tag("v2", &first);
    let second = repo.write(&[("a.txt", "two\n")]);
    repo.branch("v1", &second);
    let server = HttpServer::start(world.root());
    let wishes = [named("v2"), named("v1"), named("mian"), Wanted::Head, named("refs/tags/v1")];
    let (session, requests, _) =
        world.cost(|| world.network.connect(&server.url("m"), &wishes, &Cancel::new()).unwrap());
    assert_eq!(requests, 1);
    let [annotated, both, missing, head, full] = session.resolutions() else { panic!() };
    let annotated = annotated.as_ref().unwrap();
    assert_eq!((annotated.commit, annotated.tag), (id(&first), Some(id(&tag))));
    let both = both.as_ref().unwrap();
    assert_eq!((both.commit, both.also_a_tag), (id(&second), Some(id(&first))));
    let Err(RemoteError::NoSuchRef { near, .. }) = missing else { panic!("{missing:?}") };
    assert_eq!(near.first().map(String::as_str), Some("main"));
    assert_eq!(head.as_ref().unwrap().commit, id(&second));
    assert_eq!(full.as_ref().unwrap().commit, id(&first));
}

#[test]
fn version_2_finds_the_same_and_suggests_the_same() {
    let world = World::with(Limits { advertisement: 600, ..Limits::default() });
    let repo = world.repo("m");
    let first = repo.rev("main").unwrap();
    let tag = repo.annotated_tag("v2", &first);
    (0..3).for_each(|n| repo.branch(&format!("main-{n}-{}", "x".repeat(100)), "main"));
    let server = HttpServer::start(world.root());
    let wishes = [named("v2"), named("mian"), Wanted::Head, named("main")];
    let session = world.network.connect(&server.url("m"), &wishes, &Cancel::new()).unwrap();
    let [annotated, missing, head, main] = session.resolutions() else { panic!() };
    assert_eq!(annotated.as_ref().unwrap().tag, Some(id(&tag)));
    let Err(RemoteError::NoSuchRef { near, .. }) = missing else { panic!("{missing:?}") };
    assert_eq!(near.first().map(String::as_str), Some("main"));
    assert_eq!(head.as_ref().unwrap().name.as_deref(), Some("refs/heads/main"));
    assert_eq!(main.as_ref().unwrap().commit, id(&first));
    assert!(server.stats().requests.iter().any(|seen| seen.protocol.is_some()));
}

#[test]
fn a_repository_without_commits_is_empty() {
    let world = World::new();
    let repo = Repo::create(world.root(), "empty");
    let daemon = GitDaemon::start(world.root());
    let http = HttpServer::start(world.root());
    for url in [daemon.url("empty"), http.url("empty"), repo.url_file()] {
        for wanted in [Wanted::Head, named("main")] {
            let error = world.connect(&url, wanted).err().unwrap();
            assert!(matches!(error, RemoteError::Empty { .. }), "{url}: {error:?}");
        }
    }
}

#[test]
fn a_head_that_is_hidden_or_dangles_does_not_hide_the_branches() {
    let world = World::new();
    let (hidden, dangling) = (world.repo("hidden"), world.repo("dangling"));
    hidden.config("transfer.hideRefs", "HEAD");
    dangling.set_head("nowhere");
    let daemon = GitDaemon::start(world.root());
    let http = HttpServer::start(world.root());
    for repo in [hidden, dangling] {
        let name = repo.name();
        for url in [daemon.url(name), http.url(name), repo.url_file()] {
            let commit = id(&repo.rev("main").unwrap());
            assert_eq!(world.connect(&url, named("main")).unwrap().1.commit, commit, "{url}");
            let error = world.connect(&url, Wanted::Head).err().unwrap();
            assert!(matches!(error, RemoteError::NoSuchRef { .. }), "{url}: {error:?}");
        }
    }
}

#[test]
fn one_session_gives_several_commits() {
    let world = World::new();
    let repo = world.repo("m");
    let first = id(&repo.rev("main").unwrap());
    let second = id(&repo.commit("other", &[Change::write("c", "c")]));
    let daemon = GitDaemon::start(world.root());
    let http = HttpServer::start(world.root());
    for url in [daemon.url("m"), http.url("m"), repo.url_file()] {
        let wishes = [named("main"), named("other"), Wanted::Commit(first)];
        for wishes in [&wishes[..2], &wishes[..]] {
            let mut session = world.network.connect(&url, wishes, &Cancel::new()).unwrap();
            assert_eq!(objects(&fetch(&mut session, first, None).unwrap()), 5, "{url}");
            assert_eq!(objects(&fetch(&mut session, second, None).unwrap()), 3, "{url}");
        }
    }
}

#[test]
fn progress_is_reported_in_bytes_and_in_the_servers_words() {
    let world = World::new();
    let repo = world.repo("m");
    let commit = id(&repo.rev("main").unwrap());
    let daemon = GitDaemon::start(world.root());
    let http = HttpServer::start(world.root());
    for url in [daemon.url("m"), http.url("m"), repo.url_file()] {
        let (mut session, _) = world.connect(&url, named("main")).unwrap();
        let (bytes, says) = (std::cell::Cell::new(0), std::cell::RefCell::new(String::new()));
        let on_step = |step: Step<'_>| match step {
            Step::Receiving { bytes: total, .. } => bytes.set(total),
            Step::Remote(text) => {
                // Each of git's lines is one step, and no two of them are.
                assert!(text.find("done.").is_none_or(|end| end + 5 == text.len()), "{text:?}");
                says.borrow_mut().push_str(text);
            }
            step => panic!("{step:?}"),
        };
        let read = |pack: &mut dyn BufRead, _| io::copy(pack, &mut io::sink());
        let length = session.fetch(commit, None, &on_step, read).unwrap();
        assert_eq!(bytes.get(), length);
        assert!(says.borrow().contains("objects"), "{url}: {:?}", says.borrow());
    }
}

#[test]
fn an_answer_that_is_no_success_has_the_class_of_its_status() {
    let world = World::new();
    world.repo("m");
    let server = HttpServer::start(world.root());
    let cases = [
        (Fault::Status(404), Class::Permanent),
        (Fault::Status(403), Class::Permanent),
        (Fault::Status(400), Class::Permanent),
        (Fault::Status(500), Class::Transient),
        (Fault::Status(503), Class::Transient),
        (Fault::StatusWithHeader(429, "Retry-After", "7"), Class::Transient),
        (Fault::CloseBeforeReply, Class::Transient),
        (Fault::BasicAuth { user: "u", password: "p" }, Class::Permanent),
    ];
    for (fault, class) in cases {
        server.clear();
        server.fault("m", fault.clone());
        let error = world.connect(&server.url("m"), Wanted::Head).err().unwrap();
        assert_eq!(
            (error.class(), error.stage()),
            (class, RemoteStage::List),
            "{fault:?}: {error:?}"
        );
        if let Fault::StatusWithHeader(..) = fault {
            assert_eq!(error.transport().unwrap().retry_after(), Some(Duration::from_secs(7)));
        }
    }
}

#[test]
fn a_missing_repository_is_permanent_whatever_the_scheme() {
    let world = World::new();
    let daemon = GitDaemon::start(world.root());
    let http = HttpServer::start(world.root());
    let file = format!("file://{}/none.git", world.root().display());
    for url in [daemon.url("none"), http.url("none"), file] {
        let error = world.connect(&url, Wanted::Head).err().unwrap();
        assert_eq!(error.class(), Class::Permanent, "{url}: {error:?}");
        assert!(error.hint().unwrap().contains("spelling"), "{url}: {error:?}");
    }
}

#[test]
fn a_refused_port_and_an_unknown_host_are_transient() {
    let world = World::new();
    let port = RefusedPort::reserve();
    for scheme in ["http", "https", "git", "ssh"] {
        let error = world.connect(&port.url(scheme, "m"), Wanted::Head).err().unwrap();
        assert!(
            matches!(
                error.transport(),
                Some(TransportError::Connect(ConnectError::Refused { .. }))
            ),
            "{scheme}: {error:?}"
        );
        assert_eq!(
            (error.class(), error.stage()),
            (Class::Transient, RemoteStage::Connect),
            "{scheme}"
        );
    }
    for scheme in ["http", "git", "ssh"] {
        let error =
            world.connect(&format!("{scheme}://host.invalid/m"), Wanted::Head).err().unwrap();
        assert!(
            matches!(
                error.transport(),
                Some(TransportError::Connect(ConnectError::UnknownHost { .. }))
            ),
            "{scheme}: {error:?}"
        );
        assert_eq!(error.class(), Class::Transient, "{scheme}");
    }
}

#[test]
fn tls_to_a_port_without_it_is_permanent() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/m.git", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        stream
    });
    let error = world.connect(&url, Wanted::Head).err().unwrap();
    drop(server.join());
    assert!(
        matches!(error.transport(), Some(TransportError::Connect(ConnectError::Tls { .. }))),
        "{error:?}"
    );
    assert_eq!((error.class(), error.stage()), (Class::Permanent, RemoteStage::Connect));
}

#[test]
fn a_silent_server_is_given_up_at_the_idle_limit() {
    let limits = Limits { idle: Duration::from_millis(600), ..Limits::default() };
    let world = World::with(limits);
    let hole = BlackHole::start();
    for scheme in ["http", "https", "git", "ssh"] {
        let begun = Instant::now();
        let error = world.connect(&hole.url(scheme, "m"), Wanted::Head).err().unwrap();
        assert!(
            matches!(error.transport(), Some(TransportError::Transfer(TransferError::Idle(_)))),
            "{scheme}: {error:?}"
        );
        assert_eq!(error.class(), Class::Transient);
        assert!(begun.elapsed() < Duration::from_secs(5), "{scheme}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_wish_to_stop_ends_a_blocked_read() {
    let world = World::new();
    let hole = BlackHole::start();
    for scheme in ["http", "https", "git", "ssh"] {
        let cancel = Cancel::new();
        let begun = Instant::now();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(300));
                cancel.cancel();
            });
            let error = world
                .network
                .connect(&hole.url(scheme, "m"), &[Wanted::Head], &cancel)
                .err()
                .unwrap();
            assert!(
                matches!(error.transport(), Some(TransportError::Cancelled)),
                "{scheme}: {error:?}"
            );
        });
        assert!(begun.elapsed() < Duration::from_secs(5), "{scheme}: {:?}", begun.elapsed());
    }
}

#[test]
fn a_pack_that_is_cut_off_or_stalls_is_transient_and_the_servers_fault() {
    let limits = Limits { idle: Duration::from_millis(600), ..Limits::default() };
    let world = World::with(limits);
    let repo = world.repo("m");
    let commit = id(&repo.rev("main").unwrap());
    let server = HttpServer::start(world.root());
    for fault in [Fault::CloseMidPack { after: 100 }, Fault::HangMidPack { after: 100 }] {
        server.clear();
        server.fault("m", fault.clone());
        let (mut session, _) = world.connect(&server.url("m"), named("main")).unwrap();
        let Err(FetchError::Remote(error)) = fetch(&mut session, commit, None) else {
            panic!("{fault:?}")
        };
        assert_eq!(
            (error.class(), error.stage()),
            (Class::Transient, RemoteStage::Fetch),
            "{fault:?}: {error:?}"
        );
        assert!(server.stats().faults_fired > 0);
        server.clear();
        assert_eq!(
            objects(&fetch(&mut session, commit, None).unwrap()),
            5,
            "the session goes on after {fault:?}"
        );
    }
}

#[test]
fn a_receivers_error_is_not_the_servers() {
    let world = World::new();
    let repo = world.repo("m");
    let commit = id(&repo.rev("main").unwrap());
    let (mut session, _) = world.connect(&repo.url_file(), named("main")).unwrap();
    let full = |_: &mut dyn BufRead, _| -> Result<(), io::Error> {
        Err(io::ErrorKind::StorageFull.into())
    };
    let error = session.fetch(commit, None, &|_| (), full).err().unwrap();
    assert!(
        matches!(error, FetchError::Receive { source, .. } if source.kind() == io::ErrorKind::StorageFull)
    );
}

#[test]
fn a_login_in_the_address_is_used_for_this_machine_and_never_printed() {
    let world = World::new();
    let repo = world.repo("m");
    let server = HttpServer::start(world.root());
    server.fault("m", Fault::BasicAuth { user: "me", password: "s3cr3t" });
    let (mut session, resolved) =
        world.connect(&server.url_with_secret("m", "me", "s3cr3t"), Wanted::Head).unwrap();
    assert_eq!(objects(&fetch(&mut session, resolved.commit, None).unwrap()), 5);
    assert_eq!(session.url(), server.url("m").replace("://", "://me@"));
    assert_eq!(resolved.commit, id(&repo.rev("main").unwrap()));

    let wrong = server.url_with_secret("m", "me", "wr0ng");
    let far = "http://me:wr0ng@example.invalid/m.git".to_owned();
    let missing = server.url_with_secret("none", "me", "wr0ng");
    for (url, is_far) in [(wrong, false), (far, true), (missing, false)] {
        let error = world.connect(&url, Wanted::Head).err().unwrap();
        let mut texts = vec![format!("{error:?}"), error.hint().unwrap_or_default()];
        let mut next: Option<&dyn std::error::Error> = Some(&error);
        while let Some(cause) = next {
            texts.push(cause.to_string());
            next = cause.source();
        }
        assert!(texts.iter().all(|text| !text.contains("wr0ng")), "{texts:?}");
        assert_eq!(
            matches!(error.transport(), Some(TransportError::Connect(_))),
            is_far,
            "{error:?}"
        );
    }
}

#[test]
fn a_redirect_is_followed_and_does_not_take_the_login_to_another_place() {
    let world = World::new();
    let repo = world.repo("m");
    let commit = id(&repo.rev("main").unwrap());
    let (old, new) = (HttpServer::start(world.root()), HttpServer::start(world.root()));
    old.fault("m", Fault::Redirect { to: new.url("m") });
    let (mut session, resolved) =
        world.connect(&old.url_with_secret("m", "me", "s3cr3t"), Wanted::Head).unwrap();
    assert_eq!(resolved.commit, commit);
    assert_eq!(objects(&fetch(&mut session, commit, None).unwrap()), 5);
    assert_eq!(old.stats().requests.len(), 1, "the pack is asked for at the new place");
    let leaked = |seen: &modstore_testbed::RecordedRequest| {
        seen.headers.iter().any(|(name, _)| name == "authorization")
    };
    assert!(!new.stats().requests.iter().any(leaked));
    assert!(old.stats().requests.iter().any(leaked));
}

#[test]
fn offline_asks_no_other_machine() {
    let world = World::new();
    let repo = world.repo("m");
    let server = HttpServer::start(world.root());
    let network =
        Network::open(&world.root().join("scratch"), Limits::default(), false, true).unwrap();
    let error = network.connect(&server.url("m"), &[Wanted::Head], &Cancel::new()).err().unwrap();
    assert!(matches!(error, RemoteError::Offline { .. }));
    assert!(server.stats().requests.is_empty());
    assert!(network.connect(&repo.url_file(), &[Wanted::Head], &Cancel::new()).is_ok());
}

#[test]
fn a_server_without_shallow_is_recognised_before_the_fetch() {
    let world = World::new();
    let repo = world.repo("m");
    let commit = id(&repo.rev("main").unwrap());
    let server = HttpServer::start(world.root());
    let (session, _) = world.connect(&server.url("m"), Wanted::Head).unwrap();
    assert!(session.server_can_shallow());
    server.fault("m", Fault::WithoutCapability("shallow"));
    let (mut session, _) = world.connect(&server.url("m"), Wanted::Head).unwrap();
    assert!(!session.server_can_shallow());
    server.forget();
    let error = fetch(&mut session, commit, None).err().unwrap();
    assert!(matches!(error, FetchError::Remote(error) if error.class() == Class::Permanent));
    assert!(server.stats().requests.is_empty());
}

#[test]
fn a_server_that_knows_only_version_0_still_lists_all_its_refs() {
    let world = World::with(Limits { advertisement: 300, ..Limits::default() });
    let repo = world.repo("m");
    (0..20).for_each(|n| repo.branch(&format!("other-{n}"), "main"));
    let server = HttpServer::start(world.root());
    server.fault("m", Fault::ForceProtocolV0);
    round_trip(&world, &repo, &server.url("m"));
}

#[test]
fn a_branch_that_is_pushed_over_during_its_fetch_is_tried_again() {
    let world = World::new();
    let repo = world.repo("m");
    let commit = id(&repo.rev("main").unwrap());
    let server = HttpServer::start(world.root());
    let (mut session, _) = world.connect(&server.url("m"), named("main")).unwrap();
    let other = repo.commit("other", &[Change::write("c", "c")]);
    repo.branch("main", &other);
    let Err(FetchError::Remote(error)) = fetch(&mut session, commit, None) else { panic!() };
    assert!(
        matches!(error.transport(), Some(TransportError::Server(ServerError::Moved))),
        "{error:?}"
    );
    assert_eq!(error.class(), Class::Transient);
}

#[test]
fn a_token_in_the_place_of_the_user_is_offered_when_the_server_asks() {
    let name = "a_token_in_the_place_of_the_user_is_offered_when_the_server_asks";
    if !inside(
        name,
        &[("GIT_CONFIG_GLOBAL", "/dev/null".into()), ("GIT_CONFIG_NOSYSTEM", "1".into())],
    ) {
        return;
    }
    let world = World::new();
    let repo = world.repo("m");
    let server = HttpServer::start(world.root());
    let url = server.url("m").replace("http://", "http://ghp_t0ken@");
    let (_, resolved) = world.connect(&url, Wanted::Head).unwrap();
    assert_eq!(resolved.commit, id(&repo.rev("main").unwrap()));
    let seen = server.stats().requests;
    let greeted = |seen: &modstore_testbed::RecordedRequest| {
        seen.headers.iter().any(|(name, _)| name == "authorization")
    };
    assert!(!seen.iter().any(greeted), "a public repository does not get the token");
    server.fault("m", Fault::BasicAuth { user: "ghp_t0ken", password: "" });
    let (mut session, _) = world.connect(&url, Wanted::Head).unwrap();
    assert_eq!(objects(&fetch(&mut session, resolved.commit, None).unwrap()), 5);
    server.clear();
    server.fault("m", Fault::BasicAuth { user: "ghp_t0ken", password: "more" });
    let error = world.connect(&url, Wanted::Head).err().unwrap();
    assert!(
        matches!(error.transport(), Some(TransportError::Login(LoginError::Refused(_)))),
        "{error:?}"
    );
    assert!(!format!("{error:?}").contains("t0ken"), "{error:?}");
}

/// A TLS server with a certificate that no authority signed; it answers with a page that is not git's.
struct TlsServer {
    port: u16,
    process: std::process::Child,
}

impl TlsServer {
    fn start(place: &Path) -> Option<Self> {
        let made = Command::new("openssl")
            .current_dir(place)
            .args([
                "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "key.pem", "-out",
                "cert.pem",
            ])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"])
            .args(["-addext", "basicConstraints=critical,CA:FALSE"])
            .output();
        if !made.is_ok_and(|output| output.status.success()) {
            modstore_testbed::skip_loudly("no openssl to make a TLS server with");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let process = Command::new("openssl")
            .current_dir(place)
            .args(["s_server", "-quiet", "-www", "-cert", "cert.pem", "-key", "key.pem"])
            .args(["-accept", &format!("127.0.0.1:{port}")])
            .stdin(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let begun = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(begun.elapsed() < Duration::from_secs(10), "openssl does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(TlsServer { port, process })
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_certificate_is_trusted_only_if_the_host_says_so() {
    let place = TempDir::new().unwrap();
    let name = "a_certificate_is_trusted_only_if_the_host_says_so";
    if std::env::var_os("MODSTORE_TEST_INSIDE").is_some() {
        let world = World::new();
        let url = std::env::var("MODSTORE_TEST_URL").unwrap();
        let error = world.connect(&url, Wanted::Head).err().unwrap();
        let is_trusted =
            matches!(error.transport(), Some(TransportError::Server(ServerError::Protocol { .. })));
        let is_refused =
            matches!(error.transport(), Some(TransportError::Connect(ConnectError::Tls { .. })));
        let expected = std::env::var_os("MODSTORE_TEST_TRUST").is_some();
        assert_eq!((is_trusted, is_refused), (expected, !expected), "{error:?}");
        assert_eq!(error.class(), Class::Permanent);
        return;
    }
    let Some(server) = TlsServer::start(place.path()) else { return };
    let base = [
        ("GIT_CONFIG_GLOBAL", "/dev/null".to_owned()),
        ("MODSTORE_TEST_URL", format!("https://127.0.0.1:{}/m.git", server.port)),
        ("no_proxy", "127.0.0.1".to_owned()),
    ];
    let certificate = place.path().join("cert.pem").display().to_string();
    for more in [
        vec![],
        vec![("GIT_SSL_CAINFO", certificate), ("MODSTORE_TEST_TRUST", "1".to_owned())],
        vec![("GIT_SSL_NO_VERIFY", "1".to_owned()), ("MODSTORE_TEST_TRUST", "1".to_owned())],
    ] {
        inside(name, &[&base[..], &more[..]].concat());
    }
}

/// A proxy that knows CONNECT, for one connection; gives the head of the request it got.
fn proxy() -> (String, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let thread = std::thread::spawn(move || {
        let (mut client, _) = listener.accept().unwrap();
        let mut lines = Vec::new();
        for line in io::BufReader::new(client.try_clone().unwrap()).lines().map(Result::unwrap) {
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let target = lines.first().unwrap().split(' ').nth(1).unwrap();
        let mut server = std::net::TcpStream::connect(target).unwrap();
        client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
        let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
        let back = std::thread::spawn(move || io::copy(&mut from, &mut to));
        let _ = io::copy(&mut client, &mut server);
        let _ = server.shutdown(std::net::Shutdown::Both);
        let _ = back.join();
        lines.join("\n")
    });
    (address, thread)
}

#[test]
fn a_configured_proxy_is_used_with_its_login() {
    let (address, proxy) = match std::env::var("MODSTORE_TEST_INSIDE") {
        Ok(_) => (String::new(), None),
        Err(_) => {
            let (address, thread) = proxy();
            (address, Some(thread))
        }
    };
    let environment = [
        ("GIT_CONFIG_GLOBAL", "/dev/null".to_owned()),
        ("http_proxy", format!("http://me:s3cr3t@{address}")),
        ("no_proxy", String::new()),
        ("NO_PROXY", String::new()),
    ];
    if inside("a_configured_proxy_is_used_with_its_login", &environment) {
        let world = World::new();
        let repo = world.repo("m");
        let server = HttpServer::start(world.root());
        let (mut session, resolved) = world.connect(&server.url("m"), Wanted::Head).unwrap();
        assert_eq!(resolved.commit, id(&repo.rev("main").unwrap()));
        fetch(&mut session, resolved.commit, None).unwrap();
        return;
    }
    let head = proxy.unwrap().join().unwrap().to_lowercase();
    assert!(head.starts_with("connect 127.0.0.1:"), "{head}");
    assert!(head.contains("proxy-authorization: basic bwu6cznjcjn0"), "{head}");
}

#[test]
#[cfg(target_os = "linux")]
fn no_program_outlives_its_conversation() {
    let world = World::with(Limits { idle: Duration::from_millis(400), ..Limits::default() });
    let repo = world.repo("m");
    let children = || -> String {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let of = |task: io::Result<std::fs::DirEntry>| {
            std::fs::read_to_string(task.unwrap().path().join("children"))
        };
        tasks.map(|task| of(task).unwrap_or_default()).collect()
    };
    let before = children();
    let session = world.connect(&repo.url_file(), Wanted::Head).unwrap();
    assert_ne!(children(), before, "it can be seen while it runs");
    drop(session);
    assert_eq!(children(), before);
    let hole = BlackHole::start();
    assert!(world.connect(&hole.url("ssh", "m"), Wanted::Head).is_err());
    assert_eq!(children(), before);
    let (mut session, resolved) = world.connect(&repo.url_file(), Wanted::Head).unwrap();
    let stop =
        |_: &mut dyn BufRead, _| -> Result<(), io::Error> { Err(io::ErrorKind::Other.into()) };
    assert!(session.fetch(resolved.commit, None, &|_| (), stop).is_err());
    assert_eq!(children(), before);
}

/// Run the rest of the test named `name` in a process of its own with `environment`; gives whether
/// this is that process.
fn inside(name: &str, environment: &[(&str, String)]) -> bool {
    if std::env::var_os("MODSTORE_TEST_INSIDE").is_some() {
        return true;
    }
    let mut again = Command::new(std::env::current_exe().unwrap());
    again.args(["--exact", name, "--nocapture"]).env("MODSTORE_TEST_INSIDE", "1");
    again.envs(environment.iter().map(|(name, value)| (name, value)));
    let output = again.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    false
}

#[test]
fn the_hosts_git_configuration_is_obeyed() {
    let place = TempDir::new().unwrap();
    let config = place.path().join("gitconfig");
    let text = format!(
        "[url \"file://{0}/\"]\n insteadOf = https://far.invalid/\n insteadOf = short:\n\
         [url \"file:///nowhere/\"]\n insteadOf = https://far\n\
         [protocol \"git\"]\n allow = never\n\
         [credential]\n helper = \"!f() {{ test $1 = get && echo username=me && echo password=s3cr3t; }}; f\"\n\
         [http \"http://127.0.0.1\"]\n extraHeader = \"X-Other: port\"\n\
         [http]\n extraHeader = \"X-Mine: yes\"\n userAgent = git/test\n",
        place.path().display()
    );
    std::fs::write(&config, text).unwrap();
    let environment = [
        ("GIT_CONFIG_GLOBAL", config.display().to_string()),
        ("GIT_CONFIG_NOSYSTEM", "1".to_owned()),
        ("MODSTORE_TEST_PLACE", place.path().display().to_string()),
    ];
    if !inside("the_hosts_git_configuration_is_obeyed", &environment) {
        return;
    }
    let place = std::path::PathBuf::from(std::env::var_os("MODSTORE_TEST_PLACE").unwrap());
    let world = World::new();
    let repo = Repo::create(&place, "m");
    let commit = id(&repo.write(&[("a", "a")]));
    for url in ["https://far.invalid/m.git", "short:m.git"] {
        let (_, resolved) = world.connect(url, Wanted::Head).unwrap();
        assert_eq!(resolved.commit, commit, "{url}");
    }
    let error = world.connect("git://127.0.0.1/m.git", Wanted::Head).err().unwrap();
    assert!(matches!(error, RemoteError::Forbidden { .. }), "{error:?}");

    let server = HttpServer::start(&place);
    server.fault("m", Fault::BasicAuth { user: "me", password: "s3cr3t" });
    let (mut session, _) = world.connect(&server.url("m"), Wanted::Head).unwrap();
    assert_eq!(objects(&fetch(&mut session, commit, None).unwrap()), 3);
    for seen in server.stats().requests {
        let has = |wanted: &str, text: &str| {
            seen.headers.iter().any(|(name, value)| name == wanted && value == text)
        };
        assert!(has("x-mine", "yes") && has("user-agent", "git/test"), "{:?}", seen.headers);
        assert!(!has("x-other", "port"));
    }
}

#[test]
fn ssh_lists_and_gives_thin_packs_and_its_last_words_explain_a_failure() {
    let place = TempDir::new().unwrap();
    let Some(server) = SshServer::start(place.path()) else { return };
    let name = "ssh_lists_and_gives_thin_packs_and_its_last_words_explain_a_failure";
    let cases = [
        ("good", server.ssh_command()),
        ("key", server.wrong_key_command()),
        ("host", server.wrong_host_command()),
    ];
    for (case, command) in cases {
        let environment = [
            ("GIT_SSH_COMMAND", command),
            ("GIT_CONFIG_GLOBAL", "/dev/null".to_owned()),
            ("MODSTORE_TEST_CASE", case.to_owned()),
            ("MODSTORE_TEST_PLACE", place.path().join(case).display().to_string()),
            ("MODSTORE_TEST_URL", server.url(&format!("{case}/m"))),
            ("MODSTORE_TEST_SCP", server.scp_url(&format!("{case}/m"))),
        ];
        if inside(name, &environment) {
            return over_ssh();
        }
    }
}

fn over_ssh() {
    let var = |name: &str| std::env::var(name).unwrap();
    let world = World::new();
    let place = std::path::PathBuf::from(var("MODSTORE_TEST_PLACE"));
    let repo = Repo::create(&place, "m");
    let big = "a line that compresses badly 0123456789\n".repeat(50);
    repo.write(&[("a.txt", "one\n"), ("dir/b.txt", big.as_str())]);
    let url = var("MODSTORE_TEST_URL");
    match var("MODSTORE_TEST_CASE").as_str() {
        "good" => {
            round_trip(&world, &repo, &url);
            assert!(world.connect(&var("MODSTORE_TEST_SCP"), Wanted::Head).is_ok());
            let old = id(&repo.rev("main~1").unwrap());
            let (mut session, _) = world.connect(&url, Wanted::Commit(old)).unwrap();
            assert_eq!(
                objects(&fetch(&mut session, old, None).unwrap()),
                5,
                "version 2 reaches the other side"
            );
            let error =
                world.connect(&url.replace("m.git", "none.git"), Wanted::Head).err().unwrap();
            assert!(
                matches!(
                    error.transport(),
                    Some(TransportError::Server(ServerError::NoRepository(_)))
                ),
                "{error:?}"
            );
        }
        "key" => {
            let error = world.connect(&url, Wanted::Head).err().unwrap();
            assert!(
                matches!(
                    error.transport(),
                    Some(TransportError::Login(LoginError::Missing(_) | LoginError::Refused(_)))
                ),
                "{error:?}"
            );
        }
        _ => {
            let error = world.connect(&url, Wanted::Head).err().unwrap();
            assert!(
                matches!(
                    error.transport(),
                    Some(TransportError::Connect(ConnectError::HostKey(_)))
                ),
                "{error:?}"
            );
        }
    }
}
