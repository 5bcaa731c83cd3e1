//! A [`Sabotage`]: one promise of this project, broken on purpose, and the test that has to notice.
//!
//! Each is a file in `tests/sabotages/`:
//!
//! ```text
//! the law that is broken, in plain words
//! in store/modstore/src/commit/locked.rs
//! caught by modstore-cli::golden an_install_and_an_update_have_one_barrier_…
//! --- was
//! lines that occur once in that file
//! --- becomes
//! lines to put there
//! ```

use std::{
    fs,
    path::{Path, PathBuf},
};

/// One planted fault.
#[derive(Debug)]
pub struct Sabotage {
    /// The name of its file, without the ending.
    pub name: String,
    /// The law that it breaks.
    pub law: String,
    /// The source file, from the root of the repository.
    pub file: PathBuf,
    /// The package, and its test binary if the test is not in the library itself.
    pub binary: String,
    /// The test that fails.
    pub test: String,
    was: String,
    becomes: String,
}

impl Sabotage {
    /// Every sabotage there is, by name.
    ///
    /// # Panics
    /// When one of the files is not as described above.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let directory = repository().join("tests/sabotages");
        let mut files: Vec<PathBuf> = fs::read_dir(directory)
            .expect("sabotages")
            .map(|child| child.expect("a file").path())
            .collect();
        files.sort();
        files.iter().map(|file| Self::read(file)).collect()
    }

    fn read(file: &Path) -> Self {
        let text = fs::read_to_string(file).expect("a sabotage");
        let parts = || {
            let (head, code) = text.split_once("--- was\n")?;
            let (was, becomes) = code.split_once("--- becomes\n")?;
            let mut head = head.lines();
            let law = head.next()?.to_owned();
            let source = head.next()?.strip_prefix("in ")?;
            let (binary, test) = head.next()?.strip_prefix("caught by ")?.split_once(' ')?;
            Some(Self {
                name: file.file_stem()?.to_str()?.to_owned(),
                law,
                file: source.into(),
                binary: binary.to_owned(),
                test: test.to_owned(),
                was: was.trim_end().to_owned(),
                becomes: becomes.trim_end().to_owned(),
            })
        };
        parts().unwrap_or_else(|| panic!("{} is no sabotage", file.display()))
    }

    /// The text of the source file with the fault in it; none, when it has changed so that the fault does
    /// not fit any more.
    #[must_use]
    pub fn plant(&self, source: &str) -> Option<String> {
        let fits = source.matches(&self.was).count() == 1;
        fits.then(|| source.replace(&self.was, &self.becomes))
    }
}

/// The root of this repository.
///
/// # Panics
/// Never: this package lies in it.
#[must_use]
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(2)
        .expect("this package lies in the repository")
}
