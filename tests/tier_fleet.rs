//! A fleet on an object store: one machine publishes, git goes down, and many read at once. Each request is counted.
//!
//! SeaweedFS is the store. What a tier does that lies or is ill is tested in `tiers.rs`, with directories.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

#[expect(dead_code, reason = "shared with the tests of directories, which use all of it")]
#[path = "tiers/world.rs"]
mod world;

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use modstore_testbed::{
    Change, FarWire, Nginx, Random, RequestLog, ScriptedServer, SeaweedFs, TestHome, modules_toml,
};
use rustix::process::Signal;
use world::{World, counts, run, sources};

const MODULES: usize = 100;
const READERS: usize = 20;

/// Gives homes the login of a user.
fn logged_in(mut home: TestHome, user: &str) -> TestHome {
    home.env("AWS_ACCESS_KEY_ID", user).env("AWS_SECRET_ACCESS_KEY", format!("{user}-secret"));
    home
}

#[test]
fn twenty_readers_get_a_hundred_modules_each_while_git_is_down() {
    let Some(storage) = SeaweedFs::start() else { return };
    let world = World::new(MODULES);
    let log = RequestLog::to(storage.port());
    let url = storage.url_by(log.port(), "team");
    let publisher = logged_in(world.home(), "ci");
    let answer = run(&publisher, &["update", "--publish", "--tier", &url]);
    assert_eq!(answer["tier"]["published"], MODULES, "{answer}");
    // It asks for some before git does, until it is clear that nothing is there, and puts all without another question.
    let [asked, put, looked] = ["GET", "PUT", "HEAD"].map(|method| log.count(method));
    assert!((8..MODULES / 2).contains(&asked), "{asked} questions");
    assert_eq!((put, looked, log.heads().len()), (MODULES, 0, asked + MODULES));
    world.git.forget();
    log.forget();
    let readers: Vec<TestHome> =
        (0..READERS).map(|_| logged_in(world.clone_of(&publisher), "reader")).collect();
    let args = ["update", "--locked", "--tier", &url, "--tier", "only", "--json"];
    let running: Vec<_> = readers.iter().map(|reader| reader.spawn(&args)).collect();
    for (reader, running) in readers.iter().zip(running) {
        let answer = running.wait().ok().json();
        assert_eq!(counts(&answer), [MODULES as u64, 0, 0, 0], "{answer}");
        assert_eq!(sources(&answer), vec!["tier"; MODULES]);
        let lock = |home: &TestHome| std::fs::read(home.path().join("modules.lock")).unwrap();
        assert_eq!(lock(reader), lock(&publisher), "the digests are the same");
    }
    world.assert_all_as_git(&readers[0]);
    assert_eq!(log.count("GET"), READERS * MODULES);
    assert_eq!(log.heads().len(), READERS * MODULES, "no other request was made");
    log.forget();
    run(&readers[0], &args[..6]);
    assert_eq!(log.heads().len(), 0, "nothing changed, and nothing is asked");
    assert_eq!(world.git.stats().connections, 0);

    world.repos[1].write(&[("main.py", "value = 'new'\n")]);
    run(&publisher, &["update", "--publish", "--tier", &url]);
    world.git.forget();
    log.forget();
    let lock = |home: &TestHome| home.path().join("modules.lock");
    std::fs::copy(lock(&publisher), lock(&readers[0])).unwrap();
    let answer = run(&readers[0], &args[..6]);
    assert_eq!(counts(&answer), [1, 0, 0, 0], "{answer}");
    assert_eq!((log.count("GET"), log.heads().len()), (1, 1), "{:?}", log.heads());
    assert_eq!(world.git.stats().connections, 0);
    world.assert_all_as_git(&readers[0]);
}

#[test]
fn a_tier_that_takes_nothing_holds_back_no_switch_and_costs_one_wait() {
    let Some(storage) = SeaweedFs::start() else { return };
    let world = World::new(40);
    let log = RequestLog::changing(storage.port(), |head| {
        if head.starts_with("PUT ") {
            std::thread::sleep(Duration::from_secs(60));
        }
        None
    });
    let home = logged_in(world.home(), "ci");
    let url = storage.url_by(log.port(), "team");
    let text = format!("[[tier]]\nurl = \"{url}\"\nmode = \"write\"\nstall-timeout = \"4s\"\n");
    std::fs::write(home.path().join("config.toml"), text).unwrap();
    let begun = Instant::now();
    let running = home.spawn(&["update", "--json"]);
    while home.path().join("current").symlink_metadata().is_err() {
        assert!(begun.elapsed() < Duration::from_secs(30), "the switch waits");
        std::thread::sleep(Duration::from_millis(5));
    }
    let switched = begun.elapsed();
    let ran = running.wait().ok();
    let took = begun.elapsed();
    assert!(took > switched + Duration::from_secs(1), "{switched:?}, {took:?}");
    assert!(took < switched + Duration::from_secs(15), "{switched:?}, {took:?}");
    assert_eq!(sources(&ran.json()), vec!["git"; 40]);
    assert_eq!(ran.json()["tier"]["published"], 0, "{ran:?}");
    assert_eq!(ran.stderr.matches("shared tier").count(), 1, "{ran:?}");
    assert!(log.count("PUT") <= 32, "{} requests", log.count("PUT"));
    world.assert_all_as_git(&home);
}

#[test]
fn publishers_that_fetch_the_same_at_once_leave_each_object_whole() {
    let Some(storage) = SeaweedFs::start() else { return };
    let world = World::new(20);
    let url = storage.url("team");
    let homes: Vec<TestHome> = (0..3).map(|_| logged_in(world.home(), "ci")).collect();
    let args = ["update", "--publish", "--tier", &url, "--json"];
    let running: Vec<_> = homes.iter().map(|home| home.spawn(&args)).collect();
    let published = running.into_iter().map(|running| {
        let ran = running.wait().ok();
        assert!(!ran.stderr.contains("shared tier"), "{ran:?}");
        ran.json()["tier"]["published"].as_u64().unwrap()
    });
    // Between its look and its write, SeaweedFS lets another equal write in.
    assert!((20..=60).contains(&published.sum::<u64>()));
    let reader = logged_in(world.clone_of(&homes[0]), "reader");
    let answer = run(&reader, &["update", "--locked", "--tier", &url, "--tier", "only"]);
    assert_eq!(counts(&answer), [20, 0, 0, 0], "{answer}");
    world.assert_all_as_git(&reader);
}

#[test]
fn who_publishes_to_a_tier_that_turns_out_to_have_more_overwrites_nothing() {
    let Some(storage) = SeaweedFs::start() else { return };
    let world = World::new(60);
    let log = RequestLog::to(storage.port());
    let url = storage.url_by(log.port(), "team");
    let first = logged_in(world.home(), "ci");
    // The half that an update comes to last.
    let mut late: Vec<(&str, String)> =
        world.repos.iter().map(|repo| (repo.name(), world.source(repo))).collect();
    late.sort();
    first.write_modules(&modules_toml(late.split_off(30)));
    let answer = run(&first, &["update", "--publish", "--tier", &url]);
    assert_eq!(answer["tier"]["published"], 30, "{answer}");
    let second = logged_in(world.home(), "ci");
    let answer = run(&second, &["update", "--publish", "--tier", &url]);
    assert_eq!(answer["tier"]["published"], 30, "{answer}");
    // How many of them it reads depends on when the first answer to a put says that it is there.
    let [_, misses, refused, errors] = counts(&answer);
    assert!(misses >= 8 && (refused, errors) == (0, 0), "{answer}");
    world.assert_all_as_git(&second);
    // By the lock the tier is asked for each, whatever it has.
    let stranger = logged_in(world.clone_of(&second), "ci");
    log.forget();
    let empty = storage.url_by(log.port(), "empty");
    let answer = run(&stranger, &["update", "--locked", "--publish", "--tier", &empty]);
    assert_eq!(counts(&answer), [0, 60, 0, 0], "{answer}");
    assert_eq!((log.count("GET"), log.count("PUT"), log.count("HEAD")), (60, 60, 0));
}

#[test]
fn a_publisher_looks_at_what_it_does_not_read_at_32_modules_an_update_and_once() {
    let Some(storage) = SeaweedFs::start() else { return };
    let world = World::new(40);
    let log = RequestLog::to(storage.port());
    let home = logged_in(world.home(), "ci");
    let url = storage.url_by(log.port(), "team");
    let text = format!("[[tier]]\nurl = \"{url}\"\nmode = \"write\"\nrenew = \"15d\"\n");
    std::fs::write(home.path().join("config.toml"), text).unwrap();
    let asks = || {
        log.forget();
        let answer = run(&home, &["update"]);
        (log.heads().len(), log.count("HEAD"), answer["tier"]["published"].as_u64().unwrap())
    };
    let (all, looks, published) = asks();
    assert!((48..80).contains(&all), "{all} requests");
    assert_eq!((looks, published), (0, 40));
    assert_eq!(asks(), (0, 0, 0), "it has put them itself");
    std::fs::remove_file(home.path().join("mirrors/host.git/renewals")).unwrap();
    let asked = [asks(), asks(), asks()];
    assert_eq!(asked, [(32, 32, 0), (8, 8, 0), (0, 0, 0)]);
    std::fs::remove_file(home.path().join("mirrors/host.git/renewals")).unwrap();
    run(&home, &["push"]);
    assert_eq!(asks(), (0, 0, 0), "a push has looked at all of them");
}

#[test]
fn a_directory_that_is_a_tier_is_one_on_a_static_server_too() {
    let world = World::new(6);
    let publisher = world.publisher();
    let Some(nginx) = Nginx::start(world.root.path()) else { return };
    world.git.forget();
    let reader = world.clone_of(&publisher);
    let url = format!("http://127.0.0.1:{}/tier", nginx.port());
    let args = ["update", "--locked", "--tier", &url, "--tier", "only"];
    let answer = run(&reader, &args);
    assert_eq!(counts(&answer), [6, 0, 0, 0], "{answer}");
    world.assert_all_as_git(&reader);
    assert_eq!(world.git.stats().connections, 0);
    assert_eq!(nginx.requests().len(), 6, "{:?}", nginx.requests());
    assert!(nginx.requests().iter().all(|it| it.starts_with("GET ") && it.ends_with(" 200")));
    // What it does not have, git has.
    world.repos[0].write(&[("main.py", "value = 'new'\n")]);
    run(&publisher, &["update", "--tier", "off"]);
    let lock = |home: &TestHome| home.path().join("modules.lock");
    std::fs::copy(lock(&publisher), lock(&reader)).unwrap();
    let answer = run(&reader, &["update", "--locked", "--tier", &url]);
    assert_eq!(counts(&answer), [0, 1, 0, 0], "{answer}");
    world.assert_all_as_git(&reader);
}

#[test]
fn a_long_module_that_changed_is_one_request_for_its_thin_pack() {
    let world = World::new(1);
    let files = |version: u64, numbers: std::ops::Range<u64>| {
        let file = |number| {
            let mut random = Random::at(3, &[number]);
            let lines = (0..150).map(|_| format!("{:016x}{:016x}\n", random.draw(), random.draw()));
            let text = format!("version {version}\n{}", lines.collect::<String>());
            Change::write(format!("dir{}/file{number}", number % 10), text)
        };
        numbers.map(file).collect::<Vec<_>>()
    };
    world.repos[0].commit("main", &files(1, 0..400));
    let publisher = world.publisher();
    let Some(nginx) = Nginx::start(world.root.path()) else { return };
    let url = format!("http://127.0.0.1:{}/tier", nginx.port());
    let args = ["update", "--locked", "--tier", &url, "--tier", "only"];
    let reader = world.clone_of(&publisher);
    run(&reader, &args);
    world.repos[0].commit("main", &files(2, 0..10));
    run(&publisher, &["update", "--publish", "--tier", &world.tier_url()]);
    let (asked, lock) = (nginx.requests().len(), "modules.lock");
    std::fs::copy(publisher.path().join(lock), reader.path().join(lock)).unwrap();
    let answer = run(&reader, &args);
    assert_eq!((counts(&answer), &answer["tier"]["thin"]), ([1, 0, 0, 0], &1.into()), "{answer}");
    let requests = nginx.requests().split_off(asked);
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(requests[0].contains(".from/") && requests[0].ends_with(" 200"), "{requests:?}");
    world.assert_all_as_git(&reader);
}

#[test]
fn a_tier_that_gives_a_byte_a_second_costs_one_wait_for_all_modules() {
    let world = World::new(30);
    for jobs in [1, 8] {
        let drip = ScriptedServer::start(|_, stream| {
            let mut stream = stream.try_clone().unwrap();
            std::thread::spawn(move || {
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n";
                let mut sent = stream.write_all(head);
                while sent.is_ok() {
                    sent = stream.write_all(b"P");
                    std::thread::sleep(Duration::from_secs(1));
                }
            });
        });
        let home = world.home();
        let text = "[[tier]]\nurl = \"http://127.0.0.1:PORT/tier\"\nstall-timeout = \"2s\"\n";
        let text = text.replace("PORT", &drip.port().to_string());
        std::fs::write(home.path().join("config.toml"), text).unwrap();
        let begun = Instant::now();
        let ran = home.run(&["update", "--jobs", &jobs.to_string(), "--json"]).ok();
        let (took, answer) = (begun.elapsed(), ran.json());
        assert_eq!(sources(&answer), vec!["git"; 30]);
        assert!(drip.heads().len() <= jobs, "{} requests with {jobs} jobs", drip.heads().len());
        assert_eq!(ran.stderr.matches("shared tier").count(), 1, "{ran:?}");
        assert!(ran.stderr.contains("it is not asked again now"), "{ran:?}");
        // One wait of two seconds, seen at the next byte, and what the modules take from git.
        assert!(took < Duration::from_secs(12), "{took:?} with {jobs} jobs");
        world.assert_all_as_git(&home);
    }
}

#[test]
fn modules_arrive_side_by_side_from_far_away() {
    let Some(storage) = SeaweedFs::start() else { return };
    let world = World::new(48);
    let publisher = logged_in(world.home(), "ci");
    run(&publisher, &["update", "--publish", "--tier", &storage.url("team")]);
    let wire = FarWire::to(storage.port(), Duration::from_millis(200));
    let reader = logged_in(world.clone_of(&publisher), "reader");
    let url = storage.url_by(wire.port(), "team");
    let jobs = ["--jobs", "8"];
    run(&reader, &[&["update", "--locked", "--tier", &url, "--tier", "only"][..], &jobs].concat());
    assert_eq!(wire.most_open(), 8);
    assert_eq!(wire.connections(), 8, "connections are kept");
    world.assert_all_as_git(&reader);
}

#[test]
fn publishers_of_one_commit_that_are_killed_leave_whole_objects() {
    let Some(storage) = SeaweedFs::start() else { return };
    let world = World::new(1);
    let text = "0123456789abcdef\n".repeat(30_000);
    world.repos[0].write(&[("large", &text)]);
    for knows_conditions in [true, false] {
        let log = RequestLog::changing(storage.port(), move |head| {
            let is_conditional = head.to_lowercase().contains("\r\nif-none-match:");
            (is_conditional && !knows_conditions).then(|| {
                b"HTTP/1.1 501 Not Implemented\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".to_vec()
            })
        });
        let url = storage.url_by(log.port(), if knows_conditions { "a" } else { "b" });
        let homes: Vec<TestHome> = (0..32).map(|_| logged_in(world.home(), "ci")).collect();
        homes.iter().for_each(|home| drop(run(home, &["update", "--tier", "off"])));
        let args = ["push", "--tier", &url, "--json"];
        let mut random = Random::of(7);
        let mut running: Vec<_> = homes.iter().map(|home| home.spawn(&args)).collect();
        for killed in running.drain(..8) {
            std::thread::sleep(Duration::from_millis(random.within(0..30)));
            killed.signal(Signal::KILL);
            killed.wait();
        }
        for (home, running) in homes.iter().skip(8).zip(running) {
            // On a busy machine a wait may be over; the next push is as good.
            if running.wait().status != 0 {
                run(home, &["push", "--tier", &url]);
            }
        }
        let reader = logged_in(world.clone_of(&homes[31]), "reader");
        let answer = run(&reader, &["update", "--locked", "--tier", &url, "--tier", "only"]);
        assert_eq!(counts(&answer), [1, 0, 0, 0], "{answer}");
        world.assert_all_as_git(&reader);
    }
}

#[test]
fn a_wrong_key_costs_one_warning_and_shows_no_secret() {
    let Some(storage) = SeaweedFs::start() else { return };
    let world = World::new(6);
    let publisher = logged_in(world.home(), "ci");
    run(&publisher, &["update", "--publish", "--tier", &storage.url("team")]);
    let mut reader = world.clone_of(&publisher);
    reader.env("AWS_ACCESS_KEY_ID", "ci").env("AWS_SECRET_ACCESS_KEY", "wr0ng-secret");
    let ran = reader.run(&["update", "--locked", "--tier", &storage.url("team")]).ok();
    assert!(ran.stdout.contains("6 from git"), "{ran:?}");
    assert_eq!(ran.stderr.matches("SignatureDoesNotMatch").count(), 1, "{ran:?}");
    assert!(!ran.stderr.contains("wr0ng") && !ran.stdout.contains("wr0ng"), "{ran:?}");
    assert!(reader.grep_bytes("wr0ng-secret").is_empty());
    world.assert_all_as_git(&reader);
}

#[test]
fn an_object_that_was_altered_is_replaced_by_a_publisher() {
    let Some(storage) = SeaweedFs::start() else { return };
    let world = World::new(2);
    let url = storage.url("team");
    let publisher = logged_in(world.home(), "ci");
    run(&publisher, &["update", "--publish", "--tier", &url]);
    let commit = world.repos[0].rev("main").unwrap();
    let key = format!("team/v1/git/sha1/{}/{commit}.pack", &commit[..2]);
    let truth = storage.object(&key).unwrap();
    let mut altered = truth.clone();
    let middle = altered.len() / 2;
    altered[middle] ^= 1;
    storage.replace(&key, &altered);
    let reader = logged_in(world.clone_of(&publisher), "reader");
    let answer = run(&reader, &["update", "--locked", "--tier", &url]);
    assert_eq!(counts(&answer), [1, 0, 1, 0], "{answer}");
    world.assert_all_as_git(&reader);
    let healer = logged_in(world.clone_of(&publisher), "ci");
    let answer = run(&healer, &["update", "--locked", "--publish", "--tier", &url]);
    assert_eq!(counts(&answer), [1, 0, 1, 0], "{answer}");
    assert_eq!(storage.object(&key).unwrap(), truth);
}
