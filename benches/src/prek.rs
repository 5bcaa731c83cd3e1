//! prek, a runner of git hooks from PyPI: a clone for each revision in one cache, and a configuration that names them.
//!
//! Moving on is `prek update --bleeding-edge`, then `prek prepare-hooks` for what moved, then `prek cache gc`.
//! Limits: the hooks need no environment of their own, so none is made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::contender::{Contender, Role, Step, Wanted, empty};
use crate::measure::{Usage, run};

/// The release that is measured.
const VERSION: &str = "0.5.11";

/// prek with a project and a cache of its own.
#[derive(Debug)]
pub(crate) struct Prek {
    binary: PathBuf,
    place: PathBuf,
    wanted: Vec<Wanted>,
    /// The commits that a cold start is given; it takes no branches.
    commits: Vec<String>,
}

impl Prek {
    /// prek in a directory of its own below `place`; at first each module is at its commit.
    pub(crate) fn new(
        binary: &Path,
        place: &Path,
        wanted: &[Wanted],
        commits: Vec<String>,
    ) -> Self {
        let (binary, place) = (binary.to_owned(), place.join("prek"));
        Self { binary, place, wanted: wanted.to_vec(), commits }
    }

    /// The program, by pip into `target/tools` if it is not there.
    pub(crate) fn install(target: &Path) -> Result<PathBuf, String> {
        let place = target.join("tools/prek");
        let binary = place.join("bin/prek");
        if !binary.exists() {
            run(Command::new("python3").args(["-m", "venv"]).arg(&place))?;
            let mut pip = Command::new(place.join("bin/python"));
            run(pip.args(["-m", "pip", "install", "--quiet", &format!("prek=={VERSION}")]))?;
        }
        Ok(binary)
    }

    fn prek(&self, words: &[&str]) -> Result<Usage, String> {
        let mut prek = Command::new(&self.binary);
        prek.env("HOME", &self.place)
            .env("PREK_HOME", self.cache())
            .env("GIT_CONFIG_NOSYSTEM", "1");
        prek.current_dir(self.project()).args(["--quiet", "--no-progress"]).args(words);
        Ok(run(&mut prek)?.0)
    }

    fn project(&self) -> PathBuf {
        self.place.join("project")
    }

    fn cache(&self) -> PathBuf {
        self.place.join("cache")
    }

    fn configuration(&self) -> PathBuf {
        self.project().join(".pre-commit-config.yaml")
    }

    /// The commit that the configuration names for a repository.
    fn commit(&self, url: &str) -> Option<String> {
        let text = fs::read_to_string(self.configuration()).ok()?;
        let mut lines = text
            .lines()
            .skip_while(|line| line.trim_start_matches(['-', ' ']) != format!("repo: {url}"));
        lines.find_map(|line| line.trim().strip_prefix("rev: ").map(str::to_owned))
    }
}

impl Contender for Prek {
    fn name(&self) -> &str {
        "prek"
    }

    fn role(&self) -> Role {
        Role::Peer
    }

    fn clear(&self) -> Result<(), String> {
        empty(&self.place)?;
        fs::create_dir(self.project()).map_err(|error| error.to_string())?;
        let project = self.project();
        run(modstore_testbed::git().args(["init", "--quiet"]).arg(&project))?;
        let repos = self.wanted.iter().zip(&self.commits);
        let text = repos.fold("repos:\n".to_owned(), |text, (Wanted { name, url }, commit)| {
            text + &format!("  - repo: {url}\n    rev: {commit}\n    hooks:\n      - id: {name}\n")
        });
        fs::write(self.configuration(), text).map_err(|error| error.to_string())?;
        run(modstore_testbed::git().arg("-C").arg(&project).args(["add", "--all"])).map(drop)
    }

    fn run(&self, step: Step) -> Result<Usage, String> {
        if step == Step::Cold {
            return self.prek(&["prepare-hooks"]);
        }
        let looked = self.prek(&["update", "--bleeding-edge"])?;
        run(modstore_testbed::git().arg("-C").arg(self.project()).args(["add", "--all"]))?;
        Ok(looked.and(self.prek(&["prepare-hooks"])?))
    }

    fn tree(&self, module: &str) -> PathBuf {
        let url = self.wanted.iter().find(|wanted| wanted.name == module).map(|it| it.url.as_str());
        let (url, repos) = (url.unwrap_or_default(), self.cache().join("repos"));
        let commit = self.commit(url);
        let is_it = |repo: &Path| {
            let mark = fs::read(repo.join(".prek-repo.json")).unwrap_or_default();
            let mark: Value = serde_json::from_slice(&mark).unwrap_or_default();
            let says = |name: &str| mark.get(name).and_then(Value::as_str).map(str::to_owned);
            says("repo").as_deref() == Some(url) && says("rev") == commit
        };
        let mut all = fs::read_dir(&repos).into_iter().flatten().flatten().map(|repo| repo.path());
        all.find(|repo| is_it(repo)).unwrap_or_else(|| repos.join(module))
    }

    fn collect(&self, _: &[&str]) -> Result<Usage, String> {
        // It collects for projects in which hooks have run, which it notes here; none run in this one.
        let project = serde_json::json!([self.configuration()]).to_string();
        fs::write(self.cache().join("config-tracking.json"), project)
            .map_err(|error| error.to_string())?;
        self.prek(&["cache", "gc"])
    }

    fn place(&self) -> &Path {
        &self.place
    }
}
