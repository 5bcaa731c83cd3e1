//! The files people keep in a store: `modules.toml`, and `modules.lock` beside it.
//!
//! An edit is read, changed and written under a lock of its own, so that two of them never lose one.
//! Knows nothing of generations.

use std::path::{Path, PathBuf};

use crate::{
    Cancel, Context,
    disk::{DiskError, Layout, LockError, StagingError, read_linked_if_there},
    model::{
        self, Declarations, Declared, EditError, Lockfile, ModuleName, ParseDeclarationsError,
        ParseLockfileError, Source,
    },
    naming::{self, NameTaken, NamedSources, Required},
};

/// The lock of `modules.toml`, and of what is recorded beside it.
pub(crate) const LOCK: &str = "modules.toml";

/// A module to declare.
#[derive(Debug, Clone)]
pub struct Addition {
    /// Its name; guessed from the source when there is none.
    pub name: Option<ModuleName>,
    /// Where it comes from. A secret in it is used now and not written down.
    pub source: Source,
}

/// `modules.toml` or `modules.lock` cannot be read, understood or changed. Neither was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeclareError {
    /// The file cannot be read or written.
    #[error("the declarations cannot be used")]
    Disk(#[from] DiskError),
    /// The new file has nowhere to be made.
    #[error(transparent)]
    Staging(#[from] StagingError),
    /// Another process is editing.
    #[error("the declarations cannot be changed")]
    Lock(#[from] LockError),
    /// The file is not UTF-8 text.
    #[error("{} is not text in UTF-8", path.display())]
    Text {
        /// The file.
        path: PathBuf,
    },
    /// `modules.toml` does not say what it should.
    #[error("{} cannot be understood", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: ParseDeclarationsError,
    },
    /// `modules.lock` does not say what it should, or is not there.
    #[error("{} cannot be used", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
        /// Where and why; none when there is no such file.
        source: Option<ParseLockfileError>,
    },
    /// The edit makes no sense.
    #[error(transparent)]
    Edit(#[from] EditError),
    /// The module is not built, so that there is nothing to allow.
    #[error("module `{name}` has no build that could be allowed")]
    NoBuild {
        /// The module.
        name: ModuleName,
    },
    /// No name can be guessed from the source.
    #[error("no name can be made from `{source_text}`")]
    NoName {
        /// The source, without any secret.
        source_text: String,
    },
    /// The name is taken by another source.
    #[error("module `{name}` is declared already, from {declared}")]
    Taken {
        /// The name.
        name: ModuleName,
        /// Its source, without any secret.
        declared: String,
    },
}

/// An edit that has been written.
#[derive(Debug)]
pub(crate) struct Edited {
    pub(crate) names: Vec<ModuleName>,
    pub(crate) declarations: Declarations,
    before: Option<String>,
    after: String,
}

/// The text of `modules.toml`, and what it declares; its secrets are in neither error nor log.
pub(crate) fn read(layout: &Layout) -> Result<(Option<String>, Declarations), DeclareError> {
    let path = layout.modules_toml();
    let Some(bytes) = read_linked_if_there(&path)? else {
        return Ok((None, Declarations::default()));
    };
    let text = String::from_utf8(bytes).map_err(|_| DeclareError::Text { path })?;
    let declarations = parse(layout, &text)?;
    Ok((Some(text), declarations))
}

fn parse(layout: &Layout, text: &str) -> Result<Declarations, DeclareError> {
    let home = std::env::home_dir();
    let base = layout.declared_in();
    let base = std::path::absolute(base).unwrap_or_else(|_| base.to_owned());
    Declarations::parse(text, &base, home.as_deref())
        .map_err(|source| DeclareError::Toml { path: layout.modules_toml(), source })
}

/// Changes what `modules.toml` says of module `name`, keeping what a person wrote.
pub(crate) fn edit(
    editing: Context<'_>,
    name: &ModuleName,
    change: impl FnOnce(&str) -> Result<String, EditError>,
) -> Result<Edited, DeclareError> {
    let _lock = editing.lock(LOCK)?;
    edit_alone(editing, vec![name.clone()], change)
}

/// As [`edit`], of several modules at once.
pub(crate) fn edit_all(
    editing: Context<'_>,
    names: Vec<ModuleName>,
    change: impl FnOnce(&str) -> Result<String, EditError>,
) -> Result<Edited, DeclareError> {
    let _lock = editing.lock(LOCK)?;
    edit_alone(editing, names, change)
}

/// The edit, by the one who holds the lock.
fn edit_alone(
    editing: Context<'_>,
    names: Vec<ModuleName>,
    change: impl FnOnce(&str) -> Result<String, EditError>,
) -> Result<Edited, DeclareError> {
    let (before, _) = read(editing.layout)?;
    let text = before.as_deref().unwrap_or_default();
    let after = model::with_same_line_ends(text, change)?;
    let declarations = parse(editing.layout, &after)?;
    write(editing, &after)?;
    Ok(Edited { names, declarations, before, after })
}

/// Edits and does `work`, which is soon done, while no other process edits. When `work` ends with an error that
/// `is_nothing` says has changed nothing, the edit has not happened either.
pub(crate) fn edit_along<T, E: From<DeclareError>>(
    editing: Context<'_>,
    change: impl FnOnce(&str) -> Result<String, EditError>,
    work: impl FnOnce() -> Result<T, E>,
    is_nothing: impl FnOnce(&E) -> bool,
) -> Result<T, E> {
    let _lock = editing.lock(LOCK).map_err(DeclareError::from)?;
    let edited = edit_alone(editing, Vec::new(), change)?;
    let done = work();
    if done.as_ref().is_err_and(is_nothing) {
        edited.undo_alone(editing)?;
    }
    done
}

/// Declares modules. The declarations that come back still know the secrets, which the file does not.
pub(crate) fn add(editing: Context<'_>, additions: &[Addition]) -> Result<Edited, DeclareError> {
    let _lock = editing.lock(LOCK)?;
    let (_, declared) = read(editing.layout)?;
    let named = additions
        .iter()
        .map(|addition| name_of(addition, &declared))
        .collect::<Result<Vec<_>, _>>()?;
    let names = named.iter().map(|(name, _)| name.clone()).collect();
    let mut edited = edit_alone(editing, names, |text| {
        named.iter().try_fold(text.to_owned(), |text, (name, source)| {
            model::add_module(&text, name, &as_written(editing.layout, source))
        })
    })?;
    for (name, source) in &named {
        if let Some(declared) = edited.declarations.modules.get_mut(name) {
            declared.source = (*source).clone();
        }
    }
    Ok(edited)
}

/// Declares those of these sources that are not declared in any spelling. The declarations that come back know the
/// secrets of all.
pub(crate) fn require(
    editing: Context<'_>,
    required: &[Required],
) -> Result<(Edited, Vec<Result<ModuleName, NameTaken>>), DeclareError> {
    let _lock = editing.lock(LOCK)?;
    let (_, declared) = read(editing.layout)?;
    let NamedSources { names, new } = naming::name_all(required, &declared);
    let added = new.iter().map(|(name, _)| name.clone()).collect();
    let mut edited = edit_alone(editing, added, |text| {
        let new: Vec<(&ModuleName, Source)> =
            new.iter().map(|(name, it)| (name, as_written(editing.layout, it))).collect();
        model::add_modules(text, new.iter().map(|(name, source)| (*name, source)))
    })?;
    for (required, name) in required.iter().zip(&names) {
        let declared =
            name.as_ref().ok().and_then(|name| edited.declarations.modules.get_mut(name));
        let is_so_written = |declared: &&mut Declared| {
            required.source.has_secret()
                && declared.source.to_toml_text() == required.source.to_toml_text()
        };
        if let Some(declared) = declared.filter(is_so_written) {
            declared.source = required.source.clone();
        }
    }
    Ok((edited, names))
}

/// The source as `modules.toml` names it.
pub(crate) fn as_written(layout: &Layout, source: &Source) -> Source {
    match source {
        Source::Linked(path) => Source::linked(&layout.written(path)),
        source => source.clone(),
    }
}

fn name_of<'a>(
    Addition { name, source }: &'a Addition,
    declared: &Declarations,
) -> Result<(ModuleName, &'a Source), DeclareError> {
    let text = source.to_toml_text();
    let name = match name.clone().or_else(|| ModuleName::guess_from(source)) {
        Some(name) => name,
        None => return Err(DeclareError::NoName { source_text: text }),
    };
    match declared.get(&name).map(|declared| declared.source.to_toml_text()) {
        Some(declared) if declared != text => Err(DeclareError::Taken { name, declared }),
        _ => Ok((name, source)),
    }
}

impl Edited {
    /// Puts `modules.toml` back as it was. What another process has changed in it since stays.
    pub(crate) fn undo(self, editing: Context<'_>) -> Result<(), DeclareError> {
        // An edit is undone in spite of the wish to stop.
        let _lock = Context { cancel: &Cancel::new(), ..editing }.lock(LOCK)?;
        self.undo_alone(editing)
    }

    /// Puts back what the file said of those modules that `is_meant` names.
    pub(crate) fn undo_some(
        self,
        editing: Context<'_>,
        is_meant: impl Fn(&ModuleName) -> bool,
    ) -> Result<(), DeclareError> {
        let _lock = Context { cancel: &Cancel::new(), ..editing }.lock(LOCK)?;
        let (now, declared) = read(editing.layout)?;
        let before = parse(editing.layout, self.before.as_deref().unwrap_or_default())?;
        let meant = |name: &&ModuleName| is_meant(name) && declared.get(name).is_some();
        let mut names = self.names.iter().filter(meant);
        let put_back = names.try_fold(now.unwrap_or_default(), |text, name| {
            as_before(editing.layout, &text, name, (before.get(name), declared.get(name)))
        })?;
        write(editing, &put_back)
    }

    fn undo_alone(self, editing: Context<'_>) -> Result<(), DeclareError> {
        let (now, declared) = read(editing.layout)?;
        match (self.before, now) {
            (before, Some(now)) if now != self.after => {
                let before = parse(editing.layout, before.as_deref().unwrap_or_default())?;
                let mut names = self.names.iter().filter(|name| declared.get(name).is_some());
                let put_back = names.try_fold(now, |text, name| {
                    let change = (before.get(name), declared.get(name));
                    as_before(editing.layout, &text, name, change)
                })?;
                write(editing, &put_back)
            }
            (Some(before), Some(_)) => write(editing, &before),
            (None, Some(_)) => Ok(editing.disk.remove_file(&editing.layout.modules_toml())?),
            (_, None) => Ok(()),
        }
    }
}

/// `text` with module `name` as it was `before`, when what it was given since is a link, a source or its declaration.
fn as_before(
    layout: &Layout,
    text: &str,
    name: &ModuleName,
    (before, now): (Option<&Declared>, Option<&Declared>),
) -> Result<String, EditError> {
    let Some(before) = before else { return model::remove_module(text, name) };
    let is_set = now.is_some_and(|now| now.source != before.source);
    let text = &if is_set {
        model::add_module(text, name, &as_written(layout, &before.source))?
    } else {
        text.to_owned()
    };
    match &before.linked {
        Some(path) => model::link_module(text, name, path),
        None => match model::unlink_module(text, name) {
            Err(EditError::NotLinked(_)) => Ok(text.to_owned()),
            done => done,
        },
    }
}

/// The bytes of `modules.toml`, whatever they are.
pub(crate) fn read_text(layout: &Layout) -> Result<Option<Vec<u8>>, DeclareError> {
    Ok(read_linked_if_there(&layout.modules_toml())?)
}

/// Replaces `before` by a text that can be understood. Nothing, if the file is not `before` any more.
pub(crate) fn replace_text(
    editing: Context<'_>,
    before: Option<&[u8]>,
    after: Vec<u8>,
) -> Result<Option<Declarations>, DeclareError> {
    let path = editing.layout.modules_toml();
    let after = String::from_utf8(after).map_err(|_| DeclareError::Text { path })?;
    let declarations = parse(editing.layout, &after)?;
    let _lock = editing.lock(LOCK)?;
    if read_text(editing.layout)?.as_deref() != before {
        return Ok(None);
    }
    write(editing, &after)?;
    Ok(Some(declarations))
}

fn write(editing: Context<'_>, text: &str) -> Result<(), DeclareError> {
    replace(editing, &editing.layout.modules_toml(), text)
}

/// Replaces a file, if it says anything else. The new one is made in a staging, so that a crash
/// leaves nothing that is not removed, and no process removes it before.
pub(crate) fn replace(editing: Context<'_>, path: &Path, text: &str) -> Result<(), DeclareError> {
    // Whatever else lies there gives way.
    if read_linked_if_there(path).ok().flatten().as_deref() == Some(text.as_bytes()) {
        return Ok(());
    }
    let staging = editing.staging()?;
    Ok(editing.disk.replace_file(path, &staging.fresh(), text.as_bytes())?)
}

/// `modules.lock`, read.
pub(crate) fn read_lock(layout: &Layout) -> Result<Lockfile, DeclareError> {
    let path = layout.modules_lock();
    let bytes = read_linked_if_there(&path)?
        .ok_or_else(|| DeclareError::Locked { path: path.clone(), source: None })?;
    let text = String::from_utf8(bytes).map_err(|_| DeclareError::Text { path: path.clone() })?;
    Lockfile::parse(&text).map_err(|source| DeclareError::Locked { path, source: Some(source) })
}
