//! The durability argument as lines in a diff: every act on the disk of an install, of an update and of a sweep.
//!
//! What happens before the barrier may happen in any order, so it is sorted here; what comes after is
//! in the order in which it happened. `UPDATE_GOLDEN=1` rewrites the files, for a person to read.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers panic, and that is how a test fails"
)]

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use modstore::{Cancel, Options, Policy, Silent, Store, UpdateRequest};
use modstore_core::disk::{Act, Disk, Observer, Verb};
use modstore_testbed::Repo;

/// Writes down every act, with the home and all random names taken out.
struct Trace {
    home: PathBuf,
    acts: Mutex<Vec<(Verb, String)>>,
}

impl Observer for Trace {
    fn before(&self, act: Act<'_>) -> io::Result<()> {
        let mut line = format!("{:<25}{}", act.verb.to_string(), self.named(act.path));
        if let (Verb::Rename | Verb::Exchange | Verb::HardLink | Verb::Symlink, Some(from)) =
            (act.verb, act.from)
        {
            let arrow = if act.verb == Verb::Symlink { "->" } else { "<-" };
            line = format!("{line}  {arrow} {}", self.named(from));
        }
        self.acts.lock().unwrap().push((act.verb, line));
        Ok(())
    }
}

impl Trace {
    fn named(&self, path: &Path) -> String {
        if Some(path) == self.home.parent() {
            return "..".into();
        }
        let path = path.strip_prefix(&self.home).unwrap_or(path);
        let parts = path.components().map(|part| {
            let part = part.as_os_str().to_str().unwrap();
            let (stem, rest) =
                part.split_at(part.find('.').filter(|at| *at > 0).unwrap_or(part.len()));
            let hex = stem.bytes().all(|byte| byte.is_ascii_hexdigit());
            match stem.len() {
                16 if hex => format!("RANDOM{rest}"),
                64 if hex => format!("{}…{rest}", &stem[..8]),
                _ => part.to_owned(),
            }
        });
        let path = parts.collect::<Vec<_>>().join("/");
        if path.is_empty() { ".".into() } else { path }
    }

    /// What happened since the last call: sorted up to the barrier, then as it was.
    fn take(&self) -> Vec<(Verb, String)> {
        let mut acts = std::mem::take(&mut *self.acts.lock().unwrap());
        let barrier =
            acts.iter().position(|(verb, _)| *verb == Verb::SyncFileSystem).expect("a barrier");
        acts[..barrier].sort_by(|a, b| (&a.1[25..], &a.1).cmp(&(&b.1[25..], &b.1)));
        acts
    }
}

fn compare_with_golden(name: &str, acts: &[(Verb, String)]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden").join(name);
    let lines: String = acts.iter().map(|(_, line)| format!("{}\n", line.trim_end())).collect();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &lines).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        golden,
        lines,
        "{} is not what happened; UPDATE_GOLDEN=1 rewrites it",
        path.display()
    );
}

/// One barrier; then only renames, modes of what was renamed, and syncs of directories; then the
/// journal; then the switch.
fn assert_order(acts: &[(Verb, String)]) {
    let verbs: Vec<Verb> = acts.iter().map(|(verb, _)| *verb).collect();
    let at = |verb: Verb| verbs.iter().position(|each| *each == verb).unwrap();
    let (barrier, journal) = (at(Verb::SyncFileSystem), at(Verb::Append));
    assert_eq!(
        verbs.iter().filter(|verb| **verb == Verb::SyncFileSystem).count(),
        1,
        "one barrier"
    );
    let between = &verbs[barrier + 1..journal];
    let allowed = [Verb::Rename, Verb::SetMode, Verb::SyncDir];
    assert!(between.iter().all(|verb| allowed.contains(verb)), "{between:?}");
    assert_eq!(
        between.last(),
        Some(&Verb::SyncDir),
        "the last names are durable before the journal"
    );
    assert_eq!(verbs[journal + 1], Verb::SyncFile, "the journal is synced");
    let switch = acts.iter().position(|(_, line)| line.contains(" current ")).expect("a switch");
    assert!(switch > journal + 1, "the switch comes after the journal");
    assert_eq!(acts[switch + 1].1, format!("{:<25}.", "sync directory"), "and is durable at once");
}

#[test]
fn an_install_and_an_update_have_one_barrier_then_renames_then_the_journal_then_the_switch() {
    let root = tempfile::tempdir().unwrap();
    let repo = Repo::create(root.path(), "tool");
    repo.write(&[
        ("README", "a tool\n"),
        ("src/tool.py", "VERSION = 1\n"),
        ("pyproject.toml", "[project]\n"),
    ]);
    let other = Repo::create(root.path(), "other");
    other.write(&[("README", "stays\n")]);
    let home = root.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let declared = format!(
        "[modules.tool]\nsource = \"git+{}\"\n[modules.other]\nsource = \"git+{}\"\n",
        repo.url_file(),
        other.url_file()
    );
    std::fs::write(home.join("modules.toml"), declared).unwrap();

    let trace = Arc::new(Trace { home: home.clone(), acts: Mutex::default() });
    // One job at a time, so that staged trees have the same numbers in every run.
    let options = Options { jobs: 1, ..Options::default() };
    let store = Store::open_on(Disk::observed(trace.clone()), &home, options).unwrap();
    let update = || store.update(&UpdateRequest::default(), &Silent, &Cancel::new()).unwrap();

    assert_eq!(update().updated.len(), 2);
    let install = trace.take();
    assert_order(&install);
    compare_with_golden("install.txt", &install);

    repo.write(&[("src/tool.py", "VERSION = 2\n")]);
    assert_eq!(update().updated.len(), 1);
    let second = trace.take();
    assert_order(&second);
    compare_with_golden("update.txt", &second);

    assert!(update().updated.is_empty());
    assert!(trace.acts.lock().unwrap().is_empty(), "nothing changed, so nothing is written");
}

/// Condemned before anything else; then the journal, synced; then generations away, durably, before any entry; all
/// durable before the mark is withdrawn; only then anything is deleted.
fn assert_order_of_sweep(acts: &[(Verb, String)]) {
    let at = |what: &str| {
        let found = acts.iter().position(|(_, line)| line.starts_with(what));
        found.unwrap_or_else(|| panic!("no act is: {what}"))
    };
    let line = |verb: &str, rest: &str| format!("{verb:<25}{rest}");
    let (condemned, journal) =
        (at(&line("rename", "condemned")), at(&line("append to", "journal")));
    assert!(condemned < journal);
    assert_eq!(acts[journal + 1].1, line("sync file", "journal"));
    let moves: Vec<usize> =
        (0..acts.len()).filter(|at| acts[*at].1.starts_with(&line("rename", "trash/"))).collect();
    assert!(moves[0] > journal + 1, "nothing moves before it is recorded");
    let from = |at: usize, directory: &str| acts[at].1.contains(&format!("<- {directory}/"));
    let generations = at(&line("sync directory", "generations"));
    for at in &moves {
        assert_eq!(from(*at, "generations"), *at < generations, "{}", acts[*at].1);
    }
    let withdrawn = at(&line("remove", "condemned"));
    for directory in ["generations", "entries", "manifests"] {
        assert!(at(&line("sync directory", directory)) < withdrawn);
    }
    let deleted = at(&line("remove", "trash/"));
    assert!(withdrawn < deleted && *moves.last().unwrap() < withdrawn);
    assert!(!acts.iter().any(|(verb, _)| *verb == Verb::SyncFileSystem), "no barrier is needed");
}

#[test]
fn a_sweep_condemns_then_records_then_moves_and_deletes_last() {
    let root = tempfile::tempdir().unwrap();
    let repo = Repo::create(root.path(), "tool");
    let home = root.path().join("home");
    std::fs::create_dir(&home).unwrap();
    let declared = format!("[modules.tool]\nsource = \"git+{}\"\n", repo.url_file());
    std::fs::write(home.join("modules.toml"), declared).unwrap();
    let trace = Arc::new(Trace { home: home.clone(), acts: Mutex::default() });
    let store = Store::open_on(Disk::observed(trace.clone()), &home, Options::default()).unwrap();
    for version in ["1", "2"] {
        repo.write(&[("tool.py", version)]);
        store.update(&UpdateRequest::default(), &Silent, &Cancel::new()).unwrap();
    }
    trace.take();
    let policy = Policy {
        keep: std::num::NonZeroUsize::MIN,
        grace: std::time::Duration::ZERO,
        max_bytes: None,
    };
    let plan = store.plan_sweep(&policy).unwrap();
    assert!(trace.acts.lock().unwrap().is_empty(), "a plan writes nothing");
    store.sweep(plan, &Silent, &Cancel::new()).unwrap();
    let mut acts = std::mem::take(&mut *trace.acts.lock().unwrap());
    assert_order_of_sweep(&acts);
    // What is in the trash is deleted by many threads.
    let deleting = acts.iter().rposition(|(_, line)| line.contains("staging/")).unwrap() + 1;
    acts[deleting..].sort_by(|a, b| (&a.1[25..], &a.1).cmp(&(&b.1[25..], &b.1)));
    compare_with_golden("sweep.txt", &acts);
}
