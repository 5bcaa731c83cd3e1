//! A home with repositories of Python projects, and the calls of installers, written down.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use modstore_testbed::{
    Change, Item, Project, Python, PythonTools, Ran, Repo, Running, TestHome, Venv,
};
use serde_json::Value;

/// A file of a project: its path and its text.
pub(crate) type File = (String, String);

/// A home, and the repositories of what it declares.
pub(crate) struct World {
    pub(crate) home: TestHome,
    pub(crate) tools: PythonTools,
    pub(crate) calls: Calls,
    repos: RefCell<BTreeMap<String, Repo>>,
}

/// What installers were started with.
pub(crate) struct Calls {
    log: PathBuf,
    hook: PathBuf,
}

impl World {
    /// An empty one, if there are tools for it.
    pub(crate) fn new() -> Option<Self> {
        Self::at(TestHome::new(env!("CARGO_BIN_EXE_modstore")))
    }

    /// The same with this home.
    pub(crate) fn at(mut home: TestHome) -> Option<Self> {
        let tools = PythonTools::find()?;
        tools.lead(&mut home);
        let calls = Calls::lead(&mut home, &tools);
        Some(Self { home, tools, calls, repos: RefCell::default() })
    }

    /// Commits exactly this project, and declares it by its name if that is new.
    pub(crate) fn publish(&self, project: &Project) {
        self.publish_files(&project.name, &project.files());
    }

    /// Commits exactly these files, and declares the module if it is new.
    pub(crate) fn publish_files(&self, name: &str, files: &[File]) {
        let mut repos = self.repos.borrow_mut();
        let is_new = !repos.contains_key(name);
        let repo =
            repos.entry(name.into()).or_insert_with(|| Repo::create(&self.home.scratch(), name));
        let before = if is_new { BTreeMap::new() } else { repo.tree("main") };
        let gone = before.iter().filter(|(path, item)| {
            !matches!(item, Item::Dir) && files.iter().all(|(file, _)| file != *path)
        });
        let mut changes: Vec<Change> = gone.map(|(path, _)| Change::delete(path)).collect();
        changes.extend(files.iter().map(|(path, text)| Change::write(path, text)));
        repo.commit("main", &changes);
        if is_new {
            self.declare_all(&repos);
        }
    }

    fn declare_all(&self, repos: &BTreeMap<String, Repo>) {
        let sources: Vec<(&str, String)> = repos
            .iter()
            .map(|(name, repo)| (&**name, format!("git+{}", repo.url_file())))
            .collect();
        self.home.declare(&sources.iter().map(|(name, url)| (*name, &**url)).collect::<Vec<_>>());
    }

    /// Removes a module's repository from its server.
    pub(crate) fn lose_repository(&self, name: &str) {
        let repos = self.repos.borrow();
        let path = repos[name].path();
        fs::rename(path, path.with_extension("gone")).unwrap();
    }

    /// An environment as uv makes it.
    pub(crate) fn venv(&self, python: &Python, name: &str) -> Venv<'_> {
        Venv::create(&self.home, &self.tools, python, name)
    }

    /// One that has all modules of the store.
    pub(crate) fn bound(&self, python: &Python, name: &str) -> Venv<'_> {
        let venv = self.venv(python, name);
        self.update();
        self.bind(&venv);
        venv
    }

    /// `bind --json`, which ends well.
    pub(crate) fn bind(&self, venv: &Venv<'_>) -> Value {
        self.home.run(&["--json", "bind", "--python", &venv.python_text()]).ok().json()
    }

    /// `update --json`, which ends well.
    pub(crate) fn update(&self) -> Value {
        self.home.run(&["--json", "update"]).ok().json()
    }

    /// `update --json`, in which some module fails.
    pub(crate) fn update_fails(&self) -> Value {
        self.home.run(&["--json", "update"]).fails(1).json()
    }

    /// Whether `status` says that every environment follows, which it tells by looking at files.
    pub(crate) fn follows(&self) -> bool {
        let status = self.home.run(&["--json", "status"]).ok().json();
        status["environments"].as_array().unwrap().iter().all(|each| each["in_sync"] == true)
    }

    /// The number of the current generation.
    pub(crate) fn generation(&self) -> u64 {
        let current = fs::read_link(self.home.path().join("current")).unwrap();
        current.file_name().unwrap().to_str().unwrap().parse().unwrap()
    }

    /// Retires all but the current generation.
    pub(crate) fn sweep(&self) {
        self.home.run(&["gc", "--keep", "1", "--older-than", "0s"]).ok();
    }

    /// Runs any program in the same surroundings.
    pub(crate) fn run<S: AsRef<std::ffi::OsStr>>(&self, program: &Path, args: &[S]) -> Ran {
        Running::start(self.home.command_of(program, args)).wait()
    }

    /// The directory that an environment installs for a module, resolved.
    pub(crate) fn live(&self, module: &str) -> PathBuf {
        self.home.path().canonicalize().unwrap().join("live").join(module)
    }

    /// Every file of the environment's site in which a path into the store's entries stands.
    pub(crate) fn leads_into_entries(&self, venv: &Venv<'_>) -> Vec<PathBuf> {
        let home = self.home.path().canonicalize().unwrap();
        let needles = ["entries", "generations"].map(|name| format!("{}/{name}/", home.display()));
        let mut found = files_below(&venv.site());
        found.retain(|path| {
            let bytes = fs::read(path).unwrap_or_default();
            needles
                .iter()
                .any(|needle| bytes.windows(needle.len()).any(|window| window == needle.as_bytes()))
        });
        found
    }
}

/// Every file below a directory; links are not followed.
pub(crate) fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for child in fs::read_dir(directory).into_iter().flatten().flatten() {
        match child.file_type().unwrap().is_dir() {
            true => found.extend(files_below(&child.path())),
            false => found.push(child.path()),
        }
    }
    found
}

/// `VALUE` of each of these packages, by one interpreter.
pub(crate) fn values(venv: &Venv<'_>, packages: &[&str]) -> String {
    let values: Vec<String> = packages.iter().map(|package| format!("{package}.VALUE")).collect();
    venv.says(&format!("import {}; print({})", packages.join(", "), values.join(", ")))
}

/// The version of a distribution in Python's own metadata.
pub(crate) fn version(venv: &Venv<'_>, distribution: &str) -> String {
    venv.says(&format!("import importlib.metadata as m; print(m.version({distribution:?}))"))
}

/// The names in an array of an answer; of objects, their `module`.
pub(crate) fn names(value: &Value) -> Vec<&str> {
    let values = value.as_array().unwrap().iter();
    values.map(|value| value["module"].as_str().or(value.as_str()).unwrap()).collect()
}

impl Calls {
    /// Makes modstore start a program in uv's place that writes down each call, and then is uv.
    fn lead(home: &mut TestHome, tools: &PythonTools) -> Self {
        let place = home.scratch().join("calls");
        fs::create_dir_all(&place).unwrap();
        let (log, hook, program) = (place.join("log"), place.join("hook"), place.join("uv"));
        let text = format!(
            "#!/bin/sh\nprintf '%s\\n' \"$*\" >>'{}'\n[ ! -e '{hook}' ] || . '{hook}'\nexec '{}' \"$@\"\n",
            log.display(),
            tools.uv().display(),
            hook = hook.display(),
        );
        fs::write(&program, text).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        home.env("UV", &program);
        Self { log, hook }
    }

    /// The calls since this was asked last.
    pub(crate) fn take(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        drop(fs::remove_file(&self.log));
        text.lines().map(str::to_owned).collect()
    }

    /// The calls since this was asked last that put stand-ins into an environment.
    pub(crate) fn installs(&self) -> Vec<String> {
        let calls = self.take().into_iter();
        calls.filter(|call| call.contains("--editable") && !call.contains("--target")).collect()
    }

    /// From now on this is run in a shell before uv is, with uv's arguments; `$PPID` is modstore.
    pub(crate) fn before_each(&self, script: &str) {
        fs::write(&self.hook, script).unwrap();
    }

    /// From now on uv is run and nothing else.
    pub(crate) fn leave_alone(&self) {
        drop(fs::remove_file(&self.hook));
    }
}
