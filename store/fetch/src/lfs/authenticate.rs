//! `git-lfs-authenticate`, run over ssh on the machine of a repository: where its Git LFS server is, and how to log in there.
//!
//! Limits: what the program prints is believed as far as it is an address and headers; its user logged in by ssh.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    sync::Arc,
    time::Instant,
};

use gix::bstr::{BStr, ByteSlice as _};

use super::batch::Action;
use crate::{
    errors::{RemoteError, RemoteStage, ServerError, TransferError, TransportError},
    transport::{Access, Moment, RemoteUrl, Watch, fault_from_stderr},
};

/// What a shell says when it does not know a program.
const UNKNOWN: [&str; 4] = [
    "git-lfs-authenticate: not found",
    "git-lfs-authenticate: command not found",
    "git-lfs-authenticate: no such file",
    "command not found: git-lfs-authenticate",
];

/// Asks; nothing, where that machine does not know the program.
pub(super) fn authenticate(
    access: &Access,
    machine: &RemoteUrl,
    watch: &Arc<Watch>,
) -> Result<Option<(Action, Instant)>, RemoteError> {
    let failed = |source: TransportError| RemoteError::Failed {
        stage: RemoteStage::Fetch,
        url: machine.redacted.clone(),
        source,
    };
    let mut line = OsString::from("git-lfs-authenticate ");
    line.push(words(machine.url.path.as_bstr()));
    line.push(" download");
    let asked = Instant::now();
    let ran = access.run_by_ssh(&line, machine, watch).map_err(failed)?;
    if !ran.status.success() {
        let said = ran.stderr.to_ascii_lowercase();
        if ran.status.code() == Some(127) || UNKNOWN.iter().any(|words| said.contains(words)) {
            return Ok(None);
        }
        let dropped = TransferError::Dropped { source: None };
        return Err(failed(fault_from_stderr(&ran.stderr, dropped, Moment::Asked)));
    }
    let action = Action::read(&ran.stdout).map_err(|why| {
        let source = format!("git-lfs-authenticate printed no JSON: {why}").into();
        failed(ServerError::Protocol { source }.into())
    })?;
    Ok(Some((action, asked)))
}

/// The path as the shell there reads it. Plain ones stay as they are: not all servers know quotes.
fn words(path: &BStr) -> OsString {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-+@%,:=~".contains(byte);
    let quoted = if path.iter().all(is_plain) { path.to_owned() } else { gix::quote::single(path) };
    OsStr::from_bytes(&quoted).to_owned()
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn a_path_is_one_word_for_the_shell() {
        for (path, expected) in [
            ("owner/repo.git", "owner/repo.git"),
            ("/~me/r", "/~me/r"),
            ("a b", "'a b'"),
            ("a;rm -rf x", "'a;rm -rf x'"),
            ("a'b", "'a'\\''b'"),
            ("$(x)", "'$(x)'"),
        ] {
            assert_eq!(words(path.into()), expected, "{path}");
        }
    }
}
