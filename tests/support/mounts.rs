//! File systems of a test's own: small ones to fill, journalled ones to cut the power of, read-only ones.
//!
//! Limits: Linux and root only, elsewhere every constructor skips loudly; a test process that is killed leaves its
//! mount behind, with the image in the temporary directory.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::skip::{is_root, skip_loudly};

/// A mounted file system; unmounted when dropped.
#[derive(Debug)]
pub struct Mount {
    place: tempfile::TempDir,
    options: Vec<String>,
}

impl Mount {
    /// An ext4 with a journal, of so many MiB.
    pub fn ext4(size_mib: u64) -> Option<Self> {
        Self::formatted(size_mib, &["mkfs.ext4", "-q", "-F"])
    }

    /// An ext4 without a journal.
    pub fn ext4_without_journal(size_mib: u64) -> Option<Self> {
        Self::formatted(size_mib, &["mkfs.ext4", "-q", "-F", "-O", "^has_journal"])
    }

    /// An xfs, of 300 MiB at least: its tools refuse smaller ones.
    pub fn xfs(size_mib: u64) -> Option<Self> {
        Self::formatted(size_mib.max(300), &["mkfs.xfs", "-q", "-f"])
    }

    /// A tmpfs with room for so many MiB.
    pub fn tmpfs(size_mib: u64) -> Option<Self> {
        Self::mounted(|_| {
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
        Self::mounted(|place| {
            let (lower, written, work) =
                (place.join("lower"), upper.join("written"), upper.join("work"));
            for dir in [&lower, &written, &work] {
                fs::create_dir_all(dir).map_err(|e| format!("making a layer: {e}"))?;
            }
            let layers = format!(
                "lowerdir={},upperdir={},workdir={}{more}",
                lower.display(),
                written.display(),
                work.display()
            );
            Ok(["-t", "overlay", "-o", &layers, "overlay"].map(str::to_owned).to_vec())
        })
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
        must(Command::new("xfs_io").args(["-x", "-c", "shutdown"]).arg(self.path()));
        must(Command::new("umount").arg(self.path()));
        must(Command::new("mount").args(&self.options).arg(self.path()));
    }

    fn formatted(size_mib: u64, mkfs: &[&str]) -> Option<Self> {
        Self::mounted(|place| {
            let image = place.join("image");
            let file = fs::File::create(&image).map_err(|e| format!("making an image: {e}"))?;
            file.set_len(size_mib << 20).map_err(|e| format!("sizing an image: {e}"))?;
            let (program, args) = mkfs.split_first().ok_or("no mkfs")?;
            attempt(Command::new(program).args(args).arg(&image))?;
            Ok(vec!["-o".into(), "loop".into(), image.display().to_string()])
        })
    }

    fn mounted(prepare: impl FnOnce(&Path) -> Result<Vec<String>, String>) -> Option<Self> {
        let attempted = (|| {
            if !cfg!(target_os = "linux") || !is_root() {
                return Err("mounting needs Linux and root".to_owned());
            }
            let place = tempfile::tempdir().map_err(|e| format!("no temporary directory: {e}"))?;
            let options = prepare(place.path())?;
            let path = place.path().join("mount");
            fs::create_dir(&path).map_err(|e| format!("making a mount point: {e}"))?;
            attempt(Command::new("mount").args(&options).arg(&path))?;
            Ok(Self { place, options })
        })();
        attempted.map_err(|why| skip_loudly(&why)).ok()
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

fn must(command: &mut Command) {
    attempt(command).unwrap_or_else(|why| panic!("{why}"));
}

/// Runs a system tool; the error is what it said.
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
