//! What file system a place lies on, and what that means for the promise: what was committed survives a
//! power cut, and a lock excludes everybody.
//!
//! Limits: it judges what the system says, and tries nothing out. A disk that lies about its cache, a loop
//! device in memory, `sync=disabled` of a zfs: unseen. So is a part of the home on another disk.

use std::{fmt, path::Path};

use super::{
    mounted::{Mounted, OVERLAY},
    verbs::DiskError,
};

/// The file system a path lies on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSystem {
    /// What the system calls it: `ext4`, `overlay`, `fuse.sshfs`; or `unknown`.
    pub kind: String,
    /// Where an overlay writes to, if that can be seen: the kind of its upper layer.
    pub upper: Option<String>,
    /// What there is to know about it, those of the upper layer included; in order of [`Concern::ALL`].
    pub concerns: Vec<Concern>,
}

/// Something about a file system that bears on the promise. `Display` says what it means, as a clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Concern {
    /// tmpfs, ramfs.
    Memory,
    /// An overlay mounted `volatile`.
    NoSync,
    /// Mounted with `nobarrier` or `barrier=0`.
    NoBarrier,
    /// ext2, or ext4 without a journal.
    NoJournal,
    /// NFS, SMB, 9p and the like, and folders that a virtual machine has from its host.
    Network,
    /// FUSE.
    User,
    /// An overlay whose upper layer lies outside of what this process can see, as in most containers.
    HiddenUpper,
    /// An overlay.
    Overlay,
    /// A file system that no test of this project runs on.
    Untested,
}

impl Concern {
    /// All there are, the worst first.
    pub const ALL: [Self; 9] = [
        Self::Memory,
        Self::NoSync,
        Self::NoBarrier,
        Self::NoJournal,
        Self::Network,
        Self::User,
        Self::HiddenUpper,
        Self::Overlay,
        Self::Untested,
    ];

    /// Its name for programs; never changes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::NoSync => "no-sync",
            Self::NoBarrier => "no-barrier",
            Self::NoJournal => "no-journal",
            Self::Network => "network",
            Self::User => "user",
            Self::HiddenUpper => "hidden-upper",
            Self::Overlay => "overlay",
            Self::Untested => "untested",
        }
    }

    /// Whether the promise does not hold there, or it is not known whether it does: worth a warning.
    #[must_use]
    pub const fn is_serious(self) -> bool {
        !matches!(self, Self::HiddenUpper | Self::Overlay | Self::Untested)
    }
}

impl fmt::Display for Concern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "is in memory: nothing on it survives a power cut or a restart",
            Self::NoSync => "is mounted so that syncs do nothing: a power cut may lose or damage committed data",
            Self::NoBarrier => "is mounted without barriers: a power cut may lose or damage committed data, unless the disk's cache survives the cut",
            Self::NoJournal => "has no journal: after a power cut it needs a check (fsck), and the store cannot restore what that check removes",
            Self::Network => "belongs to another machine: locks may not exclude all processes, and that machine decides whether a sync reaches a disk",
            Self::User => "is served by a program (FUSE), which decides whether locks exclude all processes and syncs reach a disk",
            Self::HiddenUpper => "hides the one under it: whether a sync reaches a disk is unknown, and in a container the store is deleted with the container",
            Self::Overlay => "may refuse to rename directories of a lower layer; in a container, the store is deleted with the container",
            Self::Untested => "is untested; no fault is known",
        })
    }
}

impl fmt::Display for FileSystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.kind)?;
        self.upper.iter().try_for_each(|upper| write!(f, " over {upper}"))
    }
}

impl FileSystem {
    /// The file system that `path`, which exists, lies on. A few system calls; changes nothing.
    ///
    /// # Errors
    /// The path is not there or cannot be looked at. What else cannot be found out is left out.
    pub fn of(path: &Path) -> Result<Self, DiskError> {
        let mounted = Mounted::at(path)?;
        // No further down than this: the kernel takes no overlay for an upper layer, so it would be another path
        // of the same name.
        let upper = mounted.upper.as_deref().and_then(|upper| Mounted::at(upper).ok());
        Ok(judged(mounted, upper.filter(|upper| upper.kind != OVERLAY)))
    }

    /// The concerns that a person should be warned of.
    pub fn serious(&self) -> impl Iterator<Item = Concern> + '_ {
        self.concerns.iter().copied().filter(|concern| concern.is_serious())
    }
}

fn judged(mounted: Mounted, upper: Option<Mounted>) -> FileSystem {
    let mut concerns = concerns(&mounted);
    if mounted.kind == OVERLAY {
        concerns.push(upper.as_ref().map_or(Concern::HiddenUpper, |_| Concern::Overlay));
        concerns.extend(upper.iter().flat_map(self::concerns));
    }
    concerns.sort();
    FileSystem { kind: mounted.kind, upper: upper.map(|upper| upper.kind), concerns }
}

fn concerns(mounted: &Mounted) -> Vec<Concern> {
    let of_kind = of_kind(&mounted.kind);
    let without_journal = of_kind != Some(Concern::NoJournal) && mounted.journal == Some(false);
    let found = [
        of_kind,
        without_journal.then_some(Concern::NoJournal),
        mounted.barriers_off.then_some(Concern::NoBarrier),
        mounted.syncs_off.then_some(Concern::NoSync),
    ];
    found.into_iter().flatten().collect()
}

fn of_kind(kind: &str) -> Option<Concern> {
    Some(match kind {
        // An overlay is judged by what lies below it.
        "ext4" | "xfs" | "btrfs" | OVERLAY => return None,
        "ext2" => Concern::NoJournal,
        "tmpfs" | "ramfs" | "rootfs" => Concern::Memory,
        "nfs" | "nfs4" | "cifs" | "smb3" | "smbfs" | "9p" | "virtiofs" | "vboxsf" | "prl_fs"
        | "afs" | "ceph" | "lustre" | "gpfs" | "beegfs" | "orangefs" | "pvfs2" | "coda"
        | "gfs2" | "ocfs2" | "afpfs" | "webdav" => Concern::Network,
        "macfuse" | "osxfuse" | "vmhgfs" => Concern::User,
        _ if kind.starts_with("fuse") => Concern::User,
        _ => Concern::Untested,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mounted(kind: &str) -> Mounted {
        Mounted { kind: kind.into(), journal: None, ..Mounted::default() }
    }

    fn names(found: &FileSystem) -> Vec<&'static str> {
        found.concerns.iter().map(|concern| concern.name()).collect()
    }

    #[test]
    fn a_kind_is_judged_by_what_it_means_for_the_promise() {
        for (kind, concerns) in [
            ("ext4", &[][..]),
            ("xfs", &[]),
            ("ext2", &["no-journal"]),
            ("tmpfs", &["memory"]),
            ("nfs4", &["network"]),
            ("cifs", &["network"]),
            ("9p", &["network"]),
            ("fuse.sshfs", &["user"]),
            ("fuseblk", &["user"]),
            ("btrfs", &[]),
            ("f2fs", &["untested"]),
            ("zfs", &["untested"]),
            ("unknown", &["untested"]),
            ("overlay", &["hidden-upper"]),
        ] {
            assert_eq!(names(&judged(mounted(kind), None)), concerns, "{kind}");
        }
    }

    #[test]
    fn an_overlay_has_the_concerns_of_what_it_writes_to() {
        let upper = Mounted { journal: Some(false), barriers_off: true, ..mounted("ext4") };
        let overlay = Mounted { syncs_off: true, ..mounted(OVERLAY) };
        let found = judged(overlay, Some(upper));
        assert_eq!(names(&found), ["no-sync", "no-barrier", "no-journal", "overlay"]);
        assert_eq!(found.to_string(), "overlay over ext4");
        assert_eq!(found.serious().count(), 3);
        let journalled = Mounted { journal: Some(true), ..mounted("ext4") };
        assert_eq!(judged(mounted(OVERLAY), Some(journalled)).serious().count(), 0);
    }

    #[test]
    fn a_concern_has_a_name_and_a_clause_of_its_own() {
        assert!(Concern::ALL.is_sorted(), "the worst first");
        let names: std::collections::BTreeSet<_> = Concern::ALL.map(Concern::name).into();
        let clauses: std::collections::BTreeSet<_> = Concern::ALL.map(|c| c.to_string()).into();
        assert_eq!((names.len(), clauses.len()), (Concern::ALL.len(), Concern::ALL.len()));
    }

    #[test]
    fn a_place_that_is_not_there_is_an_error_and_one_that_is_has_a_kind() {
        let here = tempfile::tempdir().unwrap();
        assert!(!FileSystem::of(here.path()).unwrap().kind.is_empty());
        assert!(FileSystem::of(&here.path().join("gone")).is_err());
    }
}
