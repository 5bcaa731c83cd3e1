//! One line of `/proc/self/mountinfo`: what is mounted, of which device, how.
//!
//! Pure: nothing here looks at the system. A line that is no such line is `None`, never an error, since the
//! table is the kernel's and may grow. Where things are mounted and from what is not kept: the source of a
//! network mount may name a user.

use std::{ffi::OsString, os::unix::ffi::OsStringExt as _};

/// A mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MountLine {
    /// The mount's number, as `statx` gives it.
    pub(super) id: u64,
    /// Major and minor number of the device; those of a btrfs are not what its files show.
    pub(super) device: (u32, u32),
    /// `ext4`, `overlay`, `fuse.sshfs`.
    pub(super) kind: String,
    /// Options of the mount, then of the file system itself.
    pub(super) options: Vec<OsString>,
}

impl MountLine {
    /// `36 35 98:0 /root /point rw,noatime shared:1 - ext3 /dev/sda1 rw,errors=continue`, where there
    /// may be any number of fields before the dash.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let mut fields = line.split(|byte| *byte == b' ');
        let id = number(fields.next()?)?;
        let mut device = fields.nth(1)?.splitn(2, |byte| *byte == b':');
        let device = (number(device.next()?)?, number(device.next()?)?);
        let of_mount = fields.nth(2)?;
        let kind = fields.by_ref().skip_while(|field| *field != b"-").nth(1)?;
        // Some file systems show no source at all, and then there are two blanks: an empty field.
        let of_file_system = fields.nth(1).unwrap_or_default();
        let options = [of_mount, of_file_system].into_iter().flat_map(options).collect();
        let kind = String::from_utf8_lossy(&unescaped(kind)).into_owned();
        (!kind.is_empty()).then_some(Self { id, device, kind, options })
    }

    /// The value of an option, `upperdir=…`.
    pub(super) fn value(&self, name: &str) -> Option<OsString> {
        let value = |option: &OsString| {
            let bytes = option.as_encoded_bytes().strip_prefix(name.as_bytes())?;
            Some(OsString::from_vec(bytes.strip_prefix(b"=")?.to_vec()))
        };
        self.options.iter().find_map(value)
    }
}

fn number<T: std::str::FromStr>(field: &[u8]) -> Option<T> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

// Commas within a value are escaped, so the text is cut first.
fn options(field: &[u8]) -> impl Iterator<Item = OsString> {
    let options = field.split(|byte| *byte == b',').filter(|option| !option.is_empty());
    options.map(|option| OsString::from_vec(unescaped(option)))
}

/// Undoes `\040`. What only looks like an escape stays.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, after @ ..] = rest {
        rest = match (first, after) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', after @ ..]) => {
                bytes.push((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'));
                after
            }
            _ => {
                bytes.push(*first);
                after
            }
        };
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> MountLine {
        MountLine::parse(line.as_bytes()).unwrap_or_else(|| panic!("{line}"))
    }

    #[test]
    fn every_kind_of_mount_is_read_as_the_kernel_writes_it() {
        for (line, id, device, kind, last) in [
            (
                "27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard",
                27,
                (254, 0),
                "ext4",
                "discard",
            ),
            (
                "43 27 0:41 / /srv/a\\040b rw,relatime shared:9 master:1 - nfs4 server:/export rw,vers=4.2,local_lock=none,addr=10.0.0.2",
                43,
                (0, 41),
                "nfs4",
                "addr=10.0.0.2",
            ),
            (
                "44 27 0:42 / /mnt/share rw - cifs //server/share\\040name rw,vers=3.1.1,username=me",
                44,
                (0, 42),
                "cifs",
                "username=me",
            ),
            (
                "45 27 0:43 / /home/me/far rw,nosuid,nodev - fuse.sshfs me@host:/x rw,user_id=0",
                45,
                (0, 43),
                "fuse.sshfs",
                "user_id=0",
            ),
            (
                "46 27 0:44 / /mnt/c rw - 9p C:\\134 rw,aname=drvfs;path=C:\\134",
                46,
                (0, 44),
                "9p",
                "aname=drvfs;path=C:\\",
            ),
            (
                "47 27 0:33 /@home /home rw,relatime shared:2 - btrfs /dev/sda2 rw,ssd,subvolid=257,subvol=/@home",
                47,
                (0, 33),
                "btrfs",
                "subvol=/@home",
            ),
            (
                "48 27 0:40 / / rw - overlay overlay rw,lowerdir=/l1:/l2,upperdir=/u,workdir=/w",
                48,
                (0, 40),
                "overlay",
                "workdir=/w",
            ),
            (
                "25 24 0:23 / /dev/shm rw - tmpfs tmpfs rw,size=24684084k",
                25,
                (0, 23),
                "tmpfs",
                "size=24684084k",
            ),
            ("49 27 0:45 / /odd rw -  none rw,x", 49, (0, 45), "", ""),
            ("50 27 0:46 / /no-source rw - xfs  rw,noquota", 50, (0, 46), "xfs", "noquota"),
        ] {
            if kind.is_empty() {
                assert_eq!(MountLine::parse(line.as_bytes()), None, "{line}");
                continue;
            }
            let mount = parse(line);
            assert_eq!((mount.id, mount.device, mount.kind.as_str()), (id, device, kind), "{line}");
            assert_eq!(mount.options.last().unwrap(), last, "{line}");
        }
    }

    #[test]
    fn a_value_may_hold_what_separates_values() {
        let mount = parse(
            "48 27 0:40 / /m rw - overlay overlay rw,upperdir=/a\\054b\\040c\\134d=e,workdir=/w,fsync=volatile",
        );
        assert_eq!(mount.value("upperdir").unwrap(), "/a,b c\\d=e");
        assert_eq!(mount.value("upper"), None);
        assert_eq!(mount.options.last().unwrap(), "fsync=volatile");
    }

    #[test]
    fn what_only_looks_like_an_escape_stays() {
        for (written, meant) in
            [(r"\040", " "), (r"\04", r"\04"), (r"\", r"\"), (r"\400", r"\400"), (r"\\040", r"\ ")]
        {
            assert_eq!(unescaped(written.as_bytes()), meant.as_bytes(), "{written}");
        }
    }

    #[test]
    fn no_odd_line_is_taken_for_a_mount_or_ends_the_program() {
        let whole =
            b"47 27 0:33 /@home /home rw,relatime shared:2 - btrfs /dev/sda2 rw,subvol=/@home";
        let kind_ends = whole.windows(5).position(|word| word == b"btrfs").unwrap();
        for end in 0..whole.len() {
            let (cut, _) = whole.split_at(end);
            assert_eq!(MountLine::parse(cut).is_some(), end > kind_ends, "{end}");
        }
        for line in ["", " ", "- - -", "a b c:d e f g - h", "1 2 3 / / rw - ext4", "1 2 3:4 / / rw"]
        {
            assert_eq!(MountLine::parse(line.as_bytes()), None, "{line}");
        }
        assert!(MountLine::parse(b"1 2 3:4 / /\xff rw - fuse.\xff x rw").is_some());
    }
}
