//! Content of large files where git itself goes by its own transport, and where a machine gives it over ssh only. It comes, or it
//! is refused by the name of what is missing; it is never asked for past a setting.

use std::io::Write as _;

use modstore_testbed::{Change, Repo, ScriptedServer, SshServer, TestHome};

use crate::world::{ATTRIBUTES, World, pointer, said};

#[test]
fn content_comes_where_git_goes_by_its_own_transport_with_the_same_login() {
    let mut world = World::new();
    let repo = world.repo("m");
    repo.commit("main", &[world.large("a.bin", "one")]);
    world.lfs.want_login("me", "s3cr3t");
    let helper = "!f() { test $1 = get && echo username=me && echo password=s3cr3t; }; f";
    let login = format!("[credential]\n\thelper = \"{helper}\"\n");
    world.home.git_config(&format!("{login}[http]\n\tversion = HTTP/2\n"));
    world.add(&repo);
    assert_eq!(world.read("m", "a.bin"), b"one");

    repo.commit("main", &[world.large("a.bin", "two")]);
    world.home.git_config(&login);
    world.home.env("MODSTORE_TRANSPORT", "git");
    world.home.run(&["update"]).ok();
    assert_eq!(world.read("m", "a.bin"), b"two");
}

#[test]
fn a_setting_that_only_git_knows_keeps_content_away_and_is_named() {
    let world = World::new();
    let repo = world.repo("m");
    repo.commit("main", &[world.large("a.bin", "one")]);
    let port = world.lfs.port();
    let cookies = world.home.scratch().join("cookies");
    std::fs::write(&cookies, "").unwrap();
    for (setting, name) in [
        (format!("cookieFile = {}", cookies.display()), "http.cookieFile"),
        ("sslCert = /client.pem".to_owned(), "http.sslCert"),
    ] {
        world.home.git_config(&format!("[http \"http://127.0.0.1:{port}\"]\n\t{setting}\n"));
        let failed = world.failure(&["add", "--lfs", &world.source(&repo)]);
        assert_eq!(
            (&failed["code"], &failed["class"]),
            (&"source".into(), &"permanent".into()),
            "{failed}"
        );
        for words in ["a.bin", name] {
            assert!(said(&failed).contains(words), "{words}: {failed}");
        }
        assert!(failed["hint"].to_string().contains("lfs = false"), "{failed}");
        assert_eq!(world.asked(), (0, 0));
    }
    // The pointers come all the same, and are told of.
    world.home.run(&["add", &world.source(&repo)]).ok().says("set lfs = true");
    assert_eq!(world.read("m", "a.bin"), pointer("one").as_bytes());
}

#[test]
fn content_that_comes_compressed_is_unpacked_and_what_is_only_called_so_is_not() {
    // `gzip -n` of `one`.
    let packed = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\xcf\x4b\x05\x00\xf1\x86\x6c\x7a\x03\x00\x00\x00";
    for sent in [&packed[..], b"one"] {
        let world = World::new();
        let repo = world.repo("m");
        repo.commit("main", &[world.large("a.bin", "one")]);
        let server = ScriptedServer::start(move |_, client| {
            let length = sent.len();
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {length}\r\n\r\n"
            );
            let _ = client.write_all(&[head.as_bytes(), sent].concat());
        });
        world.lfs.offer_elsewhere(&format!("http://127.0.0.1:{}", server.port()), &[]);
        world.add(&repo);
        assert_eq!(world.read("m", "a.bin"), b"one");
    }
}

#[test]
fn a_machine_that_gives_content_over_ssh_only_is_named() {
    let root = tempfile::tempdir().unwrap();
    let Some(ssh) = SshServer::start(root.path()) else { return };
    let repo = Repo::create(root.path(), "m");
    let attributes = Change::write(".gitattributes", ATTRIBUTES);
    repo.commit("main", &[attributes, Change::write("a.bin", pointer("one"))]);
    let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let programs = home.scratch().join("programs");
    std::fs::create_dir_all(&programs).unwrap();
    // The client runs what it would run there: only this program of git-lfs is known.
    let greeting = "#!/bin/sh\nprintf '000eversion=1\\n0000'\n";
    let wrapper = format!(
        "#!/bin/sh\nfor last; do :; done\ncase \"$last\" in git-lfs-*) PATH={}:/usr/bin:/bin exec sh -c \"$last\";; esac\nexec {} \"$@\"\n",
        programs.display(),
        ssh.ssh_command()
    );
    for (name, text) in [("git-lfs-transfer", greeting), ("ssh", &wrapper)] {
        let program = programs.join(name);
        std::fs::write(&program, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(program, mode).unwrap();
    }
    home.env("GIT_SSH_COMMAND", programs.join("ssh").display().to_string());
    home.env("GIT_SSH_VARIANT", "ssh");
    let source = format!("git+{}", ssh.url("m"));
    let ran = home.run(&["add", "--lfs", &source]).fails(1);
    ran.says("git-lfs-transfer").says("permanent").says("lfs = false").says("a.bin");
    home.run(&["add", &source]).ok();
}
