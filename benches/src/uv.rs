//! uv, with every module a git dependency of one project: its own git, its own build back end, no index and no network but ours.
//!
//! Moving on is `uv sync --upgrade`, then `uv cache prune`.
//! Limits: it installs the package, not the repository, so that only that part of a tree is compared.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::contender::{Contender, Role, Step, Wanted, empty};
use crate::measure::{Usage, run};

/// uv with a project, an environment and a cache of its own.
#[derive(Debug)]
pub(crate) struct Uv {
    binary: PathBuf,
    wheels: PathBuf,
    place: PathBuf,
    wanted: Vec<Wanted>,
    trusted: Option<PathBuf>,
}

impl Uv {
    /// uv, as `tests/setup.sh` has put it into `target/tools`, in a directory of its own below `place`.
    pub(crate) fn new(target: &Path, place: &Path, wanted: &[Wanted]) -> Self {
        let (binary, wheels) = (Self::binary(target), target.join("tools/wheels"));
        let (place, wanted) = (place.join("uv"), wanted.to_vec());
        Self { binary, wheels, place, wanted, trusted: None }
    }

    /// The same, trusting this certificate's authority.
    pub(crate) fn trusting(self, authority: Option<&Path>) -> Self {
        Self { trusted: authority.map(Path::to_owned), ..self }
    }

    /// Where the program is, or should be.
    pub(crate) fn binary(target: &Path) -> PathBuf {
        target.join("tools/uv/bin/uv")
    }

    fn uv(&self, words: &[&str]) -> Result<Usage, String> {
        let mut uv = Command::new(&self.binary);
        uv.env("HOME", &self.place).env("UV_CACHE_DIR", self.place.join("cache"));
        uv.env("UV_PYTHON_DOWNLOADS", "never")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env_remove("VIRTUAL_ENV");
        uv.envs(self.trusted.iter().map(|authority| ("GIT_SSL_CAINFO", authority)));
        uv.current_dir(self.place.join("project")).args(["--quiet", "--no-progress"]).args(words);
        Ok(run(&mut uv)?.0)
    }
}

impl Contender for Uv {
    fn name(&self) -> &str {
        "uv"
    }

    fn role(&self) -> Role {
        Role::Peer
    }

    fn clear(&self) -> Result<(), String> {
        empty(&self.place)?;
        let project = self.place.join("project");
        fs::create_dir(&project).map_err(|error| error.to_string())?;
        let names: Vec<String> =
            self.wanted.iter().map(|module| format!("{:?}", module.name)).collect();
        let sources = self.wanted.iter().fold(String::new(), |text, Wanted { name, url }| {
            text + &format!("{name} = {{ git = {url:?}, branch = \"main\" }}\n")
        });
        let wheels = self.wheels.display();
        let text = format!(
            "[project]\nname = \"host\"\nversion = \"0\"\nrequires-python = \">=3.11\"\ndependencies = [{}]\n\n\
             [tool.uv]\nno-index = true\nfind-links = [\"{wheels}\"]\n\n[tool.uv.sources]\n{sources}",
            names.join(", ")
        );
        fs::write(project.join("pyproject.toml"), text).map_err(|error| error.to_string())?;
        self.uv(&["venv"]).map(drop)
    }

    fn run(&self, step: Step) -> Result<Usage, String> {
        match step {
            Step::Cold => self.uv(&["sync"]),
            _ => self.uv(&["sync", "--upgrade"]),
        }
    }

    fn tree(&self, module: &str) -> PathBuf {
        let lib = self.place.join("project/.venv/lib");
        let python = fs::read_dir(&lib).into_iter().flatten().flatten().next();
        python.map_or(lib, |python| python.path()).join("site-packages").join(module)
    }

    fn part(&self, module: &str) -> PathBuf {
        module.into()
    }

    fn collect(&self, _: &[&str]) -> Result<Usage, String> {
        self.uv(&["cache", "prune"])
    }

    fn place(&self) -> &Path {
        &self.place
    }
}
