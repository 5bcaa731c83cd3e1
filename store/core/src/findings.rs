//! The kit for findings: something is wrong, under a code that never changes, and a check that finds and repairs it.
//!
//! A check is a value: the codes that it finds, its search and its repair. Each family of checks is one file. Its
//! codes stand at the top, then the search, then the repair, then the [`Check`]; a program runs a list of these. What a
//! search sees and a repair works with differs between programs, so each program has its own [`Inspection`].
//!
//! ```
//! use modstore_core::findings::{Check, Code, Finding, Inspection, RepairStep, codes};
//!
//! enum Cellar {}
//! impl Inspection for Cellar {
//!     type Repair = &'static str; // one clause for each way to repair
//!     type About = ();            // who is concerned: a module, an environment …
//!     type View<'a> = u32;        // centimetres of water
//!     type Work<'a> = u32;
//!     type Error = std::io::Error;
//! }
//!
//! codes! { CODES of Code<&'static str>:
//!     /// There is water in the cellar.
//!     FLOODED = "flooded", Damage, "it is pumped out";
//! }
//!
//! const WATER: Check<Cellar> = Check {
//!     codes: CODES,
//!     find: |depth, found| found.extend((*depth > 0).then(|| Finding::new(FLOODED, "/cellar", "it is wet"))),
//!     repair: RepairStep::LooksItself(|depth| { *depth = 0; Ok(()) }),
//! };
//!
//! let (mut depth, mut found) = (3, Vec::new());
//! (WATER.find)(&mut depth, &mut found);
//! assert_eq!(found[0].code.to_string(), "flooded");
//! assert_eq!(FLOODED.meaning(), "There is water in the cellar.");
//! ```
//!
//! The kit neither runs checks nor prints findings: the order of both is the program's.

use std::{
    cmp::Ordering,
    fmt,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
};

use serde::{Serialize, Serializer};

pub use crate::codes;
use crate::in_json;

/// How much a finding matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Severity {
    /// Of `verify`: something is lost or wrong, and the store is not sound.
    Damage,
    /// Of `doctor`: something cannot be used, and the exit code is 1.
    Broken,
    /// Everything works, but a person should know this: it may not last, or not be as they think.
    Warning,
    /// Of `verify`: a crash left it; it does no harm.
    Leftover,
    /// Good to know; never changed by a repair.
    Note,
}

impl Severity {
    /// One word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Damage => "damage",
            Self::Broken => "broken",
            Self::Warning => "warning",
            Self::Leftover => "leftover",
            Self::Note => "note",
        }
    }
}

/// What kind of thing is wrong. Declared with [`codes!`]; two codes are the same when their names are.
///
/// `R` says how a repair of one program deals with it.
#[derive(Debug, Clone, Copy)]
pub struct Code<R> {
    name: &'static str,
    meaning: &'static str,
    severity: Severity,
    repair: R,
}

impl<R: Copy> Code<R> {
    /// Use [`codes!`], which also lists what it declares.
    #[doc(hidden)]
    #[must_use]
    pub const fn new(
        name: &'static str,
        meaning: &'static str,
        severity: Severity,
        repair: R,
    ) -> Self {
        Self { name, meaning: meaning.trim_ascii(), severity, repair }
    }

    /// The name, which never changes.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        self.name
    }

    /// What it means, in a sentence: the first line of its documentation.
    #[must_use]
    pub const fn meaning(&self) -> &'static str {
        self.meaning
    }

    /// How much it matters, unless a finding says otherwise.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        self.severity
    }

    /// What a repair does about it.
    #[must_use]
    pub const fn repair(&self) -> R {
        self.repair
    }
}

impl<R> Serialize for Code<R> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name)
    }
}

/// The way to repair of a program, which knows all codes of the program.
pub trait CodeList: Copy + 'static {
    /// All codes.
    fn codes() -> Vec<Code<Self>>;
}

#[cfg(feature = "schema")]
impl<R: CodeList> schemars::JsonSchema for Code<R> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Code".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let code = |it: Self| serde_json::json!({"const": it.name, "description": it.meaning});
        let codes: Vec<_> = R::codes().into_iter().map(code).collect();
        schemars::json_schema!({ "type": "string", "oneOf": codes })
    }
}

impl<R> PartialEq for Code<R> {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl<R> Eq for Code<R> {}

impl<R> PartialOrd for Code<R> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<R> Ord for Code<R> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.name.cmp(other.name)
    }
}

impl<R> Hash for Code<R> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

impl<R> fmt::Display for Code<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Declares the codes of one family, and a list of them. One line says all of a code: its name in the source, the name
/// that never changes, how much it matters, and what a repair does. Its documentation is what it means to a user.
#[macro_export]
macro_rules! codes {
    ($vis:vis $list:ident of $code:ty: $(
        #[doc = $meaning:literal]
        $name:ident = $id:literal, $severity:ident, $repair:expr;
    )+) => {
        $(
            #[doc = $meaning]
            $vis const $name: $code =
                <$code>::new($id, $meaning, $crate::findings::Severity::$severity, $repair);
        )+

        /// The codes of this family.
        $vis const $list: &[$code] = &[$($name,)+];
    };
}

/// One thing that is wrong, or good to know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(bound = "A: Serialize")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(rename = "{A}Finding", bound = "R: CodeList, A: schemars::JsonSchema")
)]
pub struct Finding<R, A> {
    /// What it is; a code never changes its meaning.
    pub code: Code<R>,
    /// How much it matters.
    pub severity: Severity,
    /// The file or directory that is wrong.
    #[serde(serialize_with = "in_json::path")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub path: PathBuf,
    /// What is wrong, in one clause for people that names the cause, without the path; its wording may change.
    #[serde(rename = "message")]
    pub what: String,
    /// Who is concerned, and what else a program knows of its findings.
    #[serde(flatten)]
    pub about: A,
}

impl<R: Copy, A: Default> Finding<R, A> {
    /// A finding as serious as its code, about nothing in particular.
    pub fn new(code: Code<R>, path: impl Into<PathBuf>, what: impl Into<String>) -> Self {
        let about = A::default();
        Self { code, severity: code.severity, path: path.into(), what: what.into(), about }
    }
}

impl<R, A> Finding<R, A> {
    /// The same, as serious as this.
    #[must_use]
    pub fn at(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// The same, after its details are filled in.
    #[must_use]
    pub fn with(mut self, fill_in: impl FnOnce(&mut A)) -> Self {
        fill_in(&mut self.about);
        self
    }

    /// The path as a person in `home` would write it.
    #[must_use]
    pub fn path_in<'a>(&'a self, home: &Path) -> &'a Path {
        self.path.strip_prefix(home).unwrap_or(&self.path)
    }
}

/// How many of `findings` matter this much.
#[must_use]
pub fn count<R, A>(findings: &[Finding<R, A>], severity: Severity) -> usize {
    findings.iter().filter(|finding| finding.severity == severity).count()
}

/// What the checks of one program have in common.
pub trait Inspection {
    /// What a repair does about a code.
    type Repair: 'static;
    /// What a finding is about.
    type About;
    /// What a search sees. It may leave there what a later check of the list needs.
    type View<'a>;
    /// What a repair works with, its report among it.
    type Work<'a>;
    /// A repair came to no end. What it did until then stays.
    type Error;
}

/// The findings of one program.
pub type FindingOf<I> = Finding<<I as Inspection>::Repair, <I as Inspection>::About>;
/// How a repair ended.
pub type Repaired<I> = Result<(), <I as Inspection>::Error>;

/// A check: what it finds, and the repair of that.
pub struct Check<I: Inspection> {
    /// All that it may find.
    pub codes: &'static [Code<I::Repair>],
    /// Looks, and changes nothing.
    pub find: fn(&mut I::View<'_>, &mut Vec<FindingOf<I>>),
    /// Repairs what it finds, or what it would find.
    pub repair: RepairStep<I>,
}

/// How a check repairs.
pub enum RepairStep<I: Inspection> {
    /// It does not: what it finds is the user's, or the repair of another check sees to it.
    None,
    /// Without findings: it looks for itself what there is to do, so that doing it again does no harm.
    LooksItself(fn(&mut I::Work<'_>) -> Repaired<I>),
    /// What a search of all checks found.
    OfFindings(fn(&mut I::Work<'_>, &[FindingOf<I>]) -> Repaired<I>),
}

#[cfg(test)]
mod tests {
    use super::*;

    codes! { CODES of Code<bool>:
        /// The first.
        FIRST = "b-first", Warning, true;
        /// The second.
        SECOND = "a-second", Note, false;
    }

    #[test]
    fn one_line_says_all_of_a_code() {
        let said = CODES.iter().map(|it| (it.as_str(), it.meaning(), it.severity(), it.repair()));
        let first = ("b-first", "The first.", Severity::Warning, true);
        let second = ("a-second", "The second.", Severity::Note, false);
        assert_eq!(said.collect::<Vec<_>>(), [first, second]);
        assert!(SECOND < FIRST, "codes are in the order of their names");
    }

    #[test]
    fn a_finding_is_as_serious_as_its_code_unless_it_says_otherwise() {
        let found: [Finding<bool, ()>; 2] = [
            Finding::new(FIRST, "/home/file", "it is gone"),
            Finding::new(FIRST, "/file", "it is gone").at(Severity::Note),
        ];
        assert_eq!(count(&found, Severity::Warning), 1);
        assert_eq!(count(&found, Severity::Note), 1);
        assert_eq!(found[0].path_in(Path::new("/home")), Path::new("file"));
        assert_eq!(found[1].path_in(Path::new("/home")), Path::new("/file"));
    }
}
