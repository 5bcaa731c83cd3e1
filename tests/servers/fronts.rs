//! What stands in front of a git server changes its answers: heads, types, addresses. git is the oracle: what it clones,
//! modstore adds.
//!
//! Limits: one request for each connection.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use modstore_testbed::{Fault, HttpServer, Running, ScriptedServer, TestHome, TlsFront};

use crate::world::{World, only};

/// A server in front of the one at `port`, which has `change` rewrite the head of each answer: the head of the request, that of
/// the answer.
fn front(port: u16, change: impl Fn(&str, String) -> String + Send + 'static) -> ScriptedServer {
    ScriptedServer::start(move |head, client| {
        let lines = || head.lines().filter_map(|line| line.split_once(": "));
        let length = lines().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let length = length.map_or(0, |(_, value)| value.trim().parse().unwrap());
        let mut body = vec![0; length];
        client.read_exact(&mut body).unwrap();
        let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let asked = head.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n");
        server.write_all(&[asked.as_bytes(), body.as_slice()].concat()).unwrap();
        let mut answer = Vec::new();
        server.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 2;
        let (above, below) = answer.split_at(end);
        let above = change(head, String::from_utf8(above.to_vec()).unwrap());
        // A client that has enough hangs up.
        let _ = client.write_all(&[above.as_bytes(), below].concat());
    })
}

/// Both git and modstore fetch it.
#[track_caller]
fn both_fetch(home: &TestHome, url: &str) {
    let clone = home.scratch().join("clone");
    let _ = std::fs::remove_dir_all(&clone);
    let args = ["clone", "-q", url, clone.to_str().unwrap()];
    Running::start(home.command_of("git".as_ref(), &args)).wait().ok();
    home.run(&["add", &format!("git+{url}"), "--name", "m"]).ok();
    assert_eq!(std::fs::read(home.target("m").join("a")).unwrap(), b"1", "{url}");
    home.run(&["remove", "m"]).ok();
}

#[test]
fn heads_of_any_size_and_types_of_any_kind_are_understood_as_by_git() {
    let world = World::new();
    world.repo("m").write(&[("a", "1")]);
    let long = front(world.http.port(), |_, head| {
        format!("{head}Content-Security-Policy: {}\r\n", "x".repeat(90_000))
    });
    let many = front(world.http.port(), |_, head| {
        let more: String = (0..400).map(|number| format!("X-{number}: 1\r\n")).collect();
        head + &more
    });
    let plain = front(world.http.port(), |asked, head| {
        let is_result = asked.starts_with("POST");
        let of_git = "application/x-git-upload-pack-result";
        if is_result { head.replace(of_git, "text/plain") } else { head }
    });
    let home = world.home();
    for server in [long, many, plain] {
        both_fetch(&home, &format!("http://127.0.0.1:{}/m.git", server.port()));
    }
}

#[test]
fn a_server_without_side_band_answers_is_asked_by_git() {
    let world = World::new();
    world.repo("m").write(&[("a", "1")]);
    for fault in [
        Fault::ForceProtocolV0,
        Fault::WithoutCapability("side-band"),
        Fault::WithoutCapability("side-band-64k"),
    ] {
        world.http.fault("m", fault);
    }
    both_fetch(&world.home(), &world.http.url("m"));
}

#[test]
fn an_address_is_asked_for_as_curl_asks_for_it() {
    let world = World::new();
    world.repo("m").write(&[("a", "1")]);
    let port = world.http.port();
    let home = world.home();
    both_fetch(&home, &format!("http://127.0.0.1:{port}/./m.git"));
    // A name below `localhost` is this machine, also where no resolver knows it.
    both_fetch(&home, &format!("http://forge.localhost:{port}/m.git"));
    let moved = format!("http://127.0.0.1:{port}/x/../m.git");
    world.http.fault("old", Fault::Redirect { to: moved });
    both_fetch(&home, &world.http.url("old"));
}

#[test]
fn a_redirect_from_https_to_http_is_followed_by_neither_way() {
    let world = World::new();
    world.repo("m").write(&[("a", "1")]);
    let (front, plain) = (TlsFront::to(world.http.port()), HttpServer::start(world.root()));
    world.http.fault("m", Fault::Redirect { to: plain.url("m") });
    let mut home = world.home();
    home.env("GIT_SSL_CAINFO", front.authority());
    let source = format!("git+{}", front.url(&world.http.url("m")));
    for way in ["auto", "git"] {
        home.env("MODSTORE_TRANSPORT", way);
        let ran = home.run(&["add", &source, "--name", "m", "--json"]).fails(1);
        let failed = only(&ran, "failed");
        assert_eq!(
            (&failed["class"], &failed["code"]),
            (&"permanent".into(), &"protocol".into()),
            "{way}: {failed}"
        );
    }
    assert_eq!(plain.stats().requests.len(), 0);
}
