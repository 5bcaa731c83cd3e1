//! [`Lanes`]: how many repositories of each host are worked on at once.
//!
//! A host begins with [`FIRST`] lanes, or with those that it is remembered to have had ([`RememberedLanes`]). Listings are bound by round trips, so the lanes grow with the measured wait: one
//! for each [`STEP`] of it, up to the caller's limit. What counts is the shortest wait, and of answers only where others
//! took hardly longer: a server that is busy answers one after the other, and more requests would not help it. A host that refuses some of many connections, drops them before it
//! answers, or says 429, loses half of its lanes. The requests that failed are sent again, later each time, and good
//! answers give the lanes back one by one.
//!
//! Limits: knows of one process only. A lane is a repository, not a connection; a repository uses one at a time. A
//! request that failed is not sent again where there was never more than one, nor to a host that has answered none.

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, RandomState},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant, SystemTime},
};

use modstore_core::Cancel;

use super::remembered_lanes::{HostLanes, RememberedLanes, SeenOfHost};
use crate::errors::{ConnectError, TransferError, TransportError};

/// Lanes of a host whose distance is not known yet.
const FIRST: usize = 8;
/// The wait that asks for one lane: eight lanes for a server 10 ms away, 32 for one 40 ms away.
const STEP: Duration = Duration::from_micros(1250);
/// A host that has answered none of its first requests for so long is at least that far away. It gets the lanes for that
/// and no more before it answers: one that never does should not take all.
const SILENCE: Duration = Duration::from_millis(40);
/// How often it is looked for such a host.
const LOOK: Duration = Duration::from_millis(10);
/// Waits of one kind that are seen before the shortest of them counts.
const SAMPLES: u32 = 4;
/// Answers for each lane until a lane that was lost is given back.
const ANSWERS: usize = 4;
/// How often one request is sent again because of a crowd.
const TRIES: u32 = 6;
/// The time before the first of these tries; twice as long before each next one.
const PAUSE: Duration = Duration::from_millis(50);
/// A server that asks for a longer pause is left to the next update.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// The longest time until a request to stop is noticed.
const SLICE: Duration = Duration::from_millis(50);

/// The lanes to all hosts, shared by all threads of a command.
#[derive(Debug)]
pub struct Lanes {
    most: usize,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    hosts: BTreeMap<String, Host>,
    working: usize,
    /// How often there was new room.
    changes: u64,
    memory: RememberedLanes,
}

/// What is known of one host.
#[derive(Debug)]
struct Host {
    width: usize,
    /// The width that the distance asks for.
    wanted: usize,
    working: usize,
    /// Of those that work, how many wait until they may try again.
    paused: usize,
    has_answered: bool,
    halvings: u64,
    /// The fewest lanes that were left after one.
    fewest: Option<usize>,
    /// Whether it refused some of many in an earlier command, so that its lanes grow by its answers alone.
    is_small: bool,
    /// The lanes that its answers and connections have asked for.
    measured: usize,
    answers_in_all: usize,
    /// Answers since a lane was lost or given back.
    answered: usize,
    /// When the first request was sent whose answer is measured.
    begun: Option<Instant>,
    connections: Waits,
    answers: Waits,
}

/// Waits of one kind.
#[derive(Debug, Default)]
struct Waits {
    shortest: Option<Duration>,
    /// The number and the sum of the last few.
    seen: u32,
    sum: Duration,
}

/// A place at a host, given back when dropped.
#[derive(Debug)]
pub struct Lane<'l> {
    lanes: &'l Lanes,
    host: String,
}

/// What was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A TCP connection.
    Connection,
    /// The first byte after something was sent.
    Answer,
}

/// One request and its tries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Attempt {
    /// The halvings when the last try began.
    halvings: u64,
    tries: u32,
}

/// Whether a request may have failed because of the others that were sent at the same time: a server that has too many
/// refuses a connection, or drops it before it answers.
pub(crate) const fn is_of_a_crowd(error: &TransportError) -> bool {
    matches!(
        error,
        TransportError::Connect(ConnectError::Refused { .. })
            | TransportError::Transfer(TransferError::Dropped { .. })
    )
}

impl Lanes {
    /// For at most `most` repositories at once, of all hosts together.
    #[must_use]
    pub fn new(most: usize) -> Arc<Self> {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Arc::new(Self { most: most.max(1), state, changed })
    }

    /// The limit that they were made with.
    #[must_use]
    pub fn most(&self) -> usize {
        self.most
    }

    /// How many repositories of this host may be worked on at once by now.
    #[must_use]
    pub fn width(&self, host: &str) -> usize {
        let mut state = self.lock();
        self.host(&mut state, host).width
    }

    /// Begins with what is remembered in this file.
    pub(crate) fn recall(&self, file: Option<PathBuf>) {
        let memory = RememberedLanes::read(file);
        let mut state = self.lock();
        for (name, host) in &mut state.hosts {
            host.recall(memory.get(name, SystemTime::now()), self.most);
        }
        state.memory = memory;
        self.change(&mut state);
    }

    /// Remembers how many lanes each host had, for the next command.
    pub fn keep(&self) {
        let mut state = self.lock();
        let State { hosts, memory, .. } = &mut *state;
        memory.learn(
            hosts.iter().map(|(name, host)| (name.as_str(), host.seen())),
            SystemTime::now(),
        );
    }

    /// A lane to this host, if one is left.
    #[must_use]
    pub fn enter(&self, host: &str) -> Option<Lane<'_>> {
        let mut state = self.lock();
        if state.working >= self.most {
            return None;
        }
        let at = self.host(&mut state, host);
        if at.is_silent() && at.begun.is_some_and(|begun| begun.elapsed() >= SILENCE) {
            at.reach(lanes_for(SILENCE), self.most);
        }
        if at.working >= at.width {
            return None;
        }
        at.working += 1;
        state.working += 1;
        Some(Lane { lanes: self, host: host.to_owned() })
    }

    /// A number that is another one when there may be new room.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// Wakes the threads that wait for room.
    pub fn announce(&self) {
        self.change(&mut self.lock());
    }

    /// Waits until [`Lanes::changes`] gives another number than this, or a silent host may get more lanes.
    pub fn wait_for_change(&self, seen: u64) {
        let state = self.lock();
        if state.changes != seen {
            return;
        }
        if state.hosts.values().any(|host| host.is_silent() && host.wanted < lanes_for(SILENCE)) {
            drop(self.changed.wait_timeout(state, LOOK));
        } else {
            let waited = self.changed.wait_while(state, |state| state.changes == seen);
            drop(waited.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// A wait for this host has ended.
    pub(crate) fn waited(&self, host: &str, what: Wait, time: Duration) {
        let mut state = self.lock();
        if self.host(&mut state, host).learn(what, time, self.most) {
            self.change(&mut state);
        }
    }

    /// The host has answered, and not that it is asked too much.
    pub(crate) fn answered(&self, host: &str) {
        let mut state = self.lock();
        let at = self.host(&mut state, host);
        let is_news = !at.has_answered && at.paused > 0;
        at.has_answered = true;
        at.answers_in_all += 1;
        if at.recover() || is_news {
            self.change(&mut state);
        }
    }

    /// A request to this host begins.
    pub(crate) fn begin(&self, host: &str) -> Attempt {
        let halvings = self.lock().hosts.get(host).map_or(0, |host| host.halvings);
        Attempt { halvings, tries: 0 }
    }

    /// The same for a request whose answer is measured.
    pub(crate) fn begin_measured(&self, host: &str) -> Attempt {
        let mut state = self.lock();
        self.host(&mut state, host).begun.get_or_insert_with(Instant::now);
        drop(state);
        self.begin(host)
    }

    /// A request failed as it does where there are too many. Waits for `pause` at least, until it may be sent again, and
    /// says whether it may.
    pub(crate) fn back_off(
        &self,
        host: &str,
        attempt: &mut Attempt,
        pause: Option<Duration>,
        cancel: &Cancel,
    ) -> bool {
        let pause = pause.unwrap_or_default().max(attempt.pause());
        let mut state = self.lock();
        let at = self.host(&mut state, host);
        let was_alone = !at.halve(attempt);
        if was_alone || attempt.tries >= TRIES || pause > LONGEST_PAUSE {
            return false;
        }
        at.paused += 1;
        self.change(&mut state);
        let may = self.pause(state, host, Instant::now() + pause, cancel);
        let mut state = self.lock();
        let at = self.host(&mut state, host);
        at.paused = at.paused.saturating_sub(1);
        *attempt = Attempt { halvings: at.halvings, tries: attempt.tries + 1 };
        self.change(&mut state);
        may
    }

    /// Waits until `end`, and until few enough others work. False when none of them can show that the host answers.
    fn pause(
        &self,
        mut state: MutexGuard<'_, State>,
        host: &str,
        end: Instant,
        cancel: &Cancel,
    ) -> bool {
        loop {
            let at = self.host(&mut state, host);
            let others = at.working.saturating_sub(at.paused);
            if cancel.is_cancelled() || (others == 0 && !at.has_answered) {
                return false;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() && at.has_answered && others < at.width {
                return true;
            }
            let slice = if left.is_zero() { SLICE } else { left.min(SLICE) };
            let waited = self.changed.wait_timeout(state, slice);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn change(&self, state: &mut State) {
        state.changes += 1;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn host<'s>(&self, state: &'s mut State, name: &str) -> &'s mut Host {
        if !state.hosts.contains_key(name) {
            let mut host = Host::new(FIRST.min(self.most));
            host.recall(state.memory.get(name, SystemTime::now()), self.most);
            state.hosts.insert(name.to_owned(), host);
        }
        state.hosts.get_mut(name).expect("it is there by now")
    }
}

impl Host {
    fn new(width: usize) -> Self {
        Self {
            width,
            wanted: width,
            working: 0,
            paused: 0,
            has_answered: false,
            halvings: 0,
            fewest: None,
            is_small: false,
            measured: FIRST,
            answers_in_all: 0,
            answered: 0,
            begun: None,
            connections: Waits::default(),
            answers: Waits::default(),
        }
    }

    /// Begins with the lanes that it had, unless its lanes have changed by now.
    fn recall(&mut self, known: Option<HostLanes>, most: usize) {
        let Some(HostLanes { wanted, refusal }) = known else { return };
        if self.halvings > 0 {
            return;
        }
        self.wanted = self.wanted.max(wanted.min(most));
        self.is_small = refusal.is_some();
        self.width = refusal.map_or(self.wanted, |(lanes, _)| lanes.min(self.wanted));
    }

    /// What is worth being remembered of it.
    fn seen(&self) -> SeenOfHost {
        SeenOfHost {
            first: FIRST,
            wanted: self.measured,
            of_shortest: self.answers.shortest.map_or(FIRST, lanes_for),
            answers: self.answers_in_all,
            fewest: self.fewest,
        }
    }

    /// Takes note of a wait, and says whether there is more room for it.
    fn learn(&mut self, what: Wait, time: Duration, most: usize) -> bool {
        let distance = match what {
            Wait::Connection => self.connections.shortest_with(time, |_, _| true),
            Wait::Answer => self.answers.shortest_with(time, is_hardly_longer),
        };
        let Some(wanted) = distance.map(lanes_for) else { return false };
        self.measured = self.measured.max(wanted);
        self.reach(wanted, most)
    }

    /// Whether none of its first requests was answered yet. What ssh waits for is not measured: there it is logins.
    fn is_silent(&self) -> bool {
        let enough = usize::try_from(SAMPLES).unwrap_or(usize::MAX);
        let has_answered = self.has_answered || self.answers.shortest.is_some();
        self.begun.is_some() && !has_answered && self.working >= enough
    }

    /// Widens the lanes to as many as the distance asks for, and says whether there is more room.
    fn reach(&mut self, wanted: usize, most: usize) -> bool {
        let wanted = wanted.min(most);
        if wanted <= self.wanted {
            return false;
        }
        self.wanted = wanted;
        let grows = self.halvings == 0 && !self.is_small;
        if grows {
            self.width = wanted;
        }
        grows
    }

    /// Counts an answer, and gives a lane back after a few for each that there is. Whether there is one more.
    fn recover(&mut self) -> bool {
        if self.width >= self.wanted {
            return false;
        }
        self.answered += 1;
        let is_enough = self.answered >= self.width * ANSWERS;
        if is_enough {
            self.width += 1;
            self.answered = 0;
        }
        is_enough
    }

    /// Halves the lanes, unless that was done since the try began: the failures of one moment are one sign. False when
    /// no other request was ever in the way.
    fn halve(&mut self, attempt: &Attempt) -> bool {
        if attempt.halvings != self.halvings || self.working < 2 {
            return self.halvings > 0;
        }
        self.answered = 0;
        self.width = (self.width.min(self.working) / 2).max(1);
        self.halvings += 1;
        self.fewest = Some(self.fewest.map_or(self.width, |fewest| fewest.min(self.width)));
        true
    }
}

fn lanes_for(distance: Duration) -> usize {
    usize::try_from(distance.as_micros().div_ceil(STEP.as_micros())).unwrap_or(usize::MAX)
}

impl Waits {
    /// The shortest of all, after each few more if those took `usual` time compared with it.
    fn shortest_with(
        &mut self,
        time: Duration,
        usual: fn(Duration, Duration) -> bool,
    ) -> Option<Duration> {
        let shortest = self.shortest.map_or(time, |shortest| shortest.min(time));
        self.shortest = Some(shortest);
        self.seen += 1;
        self.sum += time;
        if self.seen < SAMPLES {
            return None;
        }
        let mean = self.sum / self.seen;
        (self.seen, self.sum) = (0, Duration::ZERO);
        usual(mean, shortest).then_some(shortest)
    }
}

/// By a quarter at most.
fn is_hardly_longer(mean: Duration, shortest: Duration) -> bool {
    mean <= shortest + shortest / 4
}

impl Attempt {
    /// The time before the next try. It varies by a quarter, so that those that failed together do not come together
    /// again.
    fn pause(self) -> Duration {
        let time = PAUSE.saturating_mul(1 << self.tries.min(TRIES));
        let quarter = u64::try_from(time.as_micros() / 4).unwrap_or_default().max(1);
        time + Duration::from_micros(RandomState::new().hash_one(self.tries) % quarter)
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        let mut state = self.lanes.lock();
        state.working = state.working.saturating_sub(1);
        let at = self.lanes.host(&mut state, &self.host);
        at.working = at.working.saturating_sub(1);
        if at.paused > 0 {
            self.lanes.changed.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const HOST: &str = "h";

    fn milliseconds(time: u64) -> Duration {
        Duration::from_millis(time)
    }

    fn width_after(most: usize, what: Wait, waits: &[u64]) -> usize {
        let lanes = Lanes::new(most);
        for time in waits {
            lanes.waited(HOST, what, milliseconds(*time));
        }
        lanes.width(HOST)
    }

    #[test]
    fn lanes_grow_with_the_distance_and_never_over_the_limit() {
        for what in [Wait::Connection, Wait::Answer] {
            for (most, wait, width) in
                [(32, 0, 8), (32, 9, 8), (32, 20, 16), (32, 40, 32), (32, 500, 32), (64, 80, 64)]
            {
                assert_eq!(width_after(most, what, &[wait; SAMPLES as usize]), width, "{wait} ms");
            }
            assert_eq!(width_after(2, what, &[40; SAMPLES as usize]), 2, "the person's limit");
        }
    }

    #[test]
    fn a_busy_server_that_is_near_gets_no_more_lanes() {
        let quiet_first = [3, 80, 90, 120, 90, 90, 90, 90];
        let one_after_the_other = [25, 26, 50, 51, 75, 76, 100, 101, 100, 100, 100, 100];
        for waits in [&quiet_first[..], &one_after_the_other, &[90; 3]] {
            assert_eq!(width_after(32, Wait::Answer, waits), 8, "{waits:?}");
        }
        assert_eq!(width_after(32, Wait::Answer, &[43, 44, 46, 48]), 32, "far, and hardly busy");
    }

    /// The lanes with which the next command begins, after `work` in one that began with none remembered.
    fn next_after(limit: usize, work: impl FnOnce(&Lanes)) -> Arc<Lanes> {
        let place = tempfile::tempdir().unwrap();
        let file = Some(place.path().join("lanes"));
        let lanes = Lanes::new(32);
        lanes.recall(file.clone());
        work(&lanes);
        lanes.keep();
        let next = Lanes::new(limit);
        next.recall(file);
        next
    }

    fn learn_that_it_is_far(lanes: &Lanes) {
        (0..20).for_each(|_| lanes.answered(HOST));
        (0..SAMPLES).for_each(|_| lanes.waited(HOST, Wait::Answer, milliseconds(40)));
    }

    #[test]
    fn the_next_command_begins_with_the_lanes_of_this_one_and_never_over_the_limit() {
        for (limit, width) in [(4, 4), (20, 20), (64, 32)] {
            let next = next_after(limit, learn_that_it_is_far);
            assert_eq!((next.width(HOST), next.width("another")), (width, FIRST.min(limit)));
        }
    }

    #[test]
    fn a_host_that_refused_some_of_many_begins_with_what_it_took_and_grows_by_its_answers() {
        let next = next_after(32, |lanes| {
            learn_that_it_is_far(lanes);
            failures_of_one_moment(lanes, 32);
        });
        assert_eq!(next.width(HOST), 16);
        learn_that_it_is_far(&next);
        assert_eq!(next.width(HOST), 16, "its distance is no reason");
        (0..ANSWERS * 16).for_each(|_| next.answered(HOST));
        assert_eq!(next.width(HOST), 17);
    }

    #[test]
    fn what_is_remembered_counts_for_a_host_that_is_worked_on_already() {
        let lanes = Lanes::new(32);
        let place = tempfile::tempdir().unwrap();
        let file = Some(place.path().join("lanes"));
        lanes.recall(file.clone());
        learn_that_it_is_far(&lanes);
        lanes.keep();
        let late = Lanes::new(32);
        let _open: Vec<Lane<'_>> = (0..8).map(|_| late.enter(HOST).unwrap()).collect();
        assert!(late.enter(HOST).is_none());
        let seen = late.changes();
        late.recall(file);
        assert!(late.changes() > seen && late.enter(HOST).is_some());
    }

    #[test]
    fn a_host_that_is_silent_for_long_is_far_away_and_gets_no_more_than_that() {
        let lanes = Lanes::new(64);
        let _open: Vec<Lane<'_>> = (0..8).map(|_| lanes.enter(HOST).unwrap()).collect();
        assert!(lanes.enter(HOST).is_none());
        lanes.begin_measured(HOST);
        thread::sleep(SILENCE);
        // Wakes up although nothing has changed.
        lanes.wait_for_change(lanes.changes());
        assert!(lanes.enter(HOST).is_some());
        thread::sleep(SILENCE);
        assert!(lanes.enter(HOST).is_some());
        assert_eq!(lanes.width(HOST), 32);
    }

    #[test]
    fn all_hosts_together_keep_the_limit_and_a_lane_that_ends_is_free_again() {
        let lanes = Lanes::new(10);
        let mut open: Vec<Lane<'_>> = (0..8).map(|_| lanes.enter("a").unwrap()).collect();
        assert!(lanes.enter("a").is_none(), "a host begins with eight");
        open.extend((0..2).map(|_| lanes.enter("b").unwrap()));
        assert!(lanes.enter("b").is_none() && lanes.enter("c").is_none());
        open.remove(0);
        assert!(lanes.enter("a").is_some());
    }

    /// Two requests of a host fail in the same moment, with so many lanes taken.
    fn failures_of_one_moment(lanes: &Lanes, taken: usize) -> (usize, [bool; 2]) {
        let mut open: Vec<Lane<'_>> = (0..taken).map(|_| lanes.enter(HOST).unwrap()).collect();
        let failing = [open.pop(), open.pop()].map(|lane| (lane, lanes.begin(HOST)));
        let width = lanes.width(HOST);
        let again = thread::scope(|scope| {
            let failed = failing.map(|(lane, mut attempt)| {
                scope.spawn(move || {
                    let _lane = lane;
                    lanes.back_off(HOST, &mut attempt, None, &Cancel::new())
                })
            });
            // Until then none of the others ends: they count as working.
            let until = Instant::now() + milliseconds(200);
            while lanes.width(HOST) == width && Instant::now() < until {
                thread::sleep(milliseconds(1));
            }
            // Those that still work end one by one.
            while open.pop().is_some() {
                thread::sleep(milliseconds(1));
            }
            failed.map(|thread| thread.join().unwrap())
        });
        (lanes.width(HOST), again)
    }

    #[test]
    fn a_host_that_answers_some_gets_half_as_many_requests_and_those_that_failed_again_and_recovers()
     {
        let lanes = Lanes::new(32);
        lanes.answered(HOST);
        assert_eq!(failures_of_one_moment(&lanes, 8), (4, [true, true]));
        for answers in [ANSWERS * 4, ANSWERS * 5, ANSWERS * 6, ANSWERS * 7, 100] {
            (0..answers).for_each(|_| lanes.answered(HOST));
        }
        assert_eq!(lanes.width(HOST), 8, "all are given back, not one more");
    }

    #[test]
    fn nothing_is_sent_again_to_a_host_that_answers_none_nor_when_no_other_was_in_the_way() {
        let down = Lanes::new(32);
        assert_eq!(failures_of_one_moment(&down, 8).1, [false, false]);
        let lone = Lanes::new(32);
        lone.answered(HOST);
        let _lane = lone.enter(HOST).unwrap();
        let mut attempt = lone.begin(HOST);
        assert!(!lone.back_off(HOST, &mut attempt, None, &Cancel::new()));
        assert_eq!(lone.width(HOST), 8);
    }

    #[test]
    fn a_request_is_given_up_after_some_tries_after_a_long_pause_and_when_the_user_asks_to_stop() {
        let lanes = Lanes::new(32);
        lanes.answered(HOST);
        let _open: Vec<Lane<'_>> = (0..2).map(|_| lanes.enter(HOST).unwrap()).collect();
        let stop = Cancel::new();
        stop.cancel();
        assert!(!lanes.back_off(HOST, &mut lanes.begin(HOST), None, &stop));
        let long = Some(LONGEST_PAUSE + milliseconds(1));
        assert!(!lanes.back_off(HOST, &mut lanes.begin(HOST), long, &Cancel::new()));
        let mut often = Attempt { tries: TRIES, ..lanes.begin(HOST) };
        assert!(!lanes.back_off(HOST, &mut often, None, &Cancel::new()));
    }
}
