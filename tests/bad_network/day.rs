//! [`Day`]: two modules, installed while all was well. One of them is in for trouble.
//!
//! Limits: the other module always comes from the HTTP server, and nothing ever happens to it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use modstore_testbed::{Change, Fault, HttpServer, Item, Ran, Random, Repo, TestHome};
use serde_json::Value;

/// Two modules of generation 1, with something new in each repository.
pub(crate) struct Day {
    pub(crate) home: TestHome,
    pub(crate) server: HttpServer,
    /// The repository in trouble.
    pub(crate) troubled: Repo,
    sound: Repo,
    before: RefCell<BTreeMap<String, Item>>,
    served: RefCell<String>,
    changes: Cell<u32>,
    root: tempfile::TempDir,
}

/// What must be said of a failure.
#[derive(Clone, Copy)]
pub(crate) struct Trouble<'a> {
    pub(crate) class: &'a str,
    pub(crate) stage: &'a str,
    /// Words of the error and its causes, all of them.
    pub(crate) words: &'a [&'a str],
    /// Words of the hint.
    pub(crate) hint: &'a str,
}

impl Day {
    /// Installs both modules from the HTTP server, and publishes something new in both.
    pub(crate) fn begun() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory can be made");
        let server = HttpServer::start(root.path());
        let [troubled, sound] = ["troubled", "sound"].map(|name| Repo::create(root.path(), name));
        troubled.commit("main", &tree());
        // Another tree, so that the two modules do not share an entry.
        sound.commit("main", &[tree(), vec![Change::write("sound", "")]].concat());
        let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        home.env("MODSTORE_CONNECT_TIMEOUT", "1").env("MODSTORE_IDLE_TIMEOUT", "1");
        let (before, served, changes) = Default::default();
        let day = Self { home, server, troubled, sound, before, served, changes, root };
        day.is_sound_again();
        day.publish(&day.troubled);
        day
    }

    /// The directory that the servers serve.
    pub(crate) fn root(&self) -> &std::path::Path {
        self.root.path()
    }

    /// The commit that the troubled module is served from.
    pub(crate) fn served(&self) -> String {
        self.served.borrow().clone()
    }

    /// A commit with a file that does not compress, one that is a delta, and one that is new.
    pub(crate) fn publish(&self, repo: &Repo) {
        let number = self.changes.replace(self.changes.get() + 1) + 1;
        let lines = format!("{}and a change, number {number}\n", lines());
        repo.commit(
            "main",
            &[
                Change::write("noise", noise(number.into())),
                Change::write("deep/lines", lines),
                Change::write(format!("new-{number}"), format!("{number}\n")),
            ],
        );
    }

    /// Declares that the troubled module comes from `source`, the other from where it always comes.
    pub(crate) fn from(&self, source: &str) {
        let sound = format!("git+{}", self.server.url("sound"));
        self.home.declare(&[("troubled", source), ("sound", &sound)]);
    }

    /// Updates, twice, and lets both runs fail as they should: for programs and for people.
    #[track_caller]
    pub(crate) fn fails(&self, trouble: &Trouble<'_>) -> Ran {
        self.publish(&self.sound);
        let ran = self.home.run(&["update", "--json"]).fails(1);
        self.told_to_programs(&ran, trouble);
        self.stayed(&ran);
        self.publish(&self.sound);
        let ran = self.home.run(&["update"]).fails(1);
        told_to_people(&ran, trouble);
        self.stayed(&ran);
        ran
    }

    #[track_caller]
    fn told_to_programs(&self, ran: &Ran, trouble: &Trouble<'_>) {
        let report = ran.json();
        assert_eq!(report["ok"], false, "{ran:?}");
        assert_eq!(names(&report["updated"]), ["sound"], "{ran:?}");
        let [failed] = report["failed"].as_array().expect("failed is a list").as_slice() else {
            panic!("not one failure: {ran:?}")
        };
        assert_eq!(failed["module"], "troubled", "{ran:?}");
        assert_eq!(
            (&failed["class"], &failed["stage"]),
            (&trouble.class.into(), &trouble.stage.into()),
            "{ran:?}"
        );
        assert_eq!(failed["current"]["revision"], *self.served.borrow(), "{ran:?}");
        let said = format!("{} {}", failed["message"], failed["causes"]);
        trouble
            .words
            .iter()
            .for_each(|word| assert!(said.contains(word), "does not say {word:?}: {ran:?}"));
        let hint = failed["hint"].as_str().unwrap_or_default();
        assert!(!hint.is_empty() && hint.contains(trouble.hint), "the hint is {hint:?}: {ran:?}");
    }

    /// The troubled module is what it was, byte for byte; the other is new; nothing lies about.
    #[track_caller]
    pub(crate) fn stayed(&self, ran: &Ran) {
        assert_eq!(self.home.tree("troubled"), *self.before.borrow(), "{ran:?}");
        assert_eq!(self.home.tree("sound"), self.sound.tree("main"), "{ran:?}");
        self.left_nothing(ran);
    }

    /// Nothing in staging and nothing in the temporary directory.
    #[track_caller]
    pub(crate) fn left_nothing(&self, ran: &Ran) {
        assert_eq!(self.home.leftovers(), Vec::<std::path::PathBuf>::new(), "{ran:?}");
    }

    /// Everything comes from the HTTP server again, without faults, and an update brings it.
    #[track_caller]
    pub(crate) fn is_sound_again(&self) -> Ran {
        self.server.clear();
        self.from(&format!("git+{}", self.server.url("troubled")));
        self.succeeds()
    }

    /// An update brings what the repositories have.
    #[track_caller]
    pub(crate) fn succeeds(&self) -> Ran {
        let ran = self.home.run(&["update", "--json"]).ok();
        for repo in [&self.troubled, &self.sound] {
            assert_eq!(self.home.tree(repo.name()), repo.tree("HEAD"), "{}: {ran:?}", repo.name());
        }
        self.left_nothing(&ran);
        self.before.replace(self.home.tree("troubled"));
        self.served.replace(self.troubled.rev("HEAD").expect("it has a commit"));
        ran
    }

    /// The whole story of a fault of the HTTP server: it fails, it is gone, all is well until something new.
    #[track_caller]
    pub(crate) fn endures(&self, fault: Fault, trouble: &Trouble<'_>) {
        let fired = self.server.stats().faults_fired;
        self.server.fault("troubled", fault);
        self.fails(trouble);
        assert!(self.server.stats().faults_fired > fired, "the fault never was");
        self.is_sound_again();
        self.publish(&self.troubled);
    }

    /// The same for a source that cannot be fetched.
    #[track_caller]
    pub(crate) fn endures_source(&self, source: &str, trouble: &Trouble<'_>) {
        self.from(source);
        self.fails(trouble);
        self.is_sound_again();
        self.publish(&self.troubled);
    }
}

/// One error, with its cause and a hint, in the words a person needs.
#[track_caller]
fn told_to_people(ran: &Ran, trouble: &Trouble<'_>) {
    let count = |start: &str| ran.stderr.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(
        (count("error: troubled: "), count("error:"), count("hint: ")),
        (1, 1, 1),
        "{ran:?}"
    );
    assert!(!ran.stderr.contains("panicked"), "{ran:?}");
    for word in trouble.words.iter().chain([&trouble.hint, &trouble.class, &"it stays at"]) {
        assert!(ran.stderr.contains(word), "does not say {word:?}: {ran:?}");
    }
    let mut lines: Vec<_> = ran.stderr.lines().collect();
    lines.dedup_by_key(|line| line.trim_start_matches("  caused by: "));
    assert_eq!(lines.len(), ran.stderr.lines().count(), "a cause is said twice: {ran:?}");
}

/// The modules of a list of a report.
pub(crate) fn names(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(|item| item["module"].as_str()).collect()
}

fn tree() -> Vec<Change> {
    vec![
        Change::write("README", "kept as it is\n"),
        Change::write("deep/lines", lines()),
        Change::write("deep/kept/file", "another that is kept\n"),
        Change::exec("bin/run", "#!/bin/sh\n"),
        Change::symlink("link", "deep/kept/file"),
        Change::write("noise", noise(0)),
    ]
}

/// Text that a small change makes a small delta of.
fn lines() -> String {
    (0..2_000).map(|number| format!("line {number}\n")).collect()
}

/// 200,000 bytes that do not compress, so that a pack has a middle.
pub(crate) fn noise(seed: u64) -> Vec<u8> {
    Random::of(seed).bytes(200_000)
}
