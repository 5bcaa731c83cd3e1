//! Nothing changed, and a server that is far away: every answer comes 40 ms late.
//!
//! Limits: the delay is the server's, before it answers, so that making a connection costs nothing more, and neither does a
//! large answer.

use std::collections::BTreeMap;
use std::time::Instant;

use modstore_testbed::Fault;

use crate::contender::{Contender, Role, Step};
use crate::corpus::Version;
use crate::fetch::{Site, all_at};
use crate::floors;
use crate::measure::{Spread, sample};
use crate::report::{Table, milliseconds, number};

/// So late comes every answer.
pub(crate) const DELAY_MS: u64 = 40;

const FLOOR: &str = "floor: list all (v0, 8 kept connections)";

/// Looks `runs` times with everybody, by turns.
pub(crate) fn look(
    site: &Site<'_>,
    contenders: &[Box<dyn Contender>],
    runs: usize,
) -> Result<String, String> {
    all_at(site, Version::Base)?;
    for contender in contenders {
        contender.clear()?;
        contender.run(Step::Cold)?;
    }
    site.server.fault("*", Fault::Delay(DELAY_MS));
    let looked = turns(site, contenders, runs);
    site.server.clear();
    let walls = looked?;
    let middle = |name: &str| Spread::of(walls.get(name)?.iter().copied()).map(|it| it.median);
    let git = contenders.iter().find(|it| it.role() == Role::Reference);
    let git = git.and_then(|git| middle(git.name()));
    let floor = middle(FLOOR);
    let mut table =
        Table::new(1, &["contender", "ms, median [min..max]", "× git", "× floor", "aim"]);
    for name in contenders.iter().map(|it| it.name()).chain([FLOOR]) {
        let spread = walls.get(name).and_then(|walls| Spread::of(walls.iter().copied()));
        let ratio = |to: Option<f64>| number(middle(name).zip(to).map(|(it, to)| it / to), 2);
        let aim = if name == "modstore" { "≤ 1.3 × floor" } else { "" };
        table.row(vec![
            name.to_owned(),
            milliseconds(spread),
            ratio(git),
            ratio(floor),
            aim.to_owned(),
        ]);
    }
    contenders.iter().try_for_each(|contender| contender.clear())?;
    Ok(table.to_string())
}

fn turns(
    site: &Site<'_>,
    contenders: &[Box<dyn Contender>],
    runs: usize,
) -> Result<BTreeMap<String, Vec<f64>>, String> {
    let mut walls: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for _ in 0..runs {
        for contender in contenders {
            let sample = sample(site.server, site.place, || contender.run(Step::Nothing))?;
            walls.entry(contender.name().to_owned()).or_default().push(sample.wall.as_secs_f64());
        }
        let start = Instant::now();
        floors::ask(site.corpus, site.server, 0).map_err(|error| error.to_string())?;
        walls.entry(FLOOR.to_owned()).or_default().push(start.elapsed().as_secs_f64());
    }
    Ok(walls)
}
