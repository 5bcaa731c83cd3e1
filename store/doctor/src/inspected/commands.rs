//! Commands of an environment's installer that a person can type, each with what `--fix` would give to it, so that what is
//! typed breaks nothing that works.

use std::{ffi::OsStr, path::Path};

use modstore_core::model::DistributionName;
use modstore_python::{Distribution, Installer};

use super::{constraints::Constraint, environment::InspectedEnvironment, requirement::Requirement};

impl InspectedEnvironment {
    /// The command that leads a distribution to its project.
    pub(crate) fn editable_command(&self, options: &[&str], directory: &Path) -> String {
        let mut arguments: Vec<&OsStr> = options.iter().map(OsStr::new).collect();
        arguments.extend([OsStr::new("--no-deps"), "-e".as_ref(), directory.as_os_str()]);
        self.typed_installer().install_command(self.executable(), &arguments)
    }

    /// The command that installs these again, and nothing that they need.
    pub(crate) fn again_command(&self, what: &[&OsStr]) -> String {
        let installer = self.typed_installer();
        let mut arguments = vec![OsStr::new("--no-deps"), installer.again().as_ref()];
        arguments.extend(what);
        installer.install_command(self.executable(), &arguments)
    }

    /// The command that installs these, and what they need, under these constraints.
    pub(crate) fn adding_command(&self, constraints: &[&Constraint], what: &[&OsStr]) -> String {
        let mut lines: Vec<&str> = constraints.iter().map(|it| it.line.as_str()).collect();
        lines.dedup();
        self.typed_installer().constrained_command(self.executable(), &lines, what)
    }

    /// The command that installs a distribution again, from an index, and keeps what every other one needs.
    pub(crate) fn reinstall_command(&self, name: &DistributionName) -> String {
        let all: Vec<&Constraint> = self.constraints().iter().collect();
        let mut what = self.again_options(name);
        what.push(name.to_string());
        self.adding_command(&all, &what.iter().map(OsStr::new).collect::<Vec<_>>())
    }

    /// The options by which a distribution of this name is installed again although it is there.
    pub(crate) fn again_options(&self, name: &DistributionName) -> Vec<String> {
        match self.typed_installer() {
            Installer::Uv(_) => vec!["--reinstall-package".into(), name.to_string()],
            // pip knows no single ones.
            Installer::Pip => vec![Installer::Pip.again().into()],
        }
    }

    /// The command that uninstalls a distribution.
    pub(crate) fn uninstall_command(&self, name: &DistributionName) -> String {
        self.typed_installer().uninstall_command(self.executable(), name)
    }

    /// A distribution that needs this one, which therefore cannot be uninstalled.
    pub(crate) fn needing(&self, name: &DistributionName) -> Option<&Distribution> {
        let needs = |it: &&Distribution| {
            let requires = it.metadata().ok().flatten().map(|metadata| metadata.requires);
            let parsed = requires.iter().flatten().filter_map(|text| Requirement::parse(text));
            let mut all = parsed.filter(|needed| !needed.is_of_extra());
            it.name != *name && all.any(|needed| needed.name == *name)
        };
        self.every_scan().flat_map(|scan| &scan.distributions).find(needs)
    }

    /// Its installer; where there is none, uv, which can be installed anywhere.
    fn typed_installer(&self) -> Installer {
        self.installer.clone().unwrap_or_else(|| Installer::Uv("uv".into()))
    }
}
