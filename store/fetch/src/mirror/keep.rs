//! A pack that a mirror keeps: written while it is unpacked, and installed with its index once both are whole.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead, Read as _, Seek as _, SeekFrom},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use gix::ObjectId;
use modstore_core::disk::random_name;

use super::{
    attempt::{AttemptError, CommitSource, Done},
    index::index_of,
    objects::MirrorObjects,
    place::Mirror,
};
use crate::{
    protocol::Tip,
    tree::{KeptPack, KnownObject},
};

/// Gives the pack to `work`, and keeps it in the repository at `path`. git sees neither the pack nor its index before
/// both are whole.
pub(super) fn keep_pack<T>(
    mirror: &Mirror<'_>,
    path: &Path,
    objects: &MirrorObjects,
    (pack, tip): (&mut dyn BufRead, Tip),
    work: &mut dyn FnMut(CommitSource<'_>) -> Result<Done<T>, AttemptError>,
) -> Result<T, AttemptError> {
    let name = random_name(mirror.staging()).map_err(AttemptError::mirror)?;
    let temporary = mirror.staging().join(format!("{name}.pack"));
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o444).open(&temporary);
    let file = file.map_err(AttemptError::mirror)?;
    let earlier = |id: &ObjectId, buffer: &mut Vec<u8>| objects.find(id, buffer);
    let kept = KeptPack { file, path: &temporary, earlier: &earlier };
    let received = work(CommitSource::Pack(pack, tip, kept)).and_then(|(done, known)| {
        install(&path.join("objects/pack"), &temporary, &known).map_err(AttemptError::mirror)?;
        Ok(done)
    });
    if received.is_err() {
        // A file that cannot be removed now goes with the staging.
        let _ = fs::remove_file(&temporary);
    }
    received
}

/// Gives a whole pack its index and its name. The index comes last: git looks for indexes.
fn install(directory: &Path, temporary: &Path, known: &[KnownObject]) -> io::Result<()> {
    let mut sum = [0; 20];
    let mut file = File::open(temporary)?;
    file.seek(SeekFrom::End(-20))?;
    file.read_exact(&mut sum)?;
    let name = directory.join(format!("pack-{}", ObjectId::Sha1(sum)));
    let index = temporary.with_extension("idx");
    fs::write(&index, index_of(known, &sum).map_err(io::Error::other)?)?;
    fs::rename(temporary, name.with_extension("pack"))?;
    fs::rename(index, name.with_extension("idx"))
}
