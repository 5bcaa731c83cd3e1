//! The inner loops, each beside the least that does the same: `cargo bench -p modstore-benches --bench inner`.
//!
//! Divan prints the time of a call and, where bytes or items count, the throughput. What is compared stands in one module.
//! Limits: warm caches and the temporary directory's file system; compare rows of one run, not runs.

use std::path::Path;

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use modstore::internals::commit::{Frame, Record};
use modstore_core::model::{Binding, Bound, Fetched};
use modstore_core::model::{ContentHash, FileKind, Manifest, RecordedSource, TreeFile, digest_of};

fn main() {
    divan::main();
}

/// As many bytes as an average file of `fetch`.
const FILE: usize = 6750;

/// The digest of a file's content, against the hash alone.
mod content {
    use super::*;

    #[divan::bench]
    fn modstore(bencher: Bencher<'_, '_>) {
        let bytes = vec![7; FILE];
        bencher.counter(BytesCount::new(FILE)).bench_local(|| ContentHash::of(&bytes));
    }

    #[divan::bench]
    fn blake3_alone(bencher: Bencher<'_, '_>) {
        let bytes = vec![7; FILE];
        bencher.counter(BytesCount::new(FILE)).bench_local(|| blake3::hash(&bytes));
    }
}

/// The list of a tree: made, written, read.
mod manifest {
    use super::*;

    fn files(count: usize) -> Vec<TreeFile> {
        let file = |at: usize| {
            let text = format!("src/package/module_{at:05}.py");
            let content = ContentHash::of(text.as_bytes());
            TreeFile { path: text.into(), kind: FileKind::File, size: 6750, content }
        };
        (0..count).map(file).collect()
    }

    #[divan::bench(args = [40, 4000])]
    fn made_and_named(bencher: Bencher<'_, '_>, count: usize) {
        let bencher = bencher.counter(ItemsCount::new(count)).with_inputs(|| files(count));
        bencher.bench_values(|files| Manifest::new(files).map(|manifest| manifest.digest()));
    }

    #[divan::bench(args = [40, 4000])]
    fn read(bencher: Bencher<'_, '_>, count: usize) {
        let bytes = Manifest::new(files(count)).map(|it| it.to_bytes()).unwrap_or_default();
        bencher.counter(ItemsCount::new(count)).bench_local(|| Manifest::from_bytes(&bytes));
    }
}

/// One update of ten modules in the journal.
mod frame {
    use super::*;

    fn update() -> Frame {
        let record = |at: usize| {
            let fetched = Fetched {
                origin: format!("example.com/organisation/repository-{at:04}")
                    .parse()
                    .expect("a value that was made to fit"),
                reference: Some("refs/heads/main".into()),
                revision: format!("{at:040x}").parse().expect("a value that was made to fit"),
            };
            let digest = digest_of(&at.to_le_bytes());
            let bound = Bound::Entry { digest, subdirectory: None, fetched: Some(fetched) };
            let source = format!("git+https://example.com/organisation/repository-{at:04}@main");
            let source = RecordedSource::read(source);
            let module = format!("module-{at:04}").parse().expect("a value that was made to fit");
            Record::Bound { module, binding: Binding { source, bound } }
        };
        Frame { sequence: 7, previous: [0; 16], records: (0..10).map(record).collect() }
    }

    #[divan::bench]
    fn written(bencher: Bencher<'_, '_>) {
        let frame = update();
        bencher.counter(ItemsCount::new(10_usize)).bench_local(|| frame.to_bytes());
    }

    #[divan::bench]
    fn read(bencher: Bencher<'_, '_>) {
        let (bytes, _) = update().to_bytes();
        bencher.counter(ItemsCount::new(10_usize)).bench_local(|| Frame::read(&bytes));
    }
}

/// `modules.toml`, against its grammar alone.
mod declarations {
    use super::*;
    use modstore::Source;
    use modstore_core::model::Declarations;

    fn source(at: usize) -> String {
        format!("git+https://example.com/organisation/repository-{at:04}@main")
    }

    #[divan::bench(args = [100, 1000])]
    fn parsed(bencher: Bencher<'_, '_>, count: usize) {
        let module = |at| format!("[modules.module-{at:04}]\nsource = \"{}\"\n\n", source(at));
        let text: String = (0..count).map(module).collect();
        let bencher = bencher.counter(ItemsCount::new(count));
        bencher.bench_local(|| Declarations::parse(&text, Path::new("/"), None).is_ok());
    }

    #[divan::bench(args = [100, 1000])]
    fn sources_alone(bencher: Bencher<'_, '_>, count: usize) {
        let texts: Vec<String> = (0..count).map(source).collect();
        let parse = |text: &String| Source::parse(text, Path::new("/"), None).is_ok();
        let bencher = bencher.counter(ItemsCount::new(count));
        bencher.bench_local(|| texts.iter().filter(|text| parse(text)).count());
    }
}

/// A tree of forty files: written and linked, against the bare calls.
mod tree {
    use super::*;
    use modstore_core::disk::{Disk, Planting};
    use std::fs;
    use tempfile::TempDir;

    const FILES: usize = 40;

    fn names() -> impl Iterator<Item = String> {
        (0..FILES).map(|at| format!("file_{at:02}"))
    }

    fn room() -> TempDir {
        tempfile::tempdir().unwrap_or_else(|error| panic!("no temporary directory: {error}"))
    }

    #[divan::bench]
    fn planted(bencher: Bencher<'_, '_>) {
        let (disk, bytes) = (Disk::default(), vec![7; FILE]);
        bencher.counter(ItemsCount::new(FILES)).with_inputs(room).bench_local_refs(|room| {
            let planting = Planting::create(&disk, &room.path().join("tree")).ok()?;
            names()
                .try_for_each(|name| {
                    planting.write(name.as_str().into(), FileKind::File, &bytes).map(drop)
                })
                .ok()
        });
    }

    #[divan::bench]
    fn written_by_std(bencher: Bencher<'_, '_>) {
        let bytes = vec![7; FILE];
        bencher.counter(ItemsCount::new(FILES)).with_inputs(room).bench_local_refs(|room| {
            names().try_for_each(|name| fs::write(room.path().join(name), &bytes)).ok()
        });
    }

    fn planted_tree() -> Option<(TempDir, Vec<TreeFile>)> {
        let room = room();
        let planting = Planting::create(&Disk::default(), &room.path().join("old")).ok()?;
        let bytes = vec![7; FILE];
        let files = names().map(|name| {
            let content = planting.write(name.as_str().into(), FileKind::File, &bytes).ok()?;
            let size = bytes.len() as u64;
            Some(TreeFile { path: name.into(), kind: FileKind::File, size, content })
        });
        let files = files.collect::<Option<Vec<_>>>()?;
        Some((room, files))
    }

    #[divan::bench]
    fn linked(bencher: Bencher<'_, '_>) {
        let disk = Disk::default();
        bencher.counter(ItemsCount::new(FILES)).with_inputs(planted_tree).bench_local_refs(|old| {
            let (room, files) = old.as_ref()?;
            let planting = Planting::create(&disk, &room.path().join("new")).ok()?;
            let from = room.path().join("old");
            files.iter().try_for_each(|file| planting.link(file.path.as_ref(), file, &from)).ok()
        });
    }

    #[divan::bench]
    fn linked_by_std(bencher: Bencher<'_, '_>) {
        bencher.counter(ItemsCount::new(FILES)).with_inputs(planted_tree).bench_local_refs(|old| {
            let (room, _) = old.as_ref()?;
            let (from, to) = (room.path().join("old"), room.path().join("new"));
            fs::create_dir(&to).ok()?;
            names().try_for_each(|name| fs::hard_link(from.join(&name), to.join(&name))).ok()
        });
    }
}
