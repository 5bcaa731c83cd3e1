//! A real git repository, filled fast and with the same ids on every run.
//!
//! Well-formed commits go through one `git fast-import` each; hostile trees are written as raw objects, since git's
//! own tools refuse them. Commit times are a minute apart, counted from a fixed start.
//! Limits: SHA-1 repositories; no merges; `git` must know `--literally` (2.2 and later).

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    change::{Change, ImportedCommit},
    command::{GitError, git, line, output, run},
    listing::{Item, listing},
};

/// A bare repository `<root>/<name>.git`.
#[derive(Debug)]
pub struct Repo {
    name: String,
    path: PathBuf,
    commits: AtomicU64,
}

impl Repo {
    /// An empty repository below `root`, with default branch `main`. A `name` with `/` makes directories.
    ///
    /// # Panics
    /// When git cannot make it; [`Repo::try_create`] gives the error.
    pub fn create(root: &Path, name: &str) -> Self {
        Self::try_create(root, name).unwrap_or_else(GitError::panic)
    }

    /// The same, for programs that go on after an error.
    ///
    /// # Errors
    /// The directory, and git.
    pub fn try_create(root: &Path, name: &str) -> Result<Self, GitError> {
        let path = root.join(format!("{name}.git"));
        fs::create_dir_all(&path).map_err(GitError::file(&path))?;
        let mut init = git();
        init.args(["init", "--quiet", "--bare", "--template=", "-b", "main"]).arg(&path);
        output(&mut init, |_| Ok(()))?;
        Ok(Self { name: name.to_owned(), path, commits: AtomicU64::new(0) })
    }

    /// The name given to [`Repo::create`], without `.git`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The bare repository's directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `file://` and the absolute path.
    pub fn url_file(&self) -> String {
        format!("file://{}", self.path.display())
    }

    /// The output of `git` in this repository, without the line end.
    pub fn git(&self, args: &[&str]) -> String {
        line(self.command().args(args), b"")
    }

    /// Sets one value of the repository's own configuration, which its servers obey.
    pub fn config(&self, key: &str, value: &str) {
        self.git(&["config", key, value]);
    }

    /// Commits `changes` on top of `branch`, or as a first commit if there is no such branch; gives the id.
    ///
    /// # Panics
    /// When git cannot make it; [`Repo::try_commit`] gives the error.
    pub fn commit(&self, branch: &str, changes: &[Change]) -> String {
        self.try_commit(branch, changes).unwrap_or_else(GitError::panic)
    }

    /// The same, for programs that go on after an error.
    ///
    /// # Errors
    /// The error of git.
    pub fn try_commit(&self, branch: &str, changes: &[Change]) -> Result<String, GitError> {
        let parent = self.rev(&format!("refs/heads/{branch}"));
        let stream = self.commit_stream(branch, parent.as_deref(), changes);
        // A first commit is kept as the pack it arrives in; later small ones become loose objects, so that
        // a thousand of them are not a thousand packs.
        let unpack = if parent.is_none() {
            "fastimport.unpackLimit=1"
        } else {
            "fastimport.unpackLimit=100"
        };
        let args = ["-c", "core.fsync=none", "-c", unpack, "fast-import", "--quiet", "--force"];
        let id = output(self.command().args(args), |stdin| stdin.write_all(&stream))?;
        Ok(String::from_utf8_lossy(&id).trim_end().to_owned())
    }

    /// Commits text files on `main`: the short form of [`Repo::commit`].
    pub fn write(&self, files: &[(&str, &str)]) -> String {
        let changes: Vec<_> =
            files.iter().map(|(path, content)| Change::write(path, content)).collect();
        self.commit("main", &changes)
    }

    /// The id `name` stands for, peeled to nothing; `None` if there is no such thing.
    pub fn rev(&self, name: &str) -> Option<String> {
        let found = self
            .command()
            .args(["rev-parse", "--quiet", "--verify", name])
            .output()
            .expect("git starts");
        found.status.success().then(|| String::from_utf8_lossy(&found.stdout).trim_end().to_owned())
    }

    /// Makes or moves a lightweight tag.
    pub fn tag(&self, name: &str, commit: &str) {
        self.git(&["update-ref", &format!("refs/tags/{name}"), commit]);
    }

    /// Makes or moves an annotated tag; gives the id of the tag object, not of the commit.
    pub fn annotated_tag(&self, name: &str, commit: &str) -> String {
        self.git(&["tag", "--force", "--annotate", "--message", name, name, commit]);
        self.git(&["rev-parse", &format!("refs/tags/{name}")])
    }

    /// Makes or moves a branch, forwards or not.
    pub fn branch(&self, name: &str, commit: &str) {
        self.git(&["update-ref", &format!("refs/heads/{name}"), commit]);
    }

    /// Makes HEAD name this branch, which need not exist.
    pub fn set_head(&self, branch: &str) {
        self.git(&["symbolic-ref", "HEAD", &format!("refs/heads/{branch}")]);
    }

    /// Removes a ref by its full name.
    pub fn delete_ref(&self, name: &str) {
        self.git(&["update-ref", "-d", name]);
    }

    /// Writes a blob and gives its id.
    pub fn blob(&self, content: &[u8]) -> String {
        line(self.command().args(["hash-object", "-w", "--stdin"]), content)
    }

    /// Writes a tree exactly as given, sorted or not, sane or not: (mode such as `100644` or `40000`, name, id in hex).
    pub fn raw_tree(&self, entries: &[(&str, &[u8], &str)]) -> String {
        let mut object = Vec::new();
        for (mode, name, id) in entries {
            object.extend([mode.as_bytes(), b" ", name, b"\0"].concat());
            object.extend(unhex(id));
        }
        line(
            self.command().args(["hash-object", "-t", "tree", "--literally", "-w", "--stdin"]),
            &object,
        )
    }

    /// Makes `main` a new commit of such a tree, and gives the commit's id.
    pub fn raw_tree_commit(&self, entries: &[(&str, &[u8], &str)]) -> String {
        let tree = self.raw_tree(entries);
        let commit = self.git(&["commit-tree", "-m", "a raw tree", &tree]);
        self.branch("main", &commit);
        commit
    }

    /// The files that git itself checks out for `rev`: a module of it should have the same.
    pub fn tree(&self, rev: &str) -> BTreeMap<String, Item> {
        let place = tempfile::tempdir().expect("a temporary directory can be made");
        let tree = place.path().join("tree");
        fs::create_dir(&tree).expect("an empty directory takes a directory");
        let mut checkout = self.command();
        checkout.env("GIT_INDEX_FILE", place.path().join("index")).arg("--work-tree").arg(&tree);
        run(checkout.args(["read-tree", "--reset", "-u", rev]), b"");
        listing(&tree)
    }

    fn command(&self) -> Command {
        let mut command = git();
        command.arg("--git-dir").arg(&self.path);
        command
    }

    fn commit_stream(&self, branch: &str, parent: Option<&str>, changes: &[Change]) -> Vec<u8> {
        let number = self.commits.fetch_add(1, Ordering::Relaxed);
        let message = format!("{}: change {number}\n", self.name);
        let commit = ImportedCommit { branch, mark: 1, parent, minute: number, message: &message };
        let mut stream = commit.stream(changes);
        stream.extend(b"\nget-mark :1\n");
        stream
    }
}

fn unhex(id: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        id.chars().map(|c| c.to_digit(16).expect("an object id is hexadecimal") as u8).collect();
    digits.chunks(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect()
}
