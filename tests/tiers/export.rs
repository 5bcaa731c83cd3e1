//! Modules go to a machine that reaches no git server, as a directory or one tar.

use modstore_testbed::TestHome;

use crate::world::{World, counts, objects, run, sources};

fn fresh() -> TestHome {
    TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"))
}

#[test]
fn an_exported_directory_is_all_that_a_store_without_a_network_needs() {
    let world = World::new(3);
    let home = world.home();
    run(&home, &["update"]);
    let to = world.root.path().join("exported");
    let answer = run(&home, &["export", &to.display().to_string()]);
    assert_eq!(answer["written"], 3, "{answer}");
    world.git.forget();
    let reader = world.home();
    std::fs::copy(to.join("modules.lock"), reader.path().join("modules.lock")).unwrap();
    let url = to.display().to_string();
    let answer = run(&reader, &["update", "--locked", "--tier", &url, "--tier", "only"]);
    assert_eq!(counts(&answer), [3, 0, 0, 0], "{answer}");
    world.assert_all_as_git(&reader);
    let lock = |home: &TestHome| std::fs::read(home.path().join("modules.lock")).unwrap();
    assert_eq!(lock(&reader), lock(&home));
    // Or without any declaration.
    let other = fresh();
    let answer = run(&other, &["import", &url]);
    assert_eq!(sources(&answer["update"]), vec!["tier"; 3], "{answer}");
    world.assert_all_as_git(&other);
    assert_eq!(lock(&other), lock(&home));
    assert_eq!(world.git.stats().connections, 0);
}

#[test]
fn equal_modules_are_equal_tars_and_a_tar_is_taken_in() {
    let world = World::new(2);
    let (one, two) = (world.home(), world.home());
    let tar = |home: &TestHome, name: &str| {
        let to = world.root.path().join(name);
        run(home, &["update"]);
        run(home, &["export", &to.display().to_string()]);
        to
    };
    let (first, second) = (tar(&one, "one.tar"), tar(&two, "two.tar"));
    let bytes = std::fs::read(&first).unwrap();
    assert_eq!(bytes, std::fs::read(&second).unwrap());
    world.git.forget();
    let reader = fresh();
    run(&reader, &["import", &first.display().to_string()]);
    world.assert_all_as_git(&reader);
    assert_eq!(world.git.stats().connections, 0);
    // Damage is found, named, and nothing becomes current by it.
    let mut damaged = bytes.clone();
    let pack = damaged.windows(4).position(|four| four == b"PACK").unwrap();
    damaged[pack + 30] ^= 1;
    std::fs::write(&second, &damaged).unwrap();
    let other = fresh();
    let ran = other.run(&["import", &second.display().to_string()]).fails(1);
    assert!(ran.stderr.contains("was refused"), "{ran:?}");
    assert!(ran.stderr.contains("only something that did not prove to be it"), "{ran:?}");
    std::fs::write(&second, &bytes[..bytes.len() / 2]).unwrap();
    fresh().run(&["import", &second.display().to_string()]).fails(1);
    assert_eq!(other.leftovers(), Vec::<std::path::PathBuf>::new());
}

#[test]
fn only_what_comes_from_git_is_exported_and_the_rest_is_named() {
    let world = World::new(2);
    let home = world.home();
    run(&home, &["update"]);
    let linked = home.scratch().join("linked");
    std::fs::create_dir(&linked).unwrap();
    home.run(&["add", &linked.display().to_string()]).ok();
    let to = world.root.path().join("exported");
    let ran = home.run(&["export", &to.display().to_string()]).fails(2);
    assert!(ran.stderr.contains("`linked` cannot be exported"), "{ran:?}");
    run(&home, &["export", &to.display().to_string(), "module1"]);
    assert!(
        std::fs::read_to_string(to.join("modules.lock")).unwrap().contains("[modules.module1]")
    );
    assert!(!objects(&to).is_empty());
    std::fs::create_dir(world.root.path().join("full")).unwrap();
    std::fs::write(world.root.path().join("full/mine"), "").unwrap();
    let full = world.root.path().join("full").display().to_string();
    let ran = home.run(&["export", &full, "module1"]).fails(2);
    assert!(ran.stderr.contains("is no exported closure"), "{ran:?}");
}
