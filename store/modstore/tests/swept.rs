//! A transaction never leads a module to an entry that a sweep has taken meanwhile: an update decides without the store's
//! lock that an entry is there, and another process may have swept it before the lock is taken.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]

use std::{fs, num::NonZeroUsize, path::Path, time::Duration};

use modstore::{
    Cancel, Digest, Options, Policy, Silent, Store,
    internals::commit::{CommitError, Transaction},
};
use modstore_core::{
    Context,
    disk::{Barrier, Disk, Format, Layout, LockWait, Planting, Staged, Staging},
    model::{Binding, Bound, FileKind, Kept, KeptPath, Manifest, RecordedSource, TreeFile},
};

const WAIT: Duration = Duration::from_secs(60);

struct Home {
    place: tempfile::TempDir,
    disk: Disk,
    layout: Layout,
}

impl Home {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let (disk, layout) = (Disk::default(), Layout::new(place.path()));
        Format::ensure(&disk, &layout, LockWait::at_most(WAIT)).unwrap();
        Self { place, disk, layout }
    }

    fn path(&self) -> &Path {
        self.place.path()
    }

    fn store(&self) -> Store {
        Store::open(self.path(), Options::default()).unwrap()
    }

    /// Commits that `module` is `bound`, with these trees entering, and gives the number of the generation.
    fn commit(
        &self,
        staging: Staging,
        bound: Bound,
        entering: Option<Staged>,
    ) -> Result<u64, CommitError> {
        let cancel = Cancel::new();
        let context = Context {
            disk: &self.disk,
            layout: &self.layout,
            barrier: Barrier::FileSystem,
            lock_limit: WAIT,
            offline: true,
            command: "a test",
            events: &Silent,
            cancel: &cancel,
        };
        let mut transaction = Transaction::begin(context, staging).unwrap();
        let entering = entering.map(|staged| (staged.digest(), staged));
        transaction.change.entering.extend(entering);
        let source = RecordedSource::read("git+https://example.com/m".to_owned());
        let binding = Some(Binding { source, bound });
        transaction.change.bindings.insert("m".parse().unwrap(), binding);
        transaction.commit("a test").map(|state| state.head().unwrap().number.number())
    }

    fn staging(&self) -> Staging {
        Staging::claim(&self.disk, &self.layout, "a test").unwrap()
    }

    fn staged(&self, staging: &Staging, text: &str) -> Staged {
        let planting = Planting::create(&self.disk, &staging.fresh()).unwrap();
        let content = planting.write("file".into(), FileKind::File, text.as_bytes()).unwrap();
        let size = text.len() as u64;
        let file = TreeFile { path: "file".into(), kind: FileKind::File, size, content };
        let manifest = Manifest::new(vec![file]).unwrap();
        Staged::seal(&self.disk, planting, &manifest, None).unwrap()
    }

    /// The module becomes a tree with this text.
    fn publish(&self, text: &str) -> Digest {
        let staging = self.staging();
        let staged = self.staged(&staging, text);
        let digest = staged.digest();
        self.commit(staging, entry(digest), Some(staged)).unwrap();
        digest
    }

    /// What the store is: the text that the module has, and the bytes of the journal.
    fn now(&self) -> (String, Vec<u8>) {
        let text = fs::read_to_string(self.path().join("current/m/file")).unwrap();
        (text, fs::read(self.path().join("journal")).unwrap())
    }

    #[track_caller]
    fn refuses(&self, bound: Bound) {
        let before = self.now();
        let refused = self.commit(self.staging(), bound, None);
        assert!(
            matches!(&refused, Err(CommitError::Swept { module }) if module.as_str() == "m"),
            "{refused:?}"
        );
        assert!(!refused.unwrap_err().has_happened());
        assert_eq!(self.now(), before, "nothing has changed");
    }
}

const fn entry(digest: Digest) -> Bound {
    Bound::Entry { digest, subdirectory: None, fetched: None }
}

fn kept(digest: Digest, source: Digest) -> Bound {
    let paths = vec![KeptPath { path: "user".parse().unwrap(), is_directory: true }];
    Bound::Kept(Box::new(Kept { digest, source, subdirectory: None, fetched: None, paths }))
}

#[test]
fn a_transaction_that_leads_to_an_entry_that_was_swept_meanwhile_changes_nothing() {
    let home = Home::new();
    let (old, new) = (home.publish("old"), home.publish("new"));
    // As long as it is there, a module may be led to it again.
    home.commit(home.staging(), entry(old), None).unwrap();
    home.commit(home.staging(), entry(new), None).unwrap();
    let policy = Policy { keep: NonZeroUsize::MIN, grace: Duration::ZERO, max_bytes: None };
    let store = home.store();
    let swept = store.sweep(store.plan_sweep(&policy).unwrap(), &Silent, &Cancel::new()).unwrap();
    assert!(!swept.retired.is_empty() && !home.layout.entry(old).exists());
    home.refuses(entry(old));
    // Nor to one that is there and is made of one that is not.
    home.refuses(kept(new, old));
    home.refuses(kept(old, new));
    // With the tree entering again it goes.
    assert_eq!(home.publish("old"), old);
    assert_eq!(home.now().0, "old");
}

#[test]
fn a_transaction_that_leads_to_an_entry_of_which_one_book_knows_nothing_changes_nothing() {
    let home = Home::new();
    let (old, new) = (home.publish("old"), home.publish("new"));
    // The journal has it, and its directory is gone.
    home.disk.remove_tree(&home.layout.entry(old)).unwrap();
    home.refuses(entry(old));
    // Its directory is there, as a crash leaves it, and the journal does not have it.
    let never = Digest::from_bytes([7; 32]);
    fs::create_dir(home.layout.entry(never)).unwrap();
    home.refuses(entry(never));
    home.commit(home.staging(), entry(new), None).unwrap();
}
