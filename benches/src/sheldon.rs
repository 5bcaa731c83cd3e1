//! sheldon, a plugin manager for shells from the registry: one process, libgit2, and today's quickest at "nothing
//! changed".
//!
//! Limits: libgit2 as built into it takes the whole history where git is told `--depth 1`; the corpus has little.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::contender::{Contender, Role, Step, Wanted, empty};
use crate::measure::{Usage, install, run};

/// The release that is measured.
const VERSION: &str = "0.8.5";

/// sheldon with a configuration of its own.
#[derive(Debug)]
pub(crate) struct Sheldon {
    binary: PathBuf,
    place: PathBuf,
    wanted: Vec<Wanted>,
    trusted: Option<PathBuf>,
}

impl Sheldon {
    /// sheldon in a directory of its own below `place`.
    pub(crate) fn new(binary: &Path, place: &Path, wanted: &[Wanted]) -> Self {
        let (binary, place) = (binary.to_owned(), place.join("sheldon"));
        Self { binary, place, wanted: wanted.to_vec(), trusted: None }
    }

    /// The same, trusting this certificate's authority.
    pub(crate) fn trusting(self, authority: Option<&Path>) -> Self {
        Self { trusted: authority.map(Path::to_owned), ..self }
    }

    /// The program, built from the registry into `target/tools` if it is not there; minutes the first time.
    pub(crate) fn install(cargo: &Path, target: &Path) -> Result<PathBuf, String> {
        install(cargo, target, "sheldon", VERSION)
    }

    fn configuration(&self) -> String {
        // It refuses a module without a file for the shell; one that is only put on the PATH costs it least.
        let head = "shell = \"bash\"\n\n".to_owned();
        self.wanted.iter().fold(head, |text, module| {
            let (name, url) = (&module.name, &module.url);
            text + &format!(
                "[plugins.{name}]\ngit = \"{url}\"\nuse = [\"*.sh\"]\napply = [\"PATH\"]\n\n"
            )
        })
    }
}

impl Contender for Sheldon {
    fn name(&self) -> &str {
        "sheldon"
    }

    fn role(&self) -> Role {
        Role::Peer
    }

    fn clear(&self) -> Result<(), String> {
        empty(&self.place)?;
        let file = self.place.join("plugins.toml");
        fs::write(&file, self.configuration())
            .map_err(|error| format!("{}: {error}", file.display()))
    }

    fn run(&self, step: Step) -> Result<Usage, String> {
        let mut sheldon = Command::new(&self.binary);
        sheldon.env("HOME", &self.place).arg("--quiet").arg("--config-dir").arg(&self.place);
        sheldon.envs(self.trusted.iter().map(|authority| ("SSL_CERT_FILE", authority)));
        sheldon.arg("--data-dir").arg(&self.place).arg("lock");
        if step != Step::Cold {
            sheldon.arg("--update");
        }
        Ok(run(&mut sheldon)?.0)
    }

    fn tree(&self, module: &str) -> PathBuf {
        let url = self.wanted.iter().find(|wanted| wanted.name == module).map(|it| it.url.as_str());
        let rest = url.unwrap_or_default().split_once("://").map_or("", |(_, rest)| rest);
        let (server, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = server.split(':').next().unwrap_or_default();
        // It names a clone after its URL without scheme and port.
        self.place.join("repos").join(host).join(path)
    }

    fn place(&self) -> &Path {
        &self.place
    }
}
