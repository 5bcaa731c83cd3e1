//! The host's own git configuration is obeyed, and no person is ever asked anything.

use std::process::Stdio;
use std::time::Duration;

use modstore_testbed::{Fault, Running, SshServer};

use crate::world::World;

#[test]
fn an_address_is_rewritten_as_the_hosts_configuration_says() {
    let world = World::new();
    let repo = world.repo("m");
    repo.write(&[("a", "1")]);
    let home = world.home();
    let base = world.http.url("m").replace("m.git", "");
    home.git_config(&format!("[url \"{base}\"]\n insteadOf = https://far.invalid/\n"));
    home.run(&["add", "git+https://far.invalid/m.git"]).ok();
    assert_eq!(home.tree("m"), repo.tree("main"));
    assert!(!world.http.stats().requests.is_empty());
    let lock = std::fs::read_to_string(home.path().join("modules.lock")).unwrap();
    assert!(
        lock.contains("far.invalid") && !lock.contains("127.0.0.1"),
        "what was written is what is locked: {lock}"
    );
}

#[test]
fn a_credential_helper_gives_the_login_for_listing_and_fetch() {
    let world = World::new();
    let repo = world.repo("m");
    repo.write(&[("a", "1")]);
    world.http.fault("m", Fault::BasicAuth { user: "me", password: "s3cr3t" });
    let home = world.home();
    let helper = "!f() { test $1 = get && echo username=me && echo password=s3cr3t; }; f";
    home.git_config(&format!("[credential]\n helper = \"{helper}\"\n"));
    home.run(&["add", &format!("git+{}", world.http.url("m"))]).ok();
    repo.write(&[("a", "2")]);
    home.run(&["update"]).ok();
    assert_eq!(home.tree("m"), repo.tree("main"));
    assert!(world.http.stats().faults_fired > 0);
    assert_eq!(home.grep_bytes("s3cr3t"), [home.user_home().join(".gitconfig")]);
}

#[test]
fn the_ssh_command_of_the_configuration_is_used_and_the_environments_goes_before() {
    let world = World::new();
    let Some(ssh) = world.ssh() else { return };
    let repo = world.repo("m");
    repo.write(&[("a", "1")]);
    let source = format!("git+{}", ssh.url("m"));
    let mut home = world.home();
    home.without_env("GIT_SSH_COMMAND");
    home.git_config(&format!("[core]\n sshCommand = {}\n", ssh.ssh_command()));
    home.run(&["add", &source]).ok();
    assert_eq!(home.tree("m"), repo.tree("main"));
    home.env("GIT_SSH_COMMAND", ssh.wrong_key_command());
    home.run(&["update"]).fails(1);
    home.git_config(&format!("[core]\n sshCommand = {}\n", ssh.wrong_key_command()));
    home.run(&["update"]).fails(1);
    home.env("GIT_SSH_COMMAND", ssh.ssh_command());
    home.run(&["update"]).ok();
}

#[test]
fn nobody_is_asked_on_the_terminal_even_where_there_is_one() {
    let world = World::new();
    world.repo("m").write(&[("a", "1")]);
    world.http.fault("m", Fault::BasicAuth { user: "me", password: "s3cr3t" });
    let mut home = world.home();
    let asked = home.scratch().join("asked");
    let askpass = home.scratch().join("askpass");
    // It needs a terminal, and there is none for it. One that needs none is asked: see `credentials`.
    std::fs::write(
        &askpass,
        format!("#!/bin/sh\nread -r line </dev/tty && touch {} && echo s3cr3t\n", asked.display()),
    )
    .unwrap();
    std::fs::set_permissions(&askpass, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    home.env("GIT_ASKPASS", &askpass).env("SSH_ASKPASS", &askpass).env("DISPLAY", ":0");
    let source = format!("git+{}", world.http.url("m"));
    let limit = Duration::from_secs(20);
    // No input at all, an input that never ends, and a terminal.
    home.spawn(&["add", &source]).wait_within(limit).fails(1).says("the server wants a login");
    let mut patient = home.command(&["add", &source]);
    patient.stdin(Stdio::piped());
    Running::start(patient).wait_within(limit).fails(1).says("the server wants a login");
    let on_terminal = format!("{} add {source} </dev/tty", env!("CARGO_BIN_EXE_modstore"));
    let script = ["-qec", &on_terminal, "/dev/null"];
    if std::process::Command::new("script").arg("--version").output().is_ok() {
        let ran =
            Running::start(home.command_of("script".as_ref(), &script)).wait_within(limit).fails(1);
        assert!(ran.stdout.contains("the server wants a login"), "{ran:?}");
    }
    assert!(!asked.exists(), "a person was asked");
    assert!(world.http.stats().faults_fired > 0);
}

#[test]
fn ssh_never_asks_either() {
    let root = tempfile::tempdir().unwrap();
    let Some(ssh) = SshServer::start(root.path()) else { return };
    let mut home = modstore_testbed::TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    // A client that knows neither key nor host, and would have to ask about both.
    home.env(
        "GIT_SSH_COMMAND",
        "ssh -F /dev/null -o UserKnownHostsFile=/dev/null -o IdentityFile=/dev/null",
    );
    let source = format!("git+{}", ssh.url("m"));
    home.spawn(&["add", &source])
        .wait_within(Duration::from_secs(20))
        .fails(1)
        .says("key is not trusted");
}
