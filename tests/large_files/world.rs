//! Repositories with large files, a server that keeps their content, and a home.

use modstore_testbed::{Change, HttpServer, LfsServer, Repo, TestHome};
pub(crate) use modstore_testbed::{lfs_oid as oid, lfs_pointer as pointer};

/// A git server, and the Git LFS server in front of it.
pub(crate) struct World {
    pub(crate) home: TestHome,
    pub(crate) git: HttpServer,
    pub(crate) lfs: LfsServer,
    pub(crate) root: tempfile::TempDir,
}

/// What most repositories here begin with.
pub(crate) const ATTRIBUTES: &str = "*.bin filter=lfs diff=lfs merge=lfs -text\n";

impl World {
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().expect("a temporary directory can be made");
        let git = HttpServer::start(root.path());
        let lfs = LfsServer::start(Some(git.port()));
        let mut home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
        home.env("MODSTORE_CONNECT_TIMEOUT", "5").env("MODSTORE_IDLE_TIMEOUT", "5");
        Self { home, git, lfs, root }
    }

    pub(crate) fn repo(&self, name: &str) -> Repo {
        let repo = Repo::create(self.root.path(), name);
        repo.commit("main", &[Change::write(".gitattributes", ATTRIBUTES)]);
        repo
    }

    /// The address of a repository, behind which both servers are.
    pub(crate) fn source(&self, repo: &Repo) -> String {
        format!("git+{}", self.lfs.url(repo.name()))
    }

    /// Keeps a content at the server, and gives the change that writes its pointer.
    pub(crate) fn large(&self, path: &str, content: impl AsRef<[u8]>) -> Change {
        self.lfs.put(&oid(&content), &content);
        Change::write(path, pointer(content))
    }

    /// Installs the repository's module with its large files.
    #[track_caller]
    pub(crate) fn add(&self, repo: &Repo) {
        self.home.run(&["add", "--lfs", &self.source(repo)]).ok();
    }

    /// The bytes of a file of a module.
    #[track_caller]
    pub(crate) fn read(&self, module: &str, path: &str) -> Vec<u8> {
        let path = self.home.target(module).join(path);
        std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// How often the server was asked, for offers and for contents.
    pub(crate) fn asked(&self) -> (usize, usize) {
        let downloads = self.lfs.downloads().len();
        (self.lfs.requests().len() - downloads, downloads)
    }

    /// The failure of the only module that failed.
    #[track_caller]
    pub(crate) fn failure(&self, args: &[&str]) -> serde_json::Value {
        let ran = self.home.run(&[args, &["--json"]].concat()).fails(1);
        let report = ran.json();
        // The answer of `add` has that of the update in it.
        let failed = report.get("update").unwrap_or(&report)["failed"].clone();
        assert_eq!(failed.as_array().map(Vec::len), Some(1), "{ran:?}");
        assert_eq!(self.home.leftovers(), Vec::<std::path::PathBuf>::new(), "{ran:?}");
        failed[0].clone()
    }
}

/// All that is said of a failure.
pub(crate) fn said(failed: &serde_json::Value) -> String {
    format!("{} {}", failed["message"], failed["causes"])
}
