//! Servers that answer, and not with a repository.

use std::io::Write as _;

use modstore_testbed::{Fault, GitDaemon, RefusedPort, Repo, ScriptedServer, SshServer};

use crate::day::{Day, Trouble};

const PERMANENT: Trouble<'_> =
    Trouble { class: "permanent", stage: "resolve", words: &[], hint: "" };
const TRANSIENT: Trouble<'_> = Trouble { class: "transient", ..PERMANENT };

#[test]
fn a_repository_that_is_not_there_is_called_so_whatever_is_spoken() {
    let mut day = Day::begun();
    let trouble = Trouble { words: &["no-such"], hint: "check the spelling", ..PERMANENT };
    let status = Trouble { words: &["no-such", "HTTP status 404"], ..trouble };
    day.endures_source(&format!("git+{}", day.server.url("no-such")), &status);
    let daemon = GitDaemon::start(day.root());
    day.endures_source(&format!("git+{}", daemon.url("no-such")), &trouble);
    day.endures_source(&format!("git+file://{}/no-such.git", day.root().display()), &trouble);
    let Some(ssh) = SshServer::start(day.root()) else { return };
    day.home.env("GIT_SSH_COMMAND", ssh.ssh_command());
    day.endures_source(&format!("git+{}", ssh.url("no-such")), &trouble);
}

#[test]
fn a_server_that_wants_a_login_is_not_asked_twice() {
    let day = Day::begun();
    let fault = || Fault::BasicAuth { user: "me", password: "right" };
    let trouble = Trouble {
        words: &["could not list", "/troubled", "wants a login, and none is configured"],
        hint: "credential helper",
        ..PERMANENT
    };
    day.endures(fault(), &trouble);
    day.home.git_config(
        "[credential]\n helper = \"!f() { echo username=me; echo password=wr0ng; }; f\"\n",
    );
    let trouble =
        Trouble { words: &["the login was not accepted"], hint: "renew the token", ..PERMANENT };
    day.server.fault("troubled", fault());
    let ran = day.fails(&trouble);
    assert!(!ran.stderr.contains("wr0ng"), "{ran:?}");
    assert_eq!(day.home.grep_bytes("wr0ng"), [day.home.user_home().join(".gitconfig")]);
    day.is_sound_again();
}

#[test]
fn ssh_says_which_key_is_not_accepted() {
    let mut day = Day::begun();
    let Some(ssh) = SshServer::start(day.root()) else { return };
    let source = format!("git+{}", ssh.url("troubled"));
    day.home.env("GIT_SSH_COMMAND", ssh.wrong_key_command());
    day.endures_source(&source, &Trouble { words: &["login"], hint: "key", ..PERMANENT });
    day.home.env("GIT_SSH_COMMAND", ssh.wrong_host_command());
    let trouble = Trouble {
        words: &["the server's key is not trusted"],
        hint: "compare the key",
        ..PERMANENT
    };
    day.endures_source(&source, &trouble);
}

#[test]
fn a_status_is_said_with_what_to_do() {
    let day = Day::begun();
    let wait = Fault::StatusWithHeader(429, "Retry-After", "7");
    day.endures(
        wait,
        &Trouble { words: &["HTTP status 429"], hint: "the server asks to wait 7 s", ..TRANSIENT },
    );
    day.endures(
        Fault::Status(429),
        &Trouble { words: &["HTTP status 429"], hint: "try again later", ..TRANSIENT },
    );
    for status in [500, 503] {
        let words = format!("HTTP status {status}");
        day.endures(
            Fault::Status(status),
            &Trouble { words: &[&words], hint: "try again later", ..TRANSIENT },
        );
    }
    day.endures(
        Fault::Status(403),
        &Trouble { words: &["HTTP status 403"], hint: "may not read", ..PERMANENT },
    );
}

#[test]
fn a_status_instead_of_a_pack_is_a_failure_of_the_fetch() {
    let day = Day::begun();
    for status in [500, 503] {
        day.server.fault_on_fetch("troubled", Fault::Status(status));
        let words = format!("HTTP status {status}");
        let trouble = Trouble {
            stage: "fetch",
            words: &["could not fetch from", &words],
            hint: "try again later",
            ..TRANSIENT
        };
        day.fails(&trouble);
        assert!(day.server.stats().faults_fired > 0);
        day.is_sound_again();
        day.publish(&day.troubled);
    }
}

#[test]
fn a_redirect_is_followed_to_a_repository_and_nowhere_else() {
    let day = Day::begun();
    let moved = Repo::create(day.root(), "moved");
    moved.git(&["fetch", "-q", &day.troubled.url_file(), "+refs/heads/*:refs/heads/*"]);
    day.server.fault("troubled", Fault::Redirect { to: day.server.url("moved") });
    day.succeeds();
    assert!(day.server.stats().faults_fired > 0);
    assert!(day.server.stats().requests.iter().any(|seen| seen.repo == "moved"));
}

#[test]
fn a_redirect_in_a_circle_or_to_no_server_is_called_so() {
    let day = Day::begun();
    let circle = Fault::Redirect { to: day.server.url("troubled") };
    let trouble = Trouble {
        words: &["redirects", "too many redirects"],
        hint: "where the repository is now",
        ..PERMANENT
    };
    day.endures(circle, &trouble);
    let nobody = RefusedPort::reserve();
    let trouble = Trouble {
        words: &["the connection was refused"],
        hint: "check that the server runs",
        ..TRANSIENT
    };
    day.endures(Fault::Redirect { to: nobody.url("http", "m") }, &trouble);
}

#[test]
fn a_page_instead_of_a_repository_is_called_so() {
    let day = Day::begun();
    let page = "<!DOCTYPE html><title>Welcome</title>";
    let server = ScriptedServer::start(move |_, stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n";
        // A client that hangs up is done.
        let _ = write!(stream, "{head}Content-Length: {}\r\n\r\n{page}", page.len());
    });
    let port = server.port();
    let trouble = Trouble {
        words: &["the server's answer is not understood"],
        hint: "a git repository",
        ..PERMANENT
    };
    day.endures_source(&format!("git+http://127.0.0.1:{port}/owner/m.git"), &trouble);
}

#[test]
fn a_server_that_hangs_before_its_reply_is_given_up_on() {
    let mut day = Day::begun();
    day.home.env("MODSTORE_IDLE_TIMEOUT", "0.4");
    let trouble = Trouble {
        words: &["the server was silent for 400 ms"],
        hint: "MODSTORE_IDLE_TIMEOUT",
        ..TRANSIENT
    };
    day.endures(Fault::HangBeforeReply, &trouble);
}

#[test]
fn a_server_that_closes_without_a_reply_is_called_so() {
    let day = Day::begun();
    let trouble = Trouble { words: &["the connection broke off"], hint: "try again", ..TRANSIENT };
    day.endures(Fault::CloseBeforeReply, &trouble);
}
