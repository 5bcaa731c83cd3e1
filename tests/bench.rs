//! `bench churn`: the same work for the same seed, every figure where it belongs, and nothing left behind.
//!
//! How long things take is never tested.

#![expect(clippy::unwrap_used, reason = "helpers panic, and that is how a test fails")]
#![expect(clippy::indexing_slicing, reason = "what is not there is null, and fails the test")]

use std::{
    fs,
    path::{Path, PathBuf},
};

use modstore_testbed::{Contents, Corpus, Repo, Scratch, Shape, TestHome, share};
use serde_json::Value;

const SMALL: [&str; 8] = ["bench", "churn", "--modules", "6", "--files", "9", "--rounds", "5"];

fn churn(home: &TestHome, more: &[&str]) -> Value {
    home.run(&[&["--json"][..], &SMALL, more].concat()).ok().json()
}

/// What a churn did, without how long it took and what else the machine was at.
fn work(value: &Value) -> Value {
    let round = |round: &Value| {
        let phases: Vec<Value> = round["phases"].as_array().unwrap().iter().map(counts).collect();
        serde_json::json!([
            round["changed"],
            round["requests"],
            round["received_bytes"],
            round["changed_bytes"],
            round["disk"]["live_bytes"],
            phases,
        ])
    };
    let rounds = value["rounds"].as_array().unwrap().iter();
    [&value["fill"]].into_iter().chain(rounds).map(round).collect()
}

fn counts(phase: &Value) -> Value {
    ["phase", "files_created", "files_linked", "syncs"]
        .map(|name| phase[name].clone())
        .into_iter()
        .collect()
}

fn of<'v>(round: &'v Value, phase: &str, figure: &str) -> &'v Value {
    let phases = round["phases"].as_array().unwrap();
    &phases.iter().find(|each| each["phase"] == phase).unwrap()[figure]
}

#[test]
fn the_same_seed_makes_the_same_work_and_another_seed_makes_another() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let one = work(&churn(&home, &["--change", "40"]));
    assert_eq!(work(&churn(&home, &["--change", "40"])), one);
    assert_ne!(work(&churn(&home, &["--change", "40", "--seed", "2"])), one);
    assert!(!home.path().exists(), "the store of the user is left alone");
    assert_eq!(home.leftovers(), Vec::<PathBuf>::new());
}

#[test]
fn each_figure_is_in_its_phase() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let value = churn(&home, &["--change", "40", "--touch", "12", "--keep", "2"]);
    let fill = &value["fill"];
    // Of each module its files, its list and its ids of git.
    assert_eq!(of(fill, "fetch", "files_linked"), 0);
    assert!(of(fill, "fetch", "files_created").as_u64().unwrap() >= 6 * 9, "{fill}");
    assert_eq!((&fill["requests"], &fill["reader"]), (&12.into(), &Value::Null));
    for round in value["rounds"].as_array().unwrap() {
        // Three of six modules; of each two of nine files change, and seven do not.
        assert_eq!((&round["changed"], &round["requests"]), (&3.into(), &9.into()), "{round}");
        assert_eq!(of(round, "fetch", "files_linked"), 3 * 7, "{round}");
        assert_eq!(of(round, "check", "disk_calls"), 0, "{round}");
        assert!(of(round, "sync", "syncs").as_u64().unwrap() >= 5, "{round}");
        assert!(of(round, "fetch", "written_bytes").as_u64() > round["changed_bytes"].as_u64());
        assert_eq!(round["reader"]["misses"], 0, "{round}");
        assert!(round["reader"]["reads"].as_u64().unwrap() > 0, "{round}");
        let disk = &round["disk"];
        assert!(disk["live_disk_bytes"].as_u64() < disk["store_disk_bytes"].as_u64(), "{disk}");
        let number = round["round"].as_u64().unwrap();
        let swept = of(round, "sweep", "disk_calls").as_u64().unwrap();
        // Two generations are kept, so that from the second round on there is one to give up.
        assert_eq!(swept > 20, number >= 2, "{round}");
    }
}

#[test]
fn a_figure_that_the_system_does_not_tell_is_null_and_one_that_it_tells_is_not_0() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let value = churn(&home, &[]);
    let peak = &value["fill"]["peak_memory_bytes"];
    match Path::new("/proc/self/clear_refs").exists() {
        true => assert!(peak.as_u64().unwrap() > 1 << 20, "{peak}"),
        false => assert!(peak.is_null(), "{peak}"),
    }
}

#[test]
fn the_plot_has_every_phase_and_every_round() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let plot = home.scratch().join("a plot.svg");
    let ran = home.run(&[&SMALL[..], &["--plot", plot.to_str().unwrap()]].concat()).ok();
    assert!(ran.stdout.contains("a plot.svg") && ran.stdout.contains("store ÷ live"), "{ran:?}");
    let text = fs::read_to_string(&plot).unwrap();
    assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"), "{text}");
    for phase in
        ["check", "fetch", "place", "sync", "switch", "sweep", "prefers-color-scheme: dark"]
    {
        assert!(
            text.contains(phase) && ran.stdout.contains(phase) || phase.contains(':'),
            "{phase}"
        );
    }
    assert_eq!(
        text.matches("<rect x=").count(),
        5 * 6 + 6,
        "a bar each, and the keys of the phases"
    );
    assert_eq!(text.matches("<polyline ").count(), 3 + 1, "disk, and a reader's wait");
    let odd = home.scratch().join("no directory/plot.svg");
    home.run(&[&SMALL[..], &["--plot", odd.to_str().unwrap()]].concat()).fails(1).says("the plot");
}

#[test]
fn ones_own_modules_are_measured_in_a_scratch_store() {
    let home = TestHome::new(env!("CARGO_BIN_EXE_modstore"));
    let real = ["bench", "churn", "--real", "--rounds", "2", "--change", "50"];
    home.run(&real).fails(2).says("modstore add");
    for name in ["one", "two"] {
        let repo = Repo::create(&home.scratch(), name);
        repo.write(&[("a.txt", "1\n"), ("part/b.txt", name)]);
        let source = format!("git+{}#subdirectory=part", repo.url_file());
        home.run(&["add", "--no-update", &source, "--name", name]).ok();
    }
    let value = home.run(&[&["--json"][..], &real].concat()).ok().json();
    assert_eq!(
        (&value["modules"], &value["files"], &value["server"]),
        (&2.into(), &Value::Null, &Value::Null)
    );
    for round in value["rounds"].as_array().unwrap() {
        assert_eq!((&round["changed"], &round["failed"]), (&1.into(), &0.into()), "{round}");
        assert!(
            of(round, "fetch", "files_created").as_u64().unwrap() >= 2,
            "fetched again: {round}"
        );
        assert_eq!(round["reader"]["misses"], 0);
    }
    assert!(!home.path().join("current").exists(), "the store of the user is left alone");
    home.run(&["bench", "churn", "--real", "--modules", "3"]).fails(2);
}

#[test]
fn what_is_filled_is_what_git_serves() {
    let root = Scratch::new("modstore-corpus-", None).unwrap();
    let shape = Shape {
        modules: 3,
        files: 5,
        rounds: 2,
        changing: share(3, 34),
        touched: share(5, 8),
        mean_size: 6750,
        seed: 1,
        contents: Contents::Text,
    };
    let corpus = Corpus::build(root.path(), shape).unwrap();
    let lines: Vec<(usize, String, &str)> = corpus.commits().collect();
    assert_eq!(lines.len(), 3 + 2 * 2, "{lines:?}");
    for line in &lines {
        let (round, module, commit) = line;
        let repository = root.path().join(format!("{module}.git"));
        let git = |words: &[&str]| {
            let ran =
                modstore_testbed::git().arg("--git-dir").arg(&repository).args(words).output();
            String::from_utf8(ran.unwrap().stdout).unwrap()
        };
        assert_eq!(git(&["ls-tree", "-r", "--name-only", commit]).lines().count(), 5);
        assert_eq!(git(&["rev-parse", "main"]).trim() == *commit, *round == 0, "{line:?}");
        let expected = if *round == 0 { "" } else { "1 file" };
        let changed = git(&["show", "--shortstat", "--format=", commit]);
        assert!(changed.contains(expected), "8 % of five files is one: {changed}");
    }
}
