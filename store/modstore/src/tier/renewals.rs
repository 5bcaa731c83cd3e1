//! [`Renewals`]: when objects of shared tiers were last written, as far as this store has seen it, so that each is looked at once
//! in a period, whether an update reads it or not.
//!
//! A file of the store, an object a line: the hash of the tier and the key, and a second since 1970. It is written when something
//! was seen that it does not say. Limits: a cache. Without it, objects are looked at once more; of two processes that
//! learn at the same time, the last one is believed.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use modstore_tier::Key;

use crate::{
    Context,
    disk::{DiskError, Layout, read_own},
};

/// Of more objects the older ones are forgotten.
const MOST: usize = 20_000;

/// A smaller difference is not written down.
const SAME: Duration = Duration::from_secs(60 * 60);

/// See the module.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Renewals {
    /// In seconds since 1970, by the hash of tier and key.
    written: BTreeMap<String, u64>,
    has_changed: bool,
}

impl Renewals {
    /// What the store knows.
    pub(crate) fn read(layout: &Layout) -> Self {
        let bytes = read_own(&layout.renewals()).unwrap_or_default();
        let text = String::from_utf8(bytes).unwrap_or_default();
        Self { written: text.lines().filter_map(parse).take(MOST).collect(), has_changed: false }
    }

    /// When an object was last written, or looked at where its tier does not say.
    pub(super) fn written(&self, tier: &str, key: &Key) -> Option<SystemTime> {
        let seconds = self.written.get(&name(tier, key))?;
        UNIX_EPOCH.checked_add(Duration::from_secs(*seconds))
    }

    /// Whether an object is old by now, or may be: nothing is known of it, or what cannot be.
    pub(super) fn is_due(&self, tier: &str, key: &Key, renew: Duration, now: SystemTime) -> bool {
        let age = self.written(tier, key).and_then(|written| match now.duration_since(written) {
            Ok(age) => Some(age),
            // The clocks of servers differ a little.
            Err(ahead) => (ahead.duration() < renew).then_some(Duration::ZERO),
        });
        age.is_none_or(|age| age > renew)
    }

    /// Learns when an object was written.
    pub(super) fn learn(&mut self, tier: &str, key: &Key, written: SystemTime) {
        let seconds = written.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let before = self.written.insert(name(tier, key), seconds);
        self.has_changed |= before.is_none_or(|before| before.abs_diff(seconds) >= SAME.as_secs());
    }

    /// Writes it down, if anything is new.
    ///
    /// # Errors
    /// What the store knows is what it was.
    pub(crate) fn keep(mut self, context: Context<'_>) -> Result<(), DiskError> {
        if !self.has_changed {
            return Ok(());
        }
        let mut times: Vec<u64> = self.written.values().copied().collect();
        if times.len() > MOST {
            times.sort_unstable_by(|one, other| other.cmp(one));
            let oldest = times.get(MOST - 1).copied().unwrap_or_default();
            self.written.retain(|_, written| *written >= oldest);
        }
        let lines = self.written.iter().map(|(name, written)| format!("{name} {written}\n"));
        let text: String = lines.collect();
        // A staging of its own: another process that looks for what dead ones left sees that it is held.
        let Ok(staging) = context.staging() else { return Ok(()) };
        let spare = staging.fresh();
        context.disk.create_file(&spare, text.as_bytes())?;
        context.disk.rename(&spare, &context.layout.renewals())
    }
}

/// Hashed, because an address may be private.
fn name(tier: &str, key: &Key) -> String {
    blake3::hash(format!("{tier} {key}").as_bytes()).to_hex().to_string()
}

fn parse(line: &str) -> Option<(String, u64)> {
    let (name, written) = line.split_once(' ')?;
    let is_name = name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    Some((is_name.then(|| name.to_owned())?, written.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn at(days: u32) -> SystemTime {
        UNIX_EPOCH + 20_000 * DAY + days * DAY
    }

    #[test]
    fn an_object_is_due_when_nothing_is_known_of_it_and_then_once_in_each_period() {
        let (key, mut renewals, mut looked) =
            (Key::commit("ab12"), Renewals::default(), Vec::new());
        for day in 0..100 {
            if renewals.is_due("s3://b", &key, 15 * DAY, at(day)) {
                looked.push(day);
                renewals.learn("s3://b", &key, at(day));
            }
        }
        assert_eq!(looked, [0, 16, 32, 48, 64, 80, 96]);
        assert!(renewals.is_due("s3://other", &key, 15 * DAY, at(97)));
        assert!(renewals.is_due("s3://b", &Key::commit("cd34"), 15 * DAY, at(97)));
    }

    #[test]
    fn an_object_that_another_has_renewed_is_due_when_that_is_old() {
        let (key, mut renewals) = (Key::commit("ab12"), Renewals::default());
        renewals.learn("s3://b", &key, at(0));
        assert!(renewals.is_due("s3://b", &key, 15 * DAY, at(20)));
        renewals.learn("s3://b", &key, at(14));
        assert!(!renewals.is_due("s3://b", &key, 15 * DAY, at(20)));
        assert!(renewals.is_due("s3://b", &key, 15 * DAY, at(30)));
    }

    #[test]
    fn a_clock_that_is_a_little_ahead_is_believed_and_one_that_is_far_ahead_is_not() {
        let (key, mut renewals) = (Key::commit("ab12"), Renewals::default());
        renewals.learn("s3://b", &key, at(10));
        assert!(!renewals.is_due("s3://b", &key, 15 * DAY, at(9)));
        renewals.learn("s3://b", &key, at(1000));
        assert!(renewals.is_due("s3://b", &key, 15 * DAY, at(9)));
    }

    #[test]
    fn what_is_known_is_read_again_and_what_is_no_line_of_ours_is_left_out() {
        let mut renewals = Renewals::default();
        renewals.learn("s3://b", &Key::commit("ab12"), at(1));
        let (name, written) = renewals.written.iter().next().unwrap();
        assert_eq!(parse(&format!("{name} {written}")), Some((name.clone(), *written)));
        for line in ["", "x 1", &name[1..], &format!("{name} -1"), &format!("{name}1")] {
            assert_eq!(parse(line), None, "{line}");
        }
        assert!(!name.contains("s3"));
    }

    #[test]
    fn what_is_seen_again_is_not_written_down_again() {
        let (key, mut renewals) = (Key::commit("ab12"), Renewals::default());
        renewals.learn("s3://b", &key, at(1));
        assert!(std::mem::take(&mut renewals.has_changed));
        renewals.learn("s3://b", &key, at(1) + Duration::from_secs(9));
        assert!(!renewals.has_changed);
        renewals.learn("s3://b", &key, at(2));
        assert!(renewals.has_changed);
    }
}
