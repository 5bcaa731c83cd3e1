//! The index of a pack that a mirror keeps: git's version 2.
//!
//! Limits: the index names only the objects that were looked at. The mirror does not have the others of the pack.

use crate::{errors::PackError, pack::finish, tree::KnownObject};

/// Offsets from here on are in a table of their own.
const FAR: u64 = 1 << 31;

/// The bytes of the index of `objects`, in the order of their ids, in the pack with this checksum.
pub(crate) fn index_of(objects: &[KnownObject], pack: &[u8; 20]) -> Result<Vec<u8>, PackError> {
    let mut bytes = Vec::with_capacity(1100 + objects.len() * 28);
    bytes.extend_from_slice(b"\xfftOc\0\0\0\x02");
    for first in 0..=u8::MAX {
        let upto = objects.partition_point(|object| object.id.first_byte() <= first);
        bytes.extend_from_slice(&number(upto)?.to_be_bytes());
    }
    for object in objects {
        bytes.extend_from_slice(object.id.as_slice());
    }
    for object in objects {
        bytes.extend_from_slice(&object.crc32.to_be_bytes());
    }
    let mut far = Vec::new();
    for object in objects {
        let offset = match u32::try_from(object.offset).ok().filter(|_| object.offset < FAR) {
            Some(near) => near,
            None => {
                far.push(object.offset);
                number(far.len() - 1)? | (1 << 31)
            }
        };
        bytes.extend_from_slice(&offset.to_be_bytes());
    }
    for offset in far {
        bytes.extend_from_slice(&offset.to_be_bytes());
    }
    bytes.extend_from_slice(pack);
    let mut sum = gix::hash::hasher(gix::hash::Kind::Sha1);
    sum.update(&bytes);
    bytes.extend_from_slice(finish(sum)?.as_slice());
    Ok(bytes)
}

fn number(count: usize) -> Result<u32, PackError> {
    u32::try_from(count).map_err(|_| PackError::corrupt(0, "too many objects for an index"))
}
