//! modstore against git, sheldon, prek, uv, Nix and OSTree, in one run, on real servers: ratios, not absolute times.
//!
//! `cargo run --release -p modstore-benches -- [fetch] [churn] [far] [network] [tier] [large] [where] [scale] …` prints a Markdown table for each section, ready
//! for `benches/README.md`, which says what each contender does and how to read the numbers.
//! Limits: Linux for memory, processor time of the server, and the file system of its own; elsewhere these are left out.

mod report;
mod measure;
mod compare;
mod contender;
mod git;
mod sheldon;
mod prek;
mod uv;
mod nix;
mod ostree;
mod modstore;
mod corpus;
mod http;
mod floors;
mod machine;
mod fetch;
mod churn;
mod far;
mod network;
mod tier;
mod breakdown;
mod scale;
mod plot;
mod stores;
mod import;
mod inside;
mod local;
mod verify;
mod switch;
mod bind;
mod environments;
mod scan;
mod hosts;
mod amplifier;

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use modstore_testbed::{HttpServer, Mount};

use crate::contender::{Contender, Step};
use crate::corpus::{Corpus, Version};
use crate::fetch::{Pages, Site};
use crate::git::{Git, Habit};
use crate::local::Local;
use crate::modstore::Modstore;
use crate::nix::Nix;
use crate::ostree::Ostree;
use crate::prek::Prek;
use crate::report::Timing;
use crate::sheldon::Sheldon;
use crate::uv::Uv;
use crate::verify::Amount;

/// Room for every contender's trees and clones.
const DISK_MIB: u64 = 6 * 1024;

/// What we want to need of others' time.
const AIMS: [(Step, &str); 4] = [
    (Step::Cold, "≤ 0.45 × git"),
    (Step::Nothing, "≤ 0.65 × sheldon"),
    (Step::One, "≤ 0.7 × sheldon"),
    (Step::Ten, ""),
];

/// The same for one large repository.
const LARGE_AIMS: [(Step, &str); 3] =
    [(Step::Cold, "≤ 0.8 × git"), (Step::Nothing, ""), (Step::One, "")];

/// Measures modstore against git and the stores of others over smart HTTP on loopback.
#[derive(Debug, Parser)]
struct Arguments {
    /// What to measure; everything when nothing is named.
    sections: Vec<Section>,
    /// Repositories to serve in `fetch` and `where`.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(11..=999))]
    modules: u16,
    /// Files in each.
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u16).range(4..))]
    files: u16,
    /// Files in the one repository of `large`.
    #[arg(long, default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(1000..))]
    large_files: u32,
    /// Rounds of `fetch`; `large` and `where` make fewer.
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u8).range(1..))]
    runs: u8,
    /// Measure this binary instead of building the one of this source tree.
    #[arg(long)]
    modstore: Option<PathBuf>,
    /// Compare with this binary, as modstore was before a change, in `network`.
    #[arg(long)]
    before: Option<PathBuf>,
    /// Leave sheldon out.
    #[arg(long)]
    without_sheldon: bool,
    /// The most modules in `scale`.
    #[arg(long, default_value_t = 10_000)]
    largest: usize,
    /// A Python whose environment has Amplifier's foundation, for `amplifier`.
    #[arg(long, value_name = "PYTHON")]
    amplifier: Option<PathBuf>,
    /// Draw what `fetch` and `churn` took into this file.
    #[arg(long)]
    plot: Option<PathBuf>,
    /// Work below this directory instead of on a file system of our own.
    #[arg(long, conflicts_with = "on")]
    place: Option<PathBuf>,
    /// The kind of the file system of our own.
    #[arg(long, value_enum, default_value_t = FileSystem::Ext4)]
    on: FileSystem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum FileSystem {
    Ext4,
    Xfs,
    Btrfs,
}

impl FileSystem {
    fn mount(self) -> Option<Mount> {
        match self {
            Self::Ext4 => Mount::ext4(DISK_MIB),
            Self::Xfs => Mount::xfs(DISK_MIB),
            Self::Btrfs => Mount::btrfs(DISK_MIB),
        }
    }

    /// As a report names it.
    fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "an ext4 with a journal on a loop device",
            Self::Xfs => "an xfs on a loop device",
            Self::Btrfs => "a btrfs on a loop device",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Section {
    /// Many modules: cold, nothing changed, 1 changed, 10 changed.
    Fetch,
    /// The same as `fetch` with nothing in the page cache before each step.
    ColdPages,
    /// 20 rounds in which a tenth moves, collected after each.
    Churn,
    /// Nothing changed, 40 ms away.
    Far,
    /// Nothing changed and cold, at 0, 40 and 120 ms, over HTTP and TLS.
    Network,
    /// A shared tier and git servers, 30 ms away.
    Tier,
    /// One repository of many files: cold, nothing changed, 1 commit.
    Large,
    /// Where modstore's time goes.
    Where,
    /// 1, 10, 100, 1,000, 10,000 modules.
    Scale,
    /// A journal of 100,000 records: opened, and compacted.
    Open,
    /// What the quickest commands take with 1,000 modules.
    Start,
    /// A sweep of 10,000 entries: planned, and deleted.
    Sweep,
    /// Every file re-hashed.
    Verify,
    /// Twenty Python modules switched, against installing them again.
    Switch,
    /// Twenty-eight Python modules bound, against `uv pip install -e`; and the imports of an update.
    Bind,
    /// What 20 editables among 300 distributions lead to.
    Environment,
    /// A scan of 1,000 modules with nothing to do, and 107 builds without a network.
    Scan,
    /// What a host waits for at its start when everything is there.
    Hosts,
    /// A directory of 40 clones imported, against `cp -r`.
    Import,
    /// Twenty-eight modules that are not there, for a host's first start, against Amplifier.
    Amplifier,
}

/// Programs and places of a whole run.
struct Bench {
    arguments: Arguments,
    modstore: Option<PathBuf>,
    before: Option<PathBuf>,
    sheldon: Option<PathBuf>,
    prek: Option<PathBuf>,
    b3sum: Option<PathBuf>,
    /// Where cargo builds, and tools are.
    target: PathBuf,
    ground: Ground,
}

/// The file system that contenders work on.
enum Ground {
    Own(Mount, FileSystem),
    Given(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Ground {
    fn new(given: Option<&Path>, kind: FileSystem) -> Result<Self, Box<dyn Error>> {
        if let Some(given) = given {
            std::fs::create_dir_all(given)?;
            return Ok(Self::Given(given.canonicalize()?));
        }
        match kind.mount() {
            Some(mount) => Ok(Self::Own(mount, kind)),
            None => Ok(Self::Temporary(tempfile::tempdir()?)),
        }
    }

    fn path(&self) -> PathBuf {
        match self {
            Self::Own(mount, _) => mount.path(),
            Self::Given(path) => path.clone(),
            Self::Temporary(dir) => dir.path().to_owned(),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Own(_, kind) => kind.name(),
            Self::Given(_) => "the directory given",
            Self::Temporary(_) => {
                "the temporary directory, for want of root to mount a file system"
            }
        }
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().collect();
    if let [_, command, root, numbers @ ..] = words.as_slice()
        && command == "fill"
    {
        return Ok(fill(Path::new(root), numbers)?);
    }
    if let [_, command, what, home, numbers @ ..] = words.as_slice()
        && command == "inside"
    {
        return inside::child(what, Path::new(home), numbers);
    }
    if let [_, command, root] = words.as_slice()
        && command == "serve"
    {
        return Ok(serve(Path::new(root))?);
    }
    Bench::prepare(Arguments::parse())?.run()
}

/// Serves what `fill` made until stdin ends: for a profiler, or for another server to be compared with this one.
fn serve(root: &Path) -> std::io::Result<()> {
    let server = HttpServer::start(root);
    print(&format!("http://127.0.0.1:{}\n", server.port()));
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink()).map(drop)
}

/// The child of [`Corpus::build`].
fn fill(root: &Path, numbers: &[String]) -> Result<(), String> {
    let numbers: Vec<usize> = numbers.iter().filter_map(|it| it.parse().ok()).collect();
    let &[modules, files, touched, mean_size] = numbers.as_slice() else {
        return Err("fill is for the program itself".to_owned());
    };
    print(&corpus::fill(root, corpus::shape(modules, files, touched, mean_size))?);
    Ok(())
}

impl Bench {
    fn prepare(arguments: Arguments) -> Result<Self, Box<dyn Error>> {
        let cargo = PathBuf::from(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        let program = std::env::current_exe()?;
        let target =
            program.ancestors().nth(2).ok_or("the program is not in a target directory")?;
        say("building modstore, and what of its peers is not there");
        let modstore = match arguments.modstore.clone() {
            Some(binary) => Some(binary.canonicalize()?),
            None => or_say(Modstore::build(&cargo, target)),
        };
        let wanted = |among: &[Section]| {
            let named = &arguments.sections;
            named.is_empty() || named.iter().any(|section| among.contains(section))
        };
        let peers = wanted(&[Section::Fetch, Section::ColdPages, Section::Churn, Section::Far]);
        let meets_sheldon = peers || wanted(&[Section::Network]);
        let wants_sheldon = !arguments.without_sheldon && meets_sheldon;
        let before = network::binary(arguments.before.as_ref())?;
        let prek = peers.then(|| or_say(Prek::install(target))).flatten();
        let sheldon = wants_sheldon.then(|| or_say(Sheldon::install(&cargo, target))).flatten();
        let b3sum = wanted(&[Section::Verify])
            .then(|| or_say(verify::install_b3sum(&cargo, target)))
            .flatten();
        let ground = Ground::new(arguments.place.as_deref(), arguments.on)?;
        let target = target.to_owned();
        Ok(Self { arguments, modstore, before, sheldon, prek, b3sum, target, ground })
    }

    fn run(&self) -> Result<(), Box<dyn Error>> {
        let uv = Uv::binary(&self.target);
        let programs = [
            Some(Path::new("git")),
            self.sheldon.as_deref(),
            self.prek.as_deref(),
            Some(uv.as_path()).filter(|uv| uv.exists()),
            Nix::is_there().then_some(Path::new("nix-store")),
            Ostree::is_there().then_some(Path::new("ostree")),
            self.modstore.as_deref(),
        ];
        let programs: Vec<&Path> = programs.into_iter().flatten().collect();
        print(&machine::describe(&self.ground.path(), self.ground.name(), &programs));
        let many = [
            Section::Fetch,
            Section::ColdPages,
            Section::Churn,
            Section::Far,
            Section::Network,
            Section::Tier,
            Section::Where,
        ];
        if many.into_iter().any(|section| self.wants(section)) {
            self.many()?;
        }
        if let (true, Some(modstore)) = (self.wants(Section::Tier), &self.modstore) {
            self.thin_packs(modstore)?;
        }
        if self.wants(Section::Large) {
            self.one_large()?;
        }
        if let (true, Some(modstore)) = (self.wants(Section::Scale), &self.modstore) {
            let (place, largest) = (self.ground.path(), self.arguments.largest);
            let table = scale::curve(modstore, &place, largest, &say)?;
            print(&format!("\n### scale: modules of 4 files\n\n{table}"));
        }
        self.without_server()
    }

    /// The sections that need no repositories.
    fn without_server(&self) -> Result<(), Box<dyn Error>> {
        let Some(modstore) = &self.modstore else { return Ok(()) };
        let (place, rounds) = (self.ground.path(), usize::from(self.arguments.runs));
        let local = Local { place: &place, modstore, rounds };
        let section = |section, title: &str, work: &dyn Fn() -> Result<String, String>| {
            if self.wants(section) {
                say(title);
                print(&format!("\n### {title}\n\n{}", work()?));
            }
            Ok::<(), String>(())
        };
        section(Section::Open, "open: a journal of 100,000 records", &|| local.open())?;
        section(Section::Start, "start: 1,000 modules", &|| local.start())?;
        section(Section::Sweep, "sweep: 10,000 entries", &|| local.sweep())?;
        section(Section::Environment, "environment: 300 distributions, 20 editables", &|| {
            environments::measure(&place, modstore, rounds)
        })?;
        section(Section::Scan, "scan: 1,000 modules, nothing to do", &|| scan::idle(&local))?;
        section(Section::Hosts, "hosts: ensure and activate, all there", &|| {
            hosts::ensure(&local)
        })?;
        section(Section::Import, "import: 40 clones", &|| import::clones(&local))?;
        section(Section::Amplifier, "amplifier: 28 modules, nothing there", &|| {
            amplifier::cold(&local, self.arguments.amplifier.as_deref())
        })?;
        section(Section::Scan, "scan: 107 builds, no network", &|| scan::dead(&local))?;
        for (title, amount) in [
            ("verify: 100 modules", Amount { entries: 100, files: 40 }),
            ("verify: ten times as many files", Amount { entries: 100, files: 400 }),
        ] {
            section(Section::Verify, title, &|| {
                verify::measure(&local, self.b3sum.as_deref(), amount)
            })?;
        }
        section(Section::Switch, "switch: 20 Python modules", &|| local.switch())?;
        section(Section::Bind, "bind: 28 Python modules", &|| local.bind())?;
        Ok(())
    }

    fn wants(&self, section: Section) -> bool {
        self.arguments.sections.is_empty() || self.arguments.sections.contains(&section)
    }

    /// `fetch`, `churn`, `far` and `where`, on the same repositories.
    fn many(&self) -> Result<(), Box<dyn Error>> {
        let (modules, files) = (self.arguments.modules.into(), self.arguments.files.into());
        let shape = corpus::shape(modules, files, 3, 6750);
        self.on(shape, |site| {
            let mut bars: Vec<Timing> = Vec::new();
            if self.wants(Section::Fetch) {
                let rounds = self.arguments.runs.into();
                let (table, more) = fetch::compare(site, &self.everybody(site), &AIMS, rounds, &say)?;
                print(&format!("\n### fetch: {modules} modules of {files} files\n\n{table}"));
                bars.extend(more);
            }
            if self.wants(Section::ColdPages) {
                self.cold_pages(site)?;
            }
            if self.wants(Section::Churn) {
                let (table, more) = churn::run(site, &self.one_of_each(site), &say)?;
                let rounds = churn::ROUNDS;
                print(&format!("\n### churn: {rounds} rounds, a tenth of {modules} modules moves in each\n\n{table}"));
                bars.extend(more);
            }
            if self.wants(Section::Far) {
                say("far away");
                let runs = usize::from(self.arguments.runs).min(5);
                let table = far::look(site, &self.one_of_each(site), runs)?;
                let delay = far::DELAY_MS;
                print(&format!("\n### far: nothing changed, every answer {delay} ms late\n\n{table}"));
            }
            if let (true, Some(modstore)) = (self.wants(Section::Network), &self.modstore) {
                let runs = usize::from(self.arguments.runs);
                let table = network::measure(site, &self.network_programs(modstore), runs, &say)?;
                print(&format!("\n### network: {modules} modules of {files} files\n\n{table}"));
            }
            if let (true, Some(modstore)) = (self.wants(Section::Tier), &self.modstore) {
                say("a shared tier");
                let table = tier::measure(site, modstore, self.arguments.runs.into())?;
                let away = tier::ROUND_TRIP.as_millis();
                print(&format!("\n### tier: {modules} modules of {files} files, {away} ms away\n\n{table}"));
            }
            if let (Some(plot), false) = (&self.arguments.plot, bars.is_empty()) {
                let title = format!("Keeping {modules} modules of {files} files up to date");
                let drawn = std::fs::write(plot, plot::draw(&title, &bars));
                drawn.map_err(|error| format!("{}: {error}", plot.display()))?;
            }
            if let (true, Some(binary)) = (self.wants(Section::Where), &self.modstore) {
                say("where the time goes");
                let ours = Modstore::new(binary, site.place, &site.corpus.wanted(site.server));
                let runs = usize::from(self.arguments.runs).min(5);
                let tables = breakdown::break_down(site, &ours, runs)?;
                print(&format!("\n### where: {modules} modules of {files} files\n\n{tables}"));
            }
            Ok(())
        })
    }

    /// The steps of `fetch`, before each of which the page cache is emptied.
    fn cold_pages(&self, site: &Site<'_>) -> Result<(), String> {
        say("nothing in the page cache");
        let site = Site { pages: Pages::Cold, ..*site };
        let steps = AIMS.map(|(step, _)| (step, ""));
        let rounds = usize::from(self.arguments.runs).min(3);
        let (table, _) = fetch::compare(&site, &self.one_of_each(&site), &steps, rounds, &say)?;
        print(&format!("\n### cold-pages: the same, nothing in the page cache\n\n{table}"));
        Ok(())
    }

    fn network_programs<'b>(&'b self, modstore: &'b Path) -> network::Programs<'b> {
        let (before, sheldon) = (self.before.as_deref(), self.sheldon.as_deref());
        network::Programs { modstore, before, sheldon, target: &self.target }
    }

    fn one_large(&self) -> Result<(), Box<dyn Error>> {
        let files = usize::try_from(self.arguments.large_files)?;
        let shape = corpus::shape(1, files, 10, 5000);
        self.on(shape, |site| {
            let rounds = usize::from(self.arguments.runs).min(3);
            let everybody = self.git_and_ours(site);
            let (table, _) = fetch::compare(site, &everybody, &LARGE_AIMS, rounds, &say)?;
            print(&format!("\n### large: one repository of {files} files\n\n{table}"));
            Ok(())
        })
    }

    /// One large repository from a shared tier, whole and by thin packs.
    fn thin_packs(&self, modstore: &Path) -> Result<(), Box<dyn Error>> {
        let files = usize::try_from(self.arguments.large_files)?;
        self.on(corpus::shape(1, files, 10, 1500), |site| {
            let table = tier::thin(site, modstore, usize::from(self.arguments.runs).min(3))?;
            print(&format!("\n### tier: one repository of {files} files, 10 changed\n\n{table}"));
            Ok(())
        })
    }

    /// Fills repositories, serves them, and does `work` there.
    fn on(
        &self,
        shape: modstore_testbed::Shape,
        work: impl FnOnce(&Site<'_>) -> Result<(), String>,
    ) -> Result<(), Box<dyn Error>> {
        say(&format!("filling {} repositories of {} files", shape.modules, shape.files));
        let root = tempfile::tempdir()?;
        let corpus = Corpus::build(root.path(), shape)?;
        let server = HttpServer::start(root.path());
        let place = self.ground.path();
        Ok(work(&Site { corpus: &corpus, server: &server, place: &place, pages: Pages::Warm })?)
    }

    /// All contenders.
    fn everybody(&self, site: &Site<'_>) -> Vec<Box<dyn Contender>> {
        let (place, wanted) = (site.place, site.corpus.wanted(site.server));
        let mut all: Vec<Box<dyn Contender>> = vec![
            Box::new(Git::new(Habit::LookFirst, place, &wanted)),
            Box::new(Git::new(Habit::FetchAll, place, &wanted)),
            Box::new(Git::with_protocol_0(place, &wanted)),
        ];
        all.extend(self.peers(site));
        all.extend(self.ours(site));
        all
    }

    /// Git in its better habit, the peers, and us.
    fn one_of_each(&self, site: &Site<'_>) -> Vec<Box<dyn Contender>> {
        let git = Git::new(Habit::LookFirst, site.place, &site.corpus.wanted(site.server));
        let mut all: Vec<Box<dyn Contender>> = vec![Box::new(git)];
        all.extend(self.peers(site));
        all.extend(self.ours(site));
        all
    }

    fn peers(&self, site: &Site<'_>) -> Vec<Box<dyn Contender>> {
        let (place, wanted) = (site.place, site.corpus.wanted(site.server));
        let mut peers: Vec<Box<dyn Contender>> = Vec::new();
        if let Some(binary) = &self.sheldon {
            peers.push(Box::new(Sheldon::new(binary, place, &wanted)));
        }
        if let Some(binary) = &self.prek {
            let first = |module| site.corpus.id(module, Version::Base).to_owned();
            let commits = site.corpus.modules.iter().map(first).collect();
            peers.push(Box::new(Prek::new(binary, place, &wanted, commits)));
        }
        if Uv::binary(&self.target).exists() {
            peers.push(Box::new(Uv::new(&self.target, place, &wanted)));
        } else {
            say("left out: uv, which `sh tests/setup.sh` puts into target/tools");
        }
        if Nix::is_there() {
            peers.push(Box::new(Nix::new(place, &wanted)));
        }
        if Ostree::is_there() {
            peers.push(Box::new(Ostree::new(place, &wanted)));
        }
        peers
    }

    /// Git in both its habits, and us.
    fn git_and_ours(&self, site: &Site<'_>) -> Vec<Box<dyn Contender>> {
        let wanted = site.corpus.wanted(site.server);
        let git = [Habit::LookFirst, Habit::FetchAll]
            .map(|habit| -> Box<dyn Contender> { Box::new(Git::new(habit, site.place, &wanted)) });
        git.into_iter().chain(self.ours(site)).collect()
    }

    fn ours(&self, site: &Site<'_>) -> Option<Box<dyn Contender>> {
        let binary = self.modstore.as_ref()?;
        Some(Box::new(Modstore::new(binary, site.place, &site.corpus.wanted(site.server))))
    }
}

/// What could not be had is left out of the run, and the reason printed.
fn or_say<T>(result: Result<T, String>) -> Option<T> {
    result.map_err(|why| say(&format!("left out: {why}"))).ok()
}

fn print(text: &str) {
    // With stdout closed nobody wants the tables.
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "bench: {text}");
}
