//! When the power goes: before an act, given by its number, or at any time.

use std::{
    fmt, io,
    str::FromStr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use modstore_core::disk::{Act, Observer, Verb};
use modstore_testbed::Random;

/// When, within one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    /// Before its n-th act, counted from 0.
    Act(u64),
    /// Before the n-th act from its barrier on, or from its frame, if it has no barrier: 0 is before it, 1 right after.
    Barrier(u64),
    /// When it has just been acknowledged.
    End,
    /// So many microseconds after it began, wherever that is, also in the middle of a system call.
    Time(u64),
}

impl Moment {
    /// Mostly where it is hard: between the barrier and the last sync, and right after the end.
    pub(crate) fn any(random: &mut Random) -> Self {
        match random.within(0..100) {
            0..34 => Self::Barrier(random.within(0..16)),
            34..54 => Self::Barrier(random.within(0..40)),
            54..66 => Self::Act(random.within(0..12)),
            66..74 => Self::Act(random.within(0..100)),
            74..80 => Self::End,
            _ => Self::Time(random.within(0..25_000)),
        }
    }

    /// What kind it is, for a table.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Act(_) => "at an act",
            Self::Barrier(_) => "at or after the barrier",
            Self::End => "right after it was acknowledged",
            Self::Time(_) => "at a time",
        }
    }

    /// How long the parent waits, when it is the parent who decides.
    pub(crate) const fn time(self) -> Option<Duration> {
        match self {
            Self::Time(micros) => Some(Duration::from_micros(micros)),
            _ => None,
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Act(number) => write!(f, "act {number}"),
            Self::Barrier(number) => write!(f, "barrier {number}"),
            Self::End => f.write_str("end 0"),
            Self::Time(micros) => write!(f, "time {micros}"),
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, number) = text.split_once(' ').ok_or("no number")?;
        let number = number.parse().map_err(|_| format!("{number} is no number"))?;
        match kind {
            "act" => Ok(Self::Act(number)),
            "barrier" => Ok(Self::Barrier(number)),
            "end" => Ok(Self::End),
            "time" => Ok(Self::Time(number)),
            _ => Err(format!("{kind} is no moment")),
        }
    }
}

/// Holds a process at a moment: the act does not happen, nor any other after it, until the process is killed.
pub(crate) struct Holding {
    moment: Moment,
    say: fn(&str),
    counted: Mutex<Counted>,
}

#[derive(Default)]
struct Counted {
    armed: bool,
    acts: u64,
    since_barrier: Option<u64>,
}

impl Holding {
    /// Says `held …` when the moment has come.
    pub(crate) fn at(moment: Moment, say: fn(&str)) -> Self {
        Self { moment, say, counted: Mutex::default() }
    }

    /// From now on, acts count.
    pub(crate) fn arm(&self) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        *counted = Counted { armed: true, ..Counted::default() };
    }
}

impl Observer for Holding {
    fn before(&self, act: Act<'_>) -> io::Result<()> {
        // Held, it keeps the mutex, so no other thread acts.
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if !counted.armed {
            return Ok(());
        }
        // A sweep has no barrier; what is hard there begins with its frame.
        if matches!(act.verb, Verb::SyncFileSystem | Verb::Append) {
            counted.since_barrier.get_or_insert(0);
        }
        let now = match self.moment {
            Moment::Act(number) => counted.acts == number,
            Moment::Barrier(number) => counted.since_barrier == Some(number),
            Moment::End | Moment::Time(_) => false,
        };
        if now {
            (self.say)(&format!("held before {} {}", act.verb, act.path.display()));
            for_ever();
        }
        counted.acts += 1;
        counted.since_barrier = counted.since_barrier.map(|number| number + 1);
        Ok(())
    }
}

/// Until the process is killed.
pub(crate) fn for_ever() -> ! {
    loop {
        std::thread::park();
    }
}
