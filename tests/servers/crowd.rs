//! Many repositories of one server: how many connections and requests they cost, near and far, and where the server
//! takes only a few at once.

use std::time::Duration;

use modstore_testbed::{FarWire, Fault, TestHome, TlsFront};

use crate::world::{World, is_settled};

const FAR: Duration = Duration::from_millis(200);

/// Repositories of a file each.
fn repositories(world: &World, count: usize) -> Vec<String> {
    let names = (0..count).map(|number| format!("m{number:03}"));
    names.inspect(|name| drop(world.repo(name).write(&[("name", name)]))).collect()
}

/// Declares all of them, by these addresses.
fn declare(home: &TestHome, names: &[String], url: impl Fn(&str) -> String) {
    let modules =
        names.iter().map(|name| format!("[modules.{name}]\nsource = \"git+{}\"\n", url(name)));
    home.write_modules(&modules.collect::<String>());
}

#[test]
fn a_far_server_gets_more_connections_and_each_repository_one_request() {
    let world = World::new();
    let names = repositories(&world, 100);
    let wire = FarWire::to(world.http.port(), FAR);
    let home = world.home();
    declare(&home, &names, |name| wire.url(&world.http.url(name)));
    home.run(&["update"]).ok();
    let cold = wire.most_open();
    assert!((9..=64).contains(&cold), "{cold} connections");

    wire.forget();
    world.http.forget();
    is_settled(&home);
    assert_eq!(world.http.stats().requests.len(), 100);
    let (opened, open) = (wire.connections(), wire.most_open());
    assert!((9..=64).contains(&open) && opened <= 64, "{opened} connections, {open} at once");
}

#[test]
fn a_far_server_gets_as_many_connections_at_once_as_it_had_the_last_time() {
    let world = World::new();
    let names = repositories(&world, 80);
    let wire = FarWire::to(world.http.port(), FAR);
    let home = world.home();
    declare(&home, &names, |name| wire.url(&world.http.url(name)));
    home.run(&["update"]).ok();
    let unknown = wire.before_an_answer();
    assert!(unknown <= 32, "{unknown} connections to a server of which nothing is known");
    wire.forget();
    is_settled(&home);
    let known = wire.before_an_answer();
    assert!(known > 40, "{known} connections to a server that is known to be far");

    wire.forget();
    home.run(&["outdated", "--jobs", "4"]).ok();
    assert_eq!(wire.before_an_answer(), 4, "the person's limit");
    std::fs::remove_file(home.path().join("mirrors/host.git/lanes")).unwrap();
    wire.forget();
    home.run(&["outdated"]).ok();
    assert!(wire.before_an_answer() <= 32, "what was remembered can be deleted");
}

#[test]
fn a_server_that_dropped_connections_gets_fewer_the_next_time() {
    let world = World::new();
    let names = repositories(&world, 40);
    let wire = FarWire::to(world.http.port(), Duration::from_millis(20));
    wire.drop_above(4);
    let home = world.home();
    declare(&home, &names, |name| wire.url(&world.http.url(name)));
    home.run(&["update"]).ok();
    assert!(wire.dropped() >= 4, "{} were dropped", wire.dropped());
    wire.forget();
    let first = names.iter().take(3).map(String::as_str);
    home.run(&["outdated"].into_iter().chain(first).collect::<Vec<_>>()).ok();
    assert_eq!(wire.dropped(), 0);
}

#[test]
fn a_far_server_gets_more_connections_over_tls_too() {
    let world = World::new();
    let names = repositories(&world, 60);
    let front = TlsFront::to(world.http.port());
    let wire = FarWire::to(front.port(), FAR);
    let mut home = world.home();
    home.env("GIT_SSL_CAINFO", front.authority());
    declare(&home, &names, |name| wire.url(&front.url(&world.http.url(name))));
    home.run(&["update"]).ok();
    let (whole, resumed) = front.handshakes();
    assert_eq!(whole + resumed, wire.connections());
    assert!((9..=64).contains(&wire.most_open()), "{} at once", wire.most_open());
    assert_eq!(world.http.stats().requests.len(), 120);
}

#[test]
fn the_persons_limit_is_kept_however_far_the_server_is() {
    let world = World::new();
    let names = repositories(&world, 20);
    let wire = FarWire::to(world.http.port(), Duration::from_millis(50));
    let home = world.home();
    declare(&home, &names, |name| wire.url(&world.http.url(name)));
    home.run(&["update", "--jobs", "2"]).ok();
    assert_eq!(wire.most_open(), 2);
    wire.forget();
    home.run(&["outdated", "--jobs", "2"]).ok();
    assert_eq!((wire.connections(), wire.most_open()), (2, 2));
}

#[test]
fn a_server_that_takes_a_few_connections_and_drops_the_others_gives_all_modules() {
    let world = World::new();
    let names = repositories(&world, 40);
    for few in [1, 3] {
        let wire = FarWire::to(world.http.port(), Duration::from_millis(20));
        wire.drop_above(few);
        let home = world.home();
        declare(&home, &names, |name| wire.url(&world.http.url(name)));
        let ran = home.run(&["update", "--json"]).ok();
        assert_eq!(ran.json()["updated"].as_array().unwrap().len(), 40, "{ran:?}");
        assert!(wire.dropped() > 0, "the wire dropped none");
        assert!(wire.dropped() < 40, "{} were dropped", wire.dropped());
        is_settled(&home);
    }
}

#[test]
fn a_server_that_says_429_to_some_is_asked_again_with_fewer() {
    let world = World::new();
    let names = repositories(&world, 40);
    let home = world.home();
    declare(&home, &names, |name| world.http.url(name));
    // The first is answered, so the server is not down.
    let (busy, again) = (&names[1..], names.len() - 1);
    busy.iter().for_each(|name| world.http.fault_times(name, 1, Fault::Status(429)));
    let ran = home.run(&["update", "--json"]).ok();
    assert_eq!(ran.json()["updated"].as_array().unwrap().len(), 40, "{ran:?}");
    let stats = world.http.stats();
    assert_eq!((stats.faults_fired, stats.requests.len()), (again, 2 * 40 + again));
}

#[test]
fn a_server_that_is_down_is_asked_for_each_lane_once_and_no_more() {
    let world = World::new();
    let names = repositories(&world, 40);
    let home = world.home();
    declare(&home, &names, |name| world.http.url(name));
    world.http.fault("*", Fault::CloseBeforeReply);
    home.run(&["update"]).fails(1);
    let asked = world.http.stats().requests.len();
    assert!(asked <= 16, "{asked} requests");
}
