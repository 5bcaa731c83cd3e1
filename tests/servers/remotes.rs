//! Parts of git's configuration that are for remotes of some addresses only: `includeIf "hasconfig:remote.*.url:…"`. git is the
//! oracle: what it clones, modstore adds, each module with the configuration of its own address.

use std::fs;

use modstore_testbed::{Fault, Running, TestHome};

use crate::world::{World, is_settled};

/// A login for everything, in a file that other configuration includes.
fn login(home: &TestHome, file: &str, user: &str, password: &str) {
    let helper =
        format!("!f() {{ test $1 = get && echo username={user} && echo password={password}; }}; f");
    let text = format!("[credential]\n\thelper = \"{helper}\"\n");
    fs::write(home.user_home().join(file), text).unwrap();
}

/// Whether git clones it, as the home is configured.
fn git_clones(home: &TestHome, url: &str) -> bool {
    let clone = home.scratch().join("clone");
    let _ = fs::remove_dir_all(&clone);
    let mut git = home.command_of("git".as_ref(), &["clone", "-q", url, clone.to_str().unwrap()]);
    git.env("GIT_TERMINAL_PROMPT", "0");
    Running::start(git).wait().status == 0
}

#[test]
fn two_accounts_at_one_host_are_told_apart_by_the_address_of_the_remote() {
    let world = World::new();
    for (name, user) in [("work", "me-at-work"), ("own", "me")] {
        world.repo(name).write(&[("a", name)]);
        world.http.fault(name, Fault::BasicAuth { user, password: "s3cr3t" });
    }
    let mut home = world.home();
    login(&home, "work", "me-at-work", "s3cr3t");
    login(&home, "own", "me", "s3cr3t");
    let sections = ["work", "own"].map(|name| {
        let pattern = format!("hasconfig:remote.*.url:http://127.0.0.1:*/{name}*");
        format!("[includeIf \"{pattern}\"]\n\tpath = {name}\n")
    });
    home.git_config(&sections.concat());
    let urls = ["work", "own"].map(|name| world.http.url(name));
    assert!(urls.iter().all(|url| git_clones(&home, url)));
    let sources = urls.map(|url| format!("git+{url}"));
    let add = ["add", sources[0].as_str(), sources[1].as_str()];
    home.run(&add).ok();
    for name in ["work", "own"] {
        assert_eq!(fs::read(home.target(name).join("a")).unwrap(), name.as_bytes());
    }
    is_settled(&home);
    // Through git's own transport as well.
    home.run(&["remove", "work", "own"]).ok();
    home.env("MODSTORE_TRANSPORT", "git");
    home.run(&add).ok();
    // Without the condition there is no login.
    home.git_config("");
    home.run(&["update"]).fails(1).says("the server wants a login");
}

#[test]
fn the_ssh_program_may_depend_on_the_address_of_the_remote() {
    let world = World::new();
    let Some(ssh) = world.ssh() else { return };
    let repo = world.repo("m");
    repo.write(&[("a", "1")]);
    let mut home = world.home();
    home.without_env("GIT_SSH_COMMAND");
    let text = format!("[core]\n\tsshCommand = {}\n", ssh.ssh_command());
    fs::write(home.user_home().join("work"), text).unwrap();
    let general = format!("[core]\n\tsshCommand = {}\n", ssh.wrong_key_command());
    let condition =
        "[includeIf \"hasconfig:remote.*.url:ssh://*@127.0.0.1:*/**\"]\n\tpath = work\n";
    home.git_config(&(general.clone() + condition));
    assert!(git_clones(&home, &ssh.url("m")));
    home.run(&["add", &format!("git+{}", ssh.url("m"))]).ok();
    assert_eq!(home.tree("m"), repo.tree("main"));
    home.git_config(&general);
    assert!(!git_clones(&home, &ssh.url("m")));
    home.run(&["update"]).fails(1);
}

#[test]
fn a_password_in_an_address_is_refused_where_gits_configuration_says_so() {
    let world = World::new();
    world.repo("m").write(&[("a", "1")]);
    let home = world.home();
    let url = world.http.url_with_secret("m", "me", "s3cr3t");
    home.git_config("[transfer]\n\tcredentialsInUrl = die\n");
    assert!(!git_clones(&home, &url));
    let ran = home.run(&["add", &format!("git+{url}")]).fails(1);
    let ran = ran.says("does not allow a password").says("transfer.credentialsInUrl");
    assert!(!ran.stderr.contains("s3cr3t"), "{ran:?}");
    home.git_config("[transfer]\n\tcredentialsInUrl = warn\n");
    assert!(git_clones(&home, &url));
    home.run(&["add", &format!("git+{url}")]).ok();
}
