//! Names on this file system: those that it takes for one, and those that it might rewrite.

use std::{fs, os::unix::ffi::OsStrExt as _};

use super::{Machine, Sandbox, Unproved, holds, read, repository, run};
use crate::failure::LabError;

/// Two files whose names differ in case.
pub(super) fn folding(sandbox: &Sandbox<'_>, _: &Machine) -> Result<Vec<String>, Unproved> {
    let folds = folds(sandbox, "Probe", "pROBE")?;
    let (_, source) = repository(sandbox, "module", &[("File", "large"), ("file", "small")])?;
    if folds {
        let ran = run(sandbox, &["add", &source], 1)?;
        let names = ran.stderr.contains("File") && ran.stderr.contains("file");
        holds("the error names both files", names, || ran.stderr.clone())?;
        let said = ran.stderr.lines().map(str::to_owned);
        return Ok(std::iter::once("case is folded here".to_owned()).chain(said).collect());
    }
    run(sandbox, &["add", &source], 0)?;
    let found = [read(sandbox, "module/File"), read(sandbox, "module/file")];
    holds("both files are there", found == ["large", "small"], || format!("{found:?}"))?;
    Ok(vec!["case is kept apart here".to_owned()])
}

/// A name that can be written in two ways is stored in the way of its repository, and verified so.
pub(super) fn normalisation(sandbox: &Sandbox<'_>, _: &Machine) -> Result<Vec<String>, Unproved> {
    let folds = folds(sandbox, "\u{e9}", "e\u{301}")?;
    for (module, name) in [("composed", "\u{e9}"), ("decomposed", "e\u{301}")] {
        let (_, source) = repository(sandbox, module, &[(name, module)])?;
        run(sandbox, &["add", &source], 0)?;
        let listed = fs::read_dir(sandbox.through_current(module));
        let listed = listed.map_err(LabError::cannot("list a module"))?;
        let is_there =
            listed.flatten().any(|entry| entry.file_name().as_bytes() == name.as_bytes());
        holds("the name has its bytes", is_there, || module.to_owned())?;
    }
    run(sandbox, &["verify"], 0)?;
    let word = if folds { "folded" } else { "kept apart" };
    Ok(vec![format!("two spellings of one letter are {word} here")])
}

/// Whether a file made under one name is found under the other.
fn folds(sandbox: &Sandbox<'_>, name: &str, other: &str) -> Result<bool, Unproved> {
    let place = sandbox.path().join("folding");
    fs::create_dir_all(&place).map_err(LabError::cannot("make a directory"))?;
    fs::write(place.join(name), "").map_err(LabError::cannot("make a file"))?;
    Ok(place.join(other).exists())
}
