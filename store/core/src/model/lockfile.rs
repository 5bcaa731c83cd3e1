//! [`Lockfile`]: what the declared modules resolved to, `modules.lock`.
//!
//! Linked directories are never locked. Whether the lock still fits `modules.toml` is for the caller.

use std::{collections::BTreeMap, fmt::Write, path::Path};

use toml_edit::Key;

use super::toml_fields::{self, Fields, Placed, TomlFault, parsed, to_toml};
use super::{
    Digest, LockedBuild, Locking, ModuleName, Origin, Platform, RefName, Reference, Revision,
    Source, Subdirectory,
};

/// The locked modules by name.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lockfile {
    /// Each module once.
    pub modules: BTreeMap<ModuleName, Locked>,
}

/// What one module resolved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Locked {
    /// Where it comes from; its secret is not printed. Never one of a kind that is not locked.
    pub source: Source,
    /// The repository's identity; `None` for an archive.
    pub origin: Option<Origin>,
    /// The full name of the ref that was taken, such as `refs/heads/main`; `None` for an archive or where
    /// the source names a commit.
    pub reference: Option<RefName>,
    /// The commit; `None` for an archive.
    pub revision: Option<Revision>,
    /// The tree that was stored: the repository or the archive as a whole.
    pub digest: Digest,
    /// The part of the tree that is the module.
    pub subdirectory: Option<Subdirectory>,
    /// What was built of it on each platform, as far as that may be said to other machines.
    pub built: BTreeMap<Platform, LockedBuild>,
}

/// `modules.lock` cannot be read. Nothing has been changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {fault}")]
pub struct ParseLockfileError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong there.
    pub fault: LockfileFault,
}

/// What is wrong in `modules.lock`. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LockfileFault {
    /// Not TOML, or not the keys, types and forms it should have.
    #[error(transparent)]
    Toml(#[from] TomlFault),
    /// A version this program does not know.
    #[error(
        "version {found} is not known, only 1 to {}; a newer modstore has written it",
        Lockfile::BUILT
    )]
    Version {
        /// The version of the file.
        found: i64,
    },
}

impl Lockfile {
    /// The version that is written where nothing was built.
    pub const VERSION: i64 = 1;
    /// The version that is written where something was: earlier programs do not know what it says of that.
    pub const BUILT: i64 = 2;

    /// Reads what [`Lockfile::print`] has written.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and column.
    pub fn parse(text: &str) -> Result<Self, ParseLockfileError> {
        read(text).map_err(|placed| {
            let (line, column, fault) = toml_fields::located(text, placed);
            ParseLockfileError { line, column, fault }
        })
    }

    /// The file's text: the same for the same modules, sorted by name, without secrets.
    #[must_use]
    pub fn print(&self) -> String {
        let has_built = self.modules.values().any(|locked| !locked.built.is_empty());
        let version = if has_built { Self::BUILT } else { Self::VERSION };
        let mut text = format!("# written by modstore; do not edit\nversion = {version}\n");
        for (name, locked) in &self.modules {
            let key = Key::new(name.as_str());
            write!(text, "\n[modules.{}]\n", key.display_repr()).expect("a String takes all");
            for (key, value) in locked.fields() {
                writeln!(text, "{key} = {}", to_toml(value)).expect("a String takes all");
            }
            for (platform, built) in &locked.built {
                let platform = Key::new(platform.to_string());
                let table = format!("{}.built.{}", key.display_repr(), platform.display_repr());
                write!(text, "\n[modules.{table}]\n").expect("a String takes all");
                text.push_str(&built.print());
            }
        }
        text
    }
}

impl Locked {
    const KEYS: [&'static str; 6] =
        ["source", "origin", "reference", "revision", "digest", "subdirectory"];

    /// Whether both are the same tree of the same source, whatever was built of it.
    #[must_use]
    pub fn is_same_source(&self, other: &Self) -> bool {
        self.source.without_account() == other.source.without_account()
            && (self.revision, self.digest) == (other.revision, other.digest)
            && self.subdirectory == other.subdirectory
    }

    fn fields(&self) -> impl Iterator<Item = (&'static str, String)> {
        let values = [
            Some(self.source.to_toml_text()),
            self.origin.as_ref().map(ToString::to_string),
            self.reference.as_ref().map(ToString::to_string),
            self.revision.map(|revision| revision.to_string()),
            Some(self.digest.to_string()),
            self.subdirectory.as_ref().map(ToString::to_string),
        ];
        Self::KEYS.into_iter().zip(values).filter_map(|(key, value)| Some((key, value?)))
    }

    fn read(fields: Fields<'_>) -> Result<Self, Placed<TomlFault>> {
        fields.only(&[Self::KEYS.as_slice(), &["built"]].concat())?;
        let source = fields.text("source")?;
        let digest = parsed(&fields, "digest", "64 hex digits", |text| text.parse().ok())?;
        Ok(Self {
            source: read_source(&fields, fields.required("source", source)?)?,
            origin: parsed(&fields, "origin", "an origin", |text| text.parse().ok())?,
            reference: parsed(&fields, "reference", "the name of a git ref", |text| {
                text.parse::<Reference>().ok().map(|_| text.into())
            })?,
            revision: parsed(&fields, "revision", "40 hex digits", |text| text.parse().ok())?,
            digest: fields.required("digest", digest)?,
            subdirectory: parsed(
                &fields,
                "subdirectory",
                "a relative path without `..`",
                |text| text.parse().ok(),
            )?,
            built: read_built(&fields)?,
        })
    }
}

fn read_built(fields: &Fields<'_>) -> Result<BTreeMap<Platform, LockedBuild>, Placed<TomlFault>> {
    let Some(table) = fields.table("built")? else { return Ok(BTreeMap::new()) };
    let built = table.keys().map(|key| {
        let expected = TomlFault::Expected { key: key.to_owned(), expected: "a platform" };
        let platform = key.parse().map_err(|_| (table.at(key), expected))?;
        let fields = table.table(key)?.expect("the key was just listed");
        Ok((platform, LockedBuild::read(&fields)?))
    });
    built.collect()
}

fn read(text: &str) -> Result<Lockfile, Placed<LockfileFault>> {
    let document = toml_fields::document(text).map_err(in_toml)?;
    let root = Fields::root(&document);
    // First of all: a newer version may have other keys.
    let version = root.integer("version").and_then(|version| root.required("version", version));
    let found = version.map_err(in_toml)?;
    if !(Lockfile::VERSION..=Lockfile::BUILT).contains(&found) {
        return Err((root.value_at("version"), LockfileFault::Version { found }));
    }
    read_modules(root).map(|modules| Lockfile { modules }).map_err(in_toml)
}

fn read_modules(root: Fields<'_>) -> Result<BTreeMap<ModuleName, Locked>, Placed<TomlFault>> {
    root.only(&["version", "modules"])?;
    let Some(table) = root.table("modules")? else { return Ok(BTreeMap::new()) };
    let mut modules = BTreeMap::new();
    for key in table.keys() {
        let expected =
            TomlFault::Expected { key: key.to_owned(), expected: "the name of a module" };
        let name = key.parse().map_err(|_| (table.at(key), expected))?;
        let fields = table.table(key)?.expect("the key was just listed");
        modules.insert(name, Locked::read(fields)?);
    }
    Ok(modules)
}

fn read_source(fields: &Fields<'_>, text: &str) -> Result<Source, Placed<TomlFault>> {
    // What is printed is absolute, so it does not matter what relative paths begin at.
    match Source::parse(text, Path::new("/"), None) {
        Ok(source) if source.locking() != Locking::Never => Ok(source),
        Ok(_) | Err(_) => Err(fields.wrong("source", "a repository or an archive")),
    }
}

fn in_toml((at, fault): Placed<TomlFault>) -> Placed<LockfileFault> {
    (at, fault.into())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::is_deceptive;

    const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    fn source(text: &str) -> Source {
        Source::parse(text, Path::new("/"), None).unwrap()
    }

    fn git(text: &str) -> Locked {
        let source = source(text);
        Locked {
            origin: source.origin(),
            subdirectory: source.subdirectory().cloned(),
            source,
            reference: Some("refs/heads/main".into()),
            revision: Some(Revision::from_bytes([0xab; 20])),
            digest: Digest::from_bytes([0xcd; 32]),
            built: BTreeMap::new(),
        }
    }

    fn lockfile(modules: impl IntoIterator<Item = (&'static str, Locked)>) -> Lockfile {
        let named = |(name, locked): (&str, Locked)| (name.parse().unwrap(), locked);
        Lockfile { modules: modules.into_iter().map(named).collect() }
    }

    #[test]
    fn a_lockfile_is_written_sorted_by_name_and_without_secrets() {
        let written = lockfile([
            ("b", git("git@h:o/r#subdirectory=a b")),
            ("a.b", git("git+https://u:tok@h/o/r@main")),
        ]);
        let revision = "ab".repeat(20);
        let digest = "cd".repeat(32);
        assert_eq!(
            written.print(),
            format!(
                r#"# written by modstore; do not edit
version = 1

[modules."a.b"]
source = "git+https://u@h/o/r@main"
origin = "h/o/r"
reference = "refs/heads/main"
revision = "{revision}"
digest = "{digest}"

[modules.b]
source = "git@h:o/r#subdirectory=a b"
origin = "h/o/r"
reference = "refs/heads/main"
revision = "{revision}"
digest = "{digest}"
subdirectory = "a b"
"#
            )
        );
    }

    #[test]
    fn what_was_built_stands_below_its_module_and_has_a_version_that_earlier_programs_refuse() {
        let build = |read: &[&str]| LockedBuild {
            digest: Digest::from_bytes([1; 32]),
            inputs: Digest::from_bytes([2; 32]),
            read: read.iter().map(|path| (*path).to_owned()).collect(),
        };
        let mut locked = git("git+https://h/o/r");
        let platform = |text: &str| text.parse::<Platform>().unwrap();
        locked.built.insert(platform("macos-aarch64"), build(&[]));
        locked.built.insert(platform("linux-x86_64-glibc-2.36"), build(&["a \"b\"", "c"]));
        let text = lockfile([("a", locked.clone())]).print();
        let (one, two) = ("01".repeat(32), "02".repeat(32));
        let expected = format!(
            r#"
[modules.a.built."linux-x86_64-glibc-2.36"]
digest = "{one}"
inputs = "{two}"
read = ['a "b"', "c"]

[modules.a.built.macos-aarch64]
digest = "{one}"
inputs = "{two}"
"#
        );
        assert!(text.ends_with(&expected), "{text}");
        assert!(text.contains("\nversion = 2\n"), "{text}");
        assert_eq!(Lockfile::parse(&text), Ok(lockfile([("a", locked)])));
    }

    #[test]
    fn a_lockfile_that_is_wrong_is_refused_with_line_and_column() {
        let module = "version = 1\n[modules.a]\n";
        let good = format!("source = 'git+https://h/r'\ndigest = '{}'\n", "cd".repeat(32));
        assert!(Lockfile::parse(&format!("{module}{good}")).is_ok());
        let hash = "ef".repeat(32);
        let built = format!("[modules.a.built.p]\ndigest = '{hash}'\ninputs = '{hash}'\n");
        assert!(Lockfile::parse(&format!("{module}{good}{built}")).is_ok());
        let table = [
            ("".to_owned(), 1, 1, "expected a `version`"),
            ("version = 3\nnew = 1".to_owned(), 1, 11, "version 3 is not known, only 1 to 2"),
            ("version = 0".to_owned(), 1, 11, "version 0 is not known"),
            ("version = '1'".to_owned(), 1, 11, "an integer"),
            ("version = 1\nx = 2".to_owned(), 2, 1, "unknown key `x`"),
            ("version = 1\nmodules".to_owned(), 2, 8, ""),
            (module.to_owned(), 2, 10, "expected a `source`"),
            (format!("{module}{good}revision = 'x'"), 5, 12, "40 hex digits"),
            (format!("{module}{good}reference = 'a b'"), 5, 13, "the name of a git ref"),
            (format!("{module}{good}origin = 'H/r'"), 5, 10, "an origin"),
            (format!("{module}{good}subdirectory = '..'"), 5, 16, "a relative path"),
            (format!("{module}{good}digests = 1"), 5, 1, "did you mean `digest`?"),
            (format!("{module}{}", good.replace("git+https://h", "")), 3, 10, "a repository or"),
            (format!("version = 1\n[modules.'a/b']\n{good}"), 2, 10, "the name of a module"),
            (format!("{module}{good}[modules.a.built.'a b']"), 5, 18, "a platform"),
            (format!("{module}{good}[modules.a.built.p]"), 5, 18, "expected a `digest`"),
            (format!("{module}{good}{built}input = 1"), 8, 1, "did you mean `inputs`?"),
            (format!("{module}{good}{built}read = ['/etc/x']"), 8, 8, "paths in the module"),
        ];
        for (text, line, column, message) in table {
            let error = Lockfile::parse(&text).expect_err(&text);
            assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
            assert!(error.to_string().contains(message), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn a_lockfile_reads_back_from_what_it_prints(
            modules in prop::collection::btree_map(
                "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,6}",
                (
                    (any::<bool>(), "[a-z]{1,4}", prop::option::of("[a-zü '\"\\\\n#%&\u{202e}\u{e0041}]{1,6}"), any::<[u8; 32]>()),
                    prop::collection::btree_map("[a-z0-9._-]{1,8}", prop::collection::vec("[a-zü '\"\\\\\n#\u{202e}]{1,6}", 0..3), 0..3),
                ),
                0..6,
            ),
        ) {
            let modules = modules.into_iter().map(|(name, ((is_git, word, subdirectory, bytes), built))| {
                let mut locked = git(&format!("git+https://h/{word}@{word}"));
                if !is_git {
                    locked.source = source(&format!("archive+https://h/{word}.zip#sha256={SHA256}"));
                    (locked.origin, locked.reference, locked.revision) = (None, None, None);
                }
                locked.subdirectory = subdirectory.and_then(|text| text.parse().ok());
                locked.digest = Digest::from_bytes(bytes);
                let (digest, inputs) = (locked.digest, locked.digest);
                let built = built.into_iter();
                let built = built.map(|(platform, read)| (platform.parse().unwrap(), LockedBuild { digest, inputs, read }));
                locked.built = built.collect();
                (name.parse().unwrap(), locked)
            });
            let lockfile = Lockfile { modules: modules.collect() };
            let text = lockfile.print();
            prop_assert!(!text.contains(|c| c != '\n' && is_deceptive(c)), "{text:?}");
            prop_assert_eq!(Lockfile::parse(&text), Ok(lockfile), "{}", text);
        }
    }
}
