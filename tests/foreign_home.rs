//! A home is ours: links planted in it are not followed, what other users own or may write to is refused, pipes and
//! giants in the place of files are errors at once, and no other user may write to new files.
//!
//! Limits: what another user does in the very moment is not tried; a home that is only ours leaves no room for it.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{
    collections::BTreeMap,
    ffi::OsStr,
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use modstore_core::disk::Layout;
use modstore_testbed::{Ran, Repo, Running, TestHome, skip_loudly};

const BINARY: &str = env!("CARGO_BIN_EXE_modstore");

const READERS: [&[&str]; 6] =
    [&["list"], &["show", "tool"], &["path", "tool"], &["status"], &["history"], &["outdated"]];

const WRITERS: [&[&str]; 8] = [
    &["update"],
    &["link", "other", "/"],
    &["remove", "tool"],
    &["rollback"],
    &["gc", "--keep", "1", "--older-than", "0s"],
    &["verify", "--repair"],
    &["reset"],
    &["reset", "--purge"],
];

/// Names that a store gives, in the directory that a link leads to: a store would take them for its own.
const LIKE_OURS: [&str; 8] = [
    "0123456789abcdef/sub/file",
    "7/sub/file",
    "abababababababababababababababababababababababababababababababab/sub/file",
    "tool/sub/file",
    "important",
    "3-0123456789abcdef",
    "0123456789abcdef.lock",
    "0123456789abcdef.json",
];

/// A store with one module of two generations, to be copied.
fn world() -> TestHome {
    let home = TestHome::in_memory(BINARY);
    let repo = Repo::create(&home.scratch(), "tool");
    repo.write(&[("file", "1"), ("same", "same")]);
    home.declare(&[("tool", &format!("git+{}", repo.url_file()))]);
    home.run(&["update"]).ok();
    repo.write(&[("file", "2")]);
    home.run(&["update"]).ok();
    home
}

/// The command in a copy of the store, made for this.
struct Copy<'a> {
    home: &'a TestHome,
    at: PathBuf,
}

impl<'a> Copy<'a> {
    fn of(home: &'a TestHome, name: &str) -> Self {
        let at = home.scratch().join(name);
        let copied = Command::new("cp").arg("-a").arg(home.path()).arg(&at).status().unwrap();
        assert!(copied.success());
        Self { home, at }
    }

    fn run(&self, args: &[&str]) -> Ran {
        self.run_with(args, &[])
    }

    fn run_with(&self, args: &[&str], variables: &[(&str, &OsStr)]) -> Ran {
        let mut command = self.home.command(args);
        command.env("MODSTORE_HOME", &self.at).envs(variables.iter().copied());
        Running::start(command).wait_within(Duration::from_secs(30))
    }

    /// Puts a link in the place of whatever has this name.
    fn plant(&self, name: &str, leads: &Path) -> PathBuf {
        let path = self.at.join(name);
        take_away(&path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(leads, &path).unwrap();
        path
    }
}

impl Drop for Copy<'_> {
    fn drop(&mut self) {
        take_away(&self.at);
    }
}

fn take_away(path: &Path) {
    modstore_core::disk::Disk::default().remove_tree(path).unwrap();
}

/// Every file below a directory, with what it says and when it was last changed in any way.
fn contents(directory: &Path) -> BTreeMap<PathBuf, (Vec<u8>, i64, i64)> {
    let mut found = BTreeMap::new();
    let mut open = vec![directory.to_owned()];
    while let Some(at) = open.pop() {
        for child in fs::read_dir(at).unwrap() {
            let path = child.unwrap().path();
            let meta = path.symlink_metadata().unwrap();
            match meta.is_dir() {
                true => open.push(path),
                false => {
                    let said = match meta.is_symlink() {
                        true => fs::read_link(&path).unwrap().into_os_string().into_encoded_bytes(),
                        false => fs::read(&path).unwrap(),
                    };
                    drop(found.insert(path, (said, meta.ctime(), meta.ctime_nsec())));
                }
            }
        }
    }
    found
}

fn victim(home: &TestHome) -> PathBuf {
    let victim = home.scratch().join("victim");
    for name in LIKE_OURS {
        let path = victim.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "precious").unwrap();
    }
    victim
}

fn directories() -> impl Iterator<Item = &'static str> {
    Layout::DIRECTORIES.into_iter().chain(["quarantine", "environments", "probes"])
}

#[test]
fn a_directory_that_is_a_link_is_refused_by_name_and_nothing_is_touched_where_it_leads() {
    let home = world();
    let victim = victim(&home);
    let before = contents(&victim);
    for name in directories() {
        let copy = Copy::of(&home, "copy");
        let path = copy.plant(name, &victim);
        for args in READERS.iter().chain(&WRITERS).filter(|args| **args != ["verify", "--repair"]) {
            copy.run(args).fails(4).says(&path.display().to_string()).says("hint:");
        }
        let found = copy.run(&["verify", "--json"]).fails(4);
        assert!(found.stdout.contains("directory-replaced"), "{name}: {found:?}");
        assert_eq!(contents(&victim), before, "{name}");

        copy.run(&["verify", "--repair"]);
        assert!(!path.is_symlink(), "{name}: the link is put away");
        copy.run(&["update"]).ok();
        copy.run(&["verify"]).ok();
        copy.run(&["reset", "--purge"]).ok();
        assert_eq!(contents(&victim), before, "{name}, repaired");
    }
}

#[test]
fn a_link_that_leads_nowhere_is_refused_too_and_nothing_is_made_where_it_leads() {
    let home = world();
    let nowhere = home.scratch().join("nowhere");
    for name in directories() {
        let copy = Copy::of(&home, "copy");
        copy.plant(name, &nowhere);
        copy.run(&["update"]).fails(4);
        copy.run(&["verify", "--repair"]);
        assert!(!nowhere.exists(), "{name}");
    }
    for name in ["journal", "locks/store", "locks/modules.toml", "format.json", "condemned"] {
        let copy = Copy::of(&home, "copy");
        copy.plant(name, &nowhere);
        WRITERS.iter().for_each(|args| drop(copy.run(args)));
        assert!(!nowhere.exists(), "{name}");
    }
}

#[test]
fn what_the_links_of_a_home_lead_to_is_neither_written_nor_changed_nor_deleted() {
    let home = world();
    let victim = victim(&home);
    let before = contents(&victim);
    let digest = fs::canonicalize(home.target("tool")).unwrap();
    let entry = format!("entries/{}", digest.file_name().unwrap().to_str().unwrap());
    let (file, directory) = (victim.join("important"), victim.clone());
    let files = [
        "journal",
        "format.json",
        "format.json.new",
        "modules.lock",
        "condemned",
        "reserve",
        "verified",
        "locks/store",
        "locks/modules.toml",
        "locks/trash",
        "mirrors/host.git/config",
        "mirrors/host.git/HEAD",
        "mirrors/host.git/long-listings",
        "leases/1-0123456789abcdef",
        "staging/0123456789abcdef.lock",
        "environments/0123456789abcdef.json",
    ];
    let below = [
        "current",
        "generations/1",
        "generations/2",
        "generations/3",
        "staging/0123456789abcdef",
        "trash/0123456789abcdef",
        "mirrors/host.git",
        "mirrors/host.git/objects",
        "mirrors/0123456789abcdef0123456789abcdef.git",
        entry.as_str(),
        "live/tool",
    ];
    let planted = files.map(|name| (name, &file)).into_iter();
    for (name, leads) in planted.chain(below.map(|name| (name, &directory))) {
        let copy = Copy::of(&home, "copy");
        copy.plant(name, leads);
        for args in READERS.iter().chain(&WRITERS) {
            let ran = copy.run(args);
            assert!(ran.status < 5, "{name}: {ran:?}");
        }
        assert_eq!(contents(&victim), before, "{name}");
    }
}

#[test]
fn a_journal_or_a_lock_that_is_a_link_is_an_error_that_names_it() {
    let home = world();
    for (name, args) in [
        ("journal", ["status"].as_slice()),
        ("journal", &["update"]),
        ("format.json", &["update"]),
        ("locks/store", &["rollback"]),
        ("locks/modules.toml", &["link", "other", "/"]),
    ] {
        let copy = Copy::of(&home, "copy");
        let real = copy.at.join("real");
        fs::File::options().append(true).create(true).open(copy.at.join(name)).unwrap();
        fs::rename(copy.at.join(name), &real).unwrap();
        let path = copy.plant(name, &real);
        let ran = copy.run(args).says(&path.display().to_string()).says("symbolic link");
        assert_ne!(ran.status, 0);
    }
}

#[test]
fn declarations_that_a_person_keeps_elsewhere_count_and_a_link_to_nowhere_is_no_empty_file() {
    let home = world();
    let copy = Copy::of(&home, "copy");
    let kept = home.scratch().join("kept.toml");
    fs::rename(copy.at.join("modules.toml"), &kept).unwrap();
    copy.plant("modules.toml", &kept);
    assert!(copy.run(&["update"]).ok().stdout.contains("1 module unchanged"));
    fs::remove_file(&kept).unwrap();
    copy.run(&["update"]).fails(1).says("modules.toml").says("leads nowhere");
    assert!(copy.at.join("current/tool/file").exists());
}

#[test]
fn nothing_that_lies_in_the_repository_of_the_hosts_configuration_is_carried_out() {
    let home = world();
    let marker = home.scratch().join("executed");
    let evil = format!(
        "[core]\n\trepositoryformatversion = 0\n\tbare = true\n\tsshCommand = \"touch {}; false\"\n",
        marker.display()
    );
    let plant = |name: &str, text: &str| {
        let copy = Copy::of(&home, name);
        let elsewhere = copy.at.join("planted.git");
        for directory in ["objects", "refs"] {
            fs::create_dir_all(elsewhere.join(directory)).unwrap();
        }
        fs::write(elsewhere.join("config"), &evil).unwrap();
        fs::write(elsewhere.join("HEAD"), "ref: refs/heads/none\n").unwrap();
        fs::write(copy.at.join("mirrors/host.git").join(name), text).unwrap();
        copy
    };
    let (included, worktree) = (
        "[core]\n\trepositoryformatversion = 0\n\tbare = true\n[include]\n\tpath = ../../planted.git/config\n",
        "[core]\n\trepositoryformatversion = 1\n\tbare = true\n[extensions]\n\tworktreeConfig = true\n",
    );
    for (name, text) in
        [("commondir", "../../planted.git\n"), ("config", included), ("config", &evil)]
    {
        let copy = plant(name, text);
        copy.run(&["add", "git+ssh://127.0.0.1:1/x", "--name", "q"]).fails(1);
        copy.run(&["outdated"]);
        assert!(!marker.exists(), "{name}: {text}");
    }
    let copy = plant("config", worktree);
    fs::write(copy.at.join("mirrors/host.git/config.worktree"), &evil).unwrap();
    copy.run(&["add", "git+ssh://127.0.0.1:1/x", "--name", "q"]).fails(1);
    assert!(!marker.exists(), "config.worktree");
}

#[test]
fn a_home_of_another_user_is_read_and_neither_written_to_nor_run() {
    if !rustix::process::geteuid().is_root() {
        return skip_loudly("giving a file to another user needs root");
    }
    let home = world();
    let copy = Copy::of(&home, "copy");
    let owner = "nobody";
    give(&copy.at, "nobody:nogroup");
    // Their git would call the repository one of dubious owner, which is not what is tested.
    home.git_config("[safe]\n\tdirectory = *\n");
    let before = contents(&copy.at);
    for args in READERS.iter().chain(&[["verify"].as_slice(), &["gc", "--dry-run"]]) {
        copy.run(args).ok();
    }
    for args in WRITERS.iter().chain(&[["exec", "--", "true"].as_slice()]) {
        let ran = copy
            .run(args)
            .fails(2)
            .says(&format!("is owned by {owner}"))
            .says("MODSTORE_TRUST_HOME");
        assert_eq!(ran.stderr.matches("error:").count(), 1, "{ran:?}");
    }
    assert_eq!(contents(&copy.at), before, "nothing was written, a lock's holder neither");

    let uid = copy.at.metadata().unwrap().uid().to_string();
    copy.run_with(&["update"], &[("SUDO_UID", OsStr::new("1"))]).fails(2);
    copy.run_with(&["update"], &[("MODSTORE_TRUST_HOME", OsStr::new("/elsewhere"))]).fails(2);
    copy.run_with(&["update"], &[("SUDO_UID", OsStr::new(&uid))]).ok();
    copy.run_with(&["exec", "--", "true"], &[("MODSTORE_TRUST_HOME", copy.at.as_os_str())]).ok();
    copy.run_with(&["reset"], &[("MODSTORE_TRUST_HOME", OsStr::new("*"))]).ok();
}

#[test]
fn what_another_user_owns_in_our_home_is_refused_by_name() {
    if !rustix::process::geteuid().is_root() {
        return skip_loudly("giving a file to another user needs root");
    }
    let home = world();
    for name in ["staging", "locks", "live", "journal", "locks/store", "modules.toml"] {
        let copy = Copy::of(&home, "copy");
        let path = copy.at.join(name);
        std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
        copy.run(&["update"]).fails(2).says(&path.display().to_string()).says("is owned by");
        copy.run(&["list"]).ok();
    }
}

fn give(path: &Path, to: &str) {
    assert!(Command::new("chown").args(["-hR", to]).arg(path).status().unwrap().success());
}

#[test]
fn a_home_that_others_may_write_to_is_refused_until_they_may_no_longer() {
    let home = world();
    for (name, mode) in
        [("", 0o775), ("", 0o1777), ("staging", 0o775), ("locks", 0o777), ("journal", 0o646)]
    {
        let copy = Copy::of(&home, "copy");
        let path = copy.at.join(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        for args in &WRITERS {
            let ran =
                copy.run(args).fails(2).says("other users may write to").says("chmod -R go-w");
            assert!(ran.stderr.contains(path.to_str().unwrap().trim_end_matches('/')), "{ran:?}");
        }
        copy.run(&["status"]).ok();
        let closed = Command::new("chmod").args(["-R", "go-w"]).arg(&copy.at).status().unwrap();
        assert!(closed.success());
        copy.run(&["update"]).ok();
        copy.run(&["verify"]).ok();
    }
}

#[test]
fn no_other_user_may_write_to_new_files_whatever_the_umask() {
    for (mask, mode) in
        [("000", 0o755), ("002", 0o755), ("022", 0o755), ("027", 0o750), ("077", 0o700)]
    {
        let home = TestHome::in_memory(BINARY);
        let repo = Repo::create(&home.scratch(), "tool");
        let masked = |args: &[&str]| {
            let script = format!("umask {mask}; exec \"$@\"");
            let command = [&["-c", &script, "sh", BINARY], args].concat();
            Running::start(home.command_of(Path::new("sh"), &command)).wait()
        };
        for content in ["1", "2"] {
            repo.write(&[("file", content), ("deep/file", content)]);
            masked(&["add", &format!("git+{}", repo.url_file()), "--name", "tool"]).ok();
            masked(&["update"]).ok();
        }
        masked(&["link", "other", "/"]).ok();
        masked(&["gc", "--keep", "1", "--older-than", "0s"]).ok();
        let bits = |path: &Path| path.symlink_metadata().unwrap().permissions().mode() & 0o7777;
        assert_eq!(bits(home.path()), mode, "umask {mask}");
        let mut open = vec![home.path().to_owned()];
        while let Some(at) = open.pop() {
            for child in fs::read_dir(at).unwrap() {
                let path = child.unwrap().path();
                if !path.is_symlink() {
                    let more = bits(&path) & !mode;
                    assert_eq!(more, 0, "umask {mask}: {} is {:o}", path.display(), bits(&path));
                }
                if path.is_dir() && !path.is_symlink() {
                    open.push(path);
                }
            }
        }
        // What is run is not masked.
        let ran = masked(&["exec", "--", "sh", "-c", "umask"]).ok();
        assert_eq!(ran.stdout.trim().trim_start_matches('0'), mask.trim_start_matches('0'));
    }
}

#[test]
fn a_directory_of_ours_without_a_store_is_closed_to_others_when_it_becomes_one() {
    let home = TestHome::in_memory(BINARY);
    home.declare(&[]);
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o777)).unwrap();
    home.run(&["link", "other", "/"]).ok();
    assert_eq!(home.path().metadata().unwrap().permissions().mode() & 0o7777, 0o755);
}

#[test]
fn a_pipe_or_a_giant_in_the_place_of_a_file_is_an_answer_at_once() {
    let home = world();
    let digest = fs::canonicalize(home.target("tool")).unwrap();
    let digest = digest.file_name().unwrap().to_str().unwrap();
    let (list, git) = (format!("manifests/{digest}"), format!("manifests/{digest}.git"));
    let names = [
        "journal",
        "format.json",
        "modules.toml",
        "modules.lock",
        "condemned",
        "reserve",
        "verified",
        "locks/store",
        "locks/modules.toml",
        "locks/trash",
        "leases/1-0123456789abcdef",
        "environments/0123456789abcdef.json",
        "mirrors/host.git/config",
        "mirrors/host.git/HEAD",
        "mirrors/host.git/long-listings",
        "staging/0123456789abcdef.lock",
        "quarantine",
        "generations/2",
        &list,
        &git,
    ];
    for name in names {
        for is_pipe in [true, false] {
            let copy = Copy::of(&home, "copy");
            let path = copy.at.join(name);
            take_away(&path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match is_pipe {
                true => assert!(Command::new("mkfifo").arg(&path).status().unwrap().success()),
                false => fs::File::create(&path).unwrap().set_len(6 << 30).unwrap(),
            }
            for args in [["status"].as_slice(), &["update"], &["gc"], &["verify"], &["outdated"]] {
                // Six gigabytes do not fit in this, so who reads them all is ended by it.
                let script = "ulimit -v 4000000; exec \"$@\"";
                let command = [&["-c", script, "sh", BINARY], args].concat();
                let mut command = home.command_of(Path::new("sh"), &command);
                command.env("MODSTORE_HOME", &copy.at);
                let ran = Running::start(command).wait_within(Duration::from_secs(20));
                assert!(ran.status < 5, "{name}: {ran:?}");
                let must_fail = ["journal", "format.json", "modules.toml"].contains(&name);
                if must_fail && ["status", "update"].contains(&args[0]) {
                    assert_ne!(ran.status, 0, "{name}: {ran:?}");
                    assert!(ran.stderr.contains(name), "{name}: {ran:?}");
                }
            }
        }
    }
}
