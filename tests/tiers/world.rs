//! Repositories, a server that counts, a directory that is a tier, and homes.

use std::path::{Path, PathBuf};

use modstore_testbed::{HttpServer, Repo, TestHome, listing, modules_toml};
use serde_json::Value;

pub(crate) struct World {
    pub(crate) git: HttpServer,
    pub(crate) repos: Vec<Repo>,
    pub(crate) root: tempfile::TempDir,
}

impl World {
    /// With so many repositories of a few files each.
    pub(crate) fn new(modules: usize) -> Self {
        let root = tempfile::tempdir().unwrap();
        let git = HttpServer::start(root.path());
        let repos = (0..modules).map(|number| {
            let repo = Repo::create(root.path(), &format!("module{number}"));
            let text = format!("value = {number}\n");
            repo.write(&[
                ("main.py", &text),
                ("deep/er/file", &text),
                ("shared", "all the same\n"),
            ]);
            repo
        });
        let repos = repos.collect();
        std::fs::create_dir(root.path().join("tier")).unwrap();
        Self { git, repos, root }
    }

    pub(crate) fn tier(&self) -> PathBuf {
        self.root.path().join("tier")
    }

    /// A home that declares all repositories.
    pub(crate) fn home(&self) -> TestHome {
        let home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"));
        let sources: Vec<(String, String)> =
            self.repos.iter().map(|repo| (repo.name().to_owned(), self.source(repo))).collect();
        let sources = sources.iter().map(|(name, source)| (name.as_str(), source.as_str()));
        home.write_modules(&modules_toml(sources));
        home
    }

    pub(crate) fn source(&self, repo: &Repo) -> String {
        format!("git+{}", self.git.url(repo.name()))
    }

    /// A home with the declarations and the lock of another.
    pub(crate) fn clone_of(&self, other: &TestHome) -> TestHome {
        let home = self.home();
        for name in ["modules.toml", "modules.lock"] {
            std::fs::copy(other.path().join(name), home.path().join(name)).unwrap();
        }
        home
    }

    /// A home that has fetched everything, and published it.
    pub(crate) fn publisher(&self) -> TestHome {
        let home = self.home();
        let answer = run(&home, &["update", "--publish", "--tier", &self.tier_url()]);
        assert_eq!(answer["tier"]["published"], self.repos.len(), "{answer}");
        home
    }

    pub(crate) fn tier_url(&self) -> String {
        format!("file://{}", self.tier().display())
    }

    /// The object of a repository's newest commit.
    pub(crate) fn object(&self, repo: &Repo) -> PathBuf {
        object_of(&self.tier(), &repo.rev("main").unwrap())
    }

    #[track_caller]
    pub(crate) fn assert_all_as_git(&self, home: &TestHome) {
        for repo in &self.repos {
            assert_eq!(home.tree(repo.name()), repo.tree("main"), "{}", repo.name());
        }
        assert_eq!(home.leftovers(), Vec::<PathBuf>::new());
    }
}

pub(crate) fn object_of(tier: &Path, commit: &str) -> PathBuf {
    tier.join("v1/git/sha1").join(&commit[..2]).join(format!("{commit}.pack"))
}

/// Every object of a tier, by its path.
pub(crate) fn objects(tier: &Path) -> Vec<String> {
    listing(tier).into_keys().filter(|path| path.ends_with(".pack")).collect()
}

/// Runs a command that succeeds, and gives its answer.
#[track_caller]
pub(crate) fn run(home: &TestHome, args: &[&str]) -> Value {
    home.run(&[args, &["--json"]].concat()).ok().json()
}

/// The counts of an answer: hits, misses, refused, errors.
pub(crate) fn counts(answer: &Value) -> [u64; 4] {
    ["hits", "misses", "refused", "errors"].map(|key| answer["tier"][key].as_u64().unwrap())
}

/// Where the trees of the updated modules were found, sorted.
pub(crate) fn sources(answer: &Value) -> Vec<String> {
    let updated = answer["updated"].as_array().unwrap();
    let mut sources: Vec<String> =
        updated.iter().map(|it| it["source"].as_str().unwrap().to_owned()).collect();
    sources.sort();
    sources
}
