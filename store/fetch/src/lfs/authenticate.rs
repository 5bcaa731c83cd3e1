//! `git-lfs-authenticate`, run over ssh on the machine of a repository: where its Git LFS server is, and how to log in there.
//! A machine that does not know it may know `git-lfs-transfer`, which gives the content over ssh itself.
//!
//! Limits: what the program prints is believed as far as it is an address and headers; its user logged in by ssh.

use std::{
    ffi::{OsStr, OsString},
    os::unix::ffi::OsStrExt as _,
    sync::Arc,
    time::Instant,
};

use gix::bstr::{BStr, ByteSlice as _};
use modstore_core::program::Ran;

use super::batch::Action;
use crate::{
    errors::{RemoteError, RemoteStage, ServerError, TransferError, TransportError},
    transport::{Access, Moment, RemoteUrl, Watch, fault_from_stderr},
};

/// The first line of `git-lfs-transfer`.
const TRANSFER: &[u8] = b"version=1";

/// Asks; nothing, where that machine does not know the program.
pub(super) fn authenticate(
    access: &Access,
    machine: &RemoteUrl,
    watch: &Arc<Watch>,
) -> Result<Option<(Action, Instant)>, RemoteError> {
    let failed = |source| failure(machine, source);
    let asked = Instant::now();
    let ran = run("git-lfs-authenticate", access, machine, watch)?;
    if !ran.status.success() {
        if is_unknown("git-lfs-authenticate", &ran) {
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

/// Whether the machine knows `git-lfs-transfer`.
pub(super) fn gives_by_transfer(
    access: &Access,
    machine: &RemoteUrl,
    watch: &Arc<Watch>,
) -> Result<bool, RemoteError> {
    // It has no question to answer, and so ends after its greeting.
    Ok(run("git-lfs-transfer", access, machine, watch)?.stdout.contains_str(TRANSFER))
}

fn failure(machine: &RemoteUrl, source: TransportError) -> RemoteError {
    RemoteError::Failed { stage: RemoteStage::Fetch, url: machine.redacted.clone(), source }
}

/// Runs a program of that machine on the repository.
fn run(
    program: &str,
    access: &Access,
    machine: &RemoteUrl,
    watch: &Arc<Watch>,
) -> Result<Ran, RemoteError> {
    let mut line = OsString::from(format!("{program} "));
    line.push(words(machine.url.path.as_bstr()));
    line.push(" download");
    access.run_by_ssh(&line, machine, watch).map_err(|source| failure(machine, source))
}

/// Whether the machine does not know the program: by the status of a shell, or by its words.
fn is_unknown(program: &str, ran: &Ran) -> bool {
    let said = ran.stderr.to_ascii_lowercase();
    let unknown = [
        format!("{program}: not found"),
        format!("{program}: command not found"),
        format!("{program}: no such file"),
        format!("command not found: {program}"),
    ];
    ran.status.code() == Some(127) || unknown.iter().any(|words| said.contains(words))
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
