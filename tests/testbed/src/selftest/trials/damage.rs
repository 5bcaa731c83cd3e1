//! Damage to the store.

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
};

use super::{Machine, Sandbox, Unproved, holds, read, repository, run};
use crate::failure::LabError;

/// One bit of a file, with its size and time as they were.
pub(super) fn bit(sandbox: &Sandbox<'_>, _: &Machine) -> Result<Vec<String>, Unproved> {
    let (_, source) = repository(sandbox, "module", &[("file", "right")])?;
    run(sandbox, &["add", &source], 0)?;
    run(sandbox, &["verify"], 0)?;
    let file = sandbox.through_current("module/file");
    flip(&file).map_err(LabError::cannot("change a file"))?;
    let ran = run(sandbox, &["verify"], 4)?;
    let said = [ran.stdout, ran.stderr].concat();
    holds("the file is named", said.contains("file"), || said.clone())?;
    run(sandbox, &["verify", "--repair"], 0)?;
    let text = read(sandbox, "module/file");
    holds("the file is right again", text == "right", || text.clone())?;
    run(sandbox, &["verify"], 0)?;
    Ok(Vec::new())
}

fn flip(file: &Path) -> std::io::Result<()> {
    let before = fs::metadata(file)?;
    let mut bytes = fs::read(file)?;
    if let Some(first) = bytes.first_mut() {
        *first ^= 1;
    }
    fs::set_permissions(file, fs::Permissions::from_mode(before.mode() | 0o200))?;
    fs::write(file, bytes)?;
    fs::File::open(file)?.set_modified(before.modified()?)?;
    fs::set_permissions(file, before.permissions())
}
