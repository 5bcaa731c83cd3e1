//! What a build depends on, and that nothing else starts one: T10, T15.

use std::fs;

use super::world::{World, names};

#[test]
fn t10_every_kind_of_file_counts_also_one_that_no_import_names() {
    let world = World::new();
    let source = world.source("tool");
    for name in ["side.ts", "data.json", "deno.json", "deno.lock", "deep/x.css"] {
        fs::create_dir_all(source.join(name).parent().unwrap()).unwrap();
        fs::write(source.join(name), "1").unwrap();
    }
    world.scan(0);
    for name in ["side.ts", "data.json", "deno.json", "deno.lock", "deep/x.css"] {
        fs::write(source.join(name), "2").unwrap();
        assert_eq!((world.scan(0).0, world.scan(0).0), (1, 0), "{name}");
    }
    fs::remove_file(source.join("side.ts")).unwrap();
    assert_eq!(world.scan(0).0, 1, "one that is gone");
    // The same content with another time, and things of git.
    fs::write(source.join("data.json"), "2").unwrap();
    fs::create_dir(source.join(".git")).unwrap();
    fs::write(source.join(".git/index"), "x").unwrap();
    assert_eq!(world.scan(0).0, 0);
}

#[test]
fn only_the_inputs_that_are_named_count_and_so_do_variables_that_are_named() {
    let mut world = World::with(&["tool"], "inputs = [\"**\", \"!notes/**\"]");
    fs::create_dir(world.source("tool").join("notes")).unwrap();
    world.scan(0);
    fs::write(world.source("tool").join("notes/a"), "1").unwrap();
    assert_eq!(world.scan(0).0, 0);
    world.home.env("UNNAMED", "1");
    assert_eq!(world.scan(0).0, 0);
    world.home.env("BROKEN", "another");
    assert_eq!(world.scan(0).0, 1);
}

#[test]
fn what_a_build_says_it_has_read_counts_wherever_it_lies() {
    let mut world = World::with(&["tool"], "inputs = [\"main.txt\"]\ndepfile = \"deps\"");
    let outside = world.home.scratch().join("outside");
    fs::write(&outside, "1").unwrap();
    fs::write(world.source("tool").join("lib"), "1").unwrap();
    fs::write(world.source("tool").join("unread"), "1").unwrap();
    world.home.env("READS", format!("lib {}", outside.display()));
    // A file that is written while a build runs cannot be distinguished from one that it has read.
    std::thread::sleep(std::time::Duration::from_millis(20));
    assert_eq!(world.scan(0).0, 1);
    assert_eq!(world.served()["built"]["read_files"][1], "lib");
    assert_eq!(world.scan(0).0, 0);
    fs::write(world.source("tool").join("unread"), "2").unwrap();
    assert_eq!(world.scan(0).0, 0, "no build has read it");
    fs::write(world.source("tool").join("lib"), "2").unwrap();
    assert_eq!((world.scan(0).0, world.scan(0).0), (1, 0), "in the module");
    fs::write(&outside, "2").unwrap();
    assert_eq!((world.scan(0).0, world.scan(0).0), (1, 0), "outside of it");
    fs::remove_file(&outside).unwrap();
    assert_eq!(world.scan(1).0, 1, "gone: the build is tried, and fails");
}

#[test]
fn t15_paths_that_lead_out_of_the_module_are_refused_wherever_they_are_written() {
    for (key, value) in [("depfile", "\"../deps\""), ("depfile", "\"/etc/passwd\"")] {
        let world = World::with(&["tool"], &format!("{key} = {value}"));
        let told = world.json(&["scan"], 2);
        assert_eq!(told["error"]["exit"], 2);
        assert_eq!(world.starts(), 0);
    }
    let world = World::new();
    let toml = world.home.path().join("modules.toml");
    let text = fs::read_to_string(&toml).unwrap();
    fs::write(&toml, text.replace("output = \"made\"", "output = \"../../..\"")).unwrap();
    world.home.run(&["scan"]).fails(2);
    fs::write(&toml, &text).unwrap();
    fs::create_dir_all(world.home.path()).unwrap();
    let lock = "version = 1\n[modules.tool]\nsource = \"git+https://h/r\"\ndigest = \"00\"\nsubdirectory = \"../x\"\n";
    fs::write(world.home.path().join("modules.lock"), lock).unwrap();
    world.home.run(&["update", "--locked"]).fails(2);
    assert_eq!(world.starts(), 0);
}

#[test]
fn what_no_entry_may_hold_is_refused_also_when_a_build_has_made_it() {
    let world = World::new();
    let toml = world.home.path().join("modules.toml");
    let text = fs::read_to_string(&toml).unwrap();
    let command = text.lines().find(|line| line.starts_with("command")).unwrap().to_owned();
    for (made, why) in [
        ("mkdir -p made; ln -s /etc/passwd made/x", "the link is absolute"),
        (
            "mkdir -p made/.git; touch made/.git/x made/y; mkdir made/d; mv made/.git made/d/",
            "not allowed",
        ),
        ("true", "has not made"),
    ] {
        let shell = format!("command = [\"sh\", \"-c\", \"{made}\"]");
        fs::write(&toml, text.replace(&command, &shell)).unwrap();
        let told = world.json(&["scan"], 1);
        let failed = &told["failed"][0];
        assert_eq!(
            (names(&told["failed"]), &failed["class"]),
            (vec!["tool"], &"deterministic".into())
        );
        assert!(failed.to_string().contains(why), "{failed}");
    }
}

#[test]
fn a_build_sees_a_clean_environment_and_a_copy_that_is_its_own() {
    let mut world = World::new();
    let toml = world.home.path().join("modules.toml");
    let text = fs::read_to_string(&toml).unwrap();
    let command = text.lines().find(|line| line.starts_with("command")).unwrap().to_owned();
    let shell = "command = [\"sh\", \"-c\", \"mkdir made; env > made/env; echo spoilt > main.txt; echo x > $HOME/x; echo x > $TMPDIR/x\"]";
    fs::write(&toml, text.replace(&command, shell)).unwrap();
    world.home.env("LEAKED", "1");
    world.scan(0);
    let environment = fs::read_to_string(world.home.target("tool").join("env")).unwrap();
    assert!(!environment.contains("LEAKED") && environment.contains("BOOK="), "{environment}");
    assert!(!environment.contains(&format!("HOME={}\n", world.home.user_home().display())));
    assert_eq!(fs::read_to_string(world.source("tool").join("main.txt")).unwrap(), "one\n");
    assert!(world.home.leftovers().is_empty());
}
