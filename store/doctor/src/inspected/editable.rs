//! [`Editable`]: a distribution whose code lies elsewhere, with everything that says where.
//!
//! Read by files alone. Which distribution a `.pth` belongs to is in `RECORD`; where there is none, in its name.

use std::{
    cell::OnceCell,
    path::{Path, PathBuf},
};

use modstore_core::model::DistributionName;
use modstore_python::{
    Distribution, DistributionError, EntryPoint, Finder, Line, Pointer, PointerKind, Project,
    RecordedFile, Registration, Scan, lines, small_bytes, small_text,
};

use super::recorded::is_changed;

/// A distribution whose code lies elsewhere.
#[derive(Debug)]
pub(crate) struct Editable<'a> {
    pub scan: &'a Scan,
    pub name: DistributionName,
    /// Its name for its host: a module of the store, or an entry point.
    pub module: Option<String>,
    pub distribution: Option<&'a Distribution>,
    /// The project's directory, as `direct_url.json` has it.
    pub recorded: Option<PathBuf>,
    /// The files and lines that lead to its code.
    pub followed: Vec<&'a Pointer>,
    /// The files that were installed; `None`, if that is not recorded.
    pub files: Option<Vec<RecordedFile>>,
    pub entry_points: Vec<EntryPoint>,
    /// A file of its own that cannot be parsed, and why.
    pub unparsed: Option<(PathBuf, String)>,
    own: OnceCell<Option<OwnProject>>,
}

/// The project that a distribution is made of, where Python finds it.
#[derive(Debug)]
pub(crate) struct OwnProject {
    pub directory: PathBuf,
    /// Its build backend.
    pub backend: String,
    /// The text of its `pyproject.toml`, if it has one.
    pub settings: String,
}

impl<'a> Editable<'a> {
    /// The distributions in a site directory whose code lies elsewhere, by name.
    pub(super) fn all_in(scan: &'a Scan, registration: Option<&Registration>) -> Vec<Self> {
        let mut owned: Vec<(DistributionName, &Pointer)> = scan
            .pointers
            .iter()
            .filter(|pointer| pointer.how != PointerKind::DirectUrl)
            .filter_map(|pointer| Some((owner(scan, pointer)?, pointer)))
            .collect();
        owned.sort_by(|a, b| a.0.cmp(&b.0));
        let editable = scan.distributions.iter().filter(|distribution| distribution.is_editable());
        let mut names: Vec<DistributionName> = owned.iter().map(|(name, _)| name.clone()).collect();
        names.extend(editable.map(|distribution| distribution.name.clone()));
        names.sort();
        names.dedup();
        let of = |name: DistributionName| {
            let own = owned.iter().filter(|(owner, _)| *owner == name);
            let followed = own.map(|(_, pointer)| *pointer).collect();
            Self::read(scan, registration, name, followed)
        };
        names.into_iter().map(of).collect()
    }

    fn read(
        scan: &'a Scan,
        registration: Option<&Registration>,
        name: DistributionName,
        followed: Vec<&'a Pointer>,
    ) -> Self {
        let distribution = scan.distributions.iter().find(|it| it.name == name);
        let mut unread = None;
        let entry_points = distribution.map(|found| found.entry_points());
        let entry_points = kept(entry_points, &mut unread).unwrap_or_default();
        let files = kept(distribution.map(|found| found.record()), &mut unread).flatten();
        kept(distribution.map(|found| found.metadata()), &mut unread);
        let recorded = distribution.and_then(|found| found.direct_url.as_ref()?.path.clone());
        let module = module_of(&name, registration, &entry_points);
        let mut editable = Editable {
            scan,
            name,
            module,
            distribution,
            recorded,
            followed,
            files,
            entry_points,
            unparsed: None,
            own: OnceCell::new(),
        };
        editable.unparsed = unread.or_else(|| editable.find_unparsed());
        editable
    }
}

/// The module of the store, or the entry point that makes it a module of some host.
fn module_of(
    name: &DistributionName,
    registration: Option<&Registration>,
    entry_points: &[EntryPoint],
) -> Option<String> {
    let mut bound = registration
        .into_iter()
        .flat_map(|registration| &registration.installed)
        .filter(|(_, installed)| installed.distribution == *name);
    let programs = ["console_scripts", "gui_scripts"];
    bound.next().map(|(module, _)| module.to_string()).or_else(|| {
        let mut named = entry_points.iter().filter(|it| !programs.contains(&&*it.group));
        named.next().map(|entry| entry.name.clone())
    })
}

/// The distribution that owns a file that leads elsewhere.
fn owner(scan: &Scan, pointer: &Pointer) -> Option<DistributionName> {
    if let Some(name) = &pointer.distribution {
        return Some(name.clone());
    }
    let stem = pointer.file.file_stem()?.to_str()?;
    if pointer.how == PointerKind::EggLink {
        return stem.parse().ok();
    }
    // A line of `easy-install.pth` belongs to the `.egg-link` that says the same.
    let linked = scan
        .pointers
        .iter()
        .find(|it| it.how == PointerKind::EggLink && it.target == pointer.target);
    if let Some(linked) = linked {
        return linked.file.file_stem()?.to_str()?.parse().ok();
    }
    let mut editable = scan.distributions.iter().filter(|distribution| distribution.is_editable());
    editable.find(|it| is_named_after(stem, it)).map(|it| it.name.clone())
}

/// Whether a build backend would name a file like this for the distribution.
fn is_named_after(stem: &str, distribution: &Distribution) -> bool {
    let name = distribution.name.in_file_names();
    let version = distribution.version.as_deref().unwrap_or_default();
    let prefixes =
        ["_editable_impl_", "_editable_skbc_", "__editable___", "__editable__.", "_modstore_"];
    let rest = prefixes.into_iter().find_map(|prefix| stem.strip_prefix(prefix)).unwrap_or(stem);
    let bare = rest.strip_suffix("_finder").unwrap_or(rest);
    let plain = bare.to_ascii_lowercase().replace(['-', '.'], "_");
    plain == name || plain == format!("{name}_{version}").replace(['-', '.'], "_")
}

/// The value that was read of a distribution; a failure goes to `unread`, with its file.
fn kept<T>(
    read: Option<Result<T, DistributionError>>,
    unread: &mut Option<(PathBuf, String)>,
) -> Option<T> {
    let error = match read? {
        Ok(read) => return Some(read),
        Err(error) => error,
    };
    *unread = Some(match error {
        DistributionError::Disk(error) => {
            (error.path, format!("it cannot be read: {}", error.source))
        }
        DistributionError::Record { path, source } => (path, format!("it is no table: {source}")),
    });
    None
}

impl Editable<'_> {
    /// The project that Python finds, as its own files name it.
    pub(crate) fn project(&self) -> Option<&OwnProject> {
        let find = || {
            let mut above = self.followed.first()?.target.ancestors().take(5);
            above.find_map(|directory| {
                let read = |file: &str| small_text(&directory.join(file));
                let project = Project::read(read)?;
                (project.name.as_ref() == Some(&self.name)).then(|| OwnProject {
                    directory: directory.to_owned(),
                    backend: project.backend,
                    settings: read("pyproject.toml").unwrap_or_default(),
                })
            })
        };
        self.own.get_or_init(find).as_ref()
    }

    /// The directory that it is installed again from: the recorded one, if it is there, else the project that Python finds.
    pub(crate) fn source_directory(&self) -> Option<PathBuf> {
        let recorded = self.recorded.clone().filter(|recorded| recorded.is_dir());
        recorded.or_else(|| Some(self.project()?.directory.clone()))
    }

    /// The first pointer of it that leads nowhere.
    pub(crate) fn dangling(&self) -> Option<&Pointer> {
        self.followed.iter().copied().find(|pointer| !finds_something(pointer))
    }

    /// The links that were installed instead of its code, as by `flit install --symlink`: each with its name for an import.
    pub(crate) fn links(&self) -> impl Iterator<Item = (String, &Path)> {
        // What leads elsewhere in another way may itself be a link, into the cache of an installer.
        let is_linked = self.followed.is_empty();
        let files = self.files.iter().flatten().filter(move |_| is_linked);
        let files = files.map(|file| file.path.as_path());
        let top = files.filter_map(|path| {
            let first = path.strip_prefix(&self.scan.site).ok()?.components().next()?;
            Some(Path::new(first.as_os_str()))
        });
        let mut top: Vec<&Path> = top.collect();
        top.sort();
        top.dedup();
        top.into_iter().filter_map(|name| {
            let stem = name.file_stem()?.to_str()?.to_owned();
            let ending = name.extension().is_none_or(|it| it == "py");
            let is_link = ending && self.scan.site.join(name).is_symlink();
            is_link.then_some((stem, name))
        })
    }

    /// The files of its own that say where it lies, `direct_url.json` last. Sorted otherwise, each once.
    pub(crate) fn pointing_files(&self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.followed.iter().map(|it| it.file.clone()).collect();
        files.sort();
        files.dedup();
        files.extend(self.direct_url_file().filter(|file| file.is_file()));
        files
    }

    /// Whether a user edited a file that says where it lies: an installer would undo that.
    pub(crate) fn is_edited(&self) -> bool {
        let pointing = self.pointing_files();
        let mut files = self.files.iter().flatten();
        files.any(|file| pointing.contains(&file.path) && is_changed(file))
    }

    /// Whether the files that say where it lies, and `direct_url.json` itself, are those that were installed.
    pub(crate) fn is_as_installed(&self) -> bool {
        let is_recorded = |path: &PathBuf| {
            let mut files = self.files.iter().flatten();
            files.any(|file| file.path == *path && file.hash.is_some() && !is_changed(file))
        };
        self.pointing_files().iter().all(is_recorded)
    }

    /// Whether its project was changed since it was installed, as far as a build would notice: its settings, or what lies in
    /// the directories that it puts on the import path.
    pub(crate) fn has_changed_since(&self) -> bool {
        let time = |path: &Path| path.metadata().and_then(|meta| meta.modified()).ok();
        let Some(installed) = self.distribution.and_then(|it| time(&it.directory)) else {
            return true;
        };
        let project = self.source_directory().unwrap_or_default();
        let settings = ["pyproject.toml", "setup.py", "setup.cfg", ""].map(|it| project.join(it));
        let roots = self.followed.iter().map(|pointer| pointer.target.clone());
        let mut times = settings.into_iter().chain(roots).filter_map(|path| time(&path));
        times.any(|time| time > installed)
    }

    pub(crate) fn direct_url_file(&self) -> Option<PathBuf> {
        self.distribution.map(|distribution| distribution.directory.join("direct_url.json"))
    }

    /// The `.pth` files that were installed for it.
    pub(crate) fn recorded_pths(&self) -> impl Iterator<Item = &Path> {
        let files = self.files.iter().flatten().map(|file| file.path.as_path());
        files.filter(|path| path.extension().is_some_and(|extension| extension == "pth"))
    }

    /// The modules that its entry points name.
    pub(crate) fn entry_modules(&self) -> Vec<String> {
        self.entry_points.iter().filter_map(|it| it.module().map(str::to_owned)).collect()
    }

    /// The importable names of it, as its entry points and finders have them.
    pub(crate) fn imports(&self) -> Vec<String> {
        let mut names = self.entry_modules();
        names.extend(self.followed.iter().filter_map(|pointer| pointer.name.clone()));
        names.sort();
        names.dedup();
        names
    }

    /// The first of its own files that says where it lies in a way that cannot be parsed, and why.
    fn find_unparsed(&self) -> Option<(PathBuf, String)> {
        let is_own = |file: &Path| {
            self.followed.iter().any(|pointer| pointer.file == file)
                || self.files.iter().flatten().any(|recorded| recorded.path == file)
        };
        let unparsed = self.scan.unparsed.iter().find(|unparsed| is_own(&unparsed.file));
        if let Some(unparsed) = unparsed {
            return Some((unparsed.file.clone(), unparsed.what.clone()));
        }
        self.recorded_pths().find_map(|file| {
            let code = self.unknown_code(file)?;
            Some((file.to_owned(), format!("it runs {code:?}")))
        })
    }

    /// A line of the `.pth` that runs something else than a finder of a known kind.
    fn unknown_code(&self, file: &Path) -> Option<String> {
        let lines = lines(&self.scan.site, &small_bytes(file)?).ok()?;
        lines.into_iter().find_map(|line| match line {
            Line::Code(code) if !self.is_known(&code) && !is_namespace(file, &code) => Some(code),
            _ => None,
        })
    }

    /// Whether the line does no more than to set up finders that are understood.
    fn is_known(&self, code: &str) -> bool {
        let modules = Line::imported(code);
        let is_finder = |module: &&str| {
            let file = self.scan.site.join(format!("{module}.py"));
            let text = small_text(&file);
            text.is_some_and(|text| matches!(Finder::read(&self.scan.site, &text), Ok(Some(_))))
        };
        let calls = code.split(';').skip(1).map(str::trim).filter(|call| !call.is_empty());
        let is_install = |call: &str| {
            // The second is meson-python's.
            let is_call = |rest: &str| rest == ".install()" || rest == ".init()";
            modules.iter().any(|module| call.strip_prefix(module).is_some_and(is_call))
        };
        !modules.is_empty() && modules.iter().all(is_finder) && calls.into_iter().all(is_install)
    }
}

/// Whether the line declares an old-style namespace package, as setuptools writes it: it leads nowhere by itself, and an
/// installer writes it again.
fn is_namespace(file: &Path, code: &str) -> bool {
    let is_named =
        file.file_name().is_some_and(|name| name.to_string_lossy().ends_with("-nspkg.pth"));
    is_named && code.starts_with("import sys, types, os;") && code.contains("types.ModuleType(")
}

/// Whether Python finds anything where this leads. A finder may name an extension module without the end of its file's
/// name, which differs from Python to Python.
fn finds_something(pointer: &Pointer) -> bool {
    leads_somewhere(&pointer.target)
        || pointer.how == PointerKind::Finder && is_extension(&pointer.target)
}

/// Whether a compiled module of this name is there.
fn is_extension(target: &Path) -> bool {
    let (Some(directory), Some(stem)) = (target.parent(), target.file_name()) else { return false };
    let stem = format!("{}.", stem.to_string_lossy());
    let children = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let mut names = children.map(|child| child.file_name().to_string_lossy().into_owned());
    names.any(|name| {
        name.starts_with(&stem) && [".so", ".pyd"].iter().any(|end| name.ends_with(end))
    })
}

/// Whether there is anything to import at this place: not when a deletion has left no more than byte code.
pub(crate) fn leads_somewhere(target: &Path) -> bool {
    match target.metadata() {
        Ok(meta) if meta.is_dir() => has_files(target, 4),
        Ok(_) => true,
        Err(_) => false,
    }
}

fn has_files(directory: &Path, depth: usize) -> bool {
    // Whatever cannot be looked into may have some.
    let Ok(children) = std::fs::read_dir(directory) else { return true };
    let Some(depth) = depth.checked_sub(1) else { return true };
    children.flatten().any(|child| match child.file_type() {
        Ok(kind) if kind.is_dir() => {
            child.file_name() != "__pycache__" && has_files(&child.path(), depth)
        }
        _ => true,
    })
}
