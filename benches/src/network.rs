//! Many repositories over a network: nothing changed, and cold, at several distances, over HTTP and TLS.
//!
//! Between client and server lies a wire of the length of half a round trip in each direction; making a connection takes
//! a whole one. All contenders take turns, in another order each time, so that what else the machine does hits all
//! alike; the least times are shown beside the medians.
//!
//! Limits: the wire delays and does not lose; bandwidth has no limit. The server runs on the same processors.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use modstore_testbed::{FarWire, TlsFront};

use crate::contender::{Contender, Step, Wanted};
use crate::corpus::Version;
use crate::fetch::{Site, all_at};
use crate::git::{Git, Habit};
use crate::measure::{Spread, sync};
use crate::modstore::Modstore;
use crate::report::{Table, milliseconds, number};
use crate::sheldon::Sheldon;
use crate::uv::Uv;

/// Round trips, in milliseconds.
const DISTANCES: [u64; 3] = [0, 40, 120];

/// The programs that are compared.
pub(crate) struct Programs<'a> {
    /// Ours.
    pub(crate) modstore: &'a Path,
    /// Ours before a change.
    pub(crate) before: Option<&'a Path>,
    pub(crate) sheldon: Option<&'a Path>,
    /// Where uv and its wheels are.
    pub(crate) target: &'a Path,
}

/// Measures all distances, over HTTP and TLS, each step as often as `runs` says.
pub(crate) fn measure(
    site: &Site<'_>,
    programs: &Programs<'_>,
    runs: usize,
    say: &dyn Fn(&str),
) -> Result<String, String> {
    all_at(site, Version::Base)?;
    let header = [
        "scheme",
        "round trip, ms",
        "step",
        "contender",
        "ms, median [min..max]",
        "× git",
        "× uv",
        "× before",
        "connections",
    ];
    let mut table = Table::new(4, &header);
    for is_secure in [false, true] {
        for distance in DISTANCES {
            let scheme = if is_secure { "https" } else { "http" };
            say(&format!("{scheme}, {distance} ms"));
            let way = Way::to(site, is_secure, Duration::from_millis(distance));
            for row in one_way(site, &way, programs, runs)? {
                say(&row.join(" | "));
                table.row([vec![scheme.to_owned(), distance.to_string()], row].concat());
            }
        }
    }
    Ok(table.to_string())
}

/// What lies between the contenders and the server.
struct Way {
    wire: FarWire,
    front: Option<TlsFront>,
    wanted: Vec<Wanted>,
}

impl Way {
    fn to(site: &Site<'_>, is_secure: bool, round_trip: Duration) -> Self {
        let front = is_secure.then(|| TlsFront::to(site.server.port()));
        let near = front.as_ref().map_or(site.server.port(), TlsFront::port);
        let wire = FarWire::to(near, round_trip);
        let url = |url: &str| wire.url(&front.as_ref().map_or(url.to_owned(), |it| it.url(url)));
        let wanted = site.corpus.wanted(site.server).into_iter();
        let wanted = wanted.map(|it| Wanted { url: url(&it.url), ..it }).collect();
        Self { wire, front, wanted }
    }

    fn contenders(&self, place: &Path, programs: &Programs<'_>) -> Vec<Box<dyn Contender>> {
        let authority = self.front.as_ref().map(TlsFront::authority);
        let (authority, wanted) = (authority.as_deref(), &self.wanted);
        let mut all: Vec<Box<dyn Contender>> =
            vec![Box::new(Git::new(Habit::LookFirst, place, wanted).trusting(authority))];
        // Its libgit2 does not find the address of a certificate that is for 127.0.0.1.
        if let Some(binary) = programs.sheldon.filter(|_| self.front.is_none()) {
            all.push(Box::new(Sheldon::new(binary, place, wanted).trusting(authority)));
        }
        if Uv::binary(programs.target).exists() {
            all.push(Box::new(Uv::new(programs.target, place, wanted).trusting(authority)));
        }
        if let Some(binary) = programs.before {
            all.push(Box::new(Modstore::before(binary, place, wanted).trusting(authority)));
        }
        let ours = [Modstore::through_git, Modstore::new];
        for ours in ours.map(|ours| ours(programs.modstore, place, wanted)) {
            all.push(Box::new(ours.trusting(authority)));
        }
        all
    }
}

/// Wall times and connections, by contender.
type Seen = BTreeMap<String, (Vec<f64>, usize)>;

/// The rows of one scheme and distance, but for these two.
fn one_way(
    site: &Site<'_>,
    way: &Way,
    programs: &Programs<'_>,
    runs: usize,
) -> Result<Vec<Vec<String>>, String> {
    let contenders = way.contenders(site.place, programs);
    let mut cold = Seen::new();
    // The peers install, too, and are timed only where that is left out.
    let all: Vec<&dyn Contender> = contenders.iter().map(AsRef::as_ref).collect();
    let (slow, quick): (Vec<&dyn Contender>, Vec<&dyn Contender>) =
        all.iter().partition(|it| matches!(it.name(), "uv" | "sheldon"));
    for contender in slow {
        contender.clear()?;
        contender.run(Step::Cold)?;
    }
    for turn in 0..runs.div_ceil(3) {
        for contender in by_turns(&quick, turn) {
            contender.clear()?;
            time(site.place, way, *contender, Step::Cold, &mut cold)?;
        }
    }
    let mut nothing = Seen::new();
    for turn in 0..runs {
        for contender in by_turns(&all, turn) {
            time(site.place, way, *contender, Step::Nothing, &mut nothing)?;
        }
    }
    all.iter().try_for_each(|contender| contender.clear())?;
    let names: Vec<&str> = contenders.iter().map(|it| it.name()).collect();
    let rows = [(Step::Nothing, &nothing), (Step::Cold, &cold)];
    Ok(rows.into_iter().flat_map(|(step, seen)| rows_of(step, seen, &names)).collect())
}

fn by_turns<T>(all: &[T], turn: usize) -> impl Iterator<Item = &T> {
    all.iter().cycle().skip(turn % all.len().max(1)).take(all.len())
}

fn time(
    place: &Path,
    way: &Way,
    contender: &dyn Contender,
    step: Step,
    seen: &mut Seen,
) -> Result<(), String> {
    sync(place)?;
    way.wire.forget();
    let begun = Instant::now();
    contender.run(step)?;
    let (walls, connections) = seen.entry(contender.name().to_owned()).or_default();
    walls.push(begun.elapsed().as_secs_f64());
    *connections = way.wire.connections();
    Ok(())
}

fn rows_of(step: Step, seen: &Seen, names: &[&str]) -> Vec<Vec<String>> {
    let spread = |name: &str| Spread::of(seen.get(name)?.0.iter().copied());
    let middle = |name: &str| spread(name).map(|it| it.median);
    let row = |name: &&str| {
        let (_, connections) = seen.get(*name)?;
        let ratio = |to: &str| number(middle(name).zip(middle(to)).map(|(it, to)| it / to), 2);
        let git = ratio("git, look first");
        Some(vec![
            step.to_string(),
            (*name).to_owned(),
            milliseconds(spread(name)),
            git,
            ratio("uv"),
            ratio("modstore before"),
            connections.to_string(),
        ])
    };
    names.iter().filter_map(row).collect()
}

/// The binary that is compared as the one before a change.
pub(crate) fn binary(path: Option<&PathBuf>) -> Result<Option<PathBuf>, String> {
    let found = path.map(|path| path.canonicalize());
    found.transpose().map_err(|error| format!("--before: {error}"))
}
