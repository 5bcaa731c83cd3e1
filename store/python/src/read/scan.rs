//! [`Scan`]: everything in a site directory that leads out of it, and every distribution in it.
//!
//! One listing of the directory; then only its `.pth`, `.start` and `.egg-link` files are read, the finders that these name,
//! and each distribution's `direct_url.json`. Fast enough to be done whenever a host starts.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    path::{Path, PathBuf},
};

use modstore_core::{
    disk::{DiskError, Verb, names_in},
    model::DistributionName,
};

use super::{
    direct_url::DirectUrl,
    distribution::Distribution,
    finder::{Finder, Unclear},
    limits::{self, LONGEST, POINTERS, POINTING, POINTING_FILES},
    pth::{Line, lexical, lines, started},
};

/// The content of a site directory.
#[derive(Debug, Clone, Default)]
pub struct Scan {
    /// The directory, absolute.
    pub site: PathBuf,
    /// The installed distributions, by name.
    pub distributions: Vec<Distribution>,
    /// Everything that leads out of it, in the order in which Python reads the files.
    pub pointers: Vec<Pointer>,
    /// The files that cannot be parsed or read.
    pub unparsed: Vec<Unparsed>,
}

/// Something in a site directory that leads elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pointer {
    /// The file that says it.
    pub file: PathBuf,
    /// Its kind.
    pub how: PointerKind,
    /// Where it leads: absolute, without `.` and `..`, and whatever is a link in it.
    pub target: PathBuf,
    /// The one name that is imported from there, if only one is; with dots, if it is a part of a package.
    pub name: Option<String>,
    /// The distribution that has the file, as its `RECORD` says.
    pub distribution: Option<DistributionName>,
    /// Whether the `.pth` is hidden, and Python passes over it.
    pub is_hidden: bool,
}

/// How a [`Pointer`] leads where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PointerKind {
    /// A line of a `.pth` puts it on the import path.
    Pth,
    /// A finder that a line of a `.pth` sets up finds modules there.
    Finder,
    /// The same, set up by a `.start` file, which older Pythons pass over.
    Start,
    /// A finder runs a build there whenever something is imported.
    Build,
    /// An `.egg-link`, which tells tools the distribution of a path line in `easy-install.pth`.
    EggLink,
    /// A `direct_url.json`. Python does not look at it; tools do.
    DirectUrl,
}

/// A file that cannot be parsed or read. Nothing is guessed about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unparsed {
    /// The file.
    pub file: PathBuf,
    /// Why not, in a clause.
    pub what: String,
    /// Whether it could not even be read.
    pub is_unread: bool,
}

/// A site directory cannot be looked at.
#[derive(Debug, thiserror::Error)]
#[error("the distributions in {} cannot be listed", site.display())]
pub struct ScanError {
    /// The directory.
    pub site: PathBuf,
    /// Why not.
    pub source: DiskError,
}

impl Scan {
    /// Reads a site directory. One that does not exist has nothing in it.
    ///
    /// # Errors
    /// When it is there and cannot be listed. A file in it that cannot be read is a [`Unparsed`].
    pub fn of(site: &Path) -> Result<Self, ScanError> {
        let failed = |source| ScanError { site: site.to_owned(), source };
        let absolute = std::path::absolute(site)
            .map_err(|error| failed(DiskError::new(Verb::Read, site, error)))?;
        let names = names_in(&absolute).map_err(failed)?;
        let names = names.into_iter().filter_map(|name| name.into_string().ok()).collect();
        let directory = File::open(&absolute).ok();
        let scan = Self { site: absolute, ..Self::default() };
        let seen = BTreeSet::new();
        let mut scanner = Scanner { names: &names, directory, seen, is_full: false, scan };
        scanner.run();
        Ok(scanner.scan)
    }
}

/// A scan that is being made.
struct Scanner<'a> {
    names: &'a BTreeSet<String>,
    /// The directory, opened: the walk to it costs more than what is looked for in it.
    directory: Option<File>,
    /// The finders that were read.
    seen: BTreeSet<&'a str>,
    /// Whether there are more pointers than are kept.
    is_full: bool,
    scan: Scan,
}

impl<'a> Scanner<'a> {
    /// In the order of Python: paths first, then what `.start` files run.
    fn run(&mut self) {
        let names = self.names;
        let ending = |end: &'static str| names.iter().filter(move |name| name.ends_with(end));
        let few = |end: &'static str| ending(end).take(POINTING_FILES);
        few(".pth").for_each(|name| self.pth(name));
        few(".start").for_each(|name| self.start(name));
        few(".egg-link").for_each(|name| self.egg_link(name));
        for end in [".pth", ".start", ".egg-link"] {
            if let Some(name) = ending(end).nth(POINTING_FILES) {
                let what = format!("more than {POINTING_FILES} files *{end} are not read");
                self.unparsed(self.file(name), what);
            }
        }
        ending("-info").chain(ending(".egg")).for_each(|name| self.distribution(name));
        self.scan.distributions.sort_by(|a, b| a.name.cmp(&b.name));
        self.find_owners();
    }

    fn file(&self, name: &str) -> PathBuf {
        self.scan.site.join(name)
    }

    /// The content of a file of `limit` bytes at most. A file that cannot be read is added to the unparsed ones.
    fn read(&mut self, path: &Path, limit: u64) -> Option<Vec<u8>> {
        let name = path.strip_prefix(&self.scan.site).ok();
        let read = match (&self.directory, name) {
            (Some(directory), Some(name)) => {
                limits::read_at((&self.scan.site, directory), name, limit)
            }
            _ => limits::read(path, limit),
        };
        read.unwrap_or_else(|error| {
            let what = format!("it cannot be read: {}", error.source);
            self.scan.unparsed.push(Unparsed { file: path.to_owned(), what, is_unread: true });
            None
        })
    }

    fn unparsed(&mut self, file: PathBuf, what: impl Into<String>) {
        self.scan.unparsed.push(Unparsed { file, what: what.into(), is_unread: false });
    }

    fn pth(&mut self, name: &'a str) {
        let file = self.file(name);
        let Some(bytes) = self.read(&file, POINTING) else { return };
        let Ok(lines) = lines(&self.scan.site, &bytes) else {
            return self.unparsed(file, "it is not in UTF-8, so Python may or may not read it");
        };
        let is_hidden = is_hidden(&file, name);
        for line in lines {
            match line {
                Line::Path(target) => self.point(Pointer {
                    file: file.clone(),
                    how: PointerKind::Pth,
                    target,
                    name: None,
                    distribution: None,
                    is_hidden,
                }),
                Line::Code(code) => {
                    for module in Line::imported(&code) {
                        self.finder(&file, module, PointerKind::Finder, is_hidden);
                    }
                }
            }
        }
    }

    fn start(&mut self, name: &str) {
        let file = self.file(name);
        let Some(bytes) = self.read(&file, POINTING) else { return };
        let Ok(modules) = started(&bytes) else {
            return self.unparsed(file, "it is not in UTF-8");
        };
        for module in modules {
            self.finder(&file, &module, PointerKind::Start, false);
        }
    }

    /// Adds the pointers of the module that `by` runs, if it is a finder.
    fn finder(&mut self, by: &Path, module: &str, how: PointerKind, is_hidden: bool) {
        let is_named_so = module.contains("editable");
        let name = format!("{module}.py");
        let Some(name) = self.names.get(&name) else {
            if is_named_so {
                self.unparsed(by.to_owned(), format!("it runs {module}, which is not there"));
            }
            return;
        };
        if !self.seen.insert(name) {
            return;
        }
        let file = self.file(name);
        let Some(bytes) = self.read(&file, LONGEST) else { return };
        match Finder::read(&self.scan.site, &String::from_utf8_lossy(&bytes)) {
            Ok(Some(finder)) => self.found(&file, finder, how, is_hidden),
            Ok(None) if is_named_so => self.unparsed(file, "it is a finder of an unknown kind"),
            Ok(None) => {}
            Err(Unclear { backend }) => {
                self.unparsed(
                    file,
                    format!(
                        "it is a finder of {backend} that says where it leads in an unknown way"
                    ),
                );
            }
        }
    }

    fn found(&mut self, file: &Path, finder: Finder, how: PointerKind, is_hidden: bool) {
        let named = finder.outermost().into_iter().chain(finder.namespaces.clone());
        let modules = named.map(|(name, target)| (how, target, Some(name)));
        let paths = finder.paths.into_iter().map(|target| (how, target, None));
        let builds = finder.builds.into_iter().map(|target| (PointerKind::Build, target, None));
        for (how, target, name) in modules.chain(paths).chain(builds) {
            let file = file.to_owned();
            self.point(Pointer { file, how, target, name, distribution: None, is_hidden });
        }
    }

    /// Keeps a pointer, unless there are too many; that is reported once.
    fn point(&mut self, pointer: Pointer) {
        match self.scan.pointers.len() {
            POINTERS if self.is_full => {}
            POINTERS => {
                self.is_full = true;
                let what =
                    format!("more than {POINTERS} lines lead elsewhere; the others are not read");
                self.unparsed(pointer.file, what);
            }
            _ => self.scan.pointers.push(pointer),
        }
    }

    fn egg_link(&mut self, name: &str) {
        let file = self.file(name);
        let Some(bytes) = self.read(&file, POINTING) else { return };
        let text = String::from_utf8_lossy(&bytes);
        let mut written = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let (Some(target), Some(project)) = (written.next(), name.strip_suffix(".egg-link")) else {
            return self.unparsed(file, "it names no directory");
        };
        let target = lexical(&self.scan.site, Path::new(target));
        let info = format!("{}.egg-info", project.replace('-', "_"));
        let distribution = Distribution::named(&target, &info);
        self.point(Pointer {
            file,
            how: PointerKind::EggLink,
            target,
            name: None,
            distribution: distribution.as_ref().map(|found| found.name.clone()),
            is_hidden: false,
        });
        self.scan.distributions.extend(distribution);
    }

    fn distribution(&mut self, name: &str) {
        let Some(mut found) = Distribution::named(&self.scan.site, name) else { return };
        let file = found.directory.join("direct_url.json");
        // An old `.egg-info` may be a file, and never has one.
        let bytes = if name.ends_with(".dist-info") { self.read(&file, POINTING) } else { None };
        match bytes.as_deref().map(DirectUrl::read) {
            Some(Ok(url)) => found.direct_url = Some(url),
            Some(Err(error)) => {
                self.unparsed(file.clone(), format!("it is not what installers write: {error}"))
            }
            None => {}
        }
        let url = found.direct_url.as_ref().filter(|url| url.is_editable);
        if let Some(path) = url.and_then(|url| url.path.as_ref()) {
            self.point(Pointer {
                file,
                how: PointerKind::DirectUrl,
                target: lexical(&self.scan.site, path),
                name: None,
                distribution: Some(found.name.clone()),
                is_hidden: false,
            });
        }
        self.scan.distributions.push(found);
    }

    /// Finds the owners of pointers in `RECORD`s; first in those of editables, which have most of them.
    fn find_owners(&mut self) {
        let Scan { pointers, distributions, .. } = &mut self.scan;
        let without_owner = pointers.iter().filter(|pointer| pointer.distribution.is_none());
        let mut open: BTreeSet<PathBuf> =
            without_owner.map(|pointer| pointer.file.clone()).collect();
        let (editable, other): (Vec<_>, Vec<_>) =
            distributions.iter().partition(|distribution| distribution.is_editable());
        let mut owners: BTreeMap<PathBuf, DistributionName> = BTreeMap::new();
        for distribution in editable.into_iter().chain(other) {
            if open.is_empty() {
                break;
            }
            let has_one = |record: &[u8]| {
                let text = String::from_utf8_lossy(record);
                let mut names = open.iter().filter_map(|file| file.file_name()?.to_str());
                names.any(|name| text.contains(name))
            };
            let record = distribution.record_where(has_one).ok().flatten().unwrap_or_default();
            for file in record.iter().filter_map(|recorded| open.take(&recorded.path)) {
                owners.insert(file, distribution.name.clone());
            }
        }
        for pointer in pointers.iter_mut().filter(|pointer| pointer.distribution.is_none()) {
            pointer.distribution = owners.get(&pointer.file).cloned();
        }
    }
}

/// Whether Python passes over the `.pth`: from 3.12.4 on one whose name begins with a dot, and on macOS one with the
/// flag that hides it.
fn is_hidden(file: &Path, name: &str) -> bool {
    #[cfg(target_os = "macos")]
    let is_flagged = {
        use std::os::macos::fs::MetadataExt as _;
        const UF_HIDDEN: u32 = 0x8000;
        file.symlink_metadata().is_ok_and(|meta| meta.st_flags() & UF_HIDDEN != 0)
    };
    #[cfg(not(target_os = "macos"))]
    let is_flagged = {
        let _ = file;
        false
    };
    name.starts_with('.') || is_flagged
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Site(tempfile::TempDir);

    impl Site {
        fn of(files: &[(&str, &str)]) -> Self {
            let site = Self(tempfile::tempdir().unwrap());
            for (name, text) in files {
                site.write(name, text);
            }
            site
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.0.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn scan(&self) -> Scan {
            Scan::of(self.0.path()).unwrap()
        }

        /// Each pointer in a line.
        fn pointers(&self) -> Vec<String> {
            let told = |pointer: Pointer| {
                let file = pointer.file.strip_prefix(self.0.path()).unwrap().display().to_string();
                let name = pointer.name.map(|name| format!(" {name}")).unwrap_or_default();
                let of = pointer.distribution.map(|name| format!(" of {name}")).unwrap_or_default();
                let hidden = if pointer.is_hidden { " hidden" } else { "" };
                format!("{file} {:?}{name} {}{of}{hidden}", pointer.how, pointer.target.display())
            };
            self.scan().pointers.into_iter().map(told).collect()
        }

        fn unparsed(&self) -> Vec<String> {
            let told = |unparsed: Unparsed| {
                let file = unparsed.file.file_name().unwrap().to_str().unwrap().to_owned();
                format!("{file}: {}", unparsed.what)
            };
            self.scan().unparsed.into_iter().map(told).collect()
        }
    }

    const EXACT: &str = "from editables.redirector import RedirectingFinder as F\nF.install()\nF.map_module('m', '/p/src/m/__init__.py')\nF.map_module('m.x', '/p/src/m/x.py')\nF.map_module('m.y', '/q/y.py')";

    #[test]
    fn every_pointer_has_its_file_and_its_distribution() {
        // As uv installs a project of hatchling's, and one of its exact mode.
        let site = Site::of(&[
            ("_editable_impl_my_hatch.pth", "/p/hatch/src"),
            ("_editable_impl_my_exact.pth", "import _editable_impl_my_exact"),
            ("_editable_impl_my_exact.py", EXACT),
            ("my_hatch-1.0.dist-info/RECORD", "_editable_impl_my_hatch.pth,sha256=x,12\n"),
            (
                "my_hatch-1.0.dist-info/direct_url.json",
                r#"{"url":"file:///p/link","dir_info":{"editable":true}}"#,
            ),
            (
                "My.Exact-2.0.dist-info/RECORD",
                "_editable_impl_my_exact.pth,,\n_editable_impl_my_exact.py,,\n",
            ),
            ("six-1.17.0.dist-info/METADATA", "Name: six\n"),
            ("hand-made.pth", "../by/hand\n"),
            (".hidden.pth", "/hidden\n"),
        ]);
        let above = site.0.path().parent().unwrap().display().to_string();
        assert_eq!(
            site.pointers(),
            [
                ".hidden.pth Pth /hidden hidden",
                "_editable_impl_my_exact.py Finder m /p/src/m/__init__.py of my-exact",
                "_editable_impl_my_exact.py Finder m.y /q/y.py of my-exact",
                "_editable_impl_my_hatch.pth Pth /p/hatch/src of my-hatch",
                &format!("hand-made.pth Pth {above}/by/hand"),
                "my_hatch-1.0.dist-info/direct_url.json DirectUrl /p/link of my-hatch",
            ]
        );
        let scan = site.scan();
        let names: Vec<_> =
            scan.distributions.iter().map(|d| (d.name.as_str(), d.version.as_deref())).collect();
        assert_eq!(
            names,
            [("my-exact", Some("2.0")), ("my-hatch", Some("1.0")), ("six", Some("1.17.0"))]
        );
        assert!(scan.unparsed.is_empty(), "{:?}", scan.unparsed);
    }

    #[test]
    fn a_start_file_sets_up_finders_too_and_one_is_read_once() {
        let site = Site::of(&[("_editable_m.py", EXACT), ("m.start", "_editable_m:entrypoint\n")]);
        assert_eq!(site.pointers()[0], "_editable_m.py Start m /p/src/m/__init__.py");
        site.write("m.pth", "import _editable_m\n/p/src\n");
        let expected = [
            "_editable_m.py Finder m /p/src/m/__init__.py",
            "_editable_m.py Finder m.y /q/y.py",
            "m.pth Pth /p/src",
        ];
        assert_eq!(site.pointers(), expected);
    }

    #[test]
    fn an_egg_link_is_a_distribution_in_another_place() {
        let place = tempfile::tempdir().unwrap();
        std::fs::create_dir(place.path().join("my_egg.egg-info")).unwrap();
        std::fs::write(place.path().join("my_egg.egg-info/PKG-INFO"), "Name: my-egg\nVersion: 3\n")
            .unwrap();
        let path = place.path().to_str().unwrap();
        // As `setup.py develop` writes them.
        let site = Site::of(&[
            ("my-egg.egg-link", &format!("{path}\n.")),
            ("easy-install.pth", &format!("{path}\n")),
        ]);
        assert_eq!(
            site.pointers(),
            [
                format!("easy-install.pth Pth {path}"),
                format!("my-egg.egg-link EggLink {path} of my-egg")
            ]
        );
        let scan = site.scan();
        let metadata = scan.distributions[0].metadata().unwrap().unwrap();
        assert_eq!(metadata.version.as_deref(), Some("3"));
    }

    #[test]
    fn what_is_not_understood_is_said_and_never_guessed() {
        let site = Site::of(&[
            ("a.pth", "import __editable___gone_finder; __editable___gone_finder.install()\n"),
            ("b.pth", "import _my_editable_thing\n"),
            ("_my_editable_thing.py", "import sys\n"),
            ("c.pth", "import _virtualenv\nimport os; os.x = 1\n"),
            ("_virtualenv.py", "import sys\n"),
            ("d-1.dist-info/direct_url.json", "{}"),
        ]);
        std::fs::write(site.0.path().join("e.pth"), b"/\xff\n").unwrap();
        let unparsed = site.unparsed();
        assert_eq!(unparsed.len(), 4, "{unparsed:?}");
        assert_eq!(unparsed[0], "a.pth: it runs __editable___gone_finder, which is not there");
        assert_eq!(unparsed[1], "_my_editable_thing.py: it is a finder of an unknown kind");
        assert!(unparsed[2].starts_with("e.pth: it is not in UTF-8"));
        assert!(unparsed[3].starts_with("direct_url.json: it is not what installers write"));
        assert!(site.pointers().is_empty());
    }

    #[test]
    fn a_file_that_cannot_be_read_is_reported_and_the_others_are_read() {
        let site = Site::of(&[("b.pth", "/b\n")]);
        // Root may read everything, but no user can read a directory as a file.
        std::fs::create_dir(site.0.path().join("a.pth")).unwrap();
        assert_eq!(site.pointers(), ["b.pth Pth /b"]);
        let scan = site.scan();
        assert!(
            scan.unparsed[0].is_unread && scan.unparsed[0].what.starts_with("it cannot be read")
        );
    }

    #[test]
    fn a_site_that_is_not_there_has_nothing_and_one_that_cannot_be_listed_is_an_error() {
        assert!(Scan::of(Path::new("/no/such/site")).unwrap().distributions.is_empty());
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = Scan::of(file.path()).unwrap_err();
        assert!(error.to_string().contains(file.path().to_str().unwrap()), "{error}");
    }
}
