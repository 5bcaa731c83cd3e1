//! What servers say when they refuse: one class and one code for each refusal, over ssh and HTTP, and their own words.
//!
//! Limits: the words of forges are examples; all that are known are beside the code that knows them.

use std::{fs, io::Write as _, net::TcpListener, os::unix::fs::PermissionsExt as _, path::Path};

use modstore_testbed::{Change, Fault, HttpServer, Repo, TestHome, skip_loudly};
use serde_json::Value;

use crate::world::only;

/// What ssh prints of itself around the words of a server.
const AROUND: (&str, &str) = (
    "Warning: Permanently added 'forge.example' (ED25519) to the list of known hosts.\n** WARNING: connection is not using a \
     post-quantum key exchange algorithm.\n** The server may need to be upgraded. See https://openssh.com/pq.html\n",
    "fatal: Could not read from remote repository.\n\nPlease make sure you have the correct access rights\nand the \
     repository exists.\n",
);

/// What forges say, the HTTP status it has there, and what that means.
const REFUSALS: [(u16, &str, &str, &str); 11] = [
    (404, "ERROR: Repository not found.", "permanent", "no-such-repository"),
    (
        404,
        "remote: The project you were looking for could not be found or you don't have permission to view it.",
        "permanent",
        "no-such-repository",
    ),
    (403, "conq: repository access denied.", "permanent", "authentication"),
    (
        403,
        "FATAL: R any tools/clock reader DENIED by fallthru\n(or you mis-spelled the reponame)",
        "permanent",
        "authentication",
    ),
    (
        403,
        "ERROR: The 'acme' organization has enabled or enforced SAML SSO. To access\nthis repository, use a key that has \
         been authorized for it.",
        "permanent",
        "authentication",
    ),
    (403, "ERROR: Your account is suspended.", "permanent", "authentication"),
    (
        403,
        "Repository unavailable due to DMCA takedown.\nSee the takedown notice for more details.",
        "permanent",
        "unavailable",
    ),
    (
        403,
        "ERROR: Repository 'acme/clock' is disabled.\nPlease ask the owner to check their account.",
        "permanent",
        "unavailable",
    ),
    (403, "This repository is over its data quota.", "permanent", "quota"),
    (
        429,
        "This request was rate-limited due to too many requests. Try again later.",
        "transient",
        "rate-limited",
    ),
    (500, "GitLab: Internal API unreachable", "transient", "server"),
];

fn program(path: &Path, text: &str) {
    fs::write(path, text).expect("the scratch takes a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("the file is ours");
}

/// How adding this source fails.
fn failure(home: &TestHome, source: &str) -> Value {
    let ran = home.run(&["add", "--json", source, "--name", "m"]).fails(1);
    ran.json()["update"]["failed"][0].clone()
}

#[test]
fn each_refusal_of_a_forge_has_one_class_and_one_code_over_ssh_and_over_http_and_its_own_words() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let server = HttpServer::start(root.path());
    let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let (ssh, said) = (home.scratch().join("ssh"), home.scratch().join("said"));
    program(&ssh, &format!("#!/bin/sh\ncat {} >&2\nexit 128\n", said.display()));
    home.env("GIT_SSH", &ssh).env("GIT_SSH_VARIANT", "ssh");
    for (status, text, class, code) in REFUSALS {
        fs::write(&said, format!("{}{text}\n{}", AROUND.0, AROUND.1)).expect("the file is ours");
        server.clear();
        server.fault("m", Fault::Says(status, format!("{text}\n")));
        let over_ssh = failure(&home, "git+ssh://git@forge.example/acme/clock");
        let over_http = failure(&home, &format!("git+{}", server.url("m")));
        for failed in [&over_ssh, &over_http] {
            assert_eq!(
                (&failed["class"], &failed["code"]),
                (&class.into(), &code.into()),
                "{failed}"
            );
            let causes = failed["causes"].to_string();
            let last = text.lines().last().unwrap_or_default().trim_start_matches("remote: ");
            assert!(causes.contains(last), "{text}: {causes}");
            for noise in ["Permanently added", "post-quantum", "correct access rights", "remote:"] {
                assert!(!causes.contains(noise), "{causes}");
            }
        }
    }
}

#[test]
fn a_page_says_nothing_and_a_status_is_enough() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let server = HttpServer::start(root.path());
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    for (status, class, code) in [
        (402, "permanent", "unavailable"),
        (403, "permanent", "authentication"),
        (404, "permanent", "no-such-repository"),
        (410, "permanent", "no-such-repository"),
        (423, "permanent", "unavailable"),
        (429, "transient", "rate-limited"),
        (451, "permanent", "unavailable"),
        (500, "transient", "server"),
        (507, "permanent", "quota"),
    ] {
        server.clear();
        server.fault("m", Fault::StatusWithHeader(status, "Content-Type", "text/html"));
        let failed = failure(&home, &format!("git+{}", server.url("m")));
        assert_eq!((&failed["class"], &failed["code"]), (&class.into(), &code.into()), "{failed}");
        assert!(!failed.to_string().contains("a fault that the test asked for"), "{failed}");
    }
}

#[test]
fn a_message_of_a_server_is_shown_whole_from_its_first_line_that_says_something() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    let port = listener.local_addr().expect("a bound socket has an address").port();
    let text = "ERR \n  Fetching over this port is no longer supported.\n\nSee https://forge.example/help for what \
                to use.\u{1b}[2J";
    let line = format!("{:04x}{text}", text.len() + 4);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
            let _ = stream.write_all(line.as_bytes());
        }
    });
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let source = format!("git+git://127.0.0.1:{port}/o/r.git");
    let ran = home.run(&["add", &source]).fails(1);
    let shown: Vec<&str> = ran.stderr.lines().map(str::trim).collect();
    let first = shown.iter().position(|line| line.contains("no longer supported"));
    let first = first.unwrap_or_else(|| panic!("{ran:?}"));
    assert!(shown[first].contains("the server refused: Fetching"), "{ran:?}");
    assert_eq!(shown[first + 1], "See https://forge.example/help for what to use.\\u{1b}[2J");
    let failed = failure(&home, &source);
    assert_eq!((&failed["class"], &failed["code"]), (&"permanent".into(), &"server".into()));
}

#[test]
fn text_that_a_login_s_shell_prints_before_git_s_protocol_is_shown_and_what_it_says_is_understood()
{
    let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let (ssh, said) = (home.scratch().join("ssh"), home.scratch().join("said"));
    program(&ssh, &format!("#!/bin/sh\ncat {}\n", said.display()));
    home.env("GIT_SSH", &ssh).env("GIT_SSH_VARIANT", "ssh");
    for (text, code) in [
        ("Welcome to forge.example", "protocol"),
        ("\n\n  This account is currently not available.", "authentication"),
        ("Repository not found.", "no-such-repository"),
    ] {
        fs::write(&said, format!("{text}\n0000")).expect("the file is ours");
        let failed = failure(&home, "git+ssh://git@forge.example/acme/clock");
        assert_eq!((&failed["class"], &failed["code"]), (&"permanent".into(), &code.into()));
        assert!(failed["causes"].to_string().contains(text.trim()), "{failed}");
    }
}

#[test]
fn git_on_this_machine_speaks_english_whatever_the_person_speaks() {
    let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let (place, log) = (home.scratch().join("bin"), home.scratch().join("log"));
    fs::create_dir(&place).expect("the scratch takes a directory");
    let path = std::env::var("PATH").expect("there is a PATH");
    program(
        &place.join("git"),
        &format!(
            "#!/bin/sh\necho \"$LC_ALL,$LANGUAGE\" >> {}\nPATH={path} exec git \"$@\"\n",
            log.display()
        ),
    );
    home.env("PATH", format!("{}:{path}", place.display()));
    home.env("LANGUAGE", "de").env("LC_ALL", "de_DE.UTF-8").env("LANG", "de_DE.UTF-8");
    let failed = failure(&home, "git+file:///nowhere/r.git");
    assert_eq!(
        (&failed["class"], &failed["code"]),
        (&"permanent".into(), &"no-such-repository".into())
    );
    let log = fs::read_to_string(log).expect("git was asked");
    assert!(!log.is_empty() && log.lines().all(|line| line == "C,"), "{log}");
}

#[test]
fn a_repository_of_another_owner_is_refused_and_the_command_in_the_hint_helps() {
    if !rustix::process::geteuid().is_root() {
        return skip_loudly("only root gives a repository to another owner");
    }
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    let repo = Repo::create(root.path(), "it's-here");
    repo.write(&[("a", "1")]);
    let url = format!("git+{}", repo.url_file());
    let chown =
        std::process::Command::new("chown").args(["-R", "1234:1234"]).arg(repo.path()).status();
    assert!(chown.is_ok_and(|status| status.success()));
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let failed = failure(&home, &url);
    assert_eq!((&failed["class"], &failed["code"]), (&"permanent".into(), &"untrusted".into()));
    let hint = failed["hint"].as_str().unwrap_or_default();
    let command = hint.split('`').nth(1).unwrap_or_else(|| panic!("{failed}"));
    let shell = home.command_of("sh".as_ref(), &["-c", command]).status();
    assert!(shell.is_ok_and(|status| status.success()), "{command}");
    home.run(&["add", &url, "--name", "m"]).ok();
    assert_eq!(home.tree("m"), repo.tree("main"));
}

#[test]
fn a_name_that_the_file_system_does_not_take_is_named_and_will_not_be_tried_again() {
    let root = tempfile::tempdir().expect("a temporary directory can be made");
    let repo = Repo::create(root.path(), "m");
    let long = "\u{44f}".repeat(140);
    for path in [format!("certs/{long}.pem"), format!("{long}/a"), format!("links/{long}")] {
        let change = if path.starts_with("links") {
            Change::symlink(&path, "a")
        } else {
            Change::write(&path, "1")
        };
        repo.commit("main", &[change]);
        let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        home.declare(&[("m", &format!("git+{}", repo.url_file()))]);
        let failed = only(&home.run(&["update", "--json"]).fails(1), "failed");
        assert_eq!(
            (&failed["class"], &failed["code"]),
            (&"permanent".into(), &"refused-tree".into()),
            "{failed}"
        );
        let named = path.strip_suffix("/a").unwrap_or(&path);
        assert!(failed["causes"].to_string().contains(named), "{failed}");
        assert_eq!(home.leftovers(), Vec::<std::path::PathBuf>::new());
        repo.commit("main", &[Change::delete(&path)]);
    }
}
