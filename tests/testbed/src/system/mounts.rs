//! File systems of a test's own: small ones to fill, journalled ones to cut the power of, read-only ones.
//!
//! A power cut is the file system's own shutdown: from then on it writes nothing. Where that is not the whole of it, the
//! image as it was in that moment, which is what the device had been given, takes the place of the one unmounted.
//!
//! Limits: Linux and root only, elsewhere every constructor skips loudly; a test process that is killed leaves its
//! mount behind, with the image in the temporary directory. A device that lies about its own cache, or that writes
//! half a sector, is not played.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::skip::{is_root, skip_for_this_kernel, skip_loudly};

/// A mounted file system; unmounted when dropped.
#[derive(Debug)]
pub struct Mount {
    place: tempfile::TempDir,
    options: Vec<String>,
    kind: Kind,
}

/// How a power cut treats a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Shuts down on request, and its log brings it back: ext4, xfs.
    Logged,
    /// Shuts down on request, but unmounting it still writes; and it has to be checked before it is mounted again.
    Unlogged,
    /// Does not shut down on request.
    Btrfs,
    /// Has no power to lose: tmpfs, overlay.
    Other,
}

/// The fate, in a power cut, of data that was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    /// All of it is lost.
    Lost,
    /// The file system wrote names, sizes and links in time, but no contents: files of no bytes come from this. On btrfs the same as [`Unsynced::Lost`].
    NamesKept,
}

impl Mount {
    /// An ext4 with a journal, of this many MiB.
    pub fn ext4(size_mib: u64) -> Option<Self> {
        Self::formatted(Kind::Logged, size_mib, &["mkfs.ext4", "-q", "-F"])
    }

    /// An ext4 without a journal.
    pub fn ext4_without_journal(size_mib: u64) -> Option<Self> {
        Self::formatted(Kind::Unlogged, size_mib, &["mkfs.ext4", "-q", "-F", "-O", "^has_journal"])
    }

    /// An xfs, of 300 MiB at least: its tools refuse smaller ones.
    pub fn xfs(size_mib: u64) -> Option<Self> {
        Self::formatted(Kind::Logged, size_mib.max(300), &["mkfs.xfs", "-q", "-f"])
    }

    /// A btrfs, of 128 MiB at least: its tools refuse much smaller ones.
    pub fn btrfs(size_mib: u64) -> Option<Self> {
        Self::formatted(Kind::Btrfs, size_mib.max(128), &["mkfs.btrfs", "-q", "-f"])
    }

    /// A tmpfs with room for this many MiB.
    pub fn tmpfs(size_mib: u64) -> Option<Self> {
        Self::mounted(Kind::Other, |_| {
            Ok(vec![
                "-t".into(),
                "tmpfs".into(),
                "-o".into(),
                format!("size={size_mib}m"),
                "tmpfs".into(),
            ])
        })
    }

    /// An overlay that writes to `upper/written`, over an empty lower layer. `more`: further options, each after a comma.
    pub fn overlay(upper: &Path, more: &str) -> Option<Self> {
        Self::mounted(Kind::Other, |place| overlay_options(&place.join("lower"), upper, more))
    }

    /// An overlay over the directory `lower`, as a container sees the layers of its image. New files go to
    /// `upper/written`. `more`: further options, each after a comma.
    pub fn layered(lower: &Path, upper: &Path, more: &str) -> Option<Self> {
        Self::mounted(Kind::Other, |_| overlay_options(lower, upper, more))
    }

    /// The directory `from`, mounted at `at` too.
    pub fn bind(from: &Path, at: &Path) -> Option<BindMount> {
        if !is_root() {
            skip_loudly("mounting needs root");
            return None;
        }
        let bound = attempt(Command::new("mount").arg("--bind").arg(from).arg(at));
        bound.map_err(|why| skip_loudly(&why)).ok()?;
        Some(BindMount(at.to_owned()))
    }

    /// An ext4 that can fold names, of this many MiB, with a directory `folding` in which it does.
    pub fn casefold(size_mib: u64) -> Option<Self> {
        if !Path::new("/sys/fs/ext4/features/casefold").exists() {
            skip_for_this_kernel("ext4 that folds names (CONFIG_UNICODE)");
            return None;
        }
        let mkfs = ["mkfs.ext4", "-q", "-F", "-O", "casefold"];
        let mount = Self::formatted(Kind::Logged, size_mib, &mkfs)?;
        let folding = mount.path().join("folding");
        let made = fs::create_dir(&folding).map_err(|e| format!("making a directory: {e}"));
        let marked = made.and_then(|()| attempt(Command::new("chattr").arg("+F").arg(&folding)));
        marked.map_err(|why| skip_loudly(&why)).ok()?;
        Some(mount)
    }

    /// Where it is mounted.
    pub fn path(&self) -> PathBuf {
        self.place.path().join("mount")
    }

    /// Makes every write fail with "read-only file system". No file may be open for writing.
    pub fn read_only(&self) {
        must(Command::new("mount").args(["-o", "remount,ro"]).arg(self.path()));
    }

    /// Undoes [`Mount::read_only`].
    pub fn read_write(&self) {
        must(Command::new("mount").args(["-o", "remount,rw"]).arg(self.path()));
    }

    /// Pulls the plug and starts again: what was not synced is lost, and the file system recovers as after a power cut.
    /// No process may have a file open there. Not for a tmpfs.
    pub fn power_cut(&self) {
        self.power_cut_under(Unsynced::Lost, || ());
    }

    /// The same under processes that still run, or, for a btrfs, are stopped. They are gone when `end` returns.
    pub fn power_cut_under(&self, unsynced: Unsynced, end: impl FnOnce()) {
        assert_ne!(self.kind, Kind::Other, "nothing to start again with");
        if self.kind != Kind::Btrfs {
            let flush = if unsynced == Unsynced::NamesKept { " -f" } else { "" };
            let shutdown = format!("shutdown{flush}");
            must(Command::new("xfs_io").args(["-x", "-c", &shutdown]).arg(self.path()));
        }
        let snapshot = match self.kind {
            Kind::Unlogged => unsynced == Unsynced::Lost,
            kind => kind == Kind::Btrfs,
        };
        let (image, copy) = (self.place.path().join("image"), self.place.path().join("copy"));
        if snapshot {
            must(Command::new("cp").arg("--sparse=always").args([&image, &copy]));
        }
        end();
        self.unmount();
        if snapshot {
            fs::rename(&copy, &image).expect("a file of ours takes the place of another");
        }
        if self.kind == Kind::Unlogged {
            check_ext4(&image);
        }
        must(Command::new("mount").args(&self.options).arg(self.path()));
    }

    /// Whether it is checked before it is mounted again, because nothing else repairs it.
    pub fn must_be_checked(&self) -> bool {
        self.kind == Kind::Unlogged
    }

    /// Whether processes must be stopped before its power is cut under them.
    pub fn must_be_stopped(&self) -> bool {
        self.kind == Kind::Btrfs
    }

    /// A process that was just killed may take a moment to release its files.
    fn unmount(&self) {
        let mut tries = 0..50;
        while let Err(why) = attempt(Command::new("umount").arg(self.path())) {
            assert!(tries.next().is_some(), "{why}");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    fn formatted(kind: Kind, size_mib: u64, mkfs: &[&str]) -> Option<Self> {
        Self::mounted(kind, |place| {
            let image = place.join("image");
            let file = fs::File::create(&image).map_err(|e| format!("making an image: {e}"))?;
            file.set_len(size_mib << 20).map_err(|e| format!("sizing an image: {e}"))?;
            let (program, args) = mkfs.split_first().ok_or("no mkfs")?;
            attempt(Command::new(program).args(args).arg(&image))?;
            // A released block must still be there for an image copied in that moment.
            let options = if kind == Kind::Btrfs { "loop,nodiscard" } else { "loop" };
            Ok(vec!["-o".into(), options.into(), image.display().to_string()])
        })
    }

    fn mounted(
        kind: Kind,
        prepare: impl FnOnce(&Path) -> Result<Vec<String>, String>,
    ) -> Option<Self> {
        let attempted = (|| {
            if !cfg!(target_os = "linux") || !is_root() {
                return Err("mounting needs Linux and root".to_owned());
            }
            let place =
                tempfile::tempdir_in(room()).map_err(|e| format!("no temporary directory: {e}"))?;
            let options = prepare(place.path())?;
            let path = place.path().join("mount");
            fs::create_dir(&path).map_err(|e| format!("making a mount point: {e}"))?;
            attempt(Command::new("mount").args(&options).arg(&path))?;
            Ok(Self { place, options, kind })
        })();
        attempted.map_err(|why| skip_loudly(&why)).ok()
    }
}

/// Makes the layers of an overlay where they are missing; gives the options that mount it.
fn overlay_options(lower: &Path, upper: &Path, more: &str) -> Result<Vec<String>, String> {
    let (written, work) = (upper.join("written"), upper.join("work"));
    for layer in [lower, &written, &work] {
        fs::create_dir_all(layer).map_err(|e| format!("making a layer: {e}"))?;
    }
    let layers = format!(
        "lowerdir={},upperdir={},workdir={}{more}",
        lower.display(),
        written.display(),
        work.display()
    );
    Ok(["-t", "overlay", "-o", &layers, "overlay"].map(str::to_owned).to_vec())
}

/// A directory that is mounted at a second place; unmounted when dropped.
#[derive(Debug)]
pub struct BindMount(PathBuf);

impl BindMount {
    /// The same, whose directory has another name by now.
    #[must_use]
    pub fn moved_to(mut self, at: PathBuf) -> Self {
        self.0 = at;
        self
    }
}

impl Drop for BindMount {
    fn drop(&mut self) {
        let _ = attempt(Command::new("umount").arg("-l").arg(&self.0));
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // `mount -o loop` frees its loop device with the mount. A busy one is detached, and ends with its last user.
        if attempt(Command::new("umount").arg(self.path())).is_err() {
            let _ = attempt(Command::new("umount").arg("-l").arg(self.path()));
        }
    }
}

/// Where images lie: in memory if there is plenty, since synced data need not outlive the test.
fn room() -> PathBuf {
    let memory = Path::new("/dev/shm");
    let free = rustix::fs::statvfs(memory).map_or(0, |found| found.f_bavail * found.f_frsize);
    if free > 4 << 30 { memory.to_owned() } else { std::env::temp_dir() }
}

/// The check that a machine makes before it mounts an ext4 without a journal that was not unmounted.
fn check_ext4(image: &Path) {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("e2fsck")
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .args(["-f", "-y"])
        .arg(image)
        .output()
        .expect("e2fsck comes with mkfs.ext4");
    // 1: something was repaired; 2: and a machine that had it mounted should restart.
    let mended = output.status.code().is_some_and(|code| code <= 2);
    assert!(mended, "e2fsck: {}", String::from_utf8_lossy(&output.stdout));
}

fn must(command: &mut Command) {
    attempt(command).unwrap_or_else(|why| panic!("{why}"));
}

/// Runs a system tool; the error is its output.
pub(crate) fn attempt(command: &mut Command) -> Result<(), String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let output = command
        .env("PATH", format!("{path}:/usr/sbin:/sbin"))
        .output()
        .map_err(|e| format!("{command:?}: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim_end()))
}
