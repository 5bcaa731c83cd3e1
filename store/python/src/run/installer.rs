//! [`Installer`]: the program that installs distributions in an environment: uv where there is one, else the
//! environment's own pip.
//!
//! The user's own configuration of either (indexes, certificates, proxies) is honoured; settings that would lead it to
//! another environment are not. It asks the user nothing: standard input is empty.

use std::{
    ffi::OsStr,
    fmt,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use modstore_core::{
    Cancel,
    disk::Lock,
    model::DistributionName,
    program::{Input, ProgramError, Running, in_path, is_executable},
};

use toml_edit::{Document, Item, TableLike};

use crate::read::{EnvironmentPaths, small_text};

/// An installer may have to compile the distributions that it installs.
pub(super) const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Variables that lead a Python, or an installer, to another environment.
const MISLEADING: [&str; 8] = [
    "PYTHONPATH",
    "PYTHONHOME",
    "PYTHONSTARTUP",
    "VIRTUAL_ENV",
    "UV_PYTHON",
    "UV_SYSTEM_PYTHON",
    "PIP_TARGET",
    "PIP_PREFIX",
];

/// A program that installs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Installer {
    /// uv.
    Uv(PathBuf),
    /// The pip in the environment itself.
    Pip,
}

/// Distributions to be installed, by one call.
#[derive(Debug, Clone, Copy, Default)]
pub struct Install<'a> {
    /// Requirements, as in the metadata of a distribution.
    pub requirements: &'a [String],
    /// Directories of projects, installed so that they are used where they lie.
    pub editables: &'a [PathBuf],
    /// Installed again even where they are installed.
    pub again: &'a [String],
    /// Without their requirements.
    pub no_deps: bool,
    /// The names of those whose build needs nothing: the environment's own Python builds them, and uv makes no environment
    /// for each. pip makes none where there is nothing to put into it.
    pub built_in_place: &'a [DistributionName],
    /// Without the network.
    pub offline: bool,
    /// A file of constraints.
    pub constraints: Option<&'a Path>,
    /// Into this directory instead.
    pub target: Option<&'a Path>,
    /// Variables for the builds.
    pub variables: &'a [(&'a str, &'a str)],
    /// The lock of the environment, held until the installer has ended: killed in between, this process leaves it behind,
    /// and what it writes after that would undo what the next one has done.
    pub lock: Option<&'a Lock>,
}

impl fmt::Display for Installer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uv(_) => "uv",
            Self::Pip => "pip",
        })
    }
}

impl Installer {
    /// The installer for an environment: uv, wherever it is usually found, else the environment's own pip.
    #[must_use]
    pub fn find(paths: &EnvironmentPaths) -> Option<Self> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let below_home =
            |directory: &str| home.as_ref().map(|home| home.join(directory).join("uv"));
        let named = std::env::var_os("UV").map(PathBuf::from);
        let places_of_uv = [
            named,
            in_path("uv"),
            Some(paths.prefix.join("bin/uv")),
            below_home(".local/bin"),
            below_home(".cargo/bin"),
        ];
        let uv = places_of_uv.into_iter().flatten().find(|path| is_executable(path));
        let has_pip = paths.site.iter().any(|site| site.join("pip/__init__.py").is_file());
        uv.map(Self::Uv).or_else(|| has_pip.then_some(Self::Pip))
    }

    /// Installs.
    ///
    /// # Errors
    /// Some of it may have been installed: installers are not atomic.
    pub fn install(
        &self,
        python: &Path,
        what: &Install<'_>,
        cancel: &Cancel,
        on_line: &dyn Fn(&str),
    ) -> Result<(), ProgramError> {
        let mut command = self.command(python, "install");
        if let Self::Uv(_) = self {
            // `tool.uv.sources` of a project is for its developers: it names paths and repositories that are not
            // here.
            command.arg("--no-sources");
            for name in what.built_in_place {
                command.arg("--no-build-isolation-package").arg(name.as_str());
            }
        }
        if what.no_deps {
            command.arg("--no-deps");
        }
        for name in what.again {
            match self {
                Self::Uv(_) => command.arg("--reinstall-package").arg(name),
                // pip knows no single ones.
                Self::Pip => command.arg("--force-reinstall"),
            };
        }
        if what.offline {
            command.arg(if matches!(self, Self::Pip) { "--no-index" } else { "--offline" });
        }
        for (option, path) in [("--constraint", what.constraints), ("--target", what.target)] {
            if let Some(path) = path {
                command.arg(option).arg(path);
            }
        }
        for editable in what.editables {
            command.arg("--editable").arg(editable);
        }
        command.envs(what.variables.iter().copied());
        command.arg("--").args(what.requirements);
        run(command, what.lock, cancel, on_line)
    }

    /// Uninstalls distributions; one that is not there is no error. The lock is that of the environment, as in
    /// [`Install::lock`].
    ///
    /// # Errors
    /// Some of them may be gone.
    pub fn uninstall(
        &self,
        python: &Path,
        names: &[DistributionName],
        lock: &Lock,
        cancel: &Cancel,
    ) -> Result<(), ProgramError> {
        let mut command = self.command(python, "uninstall");
        if matches!(self, Self::Pip) {
            command.arg("--yes");
        }
        command.arg("--").args(names.iter().map(DistributionName::as_str));
        run(command, Some(lock), cancel, &|_| {})
    }

    /// Makes an empty environment for the Python of this one, or of this interpreter. Only uv does: `None` for pip.
    pub(crate) fn make_environment(
        &self,
        python: &Path,
        at: &Path,
        cancel: &Cancel,
    ) -> Option<Result<(), ProgramError>> {
        let Self::Uv(uv) = self else { return None };
        let mut command = Command::new(uv);
        command.args(["venv", "--quiet", "--no-project", "--python"]).arg(python).arg(at);
        without_misleading(&mut command);
        Some(run(command, None, cancel, &|_| {}))
    }

    /// Whether the user has settings of how uv builds: only uv itself follows all of them.
    pub(crate) fn has_settings_of_builds() -> bool {
        let mut names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        names.any(|name| name.starts_with("UV_") && is_of_builds(&name))
            || settings_of_uv()
                .iter()
                .any(|path| small_text(path).is_some_and(|it| names_builds(&it)))
    }

    /// The command that installs these, for a shell.
    #[must_use]
    pub fn install_command(&self, python: &Path, arguments: &[&OsStr]) -> String {
        self.typed(python, "install", arguments)
    }

    /// The command that installs these under constraints, as [`install`](Self::install) does with a file of them.
    #[must_use]
    pub fn constrained_command(
        &self,
        python: &Path,
        constraints: &[&str],
        arguments: &[&OsStr],
    ) -> String {
        let mut options: Vec<&OsStr> = Vec::new();
        if let Self::Uv(_) = self {
            options.push("--no-sources".as_ref());
        }
        let input = match self {
            _ if constraints.is_empty() => None,
            Self::Uv(_) => Some("-"),
            Self::Pip => Some("/dev/stdin"),
        };
        options.extend(input.into_iter().flat_map(|input| ["-c", input]).map(OsStr::new));
        options.extend(arguments);
        let command = self.install_command(python, &options);
        if constraints.is_empty() {
            return command;
        }
        let lines: Vec<String> = constraints.iter().map(|line| quoted(line.as_ref())).collect();
        format!("printf '%s\\n' {} | {command}", lines.join(" "))
    }

    /// The command that uninstalls a distribution, for a shell.
    #[must_use]
    pub fn uninstall_command(&self, python: &Path, name: &DistributionName) -> String {
        let yes = matches!(self, Self::Pip).then_some(OsStr::new("--yes"));
        let arguments: Vec<&OsStr> = yes.into_iter().chain([name.as_str().as_ref()]).collect();
        self.typed(python, "uninstall", &arguments)
    }

    /// The option by which everything that is named is installed again.
    #[must_use]
    pub const fn again(&self) -> &'static str {
        match self {
            Self::Uv(_) => "--reinstall",
            Self::Pip => "--force-reinstall",
        }
    }

    fn typed(&self, python: &Path, verb: &str, arguments: &[&OsStr]) -> String {
        let python = quoted(python.as_os_str());
        let arguments: Vec<String> = arguments.iter().map(|text| quoted(text)).collect();
        match self {
            Self::Uv(_) => format!("uv pip {verb} --python {python} {}", arguments.join(" ")),
            Self::Pip => format!("{python} -m pip {verb} {}", arguments.join(" ")),
        }
    }

    fn command(&self, python: &Path, verb: &str) -> Command {
        let mut command = match self {
            Self::Uv(uv) => {
                let mut command = Command::new(uv);
                command.args(["pip", verb, "--quiet", "--python"]).arg(python);
                command
            }
            Self::Pip => {
                let mut command = Command::new(python);
                let options = ["--quiet", "--disable-pip-version-check", "--no-input"];
                command.args(["-m", "pip", verb]).args(options);
                command
            }
        };
        without_misleading(&mut command);
        command
    }
}

fn without_misleading(command: &mut Command) {
    for name in MISLEADING {
        command.env_remove(name);
    }
    // In a project's directory it would read that project's settings.
    command.current_dir("/");
}

/// Whether the name of a variable or a setting of uv is of one that changes builds.
fn is_of_builds(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('_', "-");
    ["build", "config-setting"].iter().any(|word| name.contains(word))
}

/// Whether a file of settings has one that changes builds.
fn names_builds(text: &str) -> bool {
    let Ok(document) = Document::parse(text) else { return true };
    let table = document.as_table();
    let own = table.get("pip").and_then(Item::as_table_like);
    let of_pip = own.into_iter().flat_map(TableLike::iter);
    table.iter().chain(of_pip).any(|(name, _)| is_of_builds(name))
}

/// Where uv looks for settings of a user or of the machine.
fn settings_of_uv() -> Vec<PathBuf> {
    let named = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let home = named("HOME").map(|home| home.join(".config"));
    let below = named("XDG_CONFIG_HOME").or(home).into_iter();
    let machine = ["/etc/xdg".into(), "/etc".into()];
    let below = below.chain(machine).map(|directory| directory.join("uv/uv.toml"));
    named("UV_CONFIG_FILE").into_iter().chain(below).collect()
}

fn run(
    command: Command,
    lock: Option<&Lock>,
    cancel: &Cancel,
    on_line: &dyn Fn(&str),
) -> Result<(), ProgramError> {
    let input = lock.map_or(Input::Nothing, Input::Lock);
    let running = Running { input, limit: LIMIT, cancel, told: on_line, ends_with_us: false };
    running.succeed(command).map(drop)
}

/// A word as a shell reads it.
#[must_use]
pub fn quoted(word: &OsStr) -> String {
    let text = word.to_string_lossy();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:@%+,#".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) && !text.starts_with('#') {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_of_builds_are_known_by_their_names() {
        for (text, expected) in [
            ("no-index = true\nfind-links = ['/build/wheels']\n", false),
            ("[pip]\nno-build-isolation = true\n", true),
            ("build-constraint-dependencies = ['x<1']\n", true),
            ("[extra-build-dependencies]\nx = ['y']\n", true),
            ("config-settings = { a = 'b' }\n", true),
            ("not TOML", true),
            ("", false),
        ] {
            assert_eq!(names_builds(text), expected, "{text}");
        }
        assert!(is_of_builds("UV_NO_BUILD_ISOLATION") && is_of_builds("UV_BUILD_CONSTRAINT"));
        assert!(!is_of_builds("UV_CACHE_DIR"));
    }

    #[test]
    fn a_word_is_quoted_when_a_shell_would_read_it_otherwise() {
        for word in ["", "a b", "it's", "$HOME", "-e", "plain/path.py", "a#b", "#c", "x\ny"] {
            let mut shell = Command::new("sh");
            shell.args(["-c", &format!("printf %s {}", quoted(OsStr::new(word)))]);
            if !word.starts_with('-') {
                assert_eq!(String::from_utf8(shell.output().unwrap().stdout).unwrap(), word);
            }
        }
        assert_eq!(quoted("plain/path.py".as_ref()), "plain/path.py");
    }
}
