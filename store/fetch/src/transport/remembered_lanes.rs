//! [`RememberedLanes`]: how many lanes each host had, so that the next command begins with as many.
//!
//! A file beside `logins`, a host a line: the hash of its name, the lanes that its distance asks for, and, where it refused
//! some of many, the lanes that it was left with and the second in which it was. A refusal counts for [`DAY`].
//!
//! A host is remembered once it has given many answers. Small differences from one command to the next are not written
//! down, so that a command that changes nothing writes nothing. Limits: of two processes that learn at the same time about
//! the same host, the last one is believed.

use std::{
    collections::BTreeMap,
    fmt,
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use super::remembered::{hash, replace, text_in};

/// How long a refusal is remembered.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Fewer lanes than this are not remembered: servers are restarted, and one lane is slow.
const FEWEST: usize = 2;
/// Answers after which it is known how far a host is. With fewer modules than that there is nothing to gain.
const ENOUGH: usize = 16;
/// How much nearer a host must be than remembered, or further away, until that is written down.
const NEARER: usize = 4;
const FURTHER: usize = 2;
/// No host is remembered with more lanes.
const WIDEST: usize = 1024;
/// With more hosts the list starts from empty.
const MOST: usize = 1000;

/// How many lanes hosts had, by the hash of their names.
#[derive(Debug, Default)]
pub(super) struct RememberedLanes {
    /// Nothing where there is no place that lasts.
    file: Option<PathBuf>,
    known: BTreeMap<String, HostLanes>,
}

/// What is remembered of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HostLanes {
    /// The lanes that its distance asks for.
    pub wanted: usize,
    /// Where it refused some of many, the lanes that it was left with, and when that was.
    pub refusal: Option<(usize, Duration)>,
}

/// What one command has seen of a host.
#[derive(Debug, Clone, Copy)]
pub(super) struct SeenOfHost {
    /// The lanes that it begins with when nothing is known.
    pub first: usize,
    /// The lanes that the distance asks for.
    pub wanted: usize,
    /// The lanes that the shortest of all answers would ask for.
    pub of_shortest: usize,
    pub answers: usize,
    /// The fewest lanes that it was left with by its refusals.
    pub fewest: Option<usize>,
}

impl RememberedLanes {
    /// What this file says.
    pub(super) fn read(file: Option<PathBuf>) -> Self {
        let text = file.as_deref().map(text_in).unwrap_or_default();
        let known = text.lines().filter_map(parse).take(MOST).collect();
        Self { file, known }
    }

    /// What is remembered of this host, if it counts now.
    pub(super) fn get(&self, host: &str, now: SystemTime) -> Option<HostLanes> {
        self.known.get(&hash(host)).map(|known| known.at(now))
    }

    /// Learns from what this command has seen, and writes down what is another thing than before.
    pub(super) fn learn<'h>(
        &mut self,
        seen: impl Iterator<Item = (&'h str, SeenOfHost)>,
        now: SystemTime,
    ) {
        let mut learned = BTreeMap::new();
        for (host, seen) in seen {
            let before = self.get(host, now).filter(|it| it.is_worth_it(seen.first));
            let after = HostLanes::after(before, &seen, now);
            if before != after {
                learned.insert(hash(host), after);
            }
        }
        if learned.is_empty() {
            return;
        }
        // Others may have learned meanwhile.
        let mut known = Self::read(self.file.take());
        if known.known.len() >= MOST {
            known.known.clear();
        }
        for (host, lanes) in learned {
            match lanes {
                Some(lanes) => known.known.insert(host, lanes),
                None => known.known.remove(&host),
            };
        }
        if let Some(file) = &known.file {
            // Where nothing can be written, the next command finds it out again.
            let _ =
                replace(file, known.known.iter().map(|(host, lanes)| format!("{host} {lanes}")));
        }
        *self = known;
    }
}

impl HostLanes {
    /// What still counts: a refusal does for a day. One that is still to come was written by another clock.
    fn at(self, now: SystemTime) -> Self {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        let counts = |since| now.checked_sub(since).is_some_and(|age| age < DAY);
        let refusal = self.refusal.filter(|(_, since)| counts(*since));
        Self { refusal, ..self }
    }

    /// What is to be remembered after a command: nothing, where that is how each host begins.
    fn after(before: Option<Self>, seen: &SeenOfHost, now: SystemTime) -> Option<Self> {
        let known = before.unwrap_or(Self { wanted: seen.first, refusal: None });
        let most = (seen.of_shortest * NEARER).min(WIDEST);
        let further = seen.wanted.min(most);
        let wanted = match known.wanted {
            wanted if seen.answers < ENOUGH => wanted,
            wanted if further >= wanted * FURTHER => further,
            wanted if most.max(seen.first * NEARER) <= wanted => seen.of_shortest.max(seen.first),
            wanted => wanted,
        };
        let fewest = seen.fewest.filter(|_| seen.answers > 0).map(|lanes| lanes.max(FEWEST));
        let refusal = match (known.refusal, fewest) {
            (Some((lanes, since)), Some(fewest)) => Some((lanes.min(fewest), since)),
            (None, Some(fewest)) => {
                let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
                Some((fewest, Duration::from_secs(now.as_secs())))
            }
            (known, None) => known,
        };
        Some(Self { wanted, refusal }).filter(|it| it.is_worth_it(seen.first))
    }

    /// Whether it differs from what each host begins with.
    fn is_worth_it(&self, first: usize) -> bool {
        self.wanted > first || self.refusal.is_some()
    }
}

impl fmt::Display for HostLanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lanes, since) = self.refusal.unwrap_or_default();
        write!(f, "{} {lanes} {}", self.wanted, since.as_secs())
    }
}

/// A line of the file.
fn parse(line: &str) -> Option<(String, HostLanes)> {
    let mut words = line.split(' ');
    let host = words.next().filter(|host| host.len() == 64)?.to_owned();
    let mut number = || words.next()?.parse::<u64>().ok();
    let (wanted, lanes, since) = (number()?, number()?, number()?);
    let lanes_of = |number| usize::try_from(number).unwrap_or(WIDEST).clamp(1, WIDEST);
    let refusal = (lanes > 0).then(|| (lanes_of(lanes), Duration::from_secs(since)));
    Some((host, HostLanes { wanted: lanes_of(wanted), refusal }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "h";

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_000_000_000 + seconds)
    }

    fn far(wanted: usize) -> SeenOfHost {
        SeenOfHost { first: 8, wanted, of_shortest: wanted, answers: 100, fewest: None }
    }

    /// What the next command begins with after these, each of which reads the file again; and whether the last one wrote it.
    fn after(seen: &[(u64, SeenOfHost)], now: u64) -> (Option<HostLanes>, bool) {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("lanes");
        let mut has_written = false;
        for (seconds, seen) in seen {
            let before = std::fs::read(&file).ok();
            let mut memory = RememberedLanes::read(Some(file.clone()));
            memory.learn([(HOST, *seen)].into_iter(), at(*seconds));
            has_written = std::fs::read(&file).ok() != before;
        }
        (RememberedLanes::read(Some(file)).get(HOST, at(now)), has_written)
    }

    fn wanted(seen: &[SeenOfHost]) -> (usize, bool) {
        let seen: Vec<(u64, SeenOfHost)> = seen.iter().map(|seen| (0, *seen)).collect();
        let (found, has_written) = after(&seen, 0);
        (found.map_or(8, |found| found.wanted), has_written)
    }

    #[test]
    fn a_host_begins_as_wide_as_its_distance_asked_for_the_last_time() {
        assert_eq!(wanted(&[far(64)]), (64, true));
        assert_eq!(wanted(&[far(8)]), (8, false), "each host begins so");
        assert_eq!(wanted(&[far(64), far(64)]), (64, false));
        assert_eq!(wanted(&[far(9999)]), (WIDEST, true));
    }

    #[test]
    fn what_hardly_differs_is_not_written_down() {
        for now in [40, 50, 63, 127] {
            assert_eq!(wanted(&[far(64), far(now)]), (64, false), "{now}");
        }
        assert_eq!(wanted(&[far(64), far(128)]), (128, true));
        assert_eq!(wanted(&[far(64), far(16)]), (16, true));
        assert_eq!(wanted(&[far(64), far(1)]), (8, true), "near again");
        assert_eq!(wanted(&[far(15)]), (8, false));
    }

    #[test]
    fn a_near_host_whose_answers_were_late_once_and_one_with_few_answers_are_not_remembered() {
        let busy = SeenOfHost { of_shortest: 2, ..far(64) };
        assert_eq!(wanted(&[busy]), (8, false));
        let few = SeenOfHost { answers: ENOUGH - 1, ..far(64) };
        assert_eq!(wanted(&[few]), (8, false));
        assert_eq!(wanted(&[far(64), SeenOfHost { answers: 3, ..far(1) }]), (64, false));
    }

    #[test]
    fn what_a_host_took_when_it_refused_counts_for_a_day_and_is_not_written_twice() {
        let refusing = |fewest| SeenOfHost { fewest: Some(fewest), ..far(64) };
        let lanes = |seen: &[(u64, SeenOfHost)], now| {
            let (found, has_written) = after(seen, now);
            (found.and_then(|found| found.refusal).map(|(lanes, _)| lanes), has_written)
        };
        let day = DAY.as_secs();
        assert_eq!(lanes(&[(0, refusing(16))], day - 1), (Some(16), true));
        assert_eq!(lanes(&[(0, refusing(16))], day), (None, true));
        assert_eq!(lanes(&[(5, refusing(16))], 0), (None, true), "a clock that went back");
        assert_eq!(lanes(&[(0, refusing(16)), (9, refusing(16))], 10), (Some(16), false));
        assert_eq!(lanes(&[(0, refusing(16)), (9, refusing(40))], 10), (Some(16), false));
        assert_eq!(lanes(&[(0, refusing(16)), (9, far(64))], 10), (Some(16), false));
        assert_eq!(lanes(&[(0, refusing(16)), (9, refusing(1))], 10), (Some(2), true));
        assert_eq!(lanes(&[(0, refusing(16)), (day, refusing(30))], day), (Some(30), true));
        let silent = SeenOfHost { answers: 0, ..refusing(1) };
        assert_eq!(lanes(&[(0, silent)], 0), (None, false), "a host that is down refuses all");
    }

    #[test]
    fn a_file_that_makes_no_sense_is_nothing_and_one_host_of_many_is_learned_beside_the_others() {
        let place = tempfile::tempdir().unwrap();
        let file = place.path().join("lanes");
        let hash = hash(HOST);
        for text in
            ["", "\u{0}", "x 1 2 3", &hash, &format!("{hash} 1 2"), &format!("{hash} -1 0 0")]
        {
            std::fs::write(&file, text).unwrap();
            let memory = RememberedLanes::read(Some(file.clone()));
            assert_eq!(memory.get(HOST, at(0)), None, "{text}");
        }
        let [mut one, mut two] = [(); 2].map(|()| RememberedLanes::read(Some(file.clone())));
        one.learn([("a", far(64))].into_iter(), at(0));
        two.learn([("b", far(32))].into_iter(), at(0));
        let both = RememberedLanes::read(Some(file.clone()));
        let wanted = |host| both.get(host, at(0)).map(|it| it.wanted);
        assert_eq!((wanted("a"), wanted("b")), (Some(64), Some(32)));
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.lines().all(|line| line.find(' ') == Some(64)), "only hashes: {text}");
        for file in [Some(PathBuf::from("/nonexistent/lanes")), None] {
            let mut memory = RememberedLanes::read(file);
            memory.learn([(HOST, far(64))].into_iter(), at(0));
            assert_eq!(memory.get(HOST, at(0)).map(|it| it.wanted), Some(64));
        }
    }
}
