//! The fuzz targets' corpus, and mutations of it, against the properties the targets check: what fuzzing found once is
//! looked at on every run of the tests, by the compiler that the rest is built with.
//!
//! The mutations are the same each time; `MODSTORE_MUTATIONS=1000000` is the long form, and fuzzing itself is in
//! `tests/fuzz/`. Limits: mutations without coverage find little that is new.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "helpers panic, and that is how a test fails"
)]

#[expect(unreachable_pub, reason = "the fuzz targets' own crate has the same file")]
#[path = "fuzz/properties.rs"]
mod properties;

use std::{env, fs, path::Path};

use modstore_testbed::Random;

/// How many mutations of each corpus are tried.
const MUTATIONS: u64 = 40_000;

/// The files of one target, in the order of their names.
fn corpus(target: &str) -> Vec<Vec<u8>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fuzz/corpus").join(target);
    let mut paths: Vec<_> =
        fs::read_dir(directory).unwrap().map(|child| child.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// What lengths and counts are made of in hostile input.
const HOSTILE: [&[u8]; 8] = [
    &[0xff],
    &[0, 0],
    &[251, 0xff, 0xff],
    &[252, 0, 0, 0xf0, 0x03],
    &[0xff; 4],
    &[253, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    b"msj1",
    b"@{#%/:\\\n\"'.",
];

/// One to four changes of one file: a bit, a byte, a cut, a repetition, something hostile, a piece of another file.
fn mutated(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(4) {
        let at = random.below(bytes.len() + 1);
        let to = (at + random.below(16)).min(bytes.len());
        match random.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            1 if at < bytes.len() => bytes[at] = random.draw() as u8,
            2 => drop(bytes.drain(at..to)),
            3 => bytes.truncate(at),
            4 => drop(bytes.splice(at..at, bytes[at..to].to_vec())),
            5 => drop(bytes.splice(at..to, HOSTILE[random.below(HOSTILE.len())].to_vec())),
            _ => {
                let other = &corpus[random.below(corpus.len())];
                let from = random.below(other.len() + 1);
                let end = (from + random.below(64)).min(other.len());
                drop(bytes.splice(at..to, other[from..end].to_vec()));
            }
        }
    }
    bytes
}

fn holds_for_all(target: &str, property: fn(&[u8])) {
    holds_for(target, MUTATIONS, property);
}

/// The same where one execution writes a tree or asks a server, and so takes a thousand times as long.
fn holds_for_some(target: &str, property: fn(&[u8])) {
    holds_for(target, MUTATIONS / 100, property);
}

fn holds_for(target: &str, mutations: u64, property: fn(&[u8])) {
    let corpus = corpus(target);
    assert!(corpus.len() > 3, "the corpus of {target} is gone");
    corpus.iter().for_each(|bytes| property(bytes));
    let wanted = env::var("MODSTORE_MUTATIONS").map_or(mutations, |text| text.parse().unwrap());
    let mut random = Random::of(1);
    for number in 0..wanted {
        let bytes = mutated(&corpus, &mut random);
        if std::panic::catch_unwind(|| property(&bytes)).is_err() {
            panic!("{target}, mutation {number}: {:?}", bytes.escape_ascii().to_string());
        }
    }
    println!("{target}: {} files, {wanted} mutations", corpus.len());
}

#[test]
fn any_payload_of_a_frame_is_read_as_itself_or_refused_and_costs_what_it_is_worth() {
    holds_for_all("records", properties::records);
}

#[test]
fn any_damage_to_any_journal_is_noticed_or_a_torn_end() {
    holds_for_all("journal", properties::journal);
}

#[test]
fn any_text_is_a_pointer_that_names_what_its_plain_form_names_or_none() {
    holds_for_all("pointer", properties::pointer);
}

#[test]
fn any_answer_about_large_files_offers_addresses_with_headers_that_may_be_sent_or_is_refused() {
    holds_for_all("batch", properties::batch);
}

#[test]
fn any_list_of_submodules_has_paths_within_its_tree_or_is_refused() {
    holds_for_all("gitmodules", properties::gitmodules);
}

#[test]
fn any_text_is_a_source_that_reads_back_or_is_refused() {
    holds_for_all("source", properties::source);
}

#[test]
fn any_edit_of_any_declarations_changes_what_it_says_and_nothing_else() {
    holds_for_all("declarations", properties::declarations);
}

#[test]
fn any_lockfile_reads_back_or_is_refused() {
    holds_for_all("lockfile", properties::lockfile);
}

#[test]
fn any_manifest_has_one_form_or_is_refused() {
    holds_for_all("manifest", properties::manifest);
}

#[test]
fn any_pack_becomes_the_tree_that_git_would_make_of_it_or_is_refused() {
    let sound = corpus("pack").iter().filter(|bytes| properties::pack(bytes)).count();
    assert!(sound >= 6, "only {sound} packs of the corpus are sound");
    holds_for_some("pack", |bytes| _ = properties::pack(bytes));
}

#[test]
fn any_answer_of_any_server_comes_to_an_end_and_names_no_commit_of_its_own_making() {
    holds_for_some("answers", properties::answers);
}

#[test]
fn any_archive_is_unpacked_within_its_tree_or_is_refused() {
    let sound = corpus("archive").iter().filter(|bytes| properties::archive(bytes)).count();
    assert!(sound >= 4, "only {sound} archives of the corpus are sound");
    holds_for_some("archive", |bytes| _ = properties::archive(bytes));
}

#[test]
fn any_file_of_any_environment_is_read_or_reported_as_a_trouble() {
    holds_for_some("environment", properties::environment);
}
