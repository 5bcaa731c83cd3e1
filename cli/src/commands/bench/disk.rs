//! The disk usage of the scratch store.

use std::collections::HashSet;

use modstore::{Digest, Store};
use modstore_testbed::DiskUsage;

use super::answer::BenchDisk;
use crate::{commands::cannot::cannot, report::Failure};

/// Looks at every file of the home.
pub(super) fn disk_of(store: &Store) -> Result<BenchDisk, Failure> {
    let state = store.state()?;
    let current: HashSet<Digest> =
        state.modules().values().filter_map(|binding| binding.digest()).collect();
    let failed = |error| cannot("look at the store", &error);
    let mut live = DiskUsage::default();
    let mut live_bytes = 0;
    for digest in current {
        live_bytes += state.entry(digest).map_or(0, |entry| entry.bytes);
        live.add(&store.layout().entry(digest)).map_err(failed)?;
    }
    let store_disk_bytes = DiskUsage::of(store.layout().home()).map_err(failed)?.blocks;
    let amplification = (live_bytes > 0).then(|| store_disk_bytes as f64 / live_bytes as f64);
    Ok(BenchDisk { live_bytes, live_disk_bytes: live.blocks, store_disk_bytes, amplification })
}
