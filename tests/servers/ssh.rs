//! Many repositories of one ssh server: one connection for nearly all of them, where ssh and the person allow it, and
//! another try where the server drops one.

use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use modstore_testbed::{SshServer, TestHome};

use crate::world::World;

const COUNT: usize = 12;

/// A home with modules of one ssh server, and an ssh that notes how it was called.
struct Many {
    home: TestHome,
    calls: PathBuf,
    scratch: PathBuf,
}

impl Many {
    /// `options` are the person's.
    fn of(world: &World, server: &SshServer, options: &str) -> Self {
        let mut home = world.home();
        let scratch = home.scratch().join("s");
        fs::create_dir_all(&scratch).unwrap();
        let (calls, program) = (scratch.join("calls"), scratch.join("my-ssh"));
        let (log, ssh) = (calls.display(), server.ssh_command());
        let script = format!("#!/bin/sh\necho \"$*\" >> {log}\nexec {ssh} {options} \"$@\"\n");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        home.env("GIT_SSH_COMMAND", &program)
            .env("TMPDIR", &scratch)
            .env("XDG_RUNTIME_DIR", &scratch);
        let modules = (0..COUNT).map(|number| {
            let name = format!("m{number:02}");
            world.repo(&name).write(&[("name", &name)]);
            format!("[modules.{name}]\nsource = \"git+{}\"\n", server.url(&name))
        });
        home.write_modules(&modules.collect::<String>());
        Self { home, calls, scratch }
    }

    fn update(&self) {
        let ran = self.home.run(&["update", "--json"]).ok();
        assert_eq!(ran.json()["updated"].as_array().unwrap().len(), COUNT, "{ran:?}");
    }

    /// Conversations that were begun with this option.
    fn begun_with(&self, option: &str) -> usize {
        let calls = fs::read_to_string(&self.calls).unwrap();
        let begun = calls.lines().filter(|call| call.contains("git-upload-pack"));
        begun.filter(|call| call.contains(option)).count()
    }

    fn left_behind(&self) -> Vec<String> {
        let names = fs::read_dir(&self.scratch).unwrap().flatten();
        let names = names.map(|entry| entry.file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("ms")).collect()
    }
}

fn logins(server: &SshServer) -> usize {
    server.log().matches("Accepted publickey").count()
}

#[test]
fn modules_of_one_ssh_server_share_a_connection_which_ends_with_the_command() {
    let world = World::new();
    let Some(server) = world.ssh() else { return };
    let many = Many::of(&world, server, "");
    let before = logins(server);
    many.update();
    assert_eq!(logins(server) - before, 2, "the first one's own, and the shared one");
    assert_eq!((many.begun_with("ControlMaster=yes"), many.begun_with("")), (1, COUNT));
    assert_eq!(many.left_behind(), Vec::<String>::new());
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let place = many.scratch.display().to_string();
    let mut titles = processes.filter_map(|it| fs::read_to_string(it.path().join("cmdline")).ok());
    assert!(!titles.any(|title| title.contains(&place) && title.contains("[mux]")));
}

#[test]
fn a_person_who_shares_connections_or_is_asked_keeps_their_own_way() {
    let world = World::new();
    let Some(server) = world.ssh() else { return };
    for options in ["-o ControlMaster=auto -o ControlPath=none", "-o ControlPath=/nonexistent/%C"] {
        let many = Many::of(&world, server, options);
        many.update();
        assert_eq!((many.begun_with("Control"), many.begun_with("")), (0, COUNT), "{options}");
    }
}

#[test]
fn an_ssh_server_that_drops_connections_gives_all_modules_also_without_a_shared_one() {
    let world = World::new();
    let root = world.root();
    let Some(server) = SshServer::start_with_startups(root, "2:100:2") else { return };
    for options in ["", "-o ControlMaster=auto -o ControlPath=none"] {
        Many::of(&world, &server, options).update();
    }
    assert!(server.log().contains("MaxStartups"), "none was dropped: {}", server.log());
}
