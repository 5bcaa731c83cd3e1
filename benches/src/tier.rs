//! A shared tier that is 30 ms away against git servers at the same distance: cold, one changed, and what publishing adds.
//!
//! The tier is SeaweedFS with real signatures, over plain HTTP. Server and wire share the processors with the contenders. Limits: no
//! bandwidth limit; a bucket on one disk of this machine.

use std::{collections::BTreeMap, path::Path, time::Duration, time::Instant};

use modstore_testbed::{FarWire, RequestLog, SeaweedFs};

use crate::contender::{Contender, Step, Wanted};
use crate::corpus::Version;
use crate::fetch::{Site, all_at};
use crate::git::{Git, Habit};
use crate::measure::{Spread, sync};
use crate::modstore::Modstore;
use crate::report::{Table, milliseconds, number};

/// The round trip to the servers of git and to the tier.
pub(crate) const ROUND_TRIP: Duration = Duration::from_millis(30);

const GIT: &str = "git, fetch all";
const FROM_GIT: &str = "modstore";
const PUBLISHES: &str = "modstore, publishing";
const FROM_TIER: &str = "modstore from the tier";

/// What all contenders come to: wall times by name, cold.
type Walls = BTreeMap<&'static str, Vec<f64>>;

/// Measures everything, each as often as `runs` says.
pub(crate) fn measure(site: &Site<'_>, binary: &Path, runs: usize) -> Result<String, String> {
    let storage = SeaweedFs::start().ok_or("SeaweedFS is missing: tests/setup.sh installs it")?;
    all_at(site, Version::Base)?;
    let git_wire = FarWire::to(site.server.port(), ROUND_TRIP);
    let log = RequestLog::to(storage.port());
    let tier_wire = FarWire::to(log.port(), ROUND_TRIP);
    let wanted = site.corpus.wanted(site.server).into_iter();
    let far: Vec<Wanted> = wanted.map(|it| Wanted { url: git_wire.url(&it.url), ..it }).collect();
    let tier = storage.url_by(tier_wire.port(), "bench");
    let ours = |name| Modstore::new(binary, &site.place.join("tier"), &far).called(name);
    let git = Git::new(Habit::FetchAll, site.place, &far);
    let from_git = ours(FROM_GIT);
    let first = ours("first").publishing(&tier);
    first.clear()?;
    first.run(Step::Cold)?;
    let from_tier = ours(FROM_TIER).locked_by(&first, &tier);
    let mut walls = Walls::new();
    for run in 0..runs {
        // A prefix of its own, so that everything is published each time.
        let fresh = storage.url_by(tier_wire.port(), &format!("bench-{run}"));
        let publishing = ours(PUBLISHES).publishing(&fresh);
        let all: [(&'static str, &dyn Contender); 4] =
            [(GIT, &git), (FROM_GIT, &from_git), (PUBLISHES, &publishing), (FROM_TIER, &from_tier)];
        for (name, contender) in all.iter().cycle().skip(run % all.len()).take(all.len()) {
            contender.clear()?;
            sync(site.place)?;
            let begun = Instant::now();
            contender.run(Step::Cold)?;
            walls.entry(name).or_default().push(begun.elapsed().as_secs_f64());
        }
    }
    log.forget();
    from_tier.run(Step::Nothing)?;
    let unchanged = log.heads().len();
    let one = one_changed(site, &first, &from_tier, &log)?;
    // The one that is followed goes last.
    for contender in [&from_git, &from_tier, &first] {
        contender.clear()?;
    }
    git.clear()?;
    let requests = format!(
        "\nNothing changed: {unchanged} requests. One of {} changed: {} request, {} ms.\n",
        far.len(),
        one.0,
        number(Some(one.1 * 1000.0), 0),
    );
    Ok(table(&walls) + &requests)
}

/// One large repository of which little changes: what a reader receives that has the commit before, beside one that has nothing.
pub(crate) fn thin(site: &Site<'_>, binary: &Path, runs: usize) -> Result<String, String> {
    let storage = SeaweedFs::start().ok_or("SeaweedFS is missing: tests/setup.sh installs it")?;
    let log = RequestLog::to(storage.port());
    let wire = FarWire::to(log.port(), ROUND_TRIP);
    let tier = storage.url_by(wire.port(), "thin");
    let wanted = site.corpus.wanted(site.server);
    let ours = |name| Modstore::new(binary, &site.place.join("thin"), &wanted).called(name);
    let publisher = ours("publisher").publishing(&tier);
    all_at(site, Version::Base)?;
    publisher.clear()?;
    publisher.run(Step::Cold)?;
    let (has_before, has_nothing) =
        (ours("thin").locked_by(&publisher, &tier), ours("whole").locked_by(&publisher, &tier));
    let before = publisher.lock()?;
    all_at(site, Version::Next)?;
    publisher.run(Step::One)?;
    let mut read: [Vec<Received>; 2] = Default::default();
    for _ in 0..runs {
        has_nothing.clear()?;
        read[0].push(Received::by(&has_nothing, &log, site)?);
        // The lock it has is that of the commit before.
        has_before.clear()?;
        has_before.put_lock(&before)?;
        has_before.run(Step::Cold)?;
        has_before.take_lock()?;
        read[1].push(Received::by(&has_before, &log, site)?);
    }
    Ok(thin_table(&read))
}

/// What one run of a reader received.
struct Received {
    seconds: f64,
    bytes: u64,
    requests: usize,
}

impl Received {
    fn by(reader: &Modstore, log: &RequestLog, site: &Site<'_>) -> Result<Self, String> {
        sync(site.place)?;
        log.forget();
        let begun = Instant::now();
        reader.run(Step::One)?;
        let seconds = begun.elapsed().as_secs_f64();
        let bytes = reader.said().pointer("/tier/bytes").and_then(serde_json::Value::as_u64);
        let bytes = bytes.ok_or("an update does not say what came from the tier")?;
        Ok(Self { seconds, bytes, requests: log.heads().len() })
    }
}

fn thin_table(read: &[Vec<Received>; 2]) -> String {
    let whole = read[0].first().map_or(0, |it| it.bytes);
    let mut table =
        Table::new(1, &["reader", "ms, median [min..max]", "bytes", "requests", "× whole", "aim"]);
    for (name, all, aim) in [
        ("has nothing: the whole pack", &read[0], ""),
        ("has the commit before: the thin pack", &read[1], "≤ 0.05"),
    ] {
        let Some(first) = all.first() else { continue };
        let ratio = first.bytes as f64 / whole.max(1) as f64;
        table.row(vec![
            name.to_owned(),
            milliseconds(Spread::of(all.iter().map(|it| it.seconds))),
            first.bytes.to_string(),
            first.requests.to_string(),
            format!("{ratio:.5}"),
            aim.to_owned(),
        ]);
    }
    table.to_string()
}

/// One module moves, and is published; how many requests the reader makes then, and how many seconds it takes.
fn one_changed(
    site: &Site<'_>,
    publisher: &Modstore,
    reader: &Modstore,
    log: &RequestLog,
) -> Result<(usize, f64), String> {
    let moved = site.corpus.modules.first().ok_or("there are no modules")?;
    site.corpus.serve(moved, Version::Next)?;
    publisher.run(Step::One)?;
    reader.take_lock()?;
    sync(site.place)?;
    log.forget();
    let begun = Instant::now();
    reader.run(Step::One)?;
    Ok((log.heads().len(), begun.elapsed().as_secs_f64()))
}

fn table(walls: &Walls) -> String {
    let spread = |name: &str| Spread::of(walls.get(name)?.iter().copied());
    let middle = |name: &str| spread(name).map(|it| it.median);
    let mut table =
        Table::new(1, &["contender", "ms, median [min..max]", "× git", "× modstore", "aim"]);
    for name in [GIT, FROM_GIT, PUBLISHES, FROM_TIER] {
        let ratio = |to: &str| number(middle(name).zip(middle(to)).map(|(it, to)| it / to), 2);
        let aim = match name {
            FROM_TIER => "≤ 0.35 × git",
            PUBLISHES => "≤ 1.10 × modstore",
            _ => "",
        };
        table.row(vec![
            name.to_owned(),
            milliseconds(spread(name)),
            ratio(GIT),
            ratio(FROM_GIT),
            aim.to_owned(),
        ]);
    }
    table.to_string()
}
