//! A reader while generations switch.

use std::{
    fs,
    path::Path,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use super::{Machine, Sandbox, Unproved, commit, holds, repository, run};

/// How often it is switched.
const SWITCHES: u64 = 40;

/// Two modules that always have the same text; a reader that never stops.
pub(super) fn switch(sandbox: &Sandbox<'_>, _: &Machine) -> Result<Vec<String>, Unproved> {
    let (one, first) = repository(sandbox, "one", &[("text", "a")])?;
    let (two, second) = repository(sandbox, "two", &[("text", "a")])?;
    run(sandbox, &["add", &first, &second], 0)?;
    commit(&one, &[("text", "b")])?;
    commit(&two, &[("text", "b")])?;
    run(sandbox, &["update"], 0)?;
    let store = sandbox.store();
    let done = AtomicBool::new(false);
    let (switched, reads) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| read_until(&done, &store));
        let switched = (0..SWITCHES).try_for_each(|number| {
            let to = if number % 2 == 0 { "1" } else { "2" };
            run(sandbox, &["rollback", "--to", to], 0).map(drop)
        });
        done.store(true, Ordering::Relaxed);
        (switched, reader.join().unwrap_or_else(|_| Err("the reader panicked".into())))
    });
    switched?;
    let reads = reads.map_err(|fault| Unproved::Broken(vec![fault]))?;
    holds("the reader ran", reads > SWITCHES, || format!("{reads} reads"))?;
    Ok(vec![format!("{SWITCHES} switches, {reads} reads, no miss and no mixture")])
}

/// Reads until it is done; gives how often, or what was wrong.
fn read_until(done: &AtomicBool, store: &Path) -> Result<u64, String> {
    let mut reads = 0;
    while !done.load(Ordering::Relaxed) {
        let leads =
            fs::read_link(store.join("current")).map_err(|error| format!("current: {error}"))?;
        let generation = store.join(leads);
        let text = |module: &str| {
            let path = generation.join(module).join("text");
            fs::read_to_string(path).map_err(|error| format!("{module}: {error}"))
        };
        let (one, two) = (text("one")?, text("two")?);
        if one != two {
            return Err(format!("a mixture: {one} and {two}"));
        }
        reads += 1;
        std::thread::sleep(Duration::from_micros(100));
    }
    Ok(reads)
}
