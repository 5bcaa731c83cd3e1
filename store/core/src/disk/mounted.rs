//! What the system says about a place: the file system's kind, and how it is mounted.
//!
//! On Linux the mount is found by its number (`statx`), or else its device, in `/proc/self/mountinfo`, and
//! whether an ext4 has a journal is asked of `/sys/fs/ext4`. None of it needs rights.
//!
//! Limits: where `/proc` cannot be read there is only the kind, and where `/sys` cannot either, it cannot be told
//! whether there is a journal. On macOS there is only the kind; elsewhere it is `unknown`.

use std::path::{Path, PathBuf};

use super::verbs::{DiskError, Verb};

/// What the kernel calls an overlay.
pub(super) const OVERLAY: &str = "overlay";

/// What the system says about a place.
#[derive(Debug, Clone, Default)]
pub(super) struct Mounted {
    /// `ext4`, `fuse.sshfs`, `unknown`.
    pub(super) kind: String,
    /// Mounted so that the disk is never asked to empty its cache.
    pub(super) barriers_off: bool,
    /// An overlay that syncs nothing.
    pub(super) syncs_off: bool,
    /// Whether an ext file system has a journal; `None` for others, and where that is not known.
    pub(super) journal: Option<bool>,
    /// The upper layer of an overlay, as the one who mounted it called it.
    pub(super) upper: Option<PathBuf>,
}

impl Mounted {
    /// What `path`, which exists, lies on. A few system calls.
    ///
    /// # Errors
    /// It is not there or cannot be looked at.
    pub(super) fn at(path: &Path) -> Result<Self, DiskError> {
        system::look(path)
    }
}

#[cfg(all(target_os = "linux", not(modstore_as_macos)))]
mod system {
    use std::{
        fs,
        os::unix::fs::MetadataExt as _,
        path::{Path, PathBuf},
    };

    use rustix::fs::{AtFlags, CWD, StatxFlags};

    use super::{DiskError, Mounted, OVERLAY, Verb};
    use crate::disk::mount_table::MountLine;

    pub(super) fn look(path: &Path) -> Result<Mounted, DiskError> {
        let failed = |source| DiskError::new(Verb::Read, path, source);
        let device = fs::metadata(path).map_err(failed)?.dev();
        let device = (rustix::fs::major(device), rustix::fs::minor(device));
        let table = fs::read("/proc/self/mountinfo").unwrap_or_default();
        match mount_of(&table, number_of(path), device) {
            Some(mount) => Ok(said(&mount)),
            None => {
                let found = rustix::fs::statfs(path).map_err(|errno| failed(errno.into()))?;
                // The numbers have 32 bits; what some machines keep them in has more, or a sign.
                let kind = kind_of_magic(found.f_type as u32).to_owned();
                Ok(Mounted { kind, ..Mounted::default() })
            }
        }
    }

    /// The number of the mount a path lies on; Linux gives it since 5.8.
    fn number_of(path: &Path) -> Option<u64> {
        let found = rustix::fs::statx(CWD, path, AtFlags::empty(), StatxFlags::MNT_ID).ok()?;
        (found.stx_mask & StatxFlags::MNT_ID.bits() != 0).then_some(found.stx_mnt_id)
    }

    /// A line of the table, by number or else by device: the last one, which lies on top.
    pub(super) fn mount_of(
        table: &[u8],
        number: Option<u64>,
        device: (u32, u32),
    ) -> Option<MountLine> {
        let lines = || table.rsplit(|byte| *byte == b'\n').filter_map(MountLine::parse);
        let by_number = lines().find(|mount| Some(mount.id) == number);
        by_number.or_else(|| lines().find(|mount| mount.device == device))
    }

    fn said(mount: &MountLine) -> Mounted {
        let says = |words: &[&str]| {
            mount.options.iter().any(|option| words.iter().any(|word| option == word))
        };
        let is_overlay = mount.kind == OVERLAY;
        let is_ext = mount.kind.starts_with("ext");
        Mounted {
            kind: mount.kind.clone(),
            barriers_off: says(&["nobarrier", "barrier=0"]),
            syncs_off: is_overlay && says(&["volatile", "fsync=volatile"]),
            journal: is_ext.then(|| has_journal(mount.device)).flatten(),
            upper: mount.value("upperdir").filter(|_| is_overlay).map(PathBuf::from),
        }
    }

    /// Whether the ext4 on this device has a journal, its own or on another device. The list of journals in
    /// `/proc/fs/jbd2` would not do: it calls one on another device by that device's name.
    fn has_journal((major, minor): (u32, u32)) -> Option<bool> {
        let device = fs::read_link(format!("/sys/dev/block/{major}:{minor}")).ok()?;
        let name = device.file_name()?;
        let file = |folder: &str, file: &str| fs::read(Path::new(folder).join(name).join(file));
        // Who writes the journal, or `<none>`.
        if let Ok(writer) = file("/sys/fs/ext4", "journal_task") {
            return Some(!writer.starts_with(b"<none>"));
        }
        let options = file("/proc/fs/ext4", "options").ok()?;
        Some(options.split(|byte| *byte == b'\n').any(|option| option.starts_with(b"data=")))
    }

    /// The kind, where there is no table to read it in.
    const fn kind_of_magic(magic: u32) -> &'static str {
        match magic {
            0xef53 => "ext4",
            0x5846_5342 => "xfs",
            0x0102_1994 => "tmpfs",
            0x8584_58f6 => "ramfs",
            0x794c_7630 => OVERLAY,
            0x6969 => "nfs",
            0x517b | 0xff53_4d42 | 0xfe53_4d42 => "cifs",
            0x0102_1997 => "9p",
            0x00c3_6400 => "ceph",
            0x5346_414f => "afs",
            0x6573_5546 => "fuse",
            0x9123_683e => "btrfs",
            0x2fc1_2fc1 => "zfs",
            0xf2f5_2010 => "f2fs",
            0xca45_1a4e => "bcachefs",
            _ => "unknown",
        }
    }
}

#[cfg(any(target_vendor = "apple", modstore_as_macos))]
mod system {
    use std::path::Path;

    use rustix::fs::StatFs;

    use super::{DiskError, Mounted, Verb};

    pub(super) fn look(path: &Path) -> Result<Mounted, DiskError> {
        let found =
            rustix::fs::statfs(path).map_err(|errno| DiskError::new(Verb::Read, path, errno))?;
        Ok(Mounted { kind: kind_of(&found), ..Mounted::default() })
    }

    #[cfg(target_vendor = "apple")]
    fn kind_of(found: &StatFs) -> String {
        let name = found.f_fstypename.iter().map(|byte| *byte as u8);
        let name: Vec<u8> = name.take_while(|byte| *byte != 0).collect();
        String::from_utf8_lossy(&name).into_owned()
    }

    /// Where Linux stands for macOS: what a Mac would say.
    #[cfg(not(target_vendor = "apple"))]
    fn kind_of(_: &StatFs) -> String {
        "apfs".to_owned()
    }
}

#[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
mod system {
    use std::path::Path;

    use super::{DiskError, Mounted, Verb};

    pub(super) fn look(path: &Path) -> Result<Mounted, DiskError> {
        std::fs::metadata(path).map_err(|error| DiskError::new(Verb::Read, path, error))?;
        Ok(Mounted { kind: "unknown".into(), ..Mounted::default() })
    }
}

#[cfg(all(test, target_os = "linux", not(modstore_as_macos)))]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_found_by_its_number_or_else_as_the_last_one_of_its_device() {
        let table = b"1 0 8:1 / / rw - ext4 /dev/a rw\n\
            2 1 0:39 / /b rw - btrfs /dev/b rw\n\
            no line of ours\n\
            3 1 8:1 / /c rw - ext4 /dev/a rw,nobarrier\n";
        let found = |number, device| system::mount_of(table, number, device).map(|mount| mount.id);
        assert_eq!(found(Some(2), (0, 40)), Some(2), "a btrfs has another device than its files");
        assert_eq!(found(Some(1), (8, 1)), Some(1));
        assert_eq!(found(None, (8, 1)), Some(3));
        assert_eq!(found(Some(7), (8, 1)), Some(3));
        assert_eq!(found(None, (0, 40)), None);
    }
}
