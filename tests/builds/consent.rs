//! What a build runs is run only after a person has allowed exactly that, in this store. What counts is what was started.

use std::fs;

use serde_json::{Value, json};

use super::world::{World, names};

/// A world in which nothing is allowed unless it is asked for.
fn asking(modules: &[&str], extra: &str) -> World {
    let mut world = World::with(modules, extra);
    world.home.without_env("MODSTORE_ALLOW_BUILDS");
    world
}

/// Replaces this in modules.toml.
fn change(world: &World, was: &str, becomes: &str) {
    let path = world.home.path().join("modules.toml");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(was), "{text}");
    fs::write(path, text.replace(was, becomes)).unwrap();
}

/// The module fails, nothing of its build was started, and the answer says what to do.
#[track_caller]
fn assert_asked(world: &World, command: &[&str]) {
    let told = world.json(command, 1);
    assert_eq!(names(&told["failed"]), ["tool"], "{command:?}: {told:#}");
    let failed = &told["failed"][0];
    assert_eq!(
        (&failed["code"], &failed["class"], &failed["attempt"]),
        (&json!("build-not-allowed"), &json!("permanent"), &Value::Null)
    );
    let hint = failed["hint"].as_str().unwrap();
    assert!(hint.contains("`modstore allow tool`") && hint.contains("/builder"), "{hint}");
    assert_eq!(world.starts(), 0, "{command:?}");
}

#[test]
fn a_build_runs_only_after_it_was_allowed_and_then_at_once() {
    let world = asking(&["other", "tool"], "");
    world.home.run(&["allow", "other"]).ok();
    assert_eq!(world.starts(), 0, "to allow it runs nothing");
    assert_eq!(world.json(&["update"], 1)["updated"][0]["module"], "other");
    assert_eq!((world.starts(), world.says("other").as_deref()), (1, Some("one")));
    for command in [["update"].as_slice(), &["scan"], &["update", "--retry"], &["update", "tool"]] {
        assert_asked(&world, command);
    }
    assert_eq!(world.json(&["outdated", "tool"], 1)["modules"][0]["change"], "failed");
    let status = world.json(&["status"], 0);
    assert_eq!((&status["builds_not_allowed"], &status["failing"]), (&json!(["tool"]), &json!([])));
    let allowed = world.json(&["allow", "tool"], 0);
    assert_eq!((&allowed["builds"][0]["allowed"], world.starts()), (&json!(true), 0));
    assert_eq!(world.scan(0).0, 1, "a scan does not wait for anything");
    assert_eq!(world.says("tool").as_deref(), Some("one"));
    assert_eq!(world.json(&["status"], 0)["builds_not_allowed"], json!([]));
    // What its source becomes is no other build.
    world.edit("tool", "two");
    assert_eq!(world.scan(0).0, 1);
}

#[test]
fn a_build_that_was_changed_is_asked_for_again_and_what_was_built_stays() {
    let world = asking(&["tool"], "");
    world.home.run(&["allow", "tool"]).ok();
    assert_eq!(world.scan(0).0, 1);
    let evil = world.book("evil");
    let toolchain = format!("toolchain = [\"touch\", \"{}\"]", evil.display());
    let validate = format!("validate = [\"touch\", \"{}\"]\noutput = \"made\"", evil.display());
    let version = format!("toolchain = [\"cat\", \"{}\"]", world.book("version").display());
    for (was, becomes) in [
        ("\"env\", ", "\"env\", \"X=1\", "),
        ("output = \"made\"", "output = \".\""),
        ("output = \"made\"", validate.as_str()),
        ("\"BOOK\", ", "\"BOOK\", \"SSH_AUTH_SOCK\", "),
        (version.as_str(), toolchain.as_str()),
    ] {
        change(&world, was, becomes);
        assert_asked(&world, &["update", "--retry"]);
        assert_asked(&world, &["scan"]);
        assert!(!evil.exists(), "{becomes}");
        assert_eq!(world.says("tool").as_deref(), Some("one"), "{becomes}");
        change(&world, becomes, was);
    }
    world.json(&["update"], 0);
    assert_eq!(world.starts(), 0, "it is as it was allowed, and built");
}

#[test]
fn what_was_allowed_can_be_revoked_and_is_no_business_of_another_store() {
    let world = asking(&["tool"], "");
    world.home.run(&["allow", "tool"]).ok();
    let record = fs::read(world.home.path().join("allowed.json")).unwrap();
    assert_eq!(world.json(&["allow", "--revoke", "tool"], 0)["revoked"], json!(["tool"]));
    assert_asked(&world, &["update"]);
    fs::write(world.home.path().join("allowed.json"), &record).unwrap();
    world.json(&["update"], 0);
    // A store of its own does not believe it. It has the same modules.toml.
    let other = asking(&["tool"], "");
    other.home.run(&["status"]).ok();
    let text = fs::read_to_string(world.home.path().join("modules.toml")).unwrap();
    other.home.write_modules(&text);
    fs::write(other.home.path().join("allowed.json"), &record).unwrap();
    other.json(&["update"], 1);
    fs::write(other.home.path().join("allowed.json"), &record).unwrap();
    assert_eq!(names(&other.json(&["scan"], 1)["failed"]), ["tool"]);
    let found = other.json(&["verify"], 0)["findings"].to_string();
    assert!(!found.contains("allowed.json"), "the file is the store's own: {found}");
}

#[test]
fn ci_allows_everything_by_a_variable_and_records_nothing() {
    let mut world = asking(&["tool"], "");
    world.home.env("MODSTORE_ALLOW_BUILDS", "1");
    assert_eq!(world.scan(0).0, 1);
    assert!(!world.home.path().join("allowed.json").exists());
    world.home.env("MODSTORE_ALLOW_BUILDS", "yes");
    world.home.run(&["scan"]).fails(2).says("MODSTORE_ALLOW_BUILDS");
    world.home.without_env("MODSTORE_ALLOW_BUILDS");
    world.edit("tool", "two");
    assert_asked(&world, &["scan"]);
}

#[test]
fn allow_names_what_it_allows_in_a_way_that_no_text_can_hide() {
    let world = asking(&["tool"], "validate = [\"true\", \"\\u001b[2K\\u202etxt.exe\", \"\"]");
    let allowed = world.home.run(&["allow", "tool"]).ok();
    for text in
        ["/builder", "toolchain", "BOOK BROKEN READS", "\"\\u{1b}[2K\\u{202e}txt.exe\" \"\""]
    {
        assert!(allowed.stdout.contains(text), "{text}: {}", allowed.stdout);
    }
    let listed = world.json(&["allow", "--list"], 0);
    assert_eq!(listed["builds"][0]["allowed"], true);
    assert_eq!(world.json(&["list"], 0)["modules"][0]["current"], Value::Null);
    world.home.run(&["allow"]).fails(2);
    world.home.run(&["allow", "unknown"]).fails(2).says("unknown");
    world.declare(&["tool", "plain"]);
    change(
        &world,
        "[modules.plain.build]",
        "[modules.last]\nsource = \"/x\"\n[modules.last.build]",
    );
    world.home.run(&["allow", "plain"]).fails(2).says("no build that could be allowed");
}

#[test]
fn linking_a_directory_of_ones_own_keeps_what_was_allowed() {
    let world = asking(&["tool"], "");
    world.home.run(&["allow", "tool"]).ok();
    world.json(&["update"], 0);
    let own = world.home.scratch().join("own");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("main.txt"), "mine\n").unwrap();
    world.json(&["link", "tool", own.to_str().unwrap()], 0);
    assert_eq!(world.says("tool").as_deref(), Some("mine"));
    world.json(&["unlink", "tool"], 0);
    assert_eq!((world.says("tool").as_deref(), world.starts()), (Some("one"), 2));
    // A link that no person typed is another matter.
    change(&world, "\n[modules.tool.build]", "\nlinked = \"/tmp\"\n[modules.tool.build]");
    assert_asked(&world, &["update"]);
}

#[test]
fn add_can_allow_what_is_declared_already_and_a_purge_forgets_it() {
    let world = asking(&["tool"], "");
    let source = world.source("tool");
    let source = source.to_str().unwrap();
    let told = world.json(&["add", source, "--name", "tool"], 1);
    assert_eq!(told["update"]["failed"][0]["code"], "build-not-allowed");
    world.json(&["add", source, "--name", "tool", "--allow-build"], 0);
    assert_eq!(world.says("tool").as_deref(), Some("one"));
    world.starts();
    world.json(&["reset", "--purge"], 0);
    assert!(!world.home.path().join("allowed.json").exists());
    assert_asked(&world, &["update"]);
}
