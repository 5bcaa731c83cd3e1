//! A tier that lies: whatever it gives, the entry is what git gives, and the lie is counted.

use std::path::PathBuf;

use modstore_testbed::{Change, TestHome, deflate};

use crate::world::{World, counts, objects, run, sources};

struct Liar {
    world: World,
    object: PathBuf,
    truth: Vec<u8>,
}

impl Liar {
    fn new() -> Self {
        let world = World::new(1);
        world.repos[0].commit("main", &[Change::write("text", "some text to pack\n".repeat(100))]);
        world.publisher();
        let object = world.object(&world.repos[0]);
        let truth = std::fs::read(&object).unwrap();
        Self { world, object, truth }
    }

    fn lie(&self, bytes: &[u8]) {
        std::fs::remove_file(&self.object).unwrap();
        std::fs::write(&self.object, bytes).unwrap();
    }

    /// A new store that is told this has everything from git, and counts the lie.
    #[track_caller]
    fn is_refused(&self, what: &str, bytes: &[u8]) {
        self.lie(bytes);
        self.read_by(&self.world.home(), what, [0, 0, 1, 0]);
    }

    #[track_caller]
    fn read_by(&self, home: &TestHome, what: &str, expected: [u64; 4]) {
        let answer = run(home, &["update", "--tier", &self.world.tier_url()]);
        assert_eq!(counts(&answer), expected, "{what}: {answer}");
        assert_eq!(sources(&answer), ["git"], "{what}");
        self.world.assert_all_as_git(home);
    }
}

#[test]
fn no_truncation_of_an_object_becomes_a_module() {
    let liar = Liar::new();
    let truth = &liar.truth;
    for length in (0..truth.len()).step_by(truth.len() / 12).chain([truth.len() - 1]) {
        liar.is_refused(&format!("cut at {length}"), &truth[..length]);
    }
}

#[test]
fn no_flipped_bit_of_an_object_becomes_a_module() {
    let liar = Liar::new();
    let end = liar.truth.len() - 20;
    let flip = |at: usize| {
        let mut flipped = liar.truth.clone();
        flipped[at] ^= 1 << (at % 8);
        flipped
    };
    for at in (0..end).step_by(end / 16) {
        liar.is_refused(&format!("flipped at {at}"), &flip(at));
    }
    // The pack's own hash at its end proves nothing: the ids of the objects do.
    liar.lie(&flip(end + 3));
    let home = liar.world.home();
    run(&home, &["update", "--tier", &liar.world.tier_url()]);
    liar.world.assert_all_as_git(&home);
}

#[test]
fn a_whole_pack_of_another_commit_does_not_become_a_module() {
    let liar = Liar::new();
    let repo = &liar.world.repos[0];
    let earlier = repo.git(&["rev-parse", "main~1"]);
    let later = repo.rev("main").unwrap();
    let other = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
    other.declare(&[("module0", &format!("{}@{earlier}", liar.world.source(repo)))]);
    run(&other, &["update", "--publish", "--tier", &liar.world.tier_url()]);
    let of_earlier = crate::world::object_of(&liar.world.tier(), &earlier);
    let bytes = std::fs::read(of_earlier).unwrap();
    liar.is_refused("another commit's", &bytes);
    // Nor where the other commit is what the store has, against which objects are looked for.
    other.declare(&[("module0", &format!("{}@{later}", liar.world.source(repo)))]);
    liar.read_by(&other, "the commit's that is there", [0, 0, 1, 0]);
    // Nor where the very tree that is wanted is in it, and the commit is not the one.
    let tree = repo.git(&["rev-parse", "main^{tree}"]);
    let forged = repo.git(&["commit-tree", "-m", "another commit of the same tree", &tree]);
    repo.branch("forged", &forged);
    let forger = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
    forger.declare(&[("module0", &format!("{}@forged", liar.world.source(repo)))]);
    run(&forger, &["update", "--publish", "--tier", &liar.world.tier_url()]);
    let object = crate::world::object_of(&liar.world.tier(), &forged);
    liar.is_refused("a forged commit's", &std::fs::read(object).unwrap());
}

#[test]
fn what_is_no_pack_at_all_does_not_become_a_module() {
    let liar = Liar::new();
    liar.is_refused("empty", b"");
    liar.is_refused("a page", b"<!DOCTYPE html><html><body>Please log in</body></html>");
    liar.is_refused("zeros", &vec![0; 8 << 20]);
    let mut endless = b"PACK\0\0\0\x02\x7f\xff\xff\xff".to_vec();
    endless.extend(std::iter::repeat_n([0x30, 0x78, 0x9c, 3, 0, 0, 0, 0, 1], 200_000).flatten());
    liar.is_refused("objects without an end", &endless);
    let mut bomb = b"PACK\0\0\0\x02\0\0\0\x01\xb0\x80\x80\x80\x01".to_vec();
    bomb.extend(deflate(&vec![0; 64 << 20]));
    liar.is_refused("a bomb", &bomb);
}

#[test]
fn an_object_that_is_too_long_is_not_read() {
    let liar = Liar::new();
    liar.lie(b"");
    let file = std::fs::OpenOptions::new().write(true).open(&liar.object).unwrap();
    file.set_len(3 << 30).unwrap();
    let home = liar.world.home();
    liar.read_by(&home, "three gigabytes", [0, 0, 0, 1]);
}

#[test]
fn who_may_write_replaces_a_lie_by_the_truth() {
    let liar = Liar::new();
    liar.lie(b"a lie");
    let home = liar.world.home();
    let answer = run(&home, &["update", "--publish", "--tier", &liar.world.tier_url()]);
    assert_eq!(answer["tier"]["published"], 1, "{answer}");
    assert_eq!(std::fs::read(&liar.object).unwrap(), liar.truth);
    assert_eq!(objects(&liar.world.tier()).len(), 1);
}

#[test]
fn a_lie_instead_of_git_is_a_permanent_failure_and_what_is_current_stays() {
    let liar = Liar::new();
    let home = liar.world.home();
    run(&home, &["update", "--tier", "off"]);
    let before = home.tree("module0");
    liar.world.repos[0].write(&[("main.py", "newer\n")]);
    let publisher = liar.world.publisher();
    std::fs::copy(publisher.path().join("modules.lock"), home.path().join("modules.lock")).unwrap();
    let newer = liar.world.object(&liar.world.repos[0]);
    std::fs::remove_file(&newer).and(std::fs::write(&newer, "a lie")).unwrap();
    let args = ["update", "--locked", "--tier", &liar.world.tier_url(), "--tier", "only", "--json"];
    let answer = home.run(&args).fails(1).json();
    assert_eq!(answer["failed"][0]["class"], "permanent", "{answer}");
    assert_eq!(answer["failed"][0]["code"], "not-in-tier", "{answer}");
    assert_eq!(home.tree("module0"), before);
}
