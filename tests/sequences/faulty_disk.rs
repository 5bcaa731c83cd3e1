//! A disk of which one act fails, or none happens any more from one on.

use std::{
    io,
    sync::{Arc, Mutex},
};

use modstore_core::disk::{Act, Disk, Observer};

/// What happens to a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// The act of this number, from 0, fails with EIO.
    Error(usize),
    /// From the act of this number on, all fail: the process is dead.
    Crash(usize),
}

/// Counts the acts of one command after another.
#[derive(Default)]
pub(crate) struct FaultyDisk(Mutex<Watch>);

#[derive(Default)]
struct Watch {
    fault: Option<Fault>,
    count: usize,
    hit: Option<String>,
}

impl FaultyDisk {
    pub(crate) fn disk(self: &Arc<Self>) -> Disk {
        Disk::observed(Arc::clone(self) as Arc<dyn Observer>)
    }

    /// What happens to the acts from now on.
    pub(crate) fn arm(&self, fault: Fault) {
        *self.0.lock().unwrap() = Watch { fault: Some(fault), ..Watch::default() };
    }

    /// The first act that failed since, if one did.
    pub(crate) fn disarm(&self) -> Option<String> {
        std::mem::take(&mut *self.0.lock().unwrap()).hit
    }
}

impl Observer for FaultyDisk {
    fn before(&self, act: Act<'_>) -> io::Result<()> {
        let mut watch = self.0.lock().unwrap();
        let at = watch.count;
        watch.count += 1;
        let fails = match watch.fault {
            Some(Fault::Error(wanted)) => at == wanted,
            Some(Fault::Crash(from)) => at >= from,
            Some(Fault::None) | None => false,
        };
        if !fails {
            return Ok(());
        }
        watch.hit.get_or_insert_with(|| format!("{} {}", act.verb, act.path.display()));
        // EIO, by its number: the kind has no name of its own.
        Err(io::Error::from_raw_os_error(5))
    }
}
