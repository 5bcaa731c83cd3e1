//! `tier check`, and the logins that the environment and files give: the command line against a real store of objects.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{
    io::{Read as _, Write as _},
    os::unix::fs::PermissionsExt as _,
    sync::Mutex,
};

use modstore_testbed::{Ran, ScriptedServer, SeaweedFs, TestHome};
use serde_json::{Value, json};

fn home() -> TestHome {
    TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"))
}

/// A home whose environment has the login of a user.
fn home_of(user: &str) -> TestHome {
    let mut home = home();
    home.env("AWS_ACCESS_KEY_ID", user).env("AWS_SECRET_ACCESS_KEY", format!("{user}-secret"));
    home
}

fn answer(ran: &Ran) -> Value {
    serde_json::from_str(&ran.stdout).unwrap()
}

#[test]
fn a_directory_is_tried_and_left_as_it_was() {
    let home = home();
    let tier = home.scratch();
    let url = tier.display().to_string();
    let found = answer(&home.run(&["tier", "check", &url, "--write", "--json"]).ok());
    assert_eq!(found["may_read"], true);
    assert_eq!(found["may_write"], true);
    assert_eq!(found["conditions"], true);
    assert_eq!(found["problems"], json!([]));
    assert_eq!(files_below(&tier), 0);
    let said = home.run(&["tier", "check", &format!("file://{url}/missing")]).fails(1);
    assert!(said.stderr.contains("there is no such directory"), "{}", said.stderr);
}

fn files_below(directory: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(directory).unwrap().flatten();
    entries.map(|each| if each.path().is_dir() { files_below(&each.path()) } else { 1 }).sum()
}

#[test]
fn a_bucket_is_tried_with_the_login_of_the_environment() {
    let Some(server) = SeaweedFs::start() else { return };
    let url = server.url("team a");
    let found = answer(&home_of("ci").run(&["tier", "check", &url, "--write", "--json"]).ok());
    assert_eq!(found["tier"], "s3://modules/team a");
    for field in ["may_read", "may_write", "conditions"] {
        assert_eq!(found[field], true, "{found}");
    }
    assert!(found["clock_ahead"].as_i64().unwrap().abs() < 5);
    assert!(found["round_trip_ms"].as_f64().unwrap() > 0.0);
    let text = home_of("ci").run(&["tier", "check", &url]).ok().stdout;
    assert!(text.contains("may write           yes"), "{text}");
    assert!(text.contains("honoured: what is there is kept"), "{text}");
    let said = home_of("nobody").run(&["tier", "check", &url]).fails(1);
    assert!(said.stderr.contains("InvalidAccessKeyId"), "{}", said.stderr);
    assert!(!said.stderr.contains("nobody-secret"), "{}", said.stderr);
}

#[test]
fn a_key_that_may_only_read_is_enough_unless_writing_is_asked_for() {
    let Some(server) = SeaweedFs::start() else { return };
    let url = server.url("team");
    let found = answer(&home_of("reader").run(&["tier", "check", &url, "--json"]).ok());
    assert_eq!((&found["may_read"], &found["may_write"]), (&json!(true), &json!(false)));
    assert_eq!(found["conditions"], Value::Null);
    assert!(found["refusal"].as_str().unwrap().contains("AccessDenied"), "{found}");
    let said = home_of("reader").run(&["tier", "check", &url, "--write"]).fails(1);
    assert!(said.stderr.contains("cannot be written"), "{}", said.stderr);
}

#[test]
fn a_server_that_ignores_conditions_is_told_apart_and_used() {
    // Keeps one object, and overwrites it whatever is asked.
    let held = Mutex::new(None::<Vec<u8>>);
    let server = ScriptedServer::start(move |head, stream| {
        let mut held = held.lock().unwrap();
        let (status, body) = match head.split(' ').next() {
            Some("PUT") => {
                let length = head.to_lowercase();
                let (_, length) = length.split_once("content-length: ").unwrap();
                let mut body = vec![0; length.split_once('\r').unwrap().0.parse().unwrap()];
                stream.read_exact(&mut body).unwrap();
                *held = Some(body);
                ("200 OK", Vec::new())
            }
            Some("DELETE") => {
                *held = None;
                ("204 No Content", Vec::new())
            }
            _ => match &*held {
                Some(body) => ("200 OK", body.clone()),
                None => ("404 Not Found", Vec::new()),
            },
        };
        let length = body.len();
        let head = "ETag: \"1\"\r\nConnection: close";
        write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n{head}\r\n\r\n").unwrap();
        stream.write_all(&body).unwrap();
    });
    let url = format!("s3://b/p?endpoint=http://127.0.0.1:{}", server.port());
    let found = answer(&home_of("ci").run(&["tier", "check", &url, "--write", "--json"]).ok());
    assert_eq!((&found["may_write"], &found["conditions"]), (&json!(true), &json!(false)));
    assert_eq!(found["problems"], json!([]));
    assert!(server.heads().iter().any(|head| head.starts_with("DELETE ")));
}

#[test]
fn a_login_is_found_in_files_and_by_programs() {
    let Some(server) = SeaweedFs::start() else { return };
    let url = server.url("team");
    let keys = "aws_access_key_id = ci\naws_secret_access_key = ci-secret\n";
    let print = "#!/bin/sh\necho '{\"Version\":1,\"AccessKeyId\":\"ci\",\"SecretAccessKey\":\"ci-secret\"}'\n";
    let cases = [
        (format!("[default]\n{keys}"), String::new(), None),
        (format!("[team]\n{keys}"), String::new(), Some("team")),
        (String::new(), "[default]\ncredential_process = ~/bin/aws any\n".to_owned(), None),
        (
            String::new(),
            "[profile one]\nsso_session = x\nregion = us-east-1\n".to_owned(),
            Some("one"),
        ),
    ];
    for (credentials, config, profile) in cases {
        let mut home = home();
        let user = home.user_home();
        std::fs::create_dir_all(user.join(".aws")).unwrap();
        std::fs::create_dir_all(user.join("bin")).unwrap();
        std::fs::write(user.join(".aws/credentials"), &credentials).unwrap();
        std::fs::write(user.join(".aws/config"), &config).unwrap();
        let program = user.join("bin/aws");
        std::fs::write(&program, print).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        home.env("PATH", format!("{}/bin:{}", user.display(), std::env::var("PATH").unwrap()));
        // What CI makes of a secret that is not there.
        home.env("AWS_ACCESS_KEY_ID", "").env("AWS_SECRET_ACCESS_KEY", "");
        if let Some(profile) = profile {
            home.env("AWS_PROFILE", profile);
        }
        let ran = home.run(&["tier", "check", &url, "--write", "--json"]);
        assert_eq!(answer(&ran)["may_write"], true, "{credentials}{config}{}", ran.stderr);
        assert!(!ran.stdout.contains("ci-secret") && !ran.stderr.contains("ci-secret"));
    }
}

#[test]
fn a_static_server_has_its_login_from_netrc_and_is_only_read() {
    let server = ScriptedServer::start(|head, stream| {
        let is_known = head.to_lowercase().contains("authorization: basic bwu6cgfzcw==");
        let status = if is_known { "404 Not Found" } else { "401 Unauthorized" };
        let _ =
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    });
    let url = format!("http://127.0.0.1:{}/tier", server.port());
    let home = home();
    let said = home.run(&["tier", "check", &url]).fails(1);
    assert!(said.stderr.contains("401"), "{}", said.stderr);
    let netrc = home.user_home().join(".netrc");
    std::fs::write(netrc, "machine 127.0.0.1 login me password pass\n").unwrap();
    let found = answer(&home.run(&["tier", "check", &url, "--json"]).ok());
    assert_eq!((&found["may_read"], &found["may_write"]), (&json!(true), &json!(false)));
    assert!(found["refusal"].as_str().unwrap().contains("is only read"), "{found}");
}

#[test]
fn an_address_that_makes_no_sense_is_a_usage_error() {
    for (url, said) in [
        ("ftp://host/x", "no tiers of ftp:// in this build"),
        ("tier", "expected file:///directory"),
        ("s3://b?acl=x", "unknown `acl`"),
        ("http://tier.example/x", "expected https://"),
    ] {
        let ran = home().run(&["tier", "check", url]).fails(2);
        assert!(ran.stderr.contains(said), "{url}: {}", ran.stderr);
    }
    let ran = home().run(&["tier", "check", "https://tier.example/x", "--offline"]).fails(2);
    assert!(ran.stderr.contains("--offline"), "{}", ran.stderr);
}
