//! A place in object storage.

use std::{
    fs::File,
    io::{self, Read},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use modstore_core::Cancel;
use object_store::{
    Attribute, Attributes, GetOptions, ObjectStore, ObjectStoreExt as _, PutMode,
    PutMultipartOptions, PutOptions, path::Path,
};

use super::{
    body::{Arriving, Pieces},
    exchange::Exchange,
    explain::explain,
    inline::block_on,
    refusals::Refusals,
};
use crate::{Content, Found, Key, Objects, Observed, Published, TierError, TierOptions};

/// The most of an object that is held in memory. A longer one is sent in parts.
const PART: u64 = 16 << 20;
/// Before a write is tried again that another of the same key was in the way of.
const CONFLICT_PAUSE: Duration = Duration::from_millis(200);

/// A bucket, or what is below a prefix in it.
pub(super) struct Bucket {
    place: String,
    store: Arc<dyn ObjectStore>,
    prefix: Path,
    most: u64,
    stall: Duration,
    refusals: Refusals,
    /// Set when the server says that it does not know conditions.
    has_no_conditions: AtomicBool,
    observed: Mutex<Observed>,
}

/// What became of one try to write an object.
enum Tried {
    Is(Published),
    Conflict,
    NoConditions,
}

impl Bucket {
    pub(super) fn new(
        place: String,
        store: Arc<dyn ObjectStore>,
        prefix: Path,
        options: &TierOptions,
    ) -> Self {
        Self {
            place,
            store,
            prefix,
            most: options.max_object,
            stall: options.stall_timeout,
            refusals: Refusals::default(),
            has_no_conditions: AtomicBool::new(false),
            observed: Mutex::default(),
        }
    }

    fn path(&self, key: &Key) -> Path {
        key.as_str().split('/').fold(self.prefix.clone(), Path::join)
    }

    /// Makes a call, in full.
    fn call<T>(
        &self,
        exchange: &Arc<Exchange>,
        call: impl Future<Output = object_store::Result<T>>,
    ) -> object_store::Result<T> {
        let result = exchange.during(|| block_on(call));
        if let Some(ahead) = exchange.seen().ahead {
            self.observed().clock_ahead = Some(ahead);
        }
        result
    }

    fn observed(&self) -> std::sync::MutexGuard<'_, Observed> {
        self.observed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, source: io::Error) -> TierError {
        TierError::Io { place: self.place.clone(), source }
    }

    fn put_whole(
        &self,
        key: &Key,
        bytes: Bytes,
        create: bool,
        exchange: &Arc<Exchange>,
    ) -> Result<Tried, TierError> {
        let mode = if create { PutMode::Create } else { PutMode::Overwrite };
        let options = PutOptions { mode, attributes: attributes(key), ..PutOptions::default() };
        let path = self.path(key);
        let put = self.store.put_opts(&path, bytes.into(), options);
        if self.call(exchange, put).is_ok() {
            return Ok(Tried::Is(Published::Written));
        }
        let seen = exchange.seen();
        let is_unknown = matches!(seen.code.as_deref(), Some("NotImplemented"));
        match seen.status.filter(|_| seen.fault.is_none() && create) {
            Some(304 | 412) => Ok(Tried::Is(Published::AlreadyThere)),
            Some(409) => Ok(Tried::Conflict),
            Some(501) => Ok(Tried::NoConditions),
            Some(400) if is_unknown => Ok(Tried::NoConditions),
            _ => Err(explain(&self.place, exchange)),
        }
    }

    fn put_in_parts(
        &self,
        key: &Key,
        mut from: Box<dyn Read + '_>,
        exchange: &Arc<Exchange>,
    ) -> Result<(), TierError> {
        let options =
            PutMultipartOptions { attributes: attributes(key), ..PutMultipartOptions::default() };
        let path = self.path(key);
        let failed = |_| explain(&self.place, exchange);
        let mut upload =
            self.call(exchange, self.store.put_multipart_opts(&path, options)).map_err(failed)?;
        let mut send = || loop {
            let mut part = Vec::new();
            let read = from.by_ref().take(PART).read_to_end(&mut part);
            match read.map_err(|error| self.failed(error))? {
                0 => return Ok(()),
                _ => self.call(exchange, upload.put_part(part.into())).map_err(failed)?,
            }
        };
        let done = send().and_then(|()| self.call(exchange, upload.complete()).map_err(failed));
        if done.is_err() {
            // Parts that are left take room until the bucket's rule removes them.
            let fresh = Exchange::new(&Cancel::new());
            let _ = self.call(&fresh, upload.abort());
        }
        done.map(drop)
    }
}

/// What is to be read of a content, and how many bytes that is.
fn opened(content: Content<'_>) -> io::Result<(Box<dyn Read + '_>, u64)> {
    Ok(match content {
        Content::File(path) => {
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            (Box::new(file), length)
        }
        Content::Bytes(bytes) => (Box::new(bytes), bytes.len() as u64),
    })
}

/// What goes with an object.
fn attributes(key: &Key) -> Attributes {
    let is_pack = key.as_str().ends_with(".pack");
    let kind = if is_pack { "application/x-git-pack" } else { "application/octet-stream" };
    Attributes::from_iter([
        (Attribute::ContentType, kind),
        (Attribute::CacheControl, "private, max-age=31536000, immutable"),
    ])
}

/// A time, unless the server gave none.
fn written(time: impl Into<SystemTime>) -> Option<SystemTime> {
    Some(time.into()).filter(|time| *time != SystemTime::UNIX_EPOCH)
}

impl Objects for Bucket {
    fn get(&self, key: &Key, cancel: &Cancel) -> Result<Option<Found>, TierError> {
        let exchange = Exchange::new(cancel);
        let path = self.path(key);
        let Ok(found) = self.call(&exchange, self.store.get_opts(&path, GetOptions::default()))
        else {
            return self.refusals.is_missing(&self.place, &exchange).map(|()| None);
        };
        self.refusals.was_read();
        let (length, written) = (found.meta.size, written(found.meta.last_modified));
        TierError::unless_within(self.most, Some(length), &self.place, key)?;
        let bytes = Box::new(Pieces::of(found.into_stream()));
        let bytes = Arriving::new(bytes, exchange, self.stall, self.most, Some(length));
        Ok(Some(Found { bytes, length: Some(length), written }))
    }

    fn head(
        &self,
        key: &Key,
        cancel: &Cancel,
    ) -> Result<Option<(u64, Option<SystemTime>)>, TierError> {
        let exchange = Exchange::new(cancel);
        let path = self.path(key);
        match self.call(&exchange, self.store.head(&path)) {
            Ok(meta) => Ok(Some((meta.size, written(meta.last_modified)))),
            Err(_) => self.refusals.is_missing(&self.place, &exchange).map(|()| None),
        }
    }

    fn put(
        &self,
        key: &Key,
        content: Content<'_>,
        replace: bool,
        cancel: &Cancel,
    ) -> Result<Published, TierError> {
        let (mut from, length) = opened(content).map_err(|error| self.failed(error))?;
        let is_long = length > PART;
        let asks_first = !replace && (is_long || self.has_no_conditions.load(Relaxed));
        if asks_first && self.head(key, cancel)?.is_some() {
            return Ok(Published::AlreadyThere);
        }
        let exchange = Exchange::new(cancel);
        if is_long {
            return self.put_in_parts(key, from, &exchange).map(|()| Published::Written);
        }
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).map_err(|error| self.failed(error))?;
        let (bytes, create) = (Bytes::from(bytes), !replace && !asks_first);
        match self.put_whole(key, bytes.clone(), create, &exchange)? {
            Tried::Is(published) => {
                if published == Published::AlreadyThere {
                    self.observed().keeps_conditions = Some(true);
                }
                Ok(published)
            }
            Tried::Conflict => {
                thread::sleep(CONFLICT_PAUSE);
                match self.put_whole(key, bytes, create, &exchange)? {
                    Tried::Is(published) => Ok(published),
                    _ => Err(explain(&self.place, &exchange)),
                }
            }
            Tried::NoConditions => {
                self.has_no_conditions.store(true, Relaxed);
                self.observed().keeps_conditions = Some(false);
                self.put(key, content, replace, cancel)
            }
        }
    }

    fn delete(&self, key: &Key, cancel: &Cancel) -> Result<(), TierError> {
        let exchange = Exchange::new(cancel);
        let path = self.path(key);
        match self.call(&exchange, self.store.delete(&path)) {
            Err(_) if exchange.seen().status != Some(404) => Err(explain(&self.place, &exchange)),
            _ => Ok(()),
        }
    }

    fn observed(&self) -> Observed {
        self.observed().clone()
    }
}
