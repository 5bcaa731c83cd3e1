//! Packs that are published as they came, while other modules are still fetched: their way to the tier takes no time then.
//!
//! Only a pack that has proven to be its commit's, of a module that nothing can still fail: one that is not built, and keeps no
//! state. What is not sent here, for whatever reason, is published after the switch, which waits for nothing here. What was
//! sent, or could not be, is known to the tier, so that it is not asked again.
//!
//! Limits: in memory. What would be too much together is written again after the switch.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, Builder, Scope},
};

use modstore_fetch::{Network, NetworkError};
use modstore_tier::{Content, Key};

use super::{
    AT_ONCE, Publisher,
    parts::{Part, PartBytes, is_private},
};
use crate::{
    model::{Fetched, RemoteUrl},
    tier::PublishTo,
};

/// The most bytes that all packs that wait or are being sent have together.
const HELD: usize = 64 << 20;

/// See the module. Used from many threads.
pub(crate) struct Ahead<'a> {
    publisher: Publisher<'a>,
    queue: Mutex<Outgoing>,
    changed: Condvar,
}

#[derive(Default)]
struct Outgoing {
    waiting: VecDeque<Part>,
    /// The bytes of those that wait and those that are being sent.
    held: usize,
    sending: usize,
    threads: usize,
    /// Threads that wait for a pack.
    idle: usize,
    /// Nothing more comes.
    is_closed: bool,
}

impl<'a> Ahead<'a> {
    /// Nothing is sent but [`during`](Self::during) work.
    pub(crate) fn new(publisher: Publisher<'a>) -> Self {
        let queue = Outgoing { threads: 1, ..Outgoing::default() };
        Self { publisher, queue: Mutex::new(queue), changed: Condvar::new() }
    }

    /// Does work during which packs are sent. What has not been sent when it ends, however it ends, is left.
    pub(crate) fn during<R>(ahead: Option<&Self>, work: impl FnOnce(Option<&Self>) -> R) -> R {
        let Some(ahead) = ahead else { return work(None) };
        thread::scope(|scope| {
            let _ends = Ends(ahead);
            // Where no thread can be started, all is published after the switch.
            let sends = Builder::new().spawn_scoped(scope, move || ahead.send_all(scope));
            work(sends.is_ok().then_some(ahead))
        })
    }

    /// Takes the pack of a commit that has just been fetched from here, if there is room for it.
    pub(crate) fn offer(
        &self,
        commit: &Fetched,
        url: Option<&RemoteUrl>,
        network: Result<&Network, NetworkError>,
        pack: Vec<u8>,
    ) {
        let mut queue = self.queue();
        let held = queue.held.saturating_add(pack.len());
        if held > HELD || queue.is_closed {
            return;
        }
        queue.held = held;
        queue.waiting.push_back(Part {
            key: Key::commit(&commit.revision.to_string()),
            origin: commit.origin.clone(),
            is_private: url.is_none_or(|url| is_private(url, || network)),
            name: None,
            bytes: PartBytes::Received(pack),
        });
        self.changed.notify_all();
    }

    /// Sends what is offered until nothing more comes. As long as all threads have something to send there is one more, up to
    /// a limit.
    fn send_all<'s>(&'s self, scope: &'s Scope<'s, '_>) {
        while let Some((part, another)) = self.next() {
            let sending = Sending(self, part);
            let more = move || self.send_all(scope);
            if another && Builder::new().spawn_scoped(scope, more).is_err() {
                self.queue().threads -= 1;
            }
            self.send(&sending.1);
        }
    }

    /// The next pack, when there is one, and whether another thread is wanted.
    fn next(&self) -> Option<(Part, bool)> {
        let mut queue = self.queue();
        queue.idle += 1;
        loop {
            if let Some(part) = queue.waiting.pop_front() {
                queue.idle -= 1;
                queue.sending += 1;
                let another = queue.idle == 0 && queue.threads < AT_ONCE;
                queue.threads += usize::from(another);
                return Some((part, another));
            }
            if queue.is_closed {
                return None;
            }
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// What goes wrong is noted by the tiers; what no tier is meant for is reported after the switch.
    fn send(&self, part: &Part) {
        let PartBytes::Received(pack) = &part.bytes else { return };
        let Ok(meant) = self.publisher.meant(part) else { return };
        let context = self.publisher.context;
        let wanting: Vec<&PublishTo<'_>> =
            meant.iter().filter(|tier| tier.wants(context, &part.key) == Some(true)).collect();
        if !wanting.is_empty() {
            let _ = self.publisher.give(&part.key, Content::Bytes(pack), &wanting);
        }
    }

    /// Waits until all that was offered is sent. Nothing more is taken.
    pub(crate) fn finish(&self) {
        let mut queue = self.close();
        while queue.sending > 0 || !queue.waiting.is_empty() {
            queue = self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn close(&self) -> MutexGuard<'_, Outgoing> {
        let mut queue = self.queue();
        queue.is_closed = true;
        self.changed.notify_all();
        queue
    }

    fn queue(&self) -> MutexGuard<'_, Outgoing> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A pack that is being sent, until it is or has failed.
struct Sending<'a>(&'a Ahead<'a>, Part);

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue();
        queue.sending -= 1;
        if let PartBytes::Received(pack) = &self.1.bytes {
            queue.held = queue.held.saturating_sub(pack.len());
        }
        self.0.changed.notify_all();
    }
}

/// Ends all threads when it goes.
struct Ends<'a>(&'a Ahead<'a>);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.close().waiting.clear();
    }
}
