//! Where content is asked for, and which login goes where.

use modstore_testbed::{Change, LfsServer, Repo, SshServer, TestHome};

use crate::world::{ATTRIBUTES, World, oid, pointer, said};

/// What `git config` says of a login for the server at this port.
fn login(port: u16, user: &str, password: &str) -> String {
    let helper =
        format!("!f() {{ test $1 = get && echo username={user} && echo password={password}; }}; f");
    format!("[credential \"http://127.0.0.1:{port}\"]\n\thelper = \"{helper}\"\n")
}

#[test]
fn the_login_is_the_one_that_git_has_for_the_place() {
    let world = World::new();
    let repo = world.repo("m");
    repo.commit("main", &[world.large("a.bin", "one"), world.large("b.bin", "two")]);
    world.lfs.want_login("me", "s3cr3t");
    let failed = world.failure(&["add", "--lfs", &world.source(&repo)]);
    assert_eq!(
        (&failed["code"], &failed["class"]),
        (&"authentication".into(), &"permanent".into()),
        "{failed}"
    );
    assert!(said(&failed).contains("a.bin"), "{failed}");

    world.home.git_config(&login(world.lfs.port(), "me", "s3cr3t"));
    world.add(&repo);
    assert_eq!(world.read("m", "b.bin"), b"two");

    // The login in the address serves as well.
    world.home.git_config("");
    world.lfs.put(&oid("three"), "three");
    repo.commit("main", &[Change::write("a.bin", pointer("three"))]);
    let address = world.source(&repo).replace("http://", "http://me:s3cr3t@");
    world.home.run(&["remove", "m"]).ok();
    world.home.run(&["add", "--lfs", &address]).ok();
    assert_eq!(world.read("m", "a.bin"), b"three");
    assert_eq!(world.home.grep_bytes("s3cr3t"), Vec::<std::path::PathBuf>::new());
}

#[test]
fn a_place_that_the_server_names_gets_its_own_headers_and_nothing_else() {
    let world = World::new();
    let other = LfsServer::start(None);
    let repo = world.repo("m");
    repo.commit("main", &[world.large("a.bin", "one")]);
    other.put(&oid("one"), "one");
    world.lfs.want_login("me", "s3cr3t");
    let base = format!("http://127.0.0.1:{}/content", other.port());
    world.lfs.offer_elsewhere(&base, &[("Authorization", "Offer"), ("X-Own", "yes")]);
    let general = "[http]\n\textraHeader = X-General: s3cr3t\n";
    world.home.git_config(&(login(world.lfs.port(), "me", "s3cr3t") + general));
    world.add(&repo);
    assert_eq!(world.read("m", "a.bin"), b"one");
    let [request] = other.requests().try_into().unwrap();
    assert_eq!(request.header("authorization"), Some("Offer"));
    assert_eq!(request.header("x-own"), Some("yes"));
    assert_eq!(request.header("x-general"), None);
    let first = world.lfs.requests();
    assert!(first.iter().all(|it| it.header("x-general").is_some()), "{first:?}");

    // Behind a redirect, not even these.
    world.lfs.clear();
    let third = LfsServer::start(None);
    third.put(&oid("two"), "two");
    repo.commit("main", &[world.large("a.bin", "two")]);
    world.lfs.want_login("me", "s3cr3t");
    world.lfs.offer_elsewhere(&base, &[("Authorization", "Offer"), ("X-Own", "yes")]);
    let to = format!("http://127.0.0.1:{}/content/{}", third.port(), oid("two"));
    other.fault(1, modstore_testbed::LfsFault::Redirect(to));
    world.home.run(&["update"]).ok();
    assert_eq!(world.read("m", "a.bin"), b"two");
    let [request] = third.requests().try_into().unwrap();
    for name in ["authorization", "x-own", "x-general", "cookie"] {
        assert_eq!(request.header(name), None, "{request:?}");
    }
    let all = format!("{:?}{:?}", other.requests(), third.requests());
    assert!(!all.contains("s3cr3t") && !all.contains("Basic"), "{all}");
}

#[test]
fn another_place_that_asks_for_a_login_gets_its_own() {
    let world = World::new();
    let other = LfsServer::start(None);
    let repo = world.repo("m");
    repo.commit("main", &[world.large("a.bin", "one"), world.large("b.bin", "two")]);
    ["one", "two"].iter().for_each(|content| other.put(&oid(content), content));
    other.want_login("store", "0ther");
    world.lfs.offer_elsewhere(&format!("http://127.0.0.1:{}/content", other.port()), &[]);
    world.home.git_config(&login(other.port(), "store", "0ther"));
    world.add(&repo);
    assert_eq!(world.read("m", "b.bin"), b"two");
}

#[test]
fn the_repository_names_the_server_and_the_persons_configuration_goes_before() {
    let world = World::new();
    let (theirs, ours) = (LfsServer::start(None), LfsServer::start(None));
    let repo = world.repo("m");
    let config = format!("[lfs]\n\turl = {}\n", theirs.lfs_url());
    repo.commit("main", &[world.large("a.bin", "one"), Change::write(".lfsconfig", config)]);
    theirs.put(&oid("one"), "one");
    world.home.run(&["add", "--lfs", &format!("git+{}", world.git.url("m"))]).ok();
    assert_eq!(world.read("m", "a.bin"), b"one");
    assert_eq!((theirs.requests().len(), world.lfs.requests().len()), (2, 0));

    world.home.git_config(&format!("[lfs]\n\turl = {}\n", ours.lfs_url()));
    repo.commit("main", &[world.large("a.bin", "two")]);
    ours.put(&oid("two"), "two");
    world.home.run(&["update"]).ok();
    assert_eq!(world.read("m", "a.bin"), b"two");
    assert_eq!((theirs.requests().len(), ours.requests().len()), (2, 2));
}

#[test]
fn a_repository_from_elsewhere_may_not_name_a_place_on_this_machine() {
    let world = World::new();
    let repo = world.repo("m");
    let config = format!("[lfs]\n\turl = file://{}\n", world.root.path().display());
    repo.commit("main", &[world.large("a.bin", "one"), Change::write(".lfsconfig", config)]);
    let failed = world.failure(&["add", "--lfs", &world.source(&repo)]);
    assert!(said(&failed).contains("may not name a place on this one"), "{failed}");
    assert_eq!(failed["code"], "source", "{failed}");
}

#[test]
fn a_repository_on_this_machine_has_its_contents_itself() {
    let world = World::new();
    let repo = world.repo("m");
    repo.commit("main", &[Change::write("a.bin", pointer("one"))]);
    let failed = world.failure(&["add", "--lfs", &format!("git+{}", repo.url_file())]);
    assert_eq!(
        (&failed["code"], &failed["class"]),
        (&"no-such-content".into(), &"permanent".into()),
        "{failed}"
    );
    assert!(said(&failed).contains("a.bin"), "{failed}");
    keep(&repo, "one");
    world.home.run(&["add", "--lfs", &format!("git+{}", repo.url_file())]).ok();
    assert_eq!(world.read("m", "a.bin"), b"one");
    // Also without a network.
    repo.commit("main", &[Change::write("a.bin", pointer("two"))]);
    keep(&repo, "two");
    world.home.run(&["update", "--offline"]).ok();
    assert_eq!(world.read("m", "a.bin"), b"two");
}

/// Keeps a content where git-lfs keeps it in a repository.
fn keep(repo: &Repo, content: &str) {
    drop(repo.large("a.bin", content));
}

#[test]
fn over_ssh_the_machine_says_where_the_server_is_and_how_to_log_in() {
    let root = tempfile::tempdir().unwrap();
    let Some(ssh) = SshServer::start(root.path()) else { return };
    let lfs = LfsServer::start(None);
    let repo = Repo::create(root.path(), "m");
    let attributes = Change::write(".gitattributes", ATTRIBUTES);
    repo.commit("main", &[attributes, Change::write("a.bin", pointer("one"))]);
    lfs.put(&oid("one"), "one");
    lfs.want_login("by", "ssh");
    let contents = format!("http://127.0.0.1:{}/content", lfs.port());
    lfs.offer_elsewhere(&contents, &[("Authorization", "Offer")]);
    let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    // The client runs what it would run there: a program of this name before all others.
    let programs = home.scratch().join("programs");
    std::fs::create_dir_all(&programs).unwrap();
    let program = programs.join("git-lfs-authenticate");
    let answer = format!(
        "{{\"href\":\"{}\",\"header\":{{\"Authorization\":\"Basic Ynk6c3No\"}},\"expires_in\":900}}",
        lfs.lfs_url()
    );
    let script =
        format!("#!/bin/sh\necho \"$@\" >{}\necho '{answer}'\n", programs.join("asked").display());
    let wrapper = format!(
        "#!/bin/sh\nfor last; do :; done\ncase \"$last\" in git-lfs-*) PATH={}:$PATH exec sh -c \"$last\";; esac\nexec {} \"$@\"\n",
        programs.display(),
        ssh.ssh_command()
    );
    let client = programs.join("ssh");
    for (path, text) in [(&program, &script), (&client, &wrapper)] {
        std::fs::write(path, text).unwrap();
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
            .unwrap();
    }
    home.env("GIT_SSH_COMMAND", client.display().to_string()).env("GIT_SSH_VARIANT", "ssh");
    home.run(&["add", "--lfs", &format!("git+{}", ssh.url("m"))]).ok();
    assert_eq!(std::fs::read(home.target("m").join("a.bin")).unwrap(), b"one");
    let asked = std::fs::read_to_string(programs.join("asked")).unwrap();
    assert_eq!(asked.trim(), format!("{} download", root.path().join("m.git").display()));
    assert_eq!(lfs.requests()[0].header("authorization"), Some("Basic Ynk6c3No"));

    // A refusal is told in the words of that machine.
    std::fs::write(&program, "#!/bin/sh\necho 'you may not read this' >&2\nexit 1\n").unwrap();
    repo.commit("main", &[Change::write("a.bin", pointer("two"))]);
    home.run(&["update"]).fails(1).says("you may not read this");
    std::fs::write(&program, "#!/bin/sh\nyes\n").unwrap();
    home.run(&["update"]).fails(1).says("printed more than");
}
