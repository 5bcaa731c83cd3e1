//! An update in words: a line for each change, and what failed one by one.

use std::io;

use super::{Cost, FoundIn, Newer, TransportTaken, TransportWay, Update, Updated};
use crate::{
    exit::Exit,
    json::{
        Binding, Deferred, DeferredReason, EnvironmentChanges, EnvironmentFailure, Failed, Log,
    },
    page::Page,
    report::Failure,
    table::Table,
    text::{count, size},
};

/// How many newer versions, and how many commits that are too young, are named one by one.
const NEWER: usize = 5;
/// How many commits are named for each module, unless its log was asked for.
const SUBJECTS: usize = 5;

impl Update {
    /// Writes a line for each change, the number of modules without one, and the generation.
    pub(crate) fn write(&self, to: &mut Page<'_>) -> io::Result<()> {
        let mut table = Table::default();
        for updated in &self.updated {
            let files = updated.files_changed.map(|files| format!("({})", count(files, "file")));
            table.row([&updated.module, &updated.step(), &files.unwrap_or_default()]);
            updated.subjects().iter().for_each(|line| table.below(Some(line)));
            table.below(updated.compare.as_deref());
        }
        for module in &self.removed {
            table.row([module, "removed", ""]);
        }
        table.write(to, 0)?;
        write_environments(to, &self.environments)?;
        for (number, what) in [
            (self.unchanged.len(), "unchanged"),
            (self.modules_failed(), "failed"),
            (self.modules_deferred(), "not tried now"),
        ] {
            if number > 0 {
                writeln!(to, "{} {what}", count(number, "module"))?;
            }
        }
        if self.inputs() > 0 {
            writeln!(to, "{} not built as it is now", count(self.inputs(), "input"))?;
        }
        self.write_holds(to)?;
        self.write_cooling(to)?;
        self.write_tier(to)?;
        self.write_newer(to)?;
        self.write_generation(to)
    }

    fn write_tier(&self, to: &mut Page<'_>) -> io::Result<()> {
        let Some(tier) = &self.tier else { return Ok(()) };
        let from = |place| self.updated.iter().filter(|it| it.source == Some(place)).count();
        let (tiers, git) = (from(FoundIn::Tier), from(FoundIn::Git));
        if tiers + git > 0 || tier.refused > 0 {
            writeln!(to, "{tiers} from tier, {git} from git, {} refused", tier.refused)?;
        }
        if tier.published > 0 {
            let published = usize::try_from(tier.published).unwrap_or(usize::MAX);
            writeln!(to, "{} published", count(published, "object"))?;
        }
        Ok(())
    }

    fn write_newer(&self, to: &mut Page<'_>) -> io::Result<()> {
        for Newer { module, version } in self.newer.iter().take(NEWER) {
            writeln!(to, "{module}: {}", version.step())?;
        }
        match self.newer.len() {
            0 => Ok(()),
            all if all > NEWER => {
                let more = count(all - NEWER, "more module");
                writeln!(to, "newer versions of {more} are available: `modstore outdated`")
            }
            _ => writeln!(to, "`modstore set NAME --ref TAG` follows another version"),
        }
    }

    fn write_holds(&self, to: &mut Page<'_>) -> io::Result<()> {
        if !self.held.is_empty() {
            let names: Vec<&str> = self.held.iter().map(|held| held.module.as_str()).collect();
            let names = names.join(", ");
            let held = count(self.held.len(), "module");
            writeln!(to, "{held} held: {names} (`modstore unhold` ends that)")?;
        }
        if !self.released.is_empty() {
            writeln!(to, "no longer held: {}", self.released.join(", "))?;
        }
        Ok(())
    }

    fn write_cooling(&self, to: &mut Page<'_>) -> io::Result<()> {
        for cooled in self.cooling.iter().take(NEWER) {
            writeln!(to, "{}", cooled.summary())?;
        }
        if self.cooling.len() > NEWER {
            let more = count(self.cooling.len() - NEWER, "more module");
            writeln!(to, "new commits of {more} are too young: `modstore outdated`")?;
        }
        if !self.cooling.is_empty() {
            writeln!(to, "`modstore update NAME --cooldown 0s` takes a commit at once")?;
        }
        Ok(())
    }

    fn write_generation(&self, to: &mut Page<'_>) -> io::Result<()> {
        let changed = !self.updated.is_empty() || !self.removed.is_empty();
        match self.generation {
            Some(generation) if self.committed => {
                writeln!(to, "generation {generation} is current")
            }
            Some(generation) if changed => {
                writeln!(to, "nothing was switched; generation {generation} is still current")
            }
            Some(generation) => writeln!(to, "generation {generation} is still current"),
            None => writeln!(to, "there is no generation yet"),
        }
    }

    /// Writes what the update cost.
    pub(crate) fn write_cost(&self, to: &mut Page<'_>) -> io::Result<()> {
        let Cost {
            requests,
            connections,
            received_bytes,
            files_written,
            files_linked,
            fetch_ms,
            commit_ms,
        } = self.cost;
        let received = size(received_bytes);
        writeln!(
            to,
            "requests: {requests}, connections: {connections}, received: {received}, files written: {files_written}, \
             linked: {files_linked}; {fetch_ms} ms to fetch, {commit_ms} ms to switch",
        )?;
        for TransportTaken { host, way, reason } in &self.transports {
            match (way, reason) {
                (TransportWay::Modstore, _) => writeln!(to, "{host}: in this process")?,
                (TransportWay::Git, None) => writeln!(to, "{host}: through git")?,
                (TransportWay::Git, Some(reason)) => {
                    writeln!(to, "{host}: through git ({reason})")?;
                }
            }
        }
        Ok(())
    }

    /// Each module that failed or was not tried, with its current version.
    pub(crate) fn troubles(&self) -> Vec<Failure> {
        let failed =
            self.failed.iter().map(|failed| failed.trouble(&stays(failed.current.as_ref())));
        let deferred = self.deferred.iter().map(Deferred::trouble);
        let environments = self.environments.iter().flat_map(not_followed);
        failed.chain(deferred).chain(environments).collect()
    }

    fn modules_failed(&self) -> usize {
        self.failed.iter().filter(|failed| failed.input.is_none()).count()
    }

    fn modules_deferred(&self) -> usize {
        self.deferred.iter().filter(|deferred| deferred.input.is_none()).count()
    }

    /// How many single inputs failed, now or earlier.
    fn inputs(&self) -> usize {
        self.failed.len() + self.deferred.len() - self.modules_failed() - self.modules_deferred()
    }

    /// Why the update as a whole did not succeed.
    pub(crate) fn failure(&self) -> Option<Failure> {
        let (failed, deferred) = (self.modules_failed(), self.modules_deferred());
        let well = self.updated.len() + self.unchanged.len() + self.held.len() + self.cooling.len();
        let all = failed + deferred + well;
        let of = count(all, "module");
        let were = if deferred == 1 { "was" } else { "were" };
        let message = match (failed, deferred) {
            (0, 0) if self.inputs() > 0 => {
                let inputs = count(self.inputs(), "input");
                format!("{inputs} failed; what was last built from the same file stays")
            }
            (0, 0) => return None,
            (_, 0) => format!("{failed} of {of} failed"),
            (0, _) => format!("{deferred} of {of} failed earlier and {were} not tried now"),
            (_, _) => format!(
                "{failed} of {of} failed, and {deferred} failed earlier and {were} not tried now"
            ),
        };
        Some(Failure::new(Exit::Failed, message))
    }
}

impl Updated {
    /// A line for each commit that came, if there was another before: `- Fix the forecast`.
    fn subjects(&self) -> Vec<String> {
        match (&self.from, self.commits_complete) {
            (None, _) => Vec::new(),
            (Some(_), complete) if self.has_log => {
                Log { commits: self.commits.clone(), complete }.lines()
            }
            (Some(_), true) => {
                let more = self.commits.len().saturating_sub(SUBJECTS);
                let more = (more > 0).then(|| format!("… and {}", count(more, "earlier commit")));
                let lines = self.commits.iter().take(SUBJECTS).map(|it| it.line("-"));
                lines.chain(more).collect()
            }
            (Some(_), false) => self.commits.iter().take(1).map(|it| it.line("newest:")).collect(),
        }
    }

    /// `1a2b3c4 → 5d6e7f8`, `new 5d6e7f8`, `-> /home/me/src/weather`.
    fn step(&self) -> String {
        if let Some(path) = &self.to.linked {
            return format!("-> {path}");
        }
        let to = self.to.short_id().unwrap_or_default();
        match &self.from {
            None => format!("new {to}"),
            Some(Binding { linked: Some(_), .. }) => format!("linked → {to}"),
            Some(from) if from.short_id() == Some(to) => format!("{to} (same commit)"),
            Some(from) => format!("{} → {to}", from.short_id().unwrap_or_default()),
        }
    }
}

impl Failed {
    /// What to tell a person: why it failed, and behind the class what else matters.
    pub(in crate::commands) fn trouble(&self, beside: &str) -> Failure {
        let beside = if beside.is_empty() { String::new() } else { format!("; {beside}") };
        let named = named(&self.module, self.input.as_deref());
        let message = format!("{named}: {} ({}{beside})", self.message, self.class);
        let failure = Failure::new(Exit::Failed, message).because(self.causes.clone());
        failure.hint_or_none(self.hint.clone()).coded(&self.code)
    }
}

/// A module, or one of its inputs.
pub(in crate::commands) fn named(module: &str, input: Option<&str>) -> String {
    input.map_or_else(|| module.to_owned(), |input| format!("{module}, {input}"))
}

impl Deferred {
    /// What to tell a person: why it was not tried, and how it failed before.
    fn trouble(&self) -> Failure {
        let stays = stays(self.current.as_ref());
        let named = named(&self.module, self.input.as_deref());
        let message = format!("{named}: {} ({stays})", self.reason());
        let last = self.attempt.iter();
        let causes = last.flat_map(|last| [&last.message].into_iter().chain(&last.causes)).cloned();
        Failure::new(Exit::Failed, message).because(causes.collect()).hint(self.why.hint())
    }

    fn reason(&self) -> String {
        match self.why {
            DeferredReason::NotDue => {
                let left = self.until.map(|until| until.left()).unwrap_or_default();
                format!("failed earlier; the next try is {left}")
            }
            DeferredReason::Unchanged => {
                "failed earlier, and nothing that it depends on has changed".into()
            }
            DeferredReason::HostUnavailable => {
                let host = self.host.as_deref().unwrap_or("its host");
                format!("was not tried: {host} failed several times")
            }
            DeferredReason::NetworkUnavailable => {
                "was not tried: several builds found no network".into()
            }
        }
    }
}

impl DeferredReason {
    const fn hint(self) -> &'static str {
        match self {
            Self::NotDue => "`modstore update` tries now",
            Self::Unchanged => "fix the cause, or try again with `modstore update --retry`",
            Self::HostUnavailable => "check the network and the host, then run it again",
            Self::NetworkUnavailable => "check the network, then run it again",
        }
    }
}

/// What a module that failed is at.
pub(in crate::commands) fn stays(current: Option<&Binding>) -> String {
    match current {
        None => "it has no version yet".into(),
        Some(Binding { linked: Some(path), .. }) => format!("it stays at {path}"),
        Some(binding) => format!("it stays at {}", binding.short_id().unwrap_or("its version")),
    }
}

/// Writes what was done in environments, a line for each thing.
pub(in crate::commands) fn write_environments(
    to: &mut Page<'_>,
    environments: &[EnvironmentChanges],
) -> io::Result<()> {
    for EnvironmentChanges { environment, installed, reinstalled, removed, .. } in environments {
        for (what, modules) in
            [("installed", installed), ("reinstalled", reinstalled), ("uninstalled", removed)]
        {
            if !modules.is_empty() {
                writeln!(to, "{what} in {environment}: {}", modules.join(", "))?;
            }
        }
    }
    Ok(())
}

/// Each module whose current version an environment does not have.
pub(in crate::commands) fn not_followed(changes: &EnvironmentChanges) -> Vec<Failure> {
    let trouble = |failed: &EnvironmentFailure| {
        let message = format!("{} in {}: {}", failed.module, changes.environment, failed.message);
        Failure::new(Exit::Failed, message).because(failed.causes.clone())
    };
    changes.failed.iter().map(trouble).collect()
}
