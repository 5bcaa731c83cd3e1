//! [`LfsObjects`]: the contents that one command has fetched, each once, whichever trees need it.
//!
//! They lie in a directory of the staging and are linked from there into trees; the directory goes with the staging.
//!
//! Limits: who asks for a content of another server than the one that is being asked for it does not wait for that one.

use std::{
    collections::{HashMap, HashSet},
    io::Read,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use gix::bstr::{BString, ByteSlice as _};
use modstore_core::{
    Cancel,
    disk::{Disk, DiskError, Planting, Staging, StreamError},
    model::{FileKind, TreeFile},
};

use super::pointer::Oid;

/// How often a thread that waits looks whether to stop.
const SLICE: Duration = Duration::from_millis(200);

/// See the module. Shared by all fetches of a command.
#[derive(Debug, Default)]
pub struct LfsObjects {
    state: Mutex<ObjectTable>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct ObjectTable {
    directory: Option<Arc<Planting>>,
    next: u64,
    done: HashMap<Oid, TreeFile>,
    /// What is being fetched, and from which host.
    busy: HashSet<(Oid, String)>,
}

/// A content in the staging.
#[derive(Debug, Clone)]
pub(super) struct StagedContent {
    /// The directory that it lies in.
    pub(super) root: PathBuf,
    pub(super) file: TreeFile,
}

/// What is to be done about a content.
pub(super) enum Claim<'o> {
    /// Nothing: it is there.
    Done(StagedContent),
    /// It is for the caller to fetch.
    Mine(Claimed<'o>),
    /// The user asked to stop.
    Cancelled,
}

/// The duty to fetch a content. Dropping it lets another try.
pub(super) struct Claimed<'o> {
    objects: &'o LfsObjects,
    key: (Oid, String),
}

impl LfsObjects {
    /// The content, if it is there.
    pub(super) fn find(&self, oid: &Oid) -> Option<StagedContent> {
        self.state().find(oid)
    }

    /// Takes the duty to fetch a content from `host`; waits while another does that.
    pub(super) fn claim(&self, oid: Oid, host: &str, cancel: &Cancel) -> Claim<'_> {
        let key = (oid, host.to_owned());
        let mut state = self.state();
        loop {
            if cancel.is_cancelled() {
                return Claim::Cancelled;
            }
            if let Some(found) = state.find(&oid) {
                return Claim::Done(found);
            }
            if state.busy.insert(key.clone()) {
                return Claim::Mine(Claimed { objects: self, key });
            }
            let waited = self.changed.wait_timeout(state, SLICE);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> MutexGuard<'_, ObjectTable> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ObjectTable {
    fn find(&self, oid: &Oid) -> Option<StagedContent> {
        let (file, directory) = (self.done.get(oid)?.clone(), self.directory.as_ref()?);
        Some(StagedContent { root: directory.root().to_owned(), file })
    }

    /// A place for a content.
    fn place(
        &mut self,
        disk: &Disk,
        staging: &Staging,
    ) -> Result<(Arc<Planting>, BString), DiskError> {
        let directory = match &self.directory {
            Some(directory) => Arc::clone(directory),
            None => {
                let made = Arc::new(Planting::create(disk, &staging.fresh())?);
                Arc::clone(self.directory.insert(made))
            }
        };
        self.next += 1;
        Ok((directory, self.next.to_string().into()))
    }
}

impl Claimed<'_> {
    /// Writes the content, which `contents` checks; what failed is removed.
    pub(super) fn write(
        &self,
        disk: &Disk,
        staging: &Staging,
        contents: &mut dyn Read,
    ) -> Result<StagedContent, StreamError> {
        let (directory, path) = self.objects.state().place(disk, staging)?;
        let written = directory.write_stream(path.as_bstr(), false, contents);
        let (content, size) = written.inspect_err(|_| {
            // Others may need the room before the staging goes.
            let _ = directory.remove(path.as_bstr());
        })?;
        let file = TreeFile { path, kind: FileKind::File, size, content };
        self.objects.state().done.insert(self.key.0, file.clone());
        Ok(StagedContent { root: directory.root().to_owned(), file })
    }
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        self.objects.state().busy.remove(&self.key);
        self.objects.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_fetched_once_and_after_a_failure_by_the_next() {
        let (objects, cancel) = (LfsObjects::default(), Cancel::new());
        let oid = Oid::empty();
        let first = objects.claim(oid, "a", &cancel);
        assert!(matches!(first, Claim::Mine(_)));
        assert!(matches!(objects.claim(oid, "b", &cancel), Claim::Mine(_)), "another host");
        std::thread::scope(|scope| {
            let second = scope.spawn(|| objects.claim(oid, "a", &cancel));
            drop(first);
            assert!(matches!(second.join().unwrap(), Claim::Mine(_)), "the first one failed");
        });
        let held = objects.claim(oid, "a", &cancel);
        cancel.cancel();
        assert!(matches!(objects.claim(oid, "a", &cancel), Claim::Cancelled));
        drop(held);
    }
}
