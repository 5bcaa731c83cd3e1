//! Whether the programs of an environment start with its own interpreter. Those of an environment that was moved or
//! renamed start with the old place of it.

use std::{
    collections::BTreeSet,
    ffi::{OsStr, OsString},
    io::Read as _,
    path::{Path, PathBuf},
};

use modstore_core::{
    disk::open_regular,
    findings::{Severity, codes},
};
use modstore_python::Distribution;

use super::view::{EnvironmentView, OfEnvironment, Step};
use crate::{
    finding::{Code, Details as _, Finding, Fix, name_of},
    inspected::InspectedEnvironment,
};

codes! { pub(super) CODES of Code:
    /// programs of the environment start with an interpreter that does not exist
    DEAD_PROGRAMS = "D23", Warning, Fix::Command;
}

pub(super) const CHECK: Step<OfEnvironment> = OfEnvironment::check(CODES, find);

/// The first line of a program is no longer than the system reads; long ones are split over two lines by installers.
const FIRST_LINES: u64 = 1024;

/// Most programs that are looked at.
const PROGRAMS: usize = 5000;

fn find(view: &mut EnvironmentView<'_>, found: &mut Vec<Finding>) {
    let environment = view.environment;
    let bin = environment.prefix().join("bin");
    let children = std::fs::read_dir(&bin).into_iter().flatten().flatten().take(PROGRAMS);
    let mut dead: Vec<(PathBuf, PathBuf)> = children
        .filter_map(|child| {
            let program = child.path();
            let interpreter = interpreter_of(&program)?;
            (!interpreter.exists()).then_some((program, interpreter))
        })
        .collect();
    dead.sort();
    retain_recorded(environment, &mut dead);
    let Some((first, interpreter)) = dead.first() else { return };
    let more = match dead.len() {
        1 => String::new(),
        all => format!(" and {} more programs", all - 1),
    };
    let verb = if dead.len() == 1 { "starts" } else { "start" };
    let what = format!(
        "{}{more} {verb} with {}, which does not exist: the environment was moved",
        name_of(first),
        interpreter.display()
    );
    let finding =
        Finding::new(DEAD_PROGRAMS, first, what).leading_to(interpreter).at(Severity::Warning);
    let owners = owners(environment, &dead);
    let finding = finding
        .not_fixed("an installer writes programs, with the distributions that they belong to");
    found.push(if owners.is_empty() {
        finding
    } else {
        let owners: Vec<&OsStr> = owners.iter().flatten().map(OsString::as_os_str).collect();
        finding.command(environment.again_command(&owners))
    });
}

/// The Python that a program starts with, if it is a script with an absolute interpreter.
fn interpreter_of(program: &Path) -> Option<PathBuf> {
    let mut start = Vec::new();
    open_regular(program).ok()?.take(FIRST_LINES).read_to_end(&mut start).ok()?;
    let text = String::from_utf8_lossy(&start);
    let mut lines = text.lines();
    let first = lines.next()?.strip_prefix("#!")?.trim();
    // Where the path is too long, or has white space, installers write `'''exec' "PATH" "$0" "$@"` on a second line.
    let path = if first == "/bin/sh" {
        let call = lines.next()?.strip_prefix("'''exec' ")?;
        let quoted = call.strip_prefix(['"', '\'']).and_then(|rest| rest.split(['"', '\'']).next());
        PathBuf::from(quoted.or_else(|| call.split_whitespace().next())?)
    } else {
        PathBuf::from(first.split_whitespace().next()?)
    };
    let is_python =
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("python"));
    (path.is_absolute() && is_python).then_some(path)
}

/// Keeps the programs that an installer has recorded: what else lies beside them may be for another machine.
fn retain_recorded(environment: &InspectedEnvironment, dead: &mut Vec<(PathBuf, PathBuf)>) {
    if dead.is_empty() {
        return;
    }
    let distributions = environment.scans.iter().flat_map(|scan| &scan.distributions);
    let recorded: BTreeSet<PathBuf> = distributions
        .flat_map(|distribution| distribution.record().ok().flatten().unwrap_or_default())
        .map(|file| file.path)
        .collect();
    dead.retain(|(program, _)| recorded.contains(program));
}

/// The distributions that have recorded these programs, as an installer takes them: by name and version, or, for one
/// whose code lies elsewhere, by its project.
fn owners(
    environment: &InspectedEnvironment,
    dead: &[(PathBuf, PathBuf)],
) -> BTreeSet<Vec<OsString>> {
    let is_dead = |path: &Path| dead.iter().any(|(program, _)| program == path);
    let has_dead = |it: &Distribution| {
        let recorded = it.record().ok().flatten().unwrap_or_default();
        recorded.iter().any(|file| is_dead(&file.path))
    };
    let distributions = environment.scans.iter().flat_map(|scan| &scan.distributions);
    distributions.filter(|it| has_dead(it)).filter_map(installed_as).collect()
}

/// The words by which an installer takes a distribution from where it came; nothing for one whose origin is gone.
fn installed_as(distribution: &Distribution) -> Option<Vec<OsString>> {
    let Some(url) = &distribution.direct_url else {
        let version = distribution.version.as_ref().map(|it| format!("=={it}"));
        return Some(vec![format!("{}{}", distribution.name, version.unwrap_or_default()).into()]);
    };
    match &url.path {
        Some(path) if !path.exists() => None,
        Some(path) if url.is_editable => Some(vec!["-e".into(), path.into()]),
        Some(path) => Some(vec![path.into()]),
        // It may hold a secret.
        None if url.url.contains('@') => None,
        None => {
            let vcs = url.commit.as_ref().map(|it| format!("{}+", it.vcs)).unwrap_or_default();
            let commit = url.commit.as_ref().map(|it| format!("@{}", it.id)).unwrap_or_default();
            let below = url.subdirectory.as_ref().map(|it| format!("#subdirectory={it}"));
            let below = below.unwrap_or_default();
            let from = format!("{} @ {vcs}{}{commit}{below}", distribution.name, url.url);
            Some(vec![from.into()])
        }
    }
}
