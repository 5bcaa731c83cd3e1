//! What a build makes is in a tier too, under the digest that a lock names. Each build here makes another tree: where two
//! stores have the same, one has it from the other.

use std::{
    ffi::OsString,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use modstore_testbed::{Change, TestHome, deflate};
use serde_json::Value;

use crate::world::{World, counts, run};

/// Makes a file that may be run, a link, a directory, and a file that is another each time.
const BUILD: &str = "echo started >> \\\"$BOOK\\\"; mkdir -p made/deep; cp main.py made/deep/run; \
     chmod 755 made/deep/run; ln -s deep/run made/link; cat /proc/sys/kernel/random/uuid > made/once";

struct Built {
    world: World,
    extra: String,
}

impl Built {
    fn new() -> Self {
        Self::with("")
    }

    /// With more in the `build` table.
    fn with(extra: &str) -> Self {
        Self { world: World::new(1), extra: extra.to_owned() }
    }

    fn toml(&self, command: &str) -> String {
        let source = self.world.source(&self.world.repos[0]);
        format!(
            "[modules.module0]\nsource = \"{source}\"\n[modules.module0.build]\n\
             command = [\"sh\", \"-ec\", \"{command}\"]\noutput = \"made\"\nenv = [\"BOOK\"]\n{}\n",
            self.extra
        )
    }

    fn home(&self) -> TestHome {
        let mut home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
        home.env("BOOK", self.book()).env("MODSTORE_ALLOW_BUILDS", "1");
        home.write_modules(&self.toml(BUILD));
        home
    }

    /// A home with the lock of another, in which nothing is yet.
    fn reader(&self, of: &TestHome) -> TestHome {
        let home = self.home();
        fs::copy(of.path().join("modules.lock"), home.path().join("modules.lock")).unwrap();
        home
    }

    fn book(&self) -> PathBuf {
        self.world.root.path().join("book")
    }

    /// How often a build was started since the last time.
    fn starts(&self) -> usize {
        let starts = fs::read_to_string(self.book()).unwrap_or_default();
        let _ = fs::remove_file(self.book());
        starts.lines().count()
    }

    fn publisher(&self) -> TestHome {
        let home = self.home();
        let answer = self.update(&home, &["--publish"]);
        assert_eq!(answer["updated"][0]["built"], "here", "{answer}");
        assert_eq!(answer["tier"]["published"], 2, "{answer}");
        assert_eq!(self.starts(), 1);
        home
    }

    #[track_caller]
    fn update(&self, home: &TestHome, args: &[&str]) -> Value {
        let url = self.world.tier_url();
        let answer = run(home, &[&["update", "--tier", &url], args].concat());
        assert_eq!(answer["failed"], Value::Array(Vec::new()), "{answer}");
        answer
    }

    /// The one object of what was built.
    fn object(&self) -> PathBuf {
        let found = fs::read_dir(self.world.tier().join("v1/tree/blake3")).unwrap();
        let shelf = found.map(|it| it.unwrap().path()).next().unwrap();
        fs::read_dir(shelf).unwrap().next().unwrap().unwrap().path()
    }

    /// What a new store with the lock of `home` makes of a tier that gives these bytes for what was built: it builds.
    #[track_caller]
    fn is_refused(&self, home: &TestHome, what: &str, bytes: &[u8]) {
        let object = self.object();
        fs::remove_file(&object).unwrap();
        fs::write(&object, bytes).unwrap();
        let reader = self.reader(home);
        let answer = self.update(&reader, &["--locked"]);
        assert_eq!(counts(&answer), [1, 0, 1, 0], "{what}: {answer}");
        assert_eq!(answer["updated"][0]["built"], "here", "{what}: {answer}");
        assert_eq!(self.starts(), 1, "{what}");
        assert!(reader.target("module0").join("deep/run").is_file(), "{what}");
        assert_eq!(reader.leftovers(), Vec::<PathBuf>::new(), "{what}");
    }
}

fn entry(home: &TestHome) -> OsString {
    home.target("module0").canonicalize().unwrap().file_name().unwrap().to_owned()
}

fn lock(home: &TestHome) -> String {
    fs::read_to_string(home.path().join("modules.lock")).unwrap()
}

/// A pack of these objects: their numbers as kinds, and their bytes.
fn pack(objects: &[(u8, Vec<u8>)]) -> Vec<u8> {
    let count = u32::try_from(objects.len()).unwrap().to_be_bytes();
    let mut pack = [&b"PACK\0\0\0\x02"[..], &count].concat();
    for (kind, bytes) in objects {
        let mut size = bytes.len();
        let mut byte = kind << 4 | u8::try_from(size & 15).unwrap();
        size >>= 4;
        while size > 0 {
            pack.push(byte | 0x80);
            byte = u8::try_from(size & 127).unwrap();
            size >>= 7;
        }
        pack.push(byte);
        pack.extend(deflate(bytes));
    }
    let hash = git_hash(&pack);
    [pack, hash].concat()
}

/// The SHA-1 of these bytes, by another program.
fn git_hash(bytes: &[u8]) -> Vec<u8> {
    let place = tempfile::NamedTempFile::new().unwrap();
    fs::write(place.path(), bytes).unwrap();
    let out = Command::new("sha1sum").arg(place.path()).output().unwrap();
    hex(&String::from_utf8(out.stdout).unwrap()[..40])
}

fn hex(digits: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(digit).collect()
}

/// The objects of a pack as git has them, the root first: kind and bytes by id.
fn objects_of(pack: &Path) -> Vec<(u8, Vec<u8>)> {
    let place = tempfile::tempdir().unwrap();
    let git = |args: &[&str]| {
        let out = Command::new("git").arg("-C").arg(place.path()).args(args).output().unwrap();
        assert!(out.status.success(), "{args:?}: {out:?}");
        out.stdout
    };
    git(&["init", "-q"]);
    let copy = place.path().join("it.pack");
    fs::copy(pack, &copy).unwrap();
    git(&["index-pack", "--strict", &copy.display().to_string()]);
    let listed = String::from_utf8(git(&["verify-pack", "-v", "it.idx"])).unwrap();
    let to = place.path().join(".git/objects/pack");
    fs::rename(&copy, to.join("pack-it.pack")).unwrap();
    fs::rename(copy.with_extension("idx"), to.join("pack-it.idx")).unwrap();
    let mut objects = Vec::new();
    for line in listed.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        let number = match words.get(1) {
            Some(&"tree") => 2,
            Some(&"blob") => 3,
            _ => continue,
        };
        let offset: u64 = words[4].parse().unwrap();
        objects.push((offset, (number, git(&["cat-file", words[1], words[0]]))));
    }
    objects.sort_by_key(|(offset, _)| *offset);
    objects.into_iter().map(|(_, object)| object).collect()
}

#[test]
fn what_was_built_is_taken_from_the_tier_by_the_digest_in_the_lock() {
    let built = Built::new();
    let home = built.publisher();
    built.world.git.forget();
    let reader = built.reader(&home);
    let answer = built.update(&reader, &["--locked", "--tier", "only"]);
    assert_eq!(counts(&answer), [2, 0, 0, 0], "{answer}");
    assert_eq!(answer["updated"][0]["built"], "tier", "{answer}");
    assert_eq!((built.starts(), built.world.git.stats().connections), (0, 0));
    assert_eq!(entry(&reader), entry(&home));
    assert_eq!(reader.tree("module0"), home.tree("module0"));
    assert_eq!(lock(&reader), lock(&home));
    let mode = fs::metadata(reader.target("module0").join("deep/run")).unwrap().permissions();
    assert_eq!(mode.mode() & 0o777, 0o555);
    assert_eq!(reader.leftovers(), Vec::<PathBuf>::new());
    // It is what this store would have built: nothing more is to be done.
    let answer = run(&reader, &["scan"]);
    assert_eq!((answer["committed"].clone(), built.starts()), (Value::Bool(false), 0), "{answer}");
    run(&reader, &["verify"]);
}

#[test]
fn git_reads_what_was_built_as_a_pack() {
    let built = Built::new();
    built.publisher();
    let objects = objects_of(&built.object());
    assert_eq!(objects.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(), [2, 2, 3, 3, 3]);
}

#[test]
fn nothing_built_is_taken_that_the_lock_does_not_name() {
    let built = Built::new();
    let home = built.publisher();
    // Not locked, no lock, a lock without it, and a lock of other platforms.
    let plain = lock(&home).split("\n[modules.module0.built").next().unwrap().to_owned();
    let other = lock(&home).replace(".built.\"linux-", ".built.\"plan9-");
    assert_ne!(other, lock(&home));
    for (text, args) in [(lock(&home), &[][..]), (plain, &["--locked"]), (other, &["--locked"])] {
        let reader = built.reader(&home);
        fs::write(reader.path().join("modules.lock"), &text).unwrap();
        let answer = built.update(&reader, args);
        assert_eq!(counts(&answer), [1, 0, 0, 0], "{answer}");
        assert_eq!((answer["updated"][0]["built"].as_str(), built.starts()), (Some("here"), 1));
        assert_ne!(entry(&reader), entry(&home));
    }
}

#[test]
fn another_recipe_or_another_tool_builds() {
    let built = Built::with("toolchain = [\"sh\", \"-c\", \"echo $BOOK\"]");
    let home = built.publisher();
    let reader = built.reader(&home);
    reader.write_modules(&built.toml(&format!("{BUILD}; true")));
    let answer = built.update(&reader, &["--locked"]);
    assert_eq!((counts(&answer), built.starts()), ([1, 0, 0, 0], 1), "{answer}");
    let mut reader = built.reader(&home);
    let other = built.world.root.path().join("other-book");
    reader.env("BOOK", &other);
    let answer = built.update(&reader, &["--locked"]);
    assert_eq!((counts(&answer), other.is_file()), ([1, 0, 0, 0], true), "{answer}");
}

#[test]
fn no_other_bytes_become_what_was_built() {
    let built = Built::new();
    let home = built.publisher();
    let truth = fs::read(built.object()).unwrap();
    for length in (0..truth.len()).step_by(truth.len() / 8).chain([truth.len() - 1]) {
        built.is_refused(&home, &format!("cut at {length}"), &truth[..length]);
    }
    for at in (12..truth.len() - 20).step_by(truth.len() / 8) {
        let mut flipped = truth.clone();
        flipped[at] ^= 1;
        built.is_refused(&home, &format!("flipped at {at}"), &flipped);
    }
    built.is_refused(&home, "a page", b"<html>please log in</html>");
    let commit = fs::read(built.world.object(&built.world.repos[0])).unwrap();
    built.is_refused(&home, "the source's own commit", &commit);
}

#[test]
fn a_whole_pack_of_another_tree_does_not_become_what_was_built() {
    let built = Built::new();
    let home = built.publisher();
    let truth = objects_of(&built.object());
    let (_, root) = &truth[0];
    let with_root =
        |root: Vec<u8>, more: &[(u8, Vec<u8>)]| pack(&[&[(2, root)], &truth[1..], more].concat());
    let once = root.windows(4).position(|it| it == b"once").unwrap();
    let id = &root[once + 5..once + 25];
    // One more file, in git's order: after all that is there.
    let more = [root.as_slice(), b"100644 z\0", id].concat();
    built.is_refused(&home, "an extra file", &with_root(more, &[]));
    let less = root[..once - 7].to_vec();
    built.is_refused(&home, "a file less", &with_root(less, &[]));
    let mut other = root.clone();
    other[once - 7..once].copy_from_slice(b"100755 ");
    built.is_refused(&home, "another mode", &with_root(other, &[]));
    let submodule = [root.as_slice(), b"160000 z\0", id].concat();
    built.is_refused(&home, "a submodule", &with_root(submodule, &[]));
    let other = Built::new();
    other.publisher();
    built.is_refused(&home, "another build", &fs::read(other.object()).unwrap());
    let climbing = [root.as_slice(), b"120000 z\0", id].concat();
    built.is_refused(&home, "a link", &with_root(climbing, &[]));
}

#[test]
fn what_the_digest_says_nothing_of_is_not_taken_over() {
    let built = Built::new();
    let home = built.publisher();
    let mut objects = objects_of(&built.object());
    // An empty directory, which no list of files has.
    let empty = hex("4b825dc642cb6eb9a060e54bf8d69288fbee4904");
    objects[0].1 = [objects[0].1.as_slice(), b"40000 z\0", &empty].concat();
    objects.push((2, Vec::new()));
    fs::remove_file(built.object()).unwrap();
    let digest = entry(&home).into_string().unwrap();
    let object = built.world.tier().join("v1/tree/blake3").join(&digest[..2]);
    fs::write(object.join(format!("{digest}.pack")), pack(&objects)).unwrap();
    let reader = built.reader(&home);
    let answer = built.update(&reader, &["--locked"]);
    assert_eq!((counts(&answer), built.starts()), ([2, 0, 0, 0], 0), "{answer}");
    assert_eq!(reader.tree("module0"), home.tree("module0"));
    assert!(!reader.target("module0").join("z").exists());
}

#[test]
fn patterns_hold_for_what_was_built() {
    let built = Built::new();
    let home = built.home();
    let url = built.world.tier_url();
    let config =
        |only: &str| format!("[[tier]]\nurl = \"{url}\"\nmode = \"write\"\nonly = [\"{only}\"]\n");
    fs::write(home.path().join("config.toml"), config("example.com/*")).unwrap();
    let answer = run(&home, &["update"]);
    assert_eq!(answer["tier"]["published"], 0, "{answer}");
    assert!(!built.world.tier().join("v1").exists());
    // What is published is not asked for either.
    run(&home, &["push", "--tier", &url]);
    built.starts();
    let reader = built.reader(&home);
    fs::write(reader.path().join("config.toml"), config("example.com/*")).unwrap();
    let answer = run(&reader, &["update", "--locked"]);
    assert_eq!((counts(&answer), built.starts()), ([0; 4], 1), "{answer}");
}

#[test]
fn a_build_that_is_given_a_secret_or_reads_this_machine_is_in_no_lock() {
    let deps = "echo \\\"made: main.py /etc/hostname\\\" > deps";
    for (extra, more) in [("", "true"), ("depfile = \"deps\"", deps)] {
        let built = Built::with(extra);
        let mut home = built.home();
        let text = built.toml(&format!("{BUILD}; {more}"));
        let secret = text.replace("[\"BOOK\"]", "[\"BOOK\", \"API_TOKEN\"]");
        home.write_modules(if extra.is_empty() { &secret } else { &text });
        home.env("API_TOKEN", "1234");
        built.update(&home, &["--publish"]);
        assert!(!lock(&home).contains("built"), "{}", lock(&home));
        assert!(lock(&home).contains("\nversion = 1\n"));
        assert!(!built.world.tier().join("v1/tree").exists());
    }
}

#[test]
fn what_a_build_has_read_in_the_module_counts() {
    let built = Built::with("depfile = \"deps\"\ninputs = [\"shared\"]");
    let home = built.home();
    let text = built.toml(&format!("{BUILD}; echo \\\"made: main.py\\\" > deps"));
    home.write_modules(&text);
    built.update(&home, &["--publish"]);
    assert_eq!(built.starts(), 1);
    assert!(lock(&home).contains("read = [\"main.py\"]"), "{}", lock(&home));
    let reader = built.reader(&home);
    reader.write_modules(&text);
    built.update(&reader, &["--locked"]);
    assert_eq!((built.starts(), entry(&reader)), (0, entry(&home)));
    // Not with another one of what it has read.
    let repo = &built.world.repos[0];
    repo.commit("main", &[Change::write("main.py", "another\n")]);
    built.update(&reader, &[]);
    assert_eq!(built.starts(), 1);
}

#[test]
fn what_does_not_pass_here_is_built_here() {
    let built =
        Built::with("validate = [\"sh\", \"-c\", \"test ! -e $BOOK.no && test -x deep/run\"]");
    let home = built.publisher();
    let reader = built.reader(&home);
    built.update(&reader, &["--locked"]);
    assert_eq!((built.starts(), entry(&reader)), (0, entry(&home)));
    fs::write(built.book().with_extension("no"), "").unwrap();
    let reader = built.reader(&home);
    let ran = reader.run(&["update", "--locked", "--tier", &built.world.tier_url()]).fails(1);
    assert!(ran.stderr.contains("what the lock says was built is not taken"), "{ran:?}");
    assert_eq!(built.starts(), 1);
}

#[test]
fn a_lock_keeps_what_was_built_on_other_platforms_while_the_source_is_the_same() {
    let built = Built::new();
    let home = built.publisher();
    let other = "\n[modules.module0.built.plan9-mips]\n";
    let hash = "ab".repeat(32);
    let more = format!("{}{other}digest = \"{hash}\"\ninputs = \"{hash}\"\n", lock(&home));
    let reader = built.home();
    fs::write(reader.path().join("modules.lock"), &more).unwrap();
    built.update(&reader, &["--locked"]);
    assert_eq!(lock(&reader), more);
    run(&reader, &["verify"]);
    built.world.repos[0].commit("main", &[Change::write("main.py", "another\n")]);
    built.update(&reader, &[]);
    assert!(!lock(&reader).contains(other) && lock(&reader).contains(".built."));
}

#[test]
fn a_closure_has_what_was_built() {
    let built = Built::new();
    let home = built.home();
    run(&home, &["update"]);
    let tar = built.world.root.path().join("closure.tar");
    let answer = run(&home, &["export", &tar.display().to_string()]);
    assert_eq!((answer["written"].clone(), built.starts()), (Value::from(2), 1), "{answer}");
    built.world.git.forget();
    let reader = built.home();
    let answer = run(&reader, &["import", &tar.display().to_string()]);
    assert_eq!(answer["update"]["updated"][0]["built"], "tier", "{answer}");
    assert_eq!((built.starts(), built.world.git.stats().connections), (0, 0));
    assert_eq!(entry(&reader), entry(&home));
}

#[test]
fn each_of_several_outputs_comes_in_one_tree() {
    let built = Built::with("each = [\"*.py\", \"deep/**\"]");
    let home = built.home();
    let text = built.toml(
        "echo started >> \\\"$BOOK\\\"; mkdir -p made/$(dirname {stem}); \
         cat /proc/sys/kernel/random/uuid > made/{stem}",
    );
    home.write_modules(&text);
    let answer = built.update(&home, &["--publish"]);
    assert_eq!((answer["tier"]["published"].clone(), built.starts()), (Value::from(2), 2));
    let reader = built.reader(&home);
    reader.write_modules(&text);
    let answer = built.update(&reader, &["--locked"]);
    assert_eq!((counts(&answer), built.starts()), ([2, 0, 0, 0], 0), "{answer}");
    assert_eq!(entry(&reader), entry(&home));
    let answer = run(&reader, &["scan"]);
    assert_eq!((answer["committed"].clone(), built.starts()), (Value::Bool(false), 0), "{answer}");
}

#[test]
fn what_was_built_is_renewed_with_what_it_was_built_of() {
    let built = Built::new();
    let home = built.publisher();
    let object = built.object();
    let truth = fs::read(&object).unwrap();
    fs::remove_file(&object).unwrap();
    let url = built.world.tier_url();
    let text = format!("[[tier]]\nurl = \"{url}\"\nmode = \"write\"\nrenew = \"15d\"\n");
    fs::write(home.path().join("config.toml"), text).unwrap();
    let answer = run(&home, &["update"]);
    assert_eq!(answer["tier"]["published"], 1, "{answer}");
    assert_eq!(fs::read(&object).unwrap(), truth);
    assert_eq!(run(&home, &["update"])["tier"]["published"], 0);
    assert_eq!(built.starts(), 0);
}
