//! A commit from a mirror, which fetches it first where it lacks it.
//!
//! The tree is written while the pack comes in, by the code and under the limits of every other pack, and the mirror
//! keeps the pack. The index of the pack has the commits, the trees and the blobs that were looked at: deltas that
//! nothing asked for are not resolved. A later commit that needs more finds that the mirror lacks it.
//!
//! A mirror is a cache. Nothing in it is made durable, it may be deleted at any time, and missing or damaged data costs
//! one rebuild, aside.

use std::{io::BufRead, path::Path};

use gix::ObjectId;
use modstore_core::{Cancel, events::Step};

use super::{
    attempt::{AttemptError, CommitSource, Done},
    keep::keep_pack,
    objects::{MirrorObjects, haves},
    place::Mirror,
};
use crate::{
    errors::{AcquireError, FetchError, MirrorError, PackError, RemoteError},
    protocol::{Session, Tip},
};

/// Receiving was ended; the receiver knows why.
#[derive(Debug, thiserror::Error)]
#[error("receiving ended")]
struct ReceiveEnded;

/// A commit that a mirror is asked for.
struct CommitRequest<'r> {
    session: &'r mut Session,
    commit: ObjectId,
    on_step: &'r dyn Fn(Step<'_>),
    cancel: &'r Cancel,
}

/// Writes a tree from its source.
type Work<'w, T> = dyn FnMut(CommitSource<'_>) -> Result<Done<T>, AttemptError> + 'w;

impl Mirror<'_> {
    /// The objects of the mirror, when it is there and has `commit`. Asks no server.
    pub(crate) fn objects_with(&self, commit: ObjectId) -> Option<MirrorObjects> {
        MirrorObjects::open(&self.path()).ok().filter(|objects| objects.has(commit))
    }

    /// Gives the objects of `commit` to `work`, from the mirror or from the server. When the mirror turns out to be
    /// damaged, or lacks something, or the pack is damaged, the mirror is rebuilt and `work` is called once more.
    ///
    /// # Errors
    /// The mirror is gone or as good as it was; the next process to use it tries again.
    pub(crate) fn with_commit<T>(
        &self,
        session: &mut Session,
        commit: ObjectId,
        on_step: &dyn Fn(Step<'_>),
        cancel: &Cancel,
        mut work: impl FnMut(CommitSource<'_>) -> Result<Done<T>, AttemptError>,
    ) -> Result<T, AcquireError> {
        let mut request = CommitRequest { session, commit, on_step, cancel };
        let first = if self.needs_rebuild() {
            self.rebuild(&mut request, &mut work)
        } else {
            self.fetch_into(&self.path(), &mut request, &mut work)
        };
        match first {
            Ok(done) => return Ok(done),
            Err(AttemptError::Other(error)) => return Err(error),
            Err(AttemptError::Mirror(_) | AttemptError::Sent(_)) => {}
        }
        self.rebuild(&mut request, &mut work).map_err(|error| match error {
            AttemptError::Other(error) | AttemptError::Sent(error) => error,
            AttemptError::Mirror(source) => {
                MirrorError::Damaged { url: request.session.url().to_owned(), source }.into()
            }
        })
    }

    /// Fetches into a new mirror aside, and puts it in the place of the one that is there.
    fn rebuild<T>(
        &self,
        request: &mut CommitRequest<'_>,
        work: &mut Work<'_, T>,
    ) -> Result<T, AttemptError> {
        let not_written = |error| AttemptError::Other(AcquireError::Write(error));
        let aside = self.create_aside().map_err(not_written)?;
        let done = self.fetch_into(&aside, request, work).inspect_err(|_| self.discard(&aside))?;
        // A program that removed the mirror while it was being replaced may have stopped by now.
        self.replace_by(&aside).map_err(AttemptError::mirror)?;
        self.remove_leftovers().map_err(not_written)?;
        Ok(done)
    }

    /// Gives the commit to `work` from the repository at `path`, after fetching it into that where it is not there.
    fn fetch_into<T>(
        &self,
        path: &Path,
        request: &mut CommitRequest<'_>,
        work: &mut Work<'_, T>,
    ) -> Result<T, AttemptError> {
        let commit = request.commit;
        let haves = haves(path).map_err(AttemptError::Mirror)?;
        let objects = MirrorObjects::open(path).map_err(AttemptError::Mirror)?;
        if haves.contains(&commit) || objects.has(commit) {
            return Ok(work(CommitSource::Mirror(&objects))?.0);
        }
        let mut failure = None;
        let receive = |pack: &mut dyn BufRead, tip: Tip| {
            keep_pack(self, path, &objects, (pack, tip), work).map_err(|error| {
                failure = Some(error);
                ReceiveEnded
            })
        };
        let received = request.session.fetch_history(commit, &haves, request.on_step, receive);
        let done = match (received, failure) {
            (Ok(done), _) => done,
            (Err(FetchError::Remote(error)), _) => {
                return Err(AttemptError::Other(from_network(error, request.cancel)));
            }
            (Err(FetchError::Receive { .. }), Some(error)) => {
                return Err(judge(error, commit, request.session, haves.is_empty()));
            }
            (Err(FetchError::Receive { source, .. }), None) => {
                return Err(AttemptError::mirror(source));
            }
        };
        self.add_ref(path, commit, &haves).map_err(AttemptError::mirror)?;
        Ok(done)
    }
}

/// Finds out whose fault it is that a pack did not become a tree. Where the server was sent the commits of the mirror,
/// it may be the mirror's; where it was sent none, the server's.
fn judge(
    error: AttemptError,
    commit: ObjectId,
    session: &Session,
    from_nothing: bool,
) -> AttemptError {
    let AttemptError::Other(AcquireError::Fetch(FetchError::Receive { url, source })) = error
    else {
        return error;
    };
    let error: AcquireError = match source {
        // All branches and tags came, from their beginnings on.
        PackError::MissingObject { id, .. } if id == commit && from_nothing => {
            return AttemptError::Other(session.not_given(commit).into());
        }
        PackError::MissingObject { id, .. } if id == commit => session.not_given(commit).into(),
        source @ (PackError::MissingObject { .. }
        | PackError::Find { .. }
        | PackError::Corrupt { .. }
        | PackError::Truncated { .. }) => AcquireError::Fetch(FetchError::Receive { url, source }),
        source => {
            return AttemptError::Other(AcquireError::Fetch(FetchError::Receive { url, source }));
        }
    };
    if from_nothing { AttemptError::Sent(error) } else { AttemptError::mirror(error) }
}

fn from_network(error: RemoteError, cancel: &Cancel) -> AcquireError {
    if cancel.is_cancelled() { AcquireError::Cancelled } else { error.into() }
}
