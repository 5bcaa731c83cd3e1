//! [`Transfer`]: how much of a module has arrived, how fast, and how long the rest may take.
//!
//! Limits: a server does not say how many bytes a pack has, so the time left is that of the objects: a large one at the end
//! comes as a surprise. Nothing is said of it before there is something to judge by.

use std::time::{Duration, Instant};

use crate::text::size;

/// Before this, a rate is chance.
const RATE_AFTER: Duration = Duration::from_millis(500);
/// Before this, the time left is chance.
const LEFT_AFTER: Duration = Duration::from_secs(2);

/// A module that is being received.
#[derive(Debug, Clone, Copy)]
pub(super) struct Transfer {
    began: Instant,
    bytes: u64,
    objects: u64,
    of: Option<u64>,
}

impl Transfer {
    /// One of which nothing has arrived.
    pub(super) const fn begun(now: Instant) -> Self {
        Self { began: now, bytes: 0, objects: 0, of: None }
    }

    /// Notes what has arrived. What counts only bytes says nothing of objects.
    pub(super) fn received(&mut self, bytes: u64, objects: u64, of: Option<u64>) {
        self.bytes = bytes;
        if of.is_some() {
            (self.objects, self.of) = (objects, of);
        }
    }

    /// The objects that have arrived, and of how many, where that is known.
    pub(super) fn objects(&self) -> Option<(u64, u64)> {
        Some((self.objects, self.of?))
    }

    /// `4.1 MB, 1.2 MB/s, 12 s left`.
    pub(super) fn text(&self, now: Instant) -> String {
        let elapsed = now.saturating_duration_since(self.began);
        let mut text = size(self.bytes);
        if elapsed >= RATE_AFTER && self.bytes > 0 {
            let rate = self.bytes as f64 / elapsed.as_secs_f64();
            text.push_str(&format!(", {}/s", size(rate as u64)));
        }
        if let Some(left) = self.left(elapsed) {
            text.push_str(&format!(", {left} left"));
        }
        text
    }

    fn left(&self, elapsed: Duration) -> Option<String> {
        let (objects, of) = self.objects().filter(|(objects, of)| *objects > 0 && objects < of)?;
        let left = elapsed.as_secs_f64() * (of - objects) as f64 / objects as f64;
        (elapsed >= LEFT_AFTER).then(|| match left.ceil() as u64 {
            seconds @ 0..120 => format!("{seconds} s"),
            seconds @ 120..7200 => format!("{} min", seconds.div_ceil(60)),
            seconds => format!("{} h", seconds.div_ceil(3600)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_time_left_are_given_when_there_is_something_to_judge_by() {
        let began = Instant::now();
        let after = |milliseconds| began + Duration::from_millis(milliseconds);
        let mut transfer = Transfer::begun(began);
        assert_eq!(transfer.text(after(10_000)), "0 B");
        transfer.received(100_000, 0, None);
        assert_eq!(transfer.text(after(100)), "100.0 kB");
        assert_eq!(transfer.text(after(1000)), "100.0 kB, 100.0 kB/s");
        transfer.received(4_000_000, 10, Some(30));
        assert_eq!(transfer.text(after(1000)), "4.0 MB, 4.0 MB/s");
        assert_eq!(transfer.text(after(4000)), "4.0 MB, 1.0 MB/s, 8 s left");
        assert_eq!(transfer.text(after(600_000)), "4.0 MB, 6.7 kB/s, 20 min left");
        transfer.received(5_000_000, 0, None);
        assert_eq!(transfer.objects(), Some((10, 30)), "bytes alone say nothing of objects");
        transfer.received(5_000_000, 30, Some(30));
        assert_eq!(transfer.text(after(5000)), "5.0 MB, 1.0 MB/s");
        assert_eq!(transfer.text(began), "5.0 MB", "a clock that stands still is no rate");
    }
}
