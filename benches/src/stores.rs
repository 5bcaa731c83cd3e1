//! Stores made by the library, of any size and without git: for sections that are about what is there, not how it came.
//!
//! Runs in a child of the harness, whose memory would otherwise be taken for the contenders'.
//! Limits: every file differs from every other, so nothing is shared between entries; texts are made up.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::time::Duration;

use modstore::{
    Cancel, Digest, Generation, Silent,
    internals::commit::{Frame, Record, Transaction},
};
use modstore_core::Context;
use modstore_core::disk::{Barrier, Disk, Format, Layout, LockWait, Planting};
use modstore_core::model::{FileKind, Manifest, RecordedSource, TreeFile, digest_of};
use modstore_core::{
    disk::{Staged, Staging},
    model::{Binding, Bound, Fetched},
};

type Done = Result<(), Box<dyn Error>>;

/// How much of it there is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub(crate) generations: usize,
    /// Each has an entry of its own in each generation.
    pub(crate) modules: usize,
    /// In each entry.
    pub(crate) files: usize,
    /// On average; from a fifth of it to nine fifths.
    pub(crate) bytes: usize,
    /// Whether the modules come from archives: of what comes from git, names of git's are missed here.
    pub(crate) from_archives: bool,
}

/// Makes a store in `home`, and declares its modules.
pub(crate) fn fill(home: &Path, size: Size) -> Done {
    fs::create_dir_all(home)?;
    let (disk, layout) = (Disk::default(), Layout::new(home));
    Format::ensure(&disk, &layout, LockWait::at_most(WAIT))?;
    let declared = (0..size.modules).map(|module| {
        let (name, source) = (name(module), size.source(module));
        format!("[modules.{name}]\nsource = \"{source}\"\n\n")
    });
    fs::write(layout.modules_toml(), declared.collect::<String>())?;
    (0..size.generations).try_for_each(|generation| publish(&disk, &layout, size, generation))
}

fn publish(disk: &Disk, layout: &Layout, size: Size, generation: usize) -> Done {
    let staging = Staging::claim(disk, layout, "a benchmark")?;
    let staged: Result<Vec<Staged>, Box<dyn Error>> =
        (0..size.modules).map(|module| stage(disk, &staging, size, generation, module)).collect();
    let context = Context {
        disk,
        layout,
        barrier: Barrier::FileSystem,
        lock_limit: WAIT,
        offline: true,
        command: "a benchmark",
        events: &Silent,
        cancel: &Cancel::new(),
    };
    let mut transaction = Transaction::begin(context, staging)?;
    for (module, staged) in staged?.into_iter().enumerate() {
        let bound = match size.from_archives {
            true => from_archive(module, staged.digest()),
            false => binding(module, generation, staged.digest())?,
        };
        transaction.change.entering.insert(staged.digest(), staged);
        transaction.change.bindings.insert(name(module).parse()?, Some(bound));
    }
    transaction.commit("a benchmark")?;
    Ok(())
}

fn stage(
    disk: &Disk,
    staging: &Staging,
    size: Size,
    generation: usize,
    module: usize,
) -> Result<Staged, Box<dyn Error>> {
    let planting = Planting::create(disk, &staging.fresh())?;
    planting.directory("src".into())?;
    let mut files = Vec::with_capacity(size.files);
    for at in 0..size.files {
        let path = format!("src/file_{at:04}.py");
        let line = format!("value_{at} = \"{generation} {module} {at}\"  # made up\n");
        // The same spread every time, without chance: a stride through nine steps.
        let bytes = size.bytes * (1 + (at * 7 + module) % 9) / 5;
        let text = line.repeat(bytes / line.len() + 1);
        let content = planting.write(path.as_str().into(), FileKind::File, text.as_bytes())?;
        let size = text.len() as u64;
        files.push(TreeFile { path: path.into(), kind: FileKind::File, size, content });
    }
    let manifest = Manifest::new(files)?;
    Ok(Staged::seal(disk, planting, &manifest, None)?)
}

/// Makes a store in `home` of which only the journal is large: so many records at least, ten modules of a thousand
/// changed in each generation. Only the one shown has its directory.
pub(crate) fn journal(home: &Path, records: usize) -> Done {
    fs::create_dir_all(home)?;
    let (disk, layout) = (Disk::default(), Layout::new(home));
    Format::ensure(&disk, &layout, LockWait::at_most(WAIT))?;
    let (mut bytes, mut previous, mut number) = (Vec::new(), [0; 16], Generation::FIRST);
    let (mut written, mut sequence) = (0, 0);
    while written < records {
        sequence += 1;
        number = if sequence == 1 { Generation::FIRST } else { number.next() };
        let records = generation(number, usize::try_from(sequence)?)?;
        written += records.len();
        let (frame, link) = Frame { sequence, previous, records }.to_bytes();
        bytes.extend_from_slice(&frame);
        previous = link;
    }
    fs::write(layout.journal(), bytes)?;
    fs::create_dir(layout.generation(number))?;
    std::os::unix::fs::symlink(Layout::current_text(number), layout.current())?;
    Ok(())
}

/// What an update and the sweep after it write: ten modules changed, the generation three before it retired, and what
/// only that one led to forgotten.
fn generation(number: Generation, at: usize) -> Result<Vec<Record>, Box<dyn Error>> {
    let reason = "modstore update".to_owned();
    let mut records = vec![Record::Generation { number, at: 0, reason, restores: None }];
    for change in 0..10 {
        let module = (at * 10 + change) % 1000;
        let digest = digest_of(format!("{at} {change}").as_bytes());
        if at > 103 {
            // A module changes every hundred generations.
            let digest = digest_of(format!("{} {change}", at - 103).as_bytes());
            records.push(Record::Forgotten { digest });
        }
        records.insert(0, Record::Entered { digest, files: 40, bytes: 270_000 });
        let binding = binding(module, at, digest)?;
        records.push(Record::Bound { module: name(module).parse()?, binding });
    }
    if at > 3 {
        records.push(Record::Retired { number: (at - 3).to_string().parse()? });
    }
    Ok(records)
}

fn binding(module: usize, generation: usize, digest: Digest) -> Result<Binding, Box<dyn Error>> {
    let fetched = Some(Fetched {
        origin: format!("example.com/organisation/repository-{module:04}").parse()?,
        reference: Some("refs/heads/main".into()),
        revision: format!("{module:020x}{generation:020x}").parse()?,
    });
    let bound = Bound::Entry { digest, subdirectory: None, fetched };
    Ok(Binding { source: RecordedSource::read(source(module)), bound })
}

fn from_archive(module: usize, digest: Digest) -> Binding {
    let bound = Bound::Entry { digest, subdirectory: None, fetched: None };
    Binding { source: RecordedSource::read(archive(module)), bound }
}

impl Size {
    fn source(&self, module: usize) -> String {
        if self.from_archives { archive(module) } else { source(module) }
    }
}

fn archive(module: usize) -> String {
    format!("archive+https://example.com/{module:04}.zip#sha256={module:064x}")
}

fn name(module: usize) -> String {
    format!("module-{module:04}")
}

fn source(module: usize) -> String {
    format!("git+https://example.com/organisation/repository-{module:04}@main")
}

const WAIT: Duration = Duration::from_secs(60);
