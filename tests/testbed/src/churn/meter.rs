//! The cost of each phase of an update and a sweep, as the store tells it: by the steps of its modules and its disk calls.
//!
//! Modules are asked and fetched at once, so that while they are, a moment is divided among the phases in proportion to
//! how many modules are in each; from then on there is one phase at a time, which the acts themselves show. A sync
//! counts as sync until the next act. Only acts that change the disk count: not reads, and nothing that a
//! server does. Processor time is that of the whole process.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};

/// A part of a round, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Listing every repository.
    Check,
    /// Receiving packs, and writing the trees they make.
    Fetch,
    /// The links of the next generation, and the renames that put all in place.
    Place,
    /// Waiting for the disk: the barrier, and the directories and the journal after it.
    Sync,
    /// The frame in the journal, and the rename of `current`.
    Switch,
    /// Planning deletions, and deleting.
    Sweep,
}

impl Phase {
    pub(super) const ALL: [Self; 6] =
        [Self::Check, Self::Fetch, Self::Place, Self::Sync, Self::Switch, Self::Sweep];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Fetch => "fetch",
            Self::Place => "place",
            Self::Sync => "sync",
            Self::Switch => "switch",
            Self::Sweep => "sweep",
        }
    }
}

/// A call that changes the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Makes a file or a symbolic link.
    Create,
    /// Makes a hard link.
    HardLink,
    /// Waits until something is on the disk.
    Sync,
    /// Appends to the journal: from then on the update has happened.
    Record,
    /// Any other.
    Other,
}

/// The cost of a phase.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Spent {
    pub(super) wall: Duration,
    pub(super) cpu: Duration,
    /// Bytes put into files.
    pub(super) written: u64,
    /// Files and symbolic links made.
    pub(super) created: u64,
    /// Hard links made.
    pub(super) linked: u64,
    pub(super) syncs: u64,
    /// Acts that change the disk, all of these among them.
    pub(super) acts: u64,
}

/// By [`Phase::ALL`].
pub(super) type Spending = [Spent; 6];

/// The meter. It is told everything, and reads the clock only where a phase ends.
#[derive(Debug, Default)]
pub struct Meter(Mutex<Reading>);

#[derive(Debug, Default)]
struct Reading {
    /// Since when the time is not yet given to any phase; none while nothing is measured.
    since: Option<(Instant, Duration)>,
    stage: Stage,
    /// Where each module is that is on its way.
    modules: BTreeMap<String, Phase>,
    spending: Spending,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Stage {
    /// Modules are listed and fetched; between them, the rest is prepared.
    #[default]
    Gathering,
    /// The transaction, and where it is; it is recorded from the switch on.
    Committing {
        phase: Phase,
        recorded: bool,
    },
    Sweeping,
}

impl Meter {
    /// An update begins.
    pub(super) fn update(&self) {
        self.begin(Stage::Gathering);
    }

    /// A sweep begins.
    pub(super) fn sweep(&self) {
        self.begin(Stage::Sweeping);
    }

    fn begin(&self, stage: Stage) {
        let mut reading = self.reading();
        reading.modules.clear();
        reading.stage = stage;
        reading.since = Some(now());
    }

    /// A module is asked for or received now, or neither any longer.
    pub fn module(&self, module: &str, phase: Option<Phase>) {
        let mut reading = self.reading();
        if reading.modules.get(module).copied() == phase {
            return;
        }
        reading.pass();
        match phase {
            Some(phase) => reading.modules.insert(module.to_owned(), phase),
            None => reading.modules.remove(module),
        };
    }

    /// Everything is fetched, and the transaction begins.
    pub fn commit(&self) {
        self.reading().enter(Stage::Committing { phase: Phase::Place, recorded: false });
    }

    /// The disk is about to be changed.
    pub fn act(&self, act: Act) {
        let mut reading = self.reading();
        let phase = reading.phase_of(act);
        let spent = reading.of(phase);
        spent.acts += 1;
        match act {
            Act::Create => spent.created += 1,
            Act::HardLink => spent.linked += 1,
            Act::Sync => spent.syncs += 1,
            Act::Record | Act::Other => {}
        }
    }

    /// Bytes were put into a file.
    pub fn wrote(&self, bytes: u64) {
        let mut reading = self.reading();
        let phase = match reading.stage {
            Stage::Gathering => Phase::Fetch,
            Stage::Committing { phase, .. } => phase,
            Stage::Sweeping => Phase::Sweep,
        };
        reading.of(phase).written += bytes;
    }

    /// Ends the update or the sweep.
    pub(super) fn end(&self) {
        let mut reading = self.reading();
        reading.pass();
        reading.since = None;
    }

    /// The costs since the last call.
    pub(super) fn take(&self) -> Spending {
        std::mem::take(&mut self.reading().spending)
    }

    fn reading(&self) -> MutexGuard<'_, Reading> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> (Instant, Duration) {
    let cpu = clock_gettime(ClockId::ProcessCPUTime);
    let whole = Duration::from_secs(cpu.tv_sec.try_into().unwrap_or_default());
    (Instant::now(), whole + Duration::from_nanos(cpu.tv_nsec.try_into().unwrap_or_default()))
}

impl Reading {
    /// Gives the time since the last look to the phases that were on.
    fn pass(&mut self) {
        let Some((wall, cpu)) = self.since else { return };
        let (wall_now, cpu_now) = now();
        self.since = Some((wall_now, cpu_now));
        let (wall, cpu) = (wall_now.duration_since(wall), cpu_now.saturating_sub(cpu));
        let fetching = self.modules.values().filter(|phase| **phase == Phase::Fetch).count();
        match (self.stage, self.modules.len()) {
            (Stage::Gathering, 1..) => {
                let share = fetching as f64 / self.modules.len() as f64;
                let (fetch_wall, fetch_cpu) = (wall.mul_f64(share), cpu.mul_f64(share));
                self.give(Phase::Fetch, fetch_wall, fetch_cpu);
                let rest = (wall.saturating_sub(fetch_wall), cpu.saturating_sub(fetch_cpu));
                self.give(Phase::Check, rest.0, rest.1);
            }
            (Stage::Gathering, 0) => self.give(Phase::Check, wall, cpu),
            (Stage::Committing { phase, .. }, _) => self.give(phase, wall, cpu),
            (Stage::Sweeping, _) => self.give(Phase::Sweep, wall, cpu),
        }
    }

    fn give(&mut self, phase: Phase, wall: Duration, cpu: Duration) {
        let spent = self.of(phase);
        spent.wall += wall;
        spent.cpu += cpu;
    }

    fn of(&mut self, phase: Phase) -> &mut Spent {
        let [check, fetch, place, sync, switch, sweep] = &mut self.spending;
        match phase {
            Phase::Check => check,
            Phase::Fetch => fetch,
            Phase::Place => place,
            Phase::Sync => sync,
            Phase::Switch => switch,
            Phase::Sweep => sweep,
        }
    }

    fn enter(&mut self, stage: Stage) {
        if self.stage != stage {
            self.pass();
            self.stage = stage;
        }
    }

    /// The phase that an act belongs to, which it may begin.
    fn phase_of(&mut self, act: Act) -> Phase {
        match self.stage {
            Stage::Gathering => Phase::Fetch,
            Stage::Sweeping => Phase::Sweep,
            Stage::Committing { recorded, .. } => {
                let recorded = recorded || act == Act::Record;
                let phase = match (act == Act::Sync, recorded) {
                    (true, _) => Phase::Sync,
                    (false, true) => Phase::Switch,
                    (false, false) => Phase::Place,
                };
                self.enter(Stage::Committing { phase, recorded });
                phase
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spent(spending: &Spending, phase: Phase) -> Spent {
        spending[Phase::ALL.iter().position(|each| *each == phase).unwrap()]
    }

    fn a_while() {
        let start = Instant::now();
        while start.elapsed() < Duration::from_millis(5) {}
    }

    #[test]
    fn every_act_and_all_of_the_time_is_in_exactly_one_phase() {
        let meter = Meter::default();
        let start = Instant::now();
        meter.update();
        meter.module("m", Some(Phase::Check));
        a_while();
        meter.module("m", Some(Phase::Fetch));
        meter.act(Act::Create);
        meter.wrote(10);
        meter.act(Act::HardLink);
        a_while();
        meter.module("m", None);
        meter.commit();
        // Links, the barrier, the renames into place, the journal and the switch.
        let transaction = [
            Act::Create,
            Act::Sync,
            Act::Other,
            Act::Sync,
            Act::Record,
            Act::Sync,
            Act::Other,
            Act::Sync,
        ];
        for act in transaction {
            meter.act(act);
            a_while();
        }
        meter.end();
        let took = start.elapsed();
        a_while();
        meter.sweep();
        meter.act(Act::Other);
        a_while();
        meter.end();
        let spending = meter.take();
        let of = |phase| spent(&spending, phase);
        let acts = Phase::ALL.map(|phase| of(phase).acts);
        assert_eq!(acts, [0, 2, 2, 4, 2, 1]);
        let fetch = of(Phase::Fetch);
        assert_eq!((fetch.created, fetch.linked, fetch.written), (1, 1, 10));
        assert_eq!((of(Phase::Sync).syncs, of(Phase::Place).created), (4, 1));
        for (phase, whiles) in Phase::ALL.into_iter().zip([1, 1, 2, 4, 2, 1]) {
            assert!(of(phase).wall >= Duration::from_millis(5 * whiles), "{phase:?}: {spending:?}");
        }
        let updating: Duration = spending.iter().take(5).map(|spent| spent.wall).sum();
        assert!(
            updating <= took && updating + Duration::from_millis(2) > took,
            "{spending:?} {took:?}"
        );
        assert_eq!(meter.take(), Spending::default(), "nothing counts twice");
    }

    #[test]
    fn while_modules_overlap_a_moment_is_divided_among_their_phases() {
        let meter = Meter::default();
        meter.update();
        for module in ["a", "b", "c", "d"] {
            meter.module(module, Some(Phase::Check));
        }
        meter.module("a", Some(Phase::Fetch));
        meter.take();
        a_while();
        meter.end();
        let spending = meter.take();
        let (check, fetch) =
            (spent(&spending, Phase::Check).wall, spent(&spending, Phase::Fetch).wall);
        let ratio = check.as_secs_f64() / fetch.as_secs_f64();
        assert!((2.9..3.1).contains(&ratio), "three are asked and one is fetched: {spending:?}");
    }
}
