//! Bad input: each gives one clear error with its cause, exit 2 where a person wrote something wrong, and changes
//! nothing.
//!
//! Limits: what servers and disks do wrong is in `bad_network` and `bad_disk`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::{Path, PathBuf},
};

use modstore_testbed::{Change, Item, Ran, Repo, TestHome, listing};

fn home() -> TestHome {
    TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"))
}

/// A home with a repository `tool` of two directories, declared as module `tool` but not fetched.
fn home_with_tool() -> (TestHome, Repo) {
    let home = home();
    let repo = Repo::create(&home.scratch(), "tool");
    repo.write(&[("README", "a tool\n"), ("modules/one/a", "1\n"), ("modules/two/a", "2\n")]);
    home.declare(&[("tool", &git(&repo))]);
    (home, repo)
}

fn git(repo: &Repo) -> String {
    format!("git+{}", repo.url_file())
}

fn modules_toml(home: &TestHome) -> String {
    fs::read_to_string(home.path().join("modules.toml")).unwrap()
}

/// Everything in the store but the texts of lock files, which say who held them last.
fn content(home: &TestHome) -> BTreeMap<String, Item> {
    let mut content = listing(home.path());
    content.retain(|name, _| !name.starts_with("locks"));
    content
}

/// Runs a command that must fail with `code`, saying every one of `words`, with and without `--json`, and change
/// nothing.
#[track_caller]
fn refused(home: &TestHome, code: i32, args: &[&str], words: &[&str]) -> Ran {
    let before = content(home);
    let json = home.run(&[&["--json"], args].concat()).fails(code);
    let object = json.json();
    assert_eq!(
        (&object["ok"], &object["error"]["exit"]),
        (&false.into(), &code.into()),
        "{json:?}"
    );
    let ran = home.run(args).fails(code);
    assert!(ran.stdout.is_empty(), "a failure says nothing on stdout\n{ran:?}");
    assert_eq!(ran.stderr.matches("error:").count(), 1, "one clear error\n{ran:?}");
    for word in words {
        assert!(ran.stderr.contains(word), "stderr does not say {word:?}\n{ran:?}");
        let told = object["error"].to_string();
        assert!(
            told.contains(serde_json::to_string(word).unwrap().trim_matches('"')),
            "{word:?}\n{json:?}"
        );
    }
    assert_eq!(content(home), before, "{args:?} changed something");
    ran
}

#[test]
fn a_malformed_modules_toml_is_reported_with_line_and_column_and_changes_nothing() {
    let (home, repo) = home_with_tool();
    home.run(&["update"]).ok();
    let source = git(&repo);
    let table = [
        ("[modules.a\n".to_owned(), "line 1, column 11"),
        (format!("[modules.a]\nsource = \"{source}\"\nsourc = 1\n"), "line 3, column 1"),
        (format!("[modules.a]\nsurce = \"{source}\"\n"), "did you mean `source`?"),
        (format!("[module.a]\nsource = \"{source}\"\n"), "did you mean `modules`?"),
        ("[modules.a]\nsource = 7\n".to_owned(), "line 2, column 10"),
        ("[modules.a]\n".to_owned(), "source"),
        ("[modules.a]\nsource = \"gti+https://h/r\"\n".to_owned(), "line 2, column 10"),
        (format!("[modules.\"a/b\"]\nsource = \"{source}\"\n"), "line 1, column 10"),
        (
            format!("[modules.a]\nsource = \"{source}\"\n[modules.a]\nsource = \"{source}\"\n"),
            "line 3, column ",
        ),
        (
            format!("[modules.a]\nsource = \"{source}\"\n[modules.A]\nsource = \"{source}\"\n"),
            "`A` differs from `a` only in case",
        ),
        (format!("[modules.a]\nsource = \"{source}#subdirectory=../x\"\n"), "line 2, column 10"),
        (format!("[modules.a]\nsource = \"{source}#subdirectory=/etc\"\n"), "line 2, column 10"),
    ];
    for (text, words) in table {
        home.write_modules(&text);
        for args in [
            ["update"].as_slice(),
            &["outdated"],
            &["list"],
            &["status"],
            &["remove", "a"],
            &["add", &source],
        ] {
            refused(&home, 2, args, &["modules.toml", words]);
        }
        // A host that starts meanwhile finds its modules all the same.
        home.run(&["path", "tool"]).ok();
        assert!(home.tree("tool").contains_key("README"));
    }
}

#[test]
fn a_modules_toml_that_is_no_text_is_refused_and_left_alone() {
    let home = home();
    fs::create_dir_all(home.path()).unwrap();
    fs::write(home.path().join("modules.toml"), b"# \xff\n").unwrap();
    refused(&home, 2, &["update"], &["modules.toml is not text in UTF-8"]);
    refused(&home, 2, &["remove", "x"], &["modules.toml is not text in UTF-8"]);
}

#[test]
fn a_subdirectory_that_is_not_there_names_the_directories_that_are() {
    let (home, repo) = home_with_tool();
    home.declare(&[("tool", &format!("{}#subdirectory=modules/tow", git(&repo)))]);
    let ran = home.run(&["update"]).fails(1).says("modules/tow").says("modules/two");
    assert_eq!(ran.stderr.matches("error:").count(), 1, "{ran:?}");
    let failed = home.run(&["update", "--json"]).fails(1).json();
    assert_eq!(failed["failed"][0]["class"], "permanent");
    assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());
}

#[test]
fn a_subdirectory_that_escapes_is_refused_whether_written_or_through_a_link_in_the_tree() {
    let (home, repo) = home_with_tool();
    let source = git(&repo);
    for below in ["..", "modules/../..", "/etc", "modules/./../../x", ""] {
        let args = ["add", &source, "--name", "x", "--subdirectory", below];
        let ran = home.run(&args).fails(2);
        assert_eq!(ran.stderr.matches("error:").count(), 1, "{ran:?}");
    }
    repo.commit(
        "links",
        &[
            Change::symlink("inside", "dir"),
            Change::write("dir/a", "1"),
            Change::symlink("deep/up", ".."),
        ],
    );
    repo.commit("escapes", &[Change::symlink("out", "../../../../etc")]);
    let text = format!("{source}@escapes#subdirectory=out");
    let ran = home.run(&["add", &text, "--name", "x"]).fails(1);
    assert_eq!(ran.stderr.matches("error:").count(), 1, "{ran:?}");
    assert!(!modules_toml(&home).contains("modules.x"), "nothing was declared");
    assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());
    // A link that stays within the repository is followed, as a checkout follows it.
    for (name, below) in [("a", "inside"), ("b", "deep/up/dir")] {
        home.run(&["add", &format!("{source}@links#subdirectory={below}"), "--name", name]).ok();
        assert_eq!(fs::read_to_string(home.target(name).join("a")).unwrap(), "1");
    }
}

#[test]
fn a_linked_directory_that_is_not_there_fails_its_module_and_no_other() {
    let (home, repo) = home_with_tool();
    let gone = home.scratch().join("gone");
    home.declare(&[("tool", &git(&repo)), ("mine", gone.to_str().unwrap())]);
    let ran = home.run(&["update"]).fails(1).says("is not a directory").says("gone");
    assert!(ran.stderr.contains("hint:"), "{ran:?}");
    assert!(home.tree("tool").contains_key("README"));
    fs::create_dir(&gone).unwrap();
    home.run(&["update"]).ok();
    assert_eq!(fs::read_link(home.target("mine")).unwrap(), gone);
    let before = modules_toml(&home);
    home.run(&["link", "tool", "/no/such/place"]).fails(1).says("is not a directory");
    assert_eq!(modules_toml(&home), before);
    assert!(home.tree("tool").contains_key("README"), "it leads where it led");
}

/// Adds, updates, and finds the module through this home; then again.
#[track_caller]
fn works_at(store: &Path) {
    let home = home();
    let store = home.scratch().join(store);
    let home = home.with_store_at(&store);
    let repo = Repo::create(&home.scratch(), "tool");
    repo.write(&[("a", "1")]);
    home.run(&["add", &git(&repo)]).ok();
    repo.write(&[("a", "2")]);
    home.run(&["update"]).ok();
    assert_eq!(fs::read(store.join("current/tool/a")).unwrap(), b"2");
    let mut printed = home.run(&["path", "tool"]).ok().stdout.into_bytes();
    assert_eq!(printed.pop(), Some(b'\n'));
    if store.to_str().is_some() {
        assert_eq!(OsStr::from_bytes(&printed), home.target("tool").as_os_str());
    }
    for args in [
        ["list"].as_slice(),
        &["status"],
        &["history"],
        &["show", "tool"],
        &["rollback"],
        &["list", "--json"],
    ] {
        home.run(args).ok();
    }
    assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());
}

#[test]
fn a_home_with_a_hash_a_space_a_line_end_or_bytes_that_are_no_text_works() {
    for name in [
        b"a#b".as_slice(),
        b"a b",
        b"a\nb",
        b"a\\b",
        b"a%20b",
        b"a?b=c",
        b"-rf",
        b"\xff\xfe",
        "ünï".as_bytes(),
    ] {
        works_at(Path::new(OsStr::from_bytes(name)));
    }
}

#[test]
fn a_long_home_works_up_to_where_the_system_ends_and_is_one_clear_error_beyond() {
    works_at(&(0..12).map(|_| "d".repeat(200)).collect::<PathBuf>());
    let home = home();
    let far: PathBuf = home.scratch().join((0..30).map(|_| "d".repeat(200)).collect::<PathBuf>());
    let home = home.with_store_at(&far);
    for args in
        [["update"].as_slice(), &["add", "https://example.com/r.git", "--no-update"], &["list"]]
    {
        let ran = home.run(args).fails(1).says("File name too long");
        assert_eq!(ran.stderr.matches("error:").count(), 1, "{ran:?}");
    }
}

#[test]
fn a_relative_home_is_below_the_current_directory_and_its_links_hold_elsewhere() {
    let mut home = home();
    let repo = Repo::create(&home.scratch(), "tool");
    repo.write(&[("a", "1")]);
    home.env("MODSTORE_HOME", "some/store");
    home.run(&["add", &git(&repo)]).ok();
    let store = home.user_home().join("some/store");
    assert_eq!(fs::read(store.join("current/tool/a")).unwrap(), b"1");
    assert_eq!(
        home.run(&["path", "tool"]).ok().stdout.trim_end(),
        store.join("current/tool").to_str().unwrap()
    );
    let moved = home.user_home().join("moved");
    fs::rename(&store, &moved).unwrap();
    assert_eq!(
        fs::read(moved.join("current/tool/a")).unwrap(),
        b"1",
        "all links inside are relative"
    );
}

#[test]
fn a_home_that_is_a_file_or_inside_a_file_is_one_clear_error() {
    let at = home();
    let file = at.scratch().join("file");
    fs::write(&file, "mine\n").unwrap();
    for place in [file.clone(), file.join("below"), file.join("far/below")] {
        let home = home().with_store_at(&place);
        for args in [
            ["update"].as_slice(),
            &["add", "https://example.com/r.git"],
            &["list"],
            &["remove", "x"],
            &["rollback"],
        ] {
            let ran = home.run(args).fails(1).says("Not a directory");
            assert_eq!(ran.stderr.matches("error:").count(), 1, "{ran:?}");
        }
    }
    assert_eq!(fs::read(&file).unwrap(), b"mine\n");
}

#[test]
fn a_home_that_is_a_link_to_a_directory_works() {
    let at = home();
    let (real, link) = (at.scratch().join("real"), at.scratch().join("link"));
    fs::create_dir(&real).unwrap();
    symlink(&real, &link).unwrap();
    works_at(&link);
}

#[test]
fn a_store_of_a_newer_format_or_with_a_garbled_marker_is_left_alone() {
    let (home, _repo) = home_with_tool();
    home.run(&["update"]).ok();
    let marker = home.path().join("format.json");
    for (text, code, words) in [
        (r#"{"format":99,"store":""}"#, 1, "format 99"),
        (r#"{"format":1,"store":"","incompat":["teleports"]}"#, 1, "teleports"),
        ("gone", 4, "format.json"),
        ("", 4, "format.json"),
        ("{}", 4, "format.json"),
    ] {
        fs::write(&marker, text).unwrap();
        for args in [
            ["update"].as_slice(),
            &["list"],
            &["rollback"],
            &["remove", "tool"],
            &["add", "https://example.com/r.git"],
        ] {
            refused(&home, code, args, &[words]);
        }
        assert!(home.tree("tool").contains_key("README"));
        home.run(&["path", "tool"]).ok();
    }
    fs::write(&marker, r#"{"format":1,"store":"","ro_compat":["newer"]}"#).unwrap();
    refused(&home, 1, &["update"], &["newer"]);
    home.run(&["list"]).ok();
}

/// A store of three generations, and its journal.
fn three_generations() -> (TestHome, Repo, PathBuf) {
    let (home, repo) = home_with_tool();
    for number in ["1", "2", "3"] {
        repo.write(&[("number", number)]);
        home.run(&["update"]).ok();
    }
    let journal = home.path().join("journal");
    (home, repo, journal)
}

/// Commands that would write.
const WRITERS: [&[&str]; 7] = [
    &["update"],
    &["remove", "tool"],
    &["rollback"],
    &["link", "tool", "/"],
    &["add", "https://127.0.0.1:9/r.git", "--name", "new"],
    &["link", "other", "/"],
    &["rollback", "--to", "1"],
];

#[test]
fn a_journal_damaged_in_the_middle_stops_writers_and_no_reader() {
    let (home, repo, journal) = three_generations();
    let mut bytes = fs::read(&journal).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&journal, &bytes).unwrap();
    repo.write(&[("number", "4")]);
    for args in WRITERS {
        refused(&home, 4, args, &["journal", "is damaged at byte"]);
    }
    for args in [["list"].as_slice(), &["history"]] {
        refused(&home, 4, args, &["is damaged at byte"]);
    }
    home.run(&["path", "tool"]).ok();
    home.run(&["path", "tool", "--entry"]).ok();
    assert_eq!(fs::read(home.target("tool").join("number")).unwrap(), b"3");
}

#[test]
fn a_torn_end_of_the_journal_is_repaired_by_the_next_update_and_kept_aside() {
    let (home, repo, journal) = three_generations();
    let whole = fs::read(&journal).unwrap();
    let torn = [whole.as_slice(), &whole[..60]].concat();
    fs::write(&journal, &torn).unwrap();
    home.run(&["list"]).ok();
    assert_eq!(fs::read(&journal).unwrap(), torn, "readers repair nothing");
    repo.write(&[("number", "4")]);
    home.run(&["update"]).ok();
    assert_eq!(fs::read(home.target("tool").join("number")).unwrap(), b"4");
    assert!(fs::read(&journal).unwrap().starts_with(&whole));
    let aside = fs::read_dir(home.path()).unwrap().map(|child| child.unwrap().path());
    let aside: Vec<_> =
        aside.filter(|path| path.display().to_string().contains("journal.torn-")).collect();
    assert_eq!(
        aside.iter().map(|path| fs::read(path).unwrap()).collect::<Vec<_>>(),
        [&whole[..60]]
    );
}

#[test]
fn a_current_that_is_newer_than_the_journal_means_lost_frames_and_stops_writers() {
    let (home, repo, journal) = three_generations();
    let whole = fs::read(&journal).unwrap();
    repo.write(&[("number", "4")]);
    home.run(&["update"]).ok();
    // As after a restore of the journal from an older copy.
    fs::write(&journal, &whole).unwrap();
    repo.write(&[("number", "5")]);
    for args in WRITERS {
        refused(&home, 4, args, &["generation 4", "journal"]);
    }
    assert_eq!(
        fs::read(home.target("tool").join("number")).unwrap(),
        b"4",
        "the current version stays"
    );
    home.run(&["path", "tool"]).ok();
}

#[test]
fn an_unknown_module_is_reported_with_the_nearest_existing_name() {
    let (home, _repo) = home_with_tool();
    home.run(&["update"]).ok();
    for args in [
        ["update", "tol"].as_slice(),
        &["outdated", "tol"],
        &["remove", "tol"],
        &["unlink", "tol"],
        &["show", "tol"],
        &["path", "tol"],
        &["path", "tool", "tol"],
        &["link", "tol", "/"],
    ] {
        let code = home.run(args).status;
        assert!(code == 1 || code == 2, "{args:?}: {code}");
        refused(&home, code, args, &["there is no module `tol`", "`tool`"]);
    }
    refused(&home, 2, &["remove", "tool", "tol"], &["there is no module `tol`"]);
    refused(&home, 2, &["update", "tool", "tol"], &["there is no module `tol`"]);
    home.run(&["link", "tol", home.scratch().to_str().unwrap(), "--new"]).ok();
    let targets = ["tool", "tol"].map(|name| home.target(name).display().to_string());
    assert_eq!(home.run(&["path", "tool", "tol"]).ok().stdout, targets.join("\n") + "\n");
    let all = home.run(&["path", "--json"]).ok().json();
    assert_eq!(all["modules"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&all["modules"][0]["module"], &all["path"]),
        (&"tol".into(), &serde_json::Value::Null)
    );
}

#[test]
fn a_word_of_another_tool_is_answered_with_the_command_that_does_it() {
    let home = home();
    for (word, instead) in
        [("install", "modstore add"), ("upgrade", "modstore update"), ("prune", "modstore gc")]
    {
        home.run(&[word]).fails(2).says("is not a command").says(instead);
    }
    home.run(&["updaet"]).fails(2).says("did you mean `modstore update`?");
    let secret = home.run(&["https://me:s3cret@example.com/r"]).fails(2);
    assert!(!secret.stderr.contains("s3cret"), "{secret:?}");
    assert!(!home.path().exists(), "nothing was made");
}

#[test]
fn a_merge_conflict_in_a_file_of_the_store_is_refused_by_its_line() {
    let (home, _repo) = home_with_tool();
    home.run(&["update"]).ok();
    let before = content(&home);
    for (file, args) in
        [("modules.toml", ["update"].as_slice()), ("modules.lock", &["update", "--locked"])]
    {
        let path = home.path().join(file);
        let text = fs::read_to_string(&path).unwrap();
        let conflict = format!("# both\n<<<<<<< HEAD\n{text}=======\n{text}>>>>>>> other\n");
        fs::write(&path, conflict).unwrap();
        refused(&home, 2, args, &[file, "line 2, column 1: a merge conflict"]);
        fs::write(&path, text).unwrap();
    }
    assert_eq!(content(&home), before);
}

#[test]
fn an_edit_keeps_the_line_ends_of_another_system() {
    let (home, repo) = home_with_tool();
    let text = format!("\u{feff}{}", KEPT.replace("TOOL", &git(&repo)).replace('\n', "\r\n"));
    home.write_modules(&text);
    home.run(&["update"]).ok();
    home.run(&["add", &git(&repo), "--name", "third"]).ok();
    let added = modules_toml(&home);
    assert!(added.starts_with('\u{feff}') && added.contains("[modules.third]\r\n"), "{added:?}");
    assert_eq!(added.matches('\n').count(), added.matches("\r\n").count(), "{added:?}");
    home.run(&["remove", "third"]).ok();
    assert_eq!(modules_toml(&home).trim_end(), text.trim_end());
}

#[test]
fn a_generation_that_is_none_is_refused() {
    let (home, _repo, _) = three_generations();
    for bad in ["0", "-1", "x", "1.5", "99999999999999999999", ""] {
        refused(&home, 2, &["rollback", &format!("--to={bad}")], &[]);
        refused(&home, 2, &["diff", "--", bad], &[]);
    }
    refused(&home, 2, &["rollback", "--to", "99"], &["there is no generation 99"]);
    refused(&home, 2, &["diff", "1", "99"], &["there is no generation 99"]);
    refused(&home, 2, &["diff", "99"], &["there is no generation 99"]);
    let home = self::home();
    let ran = home.run(&["rollback"]).fails(2).says("there is no generation before this one");
    assert_eq!(ran.stderr.matches("error:").count(), 1, "{ran:?}");
}

#[test]
fn adding_a_name_that_is_taken_is_refused_and_adding_the_same_again_is_not() {
    let (home, repo) = home_with_tool();
    home.run(&["update"]).ok();
    let source = git(&repo);
    home.run(&["add", &source]).ok();
    refused(
        &home,
        2,
        &["add", &format!("{source}@main")],
        &["module `tool` is declared already", "--name"],
    );
    refused(&home, 2, &["add", &source, "--name", "Tool"], &["only in case"]);
    refused(&home, 2, &["add", &source, &source, "--name", "x"], &["single source"]);
    refused(
        &home,
        2,
        &["add", &source, &format!("{source}@main")],
        &["two of the sources would be module `tool`"],
    );
    refused(
        &home,
        2,
        &["add", &format!("{source}#subdirectory=modules/one"), "--subdirectory", "modules/two"],
        &["modules/one"],
    );
    for bad in [
        "gti+https://h/r",
        "git+https://",
        "",
        "https://example.com/r",
        "git+https://h/r@",
        "git+https://h/r#x=1",
        "nowhere",
    ] {
        refused(&home, 2, &["add", "--name", "x", "--", bad], &[]);
    }
}

const KEPT: &str = "\
# mine, above all

# about tool
[modules.tool]   # at the end
source = \"TOOL\" # why

[modules.b]
# inside
source = \"/\"

# at the very end
";

#[test]
fn an_add_that_fails_leaves_modules_toml_byte_for_byte_as_it_was() {
    let (home, repo) = home_with_tool();
    let text = KEPT.replace("TOOL", &git(&repo));
    home.write_modules(&text);
    home.run(&["update"]).ok();
    let lock = fs::read(home.path().join("modules.lock")).unwrap();
    for source in
        ["http://127.0.0.1:9/none.git", &format!("{}@none", git(&repo)), "git+file:///no/such/repo"]
    {
        home.run(&["add", source, "--name", "new"]).fails(1);
        home.run(&[
            "add",
            &format!("{}#subdirectory=no/such/part", git(&repo)),
            &format!("{source}#subdirectory=x"),
        ])
        .fails(1);
        assert_eq!(modules_toml(&home), text, "{source}");
        assert_eq!(fs::read(home.path().join("modules.lock")).unwrap(), lock);
    }
    let bare = self::home();
    bare.run(&["add", "git+file:///no/such/repo"]).fails(1);
    assert!(!bare.path().join("modules.toml").exists(), "there was none before");
}

#[test]
fn add_and_remove_and_link_and_unlink_keep_comments_and_order() {
    let (home, repo) = home_with_tool();
    let text = KEPT.replace("TOOL", &git(&repo));
    home.write_modules(&text);
    home.run(&["update"]).ok();
    home.run(&["add", &git(&repo), "--name", "third"]).ok();
    let with_third = modules_toml(&home);
    for line in text.lines() {
        assert!(
            with_third.lines().any(|other| other == line),
            "{line:?} is gone from\n{with_third}"
        );
    }
    home.run(&["remove", "third"]).ok();
    assert_eq!(modules_toml(&home).trim_end(), text.trim_end());
    let text = modules_toml(&home);
    let mine = home.scratch().join("mine");
    fs::create_dir(&mine).unwrap();
    home.run(&["link", "tool", mine.to_str().unwrap()]).ok();
    assert_eq!(fs::read_link(home.target("tool")).unwrap(), mine);
    assert!(modules_toml(&home).contains("# why"));
    home.run(&["unlink", "tool"]).ok();
    assert_eq!(modules_toml(&home), text);
    assert!(home.tree("tool").contains_key("README"));
    home.run(&["unlink", "tool"]).fails(2).says("is not linked");
}

#[test]
fn locked_without_a_lock_file_or_with_a_newer_one_or_a_garbled_one_is_refused() {
    let (home, _repo) = home_with_tool();
    home.run(&["update", "--locked"]).fails(2).says("modules.lock").says("hint:");
    home.run(&["update"]).ok();
    let lock = home.path().join("modules.lock");
    home.run(&["update", "--locked"]).ok();
    for (text, words) in [
        ("version = 3\n", "a newer modstore has written it"),
        ("version =", "line 1, column "),
        ("", "expected a `version`"),
    ] {
        fs::write(&lock, text).unwrap();
        refused(&home, 2, &["update", "--locked"], &["modules.lock", words]);
    }
    fs::write(&lock, "version = 1\n").unwrap();
    let failed = home.run(&["update", "--locked", "--json"]).fails(1).json();
    assert_eq!(failed["failed"][0]["message"], "modules.lock does not have it");
    assert!(home.tree("tool").contains_key("README"));
}

#[test]
fn wrong_usage_ends_with_2_and_one_json_object_when_asked_for() {
    let home = home();
    for args in [
        [].as_slice(),
        &["updat"],
        &["update", "--nonsense"],
        &["update", "a/b"],
        &["install", "x"],
        &["show"],
        &["add"],
        &["update", "--jobs", "0"],
        &["update", "--jobs", "many"],
        &["--progress", "loud", "list"],
        &["--lock-timeout", "-1", "list"],
        &["update", "--all-or-nothing", "--allow-partial"],
        &["completions", "klingon"],
        &["list", "-q", "-v"],
        &["--home"],
        &["--home", "", "list"],
    ] {
        let ran = home.run(args).fails(2);
        assert!(ran.stdout.is_empty() && !ran.stderr.is_empty(), "{ran:?}");
        let json = home.run(&[&["--json"], args].concat()).fails(2);
        assert_eq!(json.json()["error"]["exit"], 2, "{json:?}");
    }
    assert!(!home.path().exists(), "nothing was made");
}

#[test]
fn adds_at_the_same_time_lose_none_and_one_that_fails_takes_only_itself_away() {
    let home = home();
    let repos: Vec<Repo> =
        (0..6).map(|number| Repo::create(&home.scratch(), &format!("m{number}"))).collect();
    repos.iter().for_each(|repo| drop(repo.write(&[("a", repo.name())])));
    let good: Vec<_> = repos.iter().map(|repo| home.spawn(&["add", &git(repo)])).collect();
    let bad: Vec<_> = (0..6)
        .map(|number| home.spawn(&["add", &format!("git+file:///no/such/bad{number}")]))
        .collect();
    good.into_iter().for_each(|running| drop(running.wait().ok()));
    bad.into_iter().for_each(|running| drop(running.wait().fails(1)));
    let text = modules_toml(&home);
    for repo in &repos {
        assert!(
            text.contains(&format!("[modules.{}]", repo.name())),
            "{} is lost\n{text}",
            repo.name()
        );
        assert_eq!(fs::read_to_string(home.target(repo.name()).join("a")).unwrap(), repo.name());
    }
    assert!(!text.contains("bad"), "what was not added is declared\n{text}");
    assert!(home.leftovers().is_empty(), "{:?}", home.leftovers());
    let status = home.run(&["status", "--json"]).ok().json();
    assert_eq!(
        (&status["missing"], &status["undeclared"]),
        (&serde_json::json!([]), &serde_json::json!([]))
    );
}
