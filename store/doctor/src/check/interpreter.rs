//! Whether the interpreter can be run, and is the one that the environment was made for.

use std::path::Path;

use modstore_core::findings::{Severity, codes};
use modstore_python::quoted;

use super::view::{Effort, EnvironmentView, MachineView, OfEnvironment, OfMachine, Step};
use crate::{
    finding::{Code, Details as _, Finding, Fix, name_of},
    hosts::HOSTS,
    inspected::{Asked, InspectedEnvironment},
};

codes! { pub(super) CODES of Code:
    /// the interpreter cannot be run, or is not the recorded one
    WRONG_INTERPRETER = "D12", Broken, Fix::Command;
}

pub(super) const CHECK: Step<OfEnvironment> = OfEnvironment::check(CODES, find);
pub(super) const INSTALL_STATE: Step<OfMachine> = OfMachine::check(CODES, outdated_install_state);

fn find(view: &mut EnvironmentView<'_>, found: &mut Vec<Finding>) {
    let environment = view.environment;
    if let (Some(unasked), true) = (&environment.found.unasked, view.effort != Effort::Quick) {
        view.not_run = Some(format!("{unasked}; `{}` runs it", environment.doctor_command()));
    }
    if let Some(what) = cannot_run(environment).or_else(|| wrong_answer(view)) {
        found.push(
            Finding::new(WRONG_INTERPRETER, environment.executable(), what)
                .command(renewal(environment))
                .not_fixed("modstore installs no interpreters"),
        );
    }
    found.extend(left_behind(environment));
}

fn cannot_run(environment: &InspectedEnvironment) -> Option<String> {
    let executable = environment.executable();
    if environment.can_run() {
        return None;
    }
    let name = name_of(executable);
    Some(match (std::fs::read_link(executable), executable.metadata()) {
        (Ok(to), Err(_)) => format!("{name} is a link to {}, which does not exist", to.display()),
        (_, Ok(_)) => format!("{name} may not be run"),
        (_, Err(error)) => format!("{name} cannot be run: {error}"),
    })
}

/// What its answer says, if it was asked.
fn wrong_answer(view: &EnvironmentView<'_>) -> Option<String> {
    let version = match view.asked {
        Asked::Not | Asked::Failed { without_site: true, .. } => return None,
        Asked::Failed { why, .. } => return Some(why.clone()),
        Asked::Answer(answer) => &answer.version,
    };
    let (major, minor, _) = view.environment.python?;
    let is_same = version.starts_with(&format!("{major}.{minor}."));
    (!is_same).then(|| {
        format!("it is Python {version} now, and the environment was made for {major}.{minor}")
    })
}

/// Distributions of a Python that the environment had before.
fn left_behind(environment: &InspectedEnvironment) -> Option<Finding> {
    let children = |path: &Path| {
        std::fs::read_dir(path).into_iter().flatten().flatten().map(|child| child.path())
    };
    let sites = &environment.found.paths.site;
    let old = children(&environment.prefix().join("lib")).find(|path| {
        let site = path.join("site-packages");
        name_of(path).starts_with("python")
            && !path.is_symlink()
            && !sites.contains(&site)
            && children(&site).any(|child| child.join("direct_url.json").is_file())
    })?;
    let what = format!("the current Python does not see what was installed for {}", name_of(&old));
    Some(
        Finding::new(WRONG_INTERPRETER, old, what)
            .at(Severity::Warning)
            .command(renewal(environment))
            .not_fixed("everything has to be installed again"),
    )
}

/// The command that makes the environment from scratch.
fn renewal(environment: &InspectedEnvironment) -> String {
    if let Some(tool) = &environment.found.tool {
        return format!("uv tool install --force {}", quoted(tool.as_ref()));
    }
    let version = environment.python.map(|(major, minor, _)| format!(" --python {major}.{minor}"));
    let prefix = quoted(environment.prefix().as_os_str());
    format!("uv venv --allow-existing{} {prefix}", version.unwrap_or_default())
}

/// A host that remembers another interpreter than the environment has.
fn outdated_install_state(view: &mut MachineView<'_>, found: &mut Vec<Finding>) {
    let states = view.roots.iter().flat_map(|root| HOSTS.map(|host| host.install_state(root)));
    let outdated = states.flatten().filter(|state| {
        let is_of = |environment: &InspectedEnvironment| {
            state.python.parent().is_some_and(|bin| bin == environment.prefix().join("bin"))
        };
        state.is_outdated && view.environments.iter().any(is_of)
    });
    found.extend(outdated.map(|state| {
        let what = format!(
            "{} was replaced since its host recorded its installations, and the host will install all of them again",
            name_of(&state.python)
        );
        let finding = Finding::new(WRONG_INTERPRETER, state.file, what).leading_to(&state.python);
        finding.at(Severity::Note).not_fixed("its host does that by itself")
    }));
}
