//! What is said without git of a clone's files, against `git status`, in every state that people and programs leave clones in.
//!
//! A *state* is one thing that was done to a clone. Each is tried alone, on a clone as git leaves it and on one whose files are
//! older than its index, and then several one after the other. Git is the oracle: what it finds may never be missed.

use std::{
    fs::{self, File, FileTimes},
    io::Write as _,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use modstore_core::Cancel;
use modstore_testbed::Random;

use super::{compared, opened, work_in};
use crate::work_tree::is_untouched;

/// How many random sequences of states are tried, unless `MODSTORE_ROUNDS` says otherwise.
const SEQUENCES: u64 = 60;

/// What may have been done to a clone.
type State = (&'static str, fn(&Clone));

/// A clone.
struct Clone {
    place: tempfile::TempDir,
}

/// A repository of two commits; with `attributes` these have a file of them.
fn origin(attributes: bool) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    let origin = place.path();
    fs::create_dir_all(origin.join("src/deep")).unwrap();
    let files = [
        ("README", "read me\n"),
        ("other", "other text\n"),
        ("empty", ""),
        ("crlf.txt", "one\r\ntwo\r\n"),
        ("src/a.py", "a = 1\n"),
        ("src/deep/b.py", "b = 1 # $Id$\n"),
        ("src-x", "sorts between\n"),
        (".gitignore", "*.log\nbuild/\n__pycache__/\n"),
    ];
    for (path, text) in files {
        fs::write(origin.join(path), text).unwrap();
    }
    if attributes {
        fs::write(origin.join(".gitattributes"), "*.txt text\n*.py ident\n").unwrap();
    }
    fs::write(origin.join("run.sh"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(origin.join("run.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    symlink("README", origin.join("link")).unwrap();
    for words in ["init -q -b main", "add .", "commit -q -m one", "branch other"] {
        git_in(origin, origin, words);
    }
    fs::write(origin.join("second"), "second commit\n").unwrap();
    git_in(origin, origin, "add second");
    git_in(origin, origin, "commit -q -m two");
    place
}

/// Runs git. It may refuse, as where two states do not go together.
fn git_in(home: &Path, directory: &Path, words: &str) {
    let mut command = Command::new("git");
    command.args(["-c", "user.name=n", "-c", "user.email=e@e", "-c", "gc.auto=0"]);
    command.args(["-c", "protocol.file.allow=always", "-c", "advice.detachedHead=false"]);
    command.args(words.split(' ')).current_dir(directory).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap()).env("HOME", home);
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_EDITOR", "true");
    command.output().unwrap();
}

impl Clone {
    /// A fresh clone, beside a link to what it was cloned from.
    fn new(origin: &Path) -> Self {
        let this = Self { place: tempfile::tempdir().unwrap() };
        symlink(origin, this.place.path().join("origin")).unwrap();
        git_in(this.place.path(), this.place.path(), "clone -q origin clone");
        this
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join("clone").join(name)
    }

    fn root(&self) -> PathBuf {
        self.place.path().join("clone")
    }

    fn git(&self, words: &str) {
        git_in(self.place.path(), &self.root(), words);
    }

    /// Writes a file in its place, if that can be done.
    fn write(&self, name: &str, text: &str) {
        if self.is_pipe(name) {
            return;
        }
        let opened = File::options().write(true).create(true).truncate(true).open(self.path(name));
        let _ = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    }

    /// Whether a pipe lies there, which may not be opened: nothing is at its other end.
    fn is_pipe(&self, name: &str) -> bool {
        fs::metadata(self.path(name)).is_ok_and(|found| !found.is_file() && !found.is_dir())
    }

    /// Changes a file and none of its length and time.
    fn edit_unseen(&self, name: &str, text: &str) {
        if self.is_pipe(name) {
            return;
        }
        let Ok(before) = fs::symlink_metadata(self.path(name)) else { return };
        self.write(name, text);
        if let (Ok(file), Ok(time)) = (File::open(self.path(name)), before.modified()) {
            let _ = file.set_times(FileTimes::new().set_modified(time));
        }
    }

    /// Makes all files older than the index, and lets git note that.
    fn age(&self) {
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        let names = ["README", "other", "empty", "crlf.txt", "src/a.py", "src/deep/b.py", "src-x"];
        for name in names.into_iter().chain([".gitignore", ".gitattributes", "run.sh", "second"]) {
            if !self.is_pipe(name)
                && let Ok(file) = File::open(self.path(name))
            {
                file.set_times(FileTimes::new().set_modified(hour_ago)).unwrap();
            }
        }
        let mut touch = Command::new("touch");
        touch.args(["-h", "-d", "1 hour ago"]).arg(self.path("link")).status().unwrap();
        self.git("update-index -q --refresh");
    }

    /// Whether nothing was seen to be done to it, after comparing that with what git says.
    fn is_untouched(&self, how: &str) -> bool {
        let cancel = Cancel::new();
        let Ok(repository) = opened(&self.root()) else { return false };
        let Some(commit) = repository.head().ok().and_then(|head| head.id()) else { return false };
        let untouched = is_untouched((&repository, &self.root()), commit.detach(), &cancel);
        let said = compared(&self.root(), &cancel).map(|status| work_in(&status));
        let finds_nothing = said.as_ref().is_ok_and(Vec::is_empty);
        assert!(
            finds_nothing || !untouched,
            "{how}: it counts as untouched, and git says {said:?}"
        );
        untouched
    }
}

/// What people and programs do to files.
const OF_FILES: &[State] = &[
    ("nothing", |_| {}),
    ("touched", |it| it.write("README", "read me\n")),
    ("edited, same length", |it| it.write("README", "READ me\n")),
    ("edited, same length and time", |it| it.edit_unseen("README", "READ me\n")),
    ("edited, longer", |it| it.write("src/a.py", "a = 100\n")),
    ("emptied", |it| it.write("src/deep/b.py", "")),
    ("an empty file filled", |it| it.write("empty", "x")),
    ("made executable", |it| mode(it, "README", 0o755)),
    ("made plain", |it| mode(it, "run.sh", 0o644)),
    ("made executable for others", |it| mode(it, "README", 0o645)),
    ("added", |it| it.write("new", "new\n")),
    ("added below", |it| it.write("src/deep/new", "new\n")),
    ("added among names alike", |it| it.write("src.x", "new\n")),
    ("deleted", |it| gone(it, "other")),
    ("deleted below", |it| gone(it, "src/deep/b.py")),
    ("renamed", |it| drop(fs::rename(it.path("other"), it.path("another")))),
    ("renamed to other case", |it| drop(fs::rename(it.path("README"), it.path("readme")))),
    ("exchanged by an equal file", |it| {
        let _ = fs::copy(it.path("README"), it.path("copy"));
        let _ = fs::rename(it.path("copy"), it.path("README"));
    }),
    ("linked elsewhere", |it| drop(fs::hard_link(it.path("README"), it.place.path().join("hard")))),
    ("ignored file", |it| it.write("x.log", "log")),
    ("ignored directory", |it| {
        let _ = fs::create_dir(it.path("build"));
        it.write("build/out", "out");
    }),
    ("empty directory", |it| drop(fs::create_dir(it.path("nothing-in-it")))),
    ("byte code", |it| {
        let _ = fs::create_dir(it.path("src/__pycache__"));
        it.write("src/__pycache__/a.pyc", "code");
        it.write("src/b.pyc", "code");
    }),
    ("more than byte code", |it| {
        let _ = fs::create_dir(it.path("src/__pycache__"));
        it.write("src/__pycache__/settings", "mine");
    }),
    ("a list of a desktop, and the note of a host", |it| {
        it.write("src/.DS_Store", "list");
        it.write(".amplifier_cache_meta.json", "{}");
    }),
    ("the note of a host elsewhere", |it| it.write("src/.amplifier_cache_meta.json", "{}")),
    ("link to another", |it| {
        gone(it, "link");
        let _ = symlink("other", it.path("link"));
    }),
    ("link of the same length to another", |it| {
        gone(it, "link");
        let _ = symlink("readme", it.path("link"));
    }),
    ("link exchanged by its text", |it| {
        gone(it, "link");
        it.write("link", "README");
    }),
    ("file exchanged by a link", |it| {
        gone(it, "README");
        let _ = symlink("other", it.path("README"));
    }),
    ("file exchanged by a directory", |it| {
        gone(it, "other");
        let _ = fs::create_dir(it.path("other"));
        it.write("other/x", "x");
    }),
    ("directory exchanged by a file", |it| {
        let _ = fs::remove_dir_all(it.path("src/deep"));
        it.write("src/deep", "flat\n");
    }),
    ("directory moved away, a link in its place", |it| {
        let away = it.place.path().join("away");
        let _ = fs::rename(it.path("src"), &away);
        let _ = symlink(away, it.path("src"));
    }),
    ("file exchanged by a pipe", |it| {
        gone(it, "other");
        let _ = Command::new("mkfifo").arg(it.path("other")).status();
    }),
];

/// What people do with git.
const OF_GIT: &[State] = &[
    ("staged", |it| {
        it.write("README", "READ me\n");
        it.git("add README");
    }),
    ("staged and put back", |it| {
        it.write("README", "READ me\n");
        it.git("add README");
        it.write("README", "read me\n");
    }),
    ("staged and unstaged", |it| {
        it.write("README", "READ me\n");
        it.git("add README");
        it.git("reset -q");
    }),
    ("staged and restored", |it| {
        it.write("README", "READ me\n");
        it.git("add README");
        it.git("checkout -q HEAD -- README");
    }),
    ("a new file staged", |it| {
        it.write("new", "new\n");
        it.git("add new");
    }),
    ("changed in the second of the index", |it| {
        it.write("README", "READ me\n");
        it.git("add README");
        it.git("commit -q -m own");
        it.git("update-ref refs/remotes/origin/main HEAD");
        it.write("README", "READ ME\n");
    }),
    ("doubted by the index, and emptied", |it| {
        it.write("README", "READ me\n");
        it.git("add README");
        it.write("README", "READ ME\n");
        it.git("update-index --refresh");
        it.git("update-index --chmod=-x other");
        it.write("README", "");
        it.git("update-index -q --really-refresh");
    }),
    ("assumed unchanged, and edited", |it| {
        it.git("update-index --assume-unchanged README");
        it.write("README", "READ me\n");
    }),
    ("assumed unchanged", |it| it.git("update-index --assume-unchanged other")),
    ("skipped, and deleted", |it| {
        it.git("update-index --skip-worktree README");
        gone(it, "README");
    }),
    ("meant to be added", |it| {
        it.write("meant", "meant\n");
        it.git("add -N meant");
    }),
    ("taken out of the index", |it| it.git("rm -q --cached other")),
    ("moved", |it| it.git("mv other moved")),
    ("executable in the index alone", |it| it.git("update-index --chmod=+x README")),
    ("committed", |it| {
        it.write("README", "READ me\n");
        it.git("commit -q -a -m mine");
    }),
    ("an empty commit", |it| it.git("commit -q --allow-empty -m mine")),
    ("the last commit made again", |it| it.git("commit -q --amend -m other")),
    ("committed, and the commit taken back alone", |it| {
        it.write("README", "READ me\n");
        it.git("commit -q -a -m mine");
        it.git("reset -q --soft origin/main");
    }),
    ("detached", |it| it.git("checkout -q --detach")),
    ("detached at another commit", |it| it.git("checkout -q --detach HEAD~1")),
    ("behind", |it| it.git("reset -q --hard HEAD~1")),
    ("at another commit, with the files of this one", |it| it.git("reset -q --soft HEAD~1")),
    ("the index of another commit", |it| it.git("read-tree HEAD~1")),
    ("on another branch", |it| it.git("checkout -q other")),
    ("following another branch", |it| it.git("branch -q --set-upstream-to=origin/other")),
    ("following none", |it| it.git("branch -q --unset-upstream")),
    ("its remote's branch gone", |it| it.git("update-ref -d refs/remotes/origin/main")),
    ("a conflict", |it| {
        conflict(it);
        it.git("merge -q mine");
    }),
    ("a conflict that was solved", |it| {
        conflict(it);
        it.git("merge -q mine");
        it.git("checkout -q --ours README");
        it.git("add README");
    }),
    ("a merge that was not committed", |it| {
        it.git("checkout -q -b mine");
        it.write("other", "mine\n");
        it.git("commit -q -a -m mine");
        it.git("checkout -q main");
        it.git("merge -q --no-commit --no-ff mine");
    }),
    ("in the middle of a rebase", |it| {
        conflict(it);
        it.git("rebase -q mine");
    }),
    ("stashed", |it| {
        it.write("README", "READ me\n");
        it.git("stash push -q");
    }),
    ("sparse", |it| it.git("sparse-checkout set src")),
    ("a repository within", |it| it.git("init -q inner")),
    ("a submodule", |it| it.git("submodule -q add ../origin module")),
    ("packed", |it| it.git("gc -q")),
    ("another commit in place of this one", |it| it.git("replace HEAD HEAD~1")),
    ("another tree in place of this one", |it| it.git("replace HEAD^{tree} HEAD~1^{tree}")),
];

/// What people and programs set, and odd indexes.
const OF_SETTINGS: &[State] = &[
    ("line ends converted", |it| it.git("config core.autocrlf true")),
    ("line ends converted on the way in", |it| it.git("config core.autocrlf input")),
    ("attributes of its own", |it| attributes(it, "* text eol=crlf\n*.py ident\n")),
    ("a filter", |it| {
        it.git("config filter.x.clean rev");
        attributes(it, "* filter=x\n");
    }),
    ("no modes, and one changed", |it| {
        it.git("config core.fileMode false");
        mode(it, "README", 0o755);
    }),
    ("no links", |it| it.git("config core.symlinks false")),
    ("few facts compared", |it| it.git("config core.checkStat minimal")),
    ("changes ignored", |it| it.git("config core.ignoreStat true")),
    ("files elsewhere", |it| it.git("config core.worktree ../origin")),
    ("unknown files not listed", |it| it.git("config status.showUntrackedFiles no")),
    ("a setting that git does not read", |it| it.git("config core.bare maybe")),
    ("an unknown extension", |it| {
        it.git("config core.repositoryFormatVersion 1");
        it.git("config extensions.unheardOf true");
    }),
    ("a split index", |it| it.git("update-index --split-index")),
    ("a cache of unknown files", |it| it.git("update-index --force-untracked-cache")),
    ("an index of version 4", |it| it.git("update-index --index-version 4")),
    ("an index without a sum", |it| {
        it.git("-c index.skipHash=true update-index --force-write-index");
    }),
    ("no index", |it| gone(it, ".git/index")),
    ("half an index", |it| {
        let index = fs::read(it.path(".git/index")).unwrap_or_default();
        let _ = fs::write(it.path(".git/index"), index.split_at(index.len() / 2).0);
    }),
    ("a byte of the index flipped", |it| {
        let mut index = fs::read(it.path(".git/index")).unwrap_or_default();
        let middle = index.len() / 2;
        index.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 1);
        let _ = fs::write(it.path(".git/index"), index);
    }),
    ("its repository elsewhere", |it| {
        let _ = fs::rename(it.path(".git"), it.place.path().join("elsewhere"));
        it.write(".git", &format!("gitdir: {}\n", it.place.path().join("elsewhere").display()));
    }),
    ("its tree gone", |it| {
        it.git("repack -q -a -d");
        it.git("unpack-objects -q");
        let _ = fs::remove_dir_all(it.path(".git/objects/pack"));
    }),
];

fn mode(it: &Clone, name: &str, mode: u32) {
    let _ = fs::set_permissions(it.path(name), fs::Permissions::from_mode(mode));
}

fn gone(it: &Clone, name: &str) {
    let _ = fs::remove_file(it.path(name));
}

fn attributes(it: &Clone, text: &str) {
    let _ = fs::create_dir(it.path(".git/info"));
    it.write(".git/info/attributes", text);
}

/// A branch `mine` that changed what `main` changed too.
fn conflict(it: &Clone) {
    it.git("checkout -q -b mine");
    it.write("README", "mine\n");
    it.git("commit -q -a -m mine");
    it.git("checkout -q main");
    it.write("README", "yours\n");
    it.git("commit -q -a -m yours");
}

fn states() -> Vec<State> {
    [OF_FILES, OF_GIT, OF_SETTINGS].concat()
}

#[test]
fn a_clone_that_was_not_touched_is_seen_to_be_so_without_git() {
    let (plain, attributes) = (origin(false), origin(true));
    for aged in [false, true] {
        let clone = Clone::new(plain.path());
        if aged {
            clone.age();
        }
        assert!(clone.is_untouched("as it was cloned"), "aged: {aged}");
        let same: &[&str] = &[
            "byte code",
            "a list of a desktop, and the note of a host",
            "detached",
            "packed",
            "an index of version 4",
        ];
        for (name, state) in states().into_iter().filter(|(name, _)| same.contains(name)) {
            state(&clone);
            assert!(clone.is_untouched(name), "{name}, aged: {aged}");
        }
    }
    // Where attributes may change what content means, facts alone are believed, as git believes them.
    let clone = Clone::new(attributes.path());
    assert!(!clone.is_untouched("with attributes"));
    clone.age();
    assert!(clone.is_untouched("with attributes, aged"));
}

#[test]
fn what_git_finds_in_a_clone_is_never_missed_whatever_was_done_to_it() {
    let (plain, with) = (origin(false), origin(true));
    for (name, state) in states() {
        for (attributes, aged) in [(false, false), (false, true), (true, true)] {
            let clone = Clone::new(if attributes { with.path() } else { plain.path() });
            if aged {
                clone.age();
            }
            state(&clone);
            clone.is_untouched(&format!("{name}, attributes: {attributes}, aged: {aged}"));
        }
    }
}

#[test]
fn what_git_finds_is_never_missed_after_several_things_were_done() {
    let rounds = std::env::var("MODSTORE_ROUNDS").map_or(SEQUENCES, |it| it.parse().unwrap());
    let (plain, attributes) = (origin(false), origin(true));
    let states = states();
    let mut untouched = 0;
    for round in 0..rounds {
        let mut random = Random::at(0x1A0, &[round]);
        let origin = if random.percent(20) { &attributes } else { &plain };
        let clone = Clone::new(origin.path());
        if random.percent(50) {
            clone.age();
        }
        let mut how = format!("round {round}");
        for _ in 0..random.within(1..5) {
            let (name, state) = random.pick(&states);
            state(&clone);
            how = format!("{how}; {name}");
            untouched += u64::from(clone.is_untouched(&how));
            if random.percent(20) {
                clone.age();
            }
        }
    }
    assert!(untouched * 20 > rounds, "{untouched} of {rounds} were taken for untouched");
}

#[test]
fn what_changed_in_the_second_of_the_index_is_read_and_what_is_older_is_believed() {
    let plain = origin(false);
    let clone = Clone::new(plain.path());
    clone.write("README", "READ me\n");
    let edited = fs::metadata(clone.path("README")).unwrap();
    // As where an edit falls between git's look at a file and its note of it: all facts agree, and the content does not.
    note_of(&clone, "README", &edited);
    let index = File::options().append(true).open(clone.path(".git/index")).unwrap();
    let written = |at| index.set_times(FileTimes::new().set_modified(at)).unwrap();
    written(edited.modified().unwrap());
    assert!(!clone.is_untouched("in the second of the index"));
    written(edited.modified().unwrap() + Duration::from_secs(2));
    assert!(clone.is_untouched("before the second of the index, where git believes it too"));
}

/// Writes these facts of a file into the index, as git has them there.
fn note_of(clone: &Clone, name: &str, facts: &fs::Metadata) {
    let mut index = fs::read(clone.path(".git/index")).unwrap();
    let path = [name.as_bytes(), b"\0"].concat();
    let entry = index.windows(path.len()).position(|bytes| bytes == path).unwrap() - 62;
    let seconds = [facts.ctime(), facts.ctime_nsec(), facts.mtime(), facts.mtime_nsec()];
    for (number, fact) in seconds.into_iter().enumerate() {
        let bytes = u32::try_from(fact).unwrap().to_be_bytes();
        index[entry + 4 * number..][..4].copy_from_slice(&bytes);
    }
    let end = index.len() - 20;
    let mut sum = gix::hash::hasher(gix::hash::Kind::Sha1);
    sum.update(&index[..end]);
    index[end..].copy_from_slice(sum.try_finalize().unwrap().as_slice());
    fs::write(clone.path(".git/index"), index).unwrap();
}
