//! [`Finding`]: one thing that is wrong, what it affects, and how it is fixed.

use std::path::{Path, PathBuf};

use modstore_core::{findings, in_json, model::DistributionName};
use modstore_python::Exception;
use serde::Serialize;

/// What kind of thing is wrong, by an id that never changes. Each family of checks declares its own.
pub type Code = findings::Code<Fix>;

/// One thing that is wrong.
pub type Finding = findings::Finding<Fix, About>;

/// How a code is fixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fix {
    /// `--fix` installs the distribution from the right directory, or its missing requirement, where one is known.
    Install,
    /// The user decides, by the command of the finding.
    Command,
    /// Nothing is known to help.
    Nothing,
}

/// The details of a finding.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema), schemars(rename = "Doctor"))]
pub struct About {
    /// The environment it is in, by its directory; null for a cache.
    #[serde(serialize_with = "in_json::path_or_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub environment: Option<PathBuf>,
    /// The distribution that is affected.
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub distribution: Option<DistributionName>,
    /// The name of the module in the store, or of the entry point.
    pub module: Option<String>,
    /// Where the file or directory that is wrong leads.
    #[serde(serialize_with = "in_json::path_or_null")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<String>"))]
    pub target: Option<PathBuf>,
    /// What importing the distribution raised.
    pub exception: Option<Exception>,
    /// The directory it should lead to; null if none was found.
    pub candidate: Option<Candidate>,
    /// The requirements that `--fix` installs.
    #[serde(skip)]
    pub requirements: Vec<String>,
    /// The projects that `--fix` installs to meet a requirement, where they lie.
    #[serde(skip)]
    pub required_projects: Vec<PathBuf>,
    /// The name of the requirement that is not met.
    #[serde(skip)]
    pub required: Option<DistributionName>,
    /// Whether the requirement is installed, and has to be installed over that.
    #[serde(skip)]
    pub is_reinstalled: bool,
    /// Why `--fix` leaves it alone; null if it does not.
    pub not_fixed_because: Option<String>,
    /// What a person can type to fix it; null if nothing is known to help.
    #[serde(rename = "fix")]
    pub command: Option<String>,
}

/// A directory that holds a distribution now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Candidate {
    /// The directory.
    #[serde(serialize_with = "in_json::path")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub directory: PathBuf,
    /// Why it was chosen, in one clause.
    pub why: String,
    /// The directories that were not chosen.
    #[serde(serialize_with = "in_json::paths")]
    #[cfg_attr(feature = "schema", schemars(with = "Vec<String>"))]
    pub others: Vec<PathBuf>,
}

impl Candidate {
    /// The only directory that was considered.
    pub(crate) fn only(directory: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Self { directory: directory.into(), why: why.into(), others: Vec::new() }
    }
}

/// The directory that a distribution should lead to, as far as it can be decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// This one.
    One(Candidate),
    /// One of these; nothing says which.
    Several(Vec<PathBuf>),
    /// No known directory holds it.
    None,
}

impl Choice {
    /// The only directory that was considered.
    pub(crate) fn only(directory: impl Into<PathBuf>, why: impl Into<String>) -> Self {
        Self::One(Candidate::only(directory, why))
    }
}

/// Fills in the details of a [`Finding`].
pub(crate) trait Details: Sized {
    fn of(self, distribution: &DistributionName, module: Option<&str>) -> Self;
    fn leading_to(self, target: &Path) -> Self;
    fn command(self, command: impl Into<String>) -> Self;
    fn not_fixed(self, why: impl Into<String>) -> Self;
    fn choose(self, choice: Choice) -> Self;
}

impl Details for Finding {
    fn of(self, distribution: &DistributionName, module: Option<&str>) -> Self {
        self.with(|about| {
            about.distribution = Some(distribution.clone());
            about.module = module.map(str::to_owned);
        })
    }

    fn leading_to(self, target: &Path) -> Self {
        self.with(|about| about.target = Some(target.to_owned()))
    }

    fn command(self, command: impl Into<String>) -> Self {
        self.with(|about| about.command = Some(command.into()))
    }

    fn not_fixed(self, why: impl Into<String>) -> Self {
        self.with(|about| about.not_fixed_because = Some(why.into()))
    }

    /// The directory that was chosen, or why none was.
    fn choose(self, choice: Choice) -> Self {
        match choice {
            Choice::One(candidate) => self.with(|about| about.candidate = Some(candidate)),
            Choice::Several(all) => self.not_fixed(undecided("it", &all)),
            Choice::None => self.not_fixed("no known directory holds it"),
        }
    }
}

/// That `what` is in several directories, for people.
pub(crate) fn undecided(what: &str, directories: &[PathBuf]) -> String {
    let all: Vec<String> = directories.iter().map(|path| path.display().to_string()).collect();
    format!("{what} is in {}, and nothing says which one is meant", all.join(" and in "))
}

/// Whether two findings are the same fault: the same code at the same place.
pub(crate) fn is_same(a: &Finding, b: &Finding) -> bool {
    a.code == b.code
        && a.path == b.path
        && a.about.environment == b.about.environment
        && a.about.distribution == b.about.distribution
}

/// A name beside a file or directory that nothing has and no Python imports, for what is moved out of sight.
pub(crate) fn aside(path: &Path) -> PathBuf {
    let named = |end: String| PathBuf::from(format!("{}{end}", path.display()));
    let mut names = (1..100).map(|number| match number {
        1 => named(".off".into()),
        number => named(format!(".off{number}")),
    });
    names.find(|name| name.symlink_metadata().is_err()).unwrap_or_else(|| named(".off".into()))
}

/// The last part of a path, for people.
pub(crate) fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}
