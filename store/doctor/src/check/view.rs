//! The scopes in which checks look, and how a list of checks runs.
//!
//! A fix of the doctor is one call of an installer for all distributions of an environment, so no check repairs alone: its
//! findings carry the directory or the requirement to install, and `fix` does it for all of them.

use std::{
    convert::Infallible,
    path::{Path, PathBuf},
    time::SystemTime,
};

use modstore_core::{
    Cancel,
    findings::{Check, Inspection, RepairStep},
};
use modstore_python::Distribution;

use crate::{
    cache::Cached,
    catalog::Catalog,
    finding::{About, Code, Details as _, Finding, Fix},
    inspected::{Asked, Editable, InspectedEnvironment},
};

/// A distribution whose code lies elsewhere.
pub(crate) struct EditableView<'a> {
    pub environment: &'a InspectedEnvironment,
    pub asked: &'a Asked,
    /// What this Python sees.
    pub installed: &'a [Distribution],
    pub editable: &'a Editable<'a>,
    pub catalog: &'a Catalog,
    /// Receives the files whose text cannot be parsed, and why.
    pub unparsed: &'a mut Vec<(PathBuf, String)>,
}

/// An environment.
pub(crate) struct EnvironmentView<'a> {
    pub environment: &'a InspectedEnvironment,
    pub asked: &'a Asked,
    pub editables: &'a [Editable<'a>],
    pub catalog: &'a Catalog,
    pub effort: Effort,
    pub cancel: &'a Cancel,
    /// Receives why nothing was imported, if that could have been expected.
    pub not_run: Option<String>,
}

/// A repository in a cache.
pub(crate) struct CachedView<'a> {
    pub cached: &'a Cached,
    pub effort: Effort,
    pub now: SystemTime,
    /// Every path that is used, if all that may use any is known.
    pub used: Option<&'a [PathBuf]>,
}

/// A cache of a host.
pub(crate) struct CacheView<'a> {
    pub root: &'a Path,
    pub cached: &'a [Cached],
}

/// Everything on this machine.
pub(crate) struct MachineView<'a> {
    pub roots: &'a [PathBuf],
    pub environments: &'a [InspectedEnvironment],
    pub catalog: &'a Catalog,
    pub effort: Effort,
}

/// How much work a search may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Read a few files.
    Quick,
    /// Also ask interpreters, look up commits and add up sizes.
    Full,
    /// Also import: run the code of distributions.
    Import,
}

impl EditableView<'_> {
    /// A finding about the distribution.
    pub(super) fn finding(
        &self,
        code: Code,
        path: impl Into<PathBuf>,
        what: impl Into<String>,
    ) -> Finding {
        let Editable { name, module, .. } = self.editable;
        Finding::new(code, path, what).of(name, module.as_deref())
    }
}

/// One [`Inspection`] for each scope; they differ only in what a search sees.
macro_rules! scopes {
    ($($scope:ident sees $view:ident;)+) => {$(
        pub(crate) enum $scope {}

        impl Inspection for $scope {
            type Repair = Fix;
            type About = About;
            type View<'a> = $view<'a>;
            type Work<'a> = ();
            type Error = Infallible;
        }

        impl $scope {
            /// A check of this scope.
            pub(super) const fn check(
                codes: &'static [Code],
                find: fn(&mut $view<'_>, &mut Vec<Finding>),
            ) -> Step<Self> {
                let repair = RepairStep::None;
                Step { check: Check { codes, find, repair }, unless: &[] }
            }
        }
    )+};
}

scopes! {
    OfEditable sees EditableView;
    OfEnvironment sees EnvironmentView;
    OfCached sees CachedView;
    OfCache sees CacheView;
    OfMachine sees MachineView;
}

/// A check in a list, and the codes that make its findings superfluous.
pub(crate) struct Step<I: Inspection> {
    pub check: Check<I>,
    /// A distribution with one of these has no finding of this check.
    unless: &'static [Code],
}

impl<I: Inspection<Repair = Fix, About = About>> Step<I> {
    /// The same, without findings for a distribution that has one of these codes.
    pub(super) const fn unless(self, unless: &'static [Code]) -> Self {
        Self { unless, ..self }
    }
}

/// Runs the checks in their order.
pub(crate) fn run<I: Inspection<Repair = Fix, About = About>>(
    steps: &[Step<I>],
    view: &mut I::View<'_>,
    found: &mut Vec<Finding>,
) {
    for Step { check, unless } in steps {
        let before = found.len();
        (check.find)(view, found);
        let new = found.split_off(before);
        let is_superfluous = |finding: &Finding| {
            let mut same = found.iter();
            same.any(|it| {
                it.about.distribution == finding.about.distribution && unless.contains(&it.code)
            })
        };
        let new: Vec<Finding> = new.into_iter().filter(|it| !is_superfluous(it)).collect();
        found.extend(new);
    }
}
