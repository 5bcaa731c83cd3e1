//! [`Metadata`] and [`EntryPoint`]s of a distribution.

use modstore_core::model::DistributionName;

/// The fields of `METADATA` that matter here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The name as its author writes it.
    pub name: Option<String>,
    /// The version.
    pub version: Option<String>,
    /// Its requirements, as written, with markers.
    pub requires: Vec<String>,
    /// The versions of Python it is for.
    pub requires_python: Option<String>,
}

/// An object that a distribution gives a name to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPoint {
    /// For example `console_scripts`.
    pub group: String,
    /// The name.
    pub name: String,
    /// For example `package.module:function`.
    pub object: String,
}

impl Metadata {
    /// Reads the head of a `METADATA` or `PKG-INFO`.
    #[must_use]
    pub fn read(text: &str) -> Self {
        let all = |name: &str| {
            let head = text.lines().take_while(|line| !line.is_empty());
            let values = head.filter_map(|line| value_of(line, name)).map(str::to_owned);
            values.collect::<Vec<String>>()
        };
        let first = |name: &str| all(name).into_iter().next();
        Self {
            name: first("Name"),
            version: first("Version"),
            requires: all("Requires-Dist"),
            requires_python: first("Requires-Python"),
        }
    }
}

/// The value of the field, if the line has it. No field that matters here has more than one line.
fn value_of<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    let (field, value) = line.split_once(':')?;
    field.eq_ignore_ascii_case(name).then_some(value.trim())
}

impl EntryPoint {
    /// The module that it names. Of a `package.__main__` it is the package: a `__main__` is run, and importing it would
    /// run it.
    #[must_use]
    pub fn module(&self) -> Option<&str> {
        let module = self.object.split([':', '[', ' ']).next().unwrap_or_default();
        let module = module.strip_suffix(".__main__").unwrap_or(module);
        (!module.is_empty()).then_some(module)
    }

    /// Whether it is read where these distributions are installed: as a program, or by the program that its group is named
    /// after (`pytest11`, `amplifier.modules`). One for an extra is not.
    pub fn is_for(&self, is_installed: impl Fn(&DistributionName) -> bool) -> bool {
        if self.object.contains('[') {
            return false;
        }
        if matches!(self.group.as_str(), "console_scripts" | "gui_scripts") {
            return true;
        }
        let program = self.group.split('.').next().unwrap_or_default();
        let program = program.trim_end_matches(|c: char| c.is_ascii_digit());
        program.parse().is_ok_and(|program| is_installed(&program))
    }

    /// Reads an `entry_points.txt`, as `importlib.metadata` does.
    pub(crate) fn all(text: &str) -> Vec<Self> {
        let mut group = None;
        let mut all = Vec::new();
        for line in
            text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
        {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                group = Some(name.trim().to_owned());
            } else if let (Some(group), Some((name, object))) = (&group, line.split_once('=')) {
                all.push(Self {
                    group: group.clone(),
                    name: name.trim().to_owned(),
                    object: object.trim().to_owned(),
                });
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_point_is_read_by_the_program_that_its_group_is_named_after() {
        let point = |group: &str, object: &str| EntryPoint {
            group: group.into(),
            name: "n".into(),
            object: object.into(),
        };
        let is_pytest = |name: &DistributionName| name.as_str() == "pytest";
        assert!(point("pytest11", "m.plugin").is_for(is_pytest));
        assert!(!point("pytest11", "m.plugin").is_for(|_| false));
        assert!(!point("amplifier.modules", "m:mount").is_for(is_pytest));
        assert!(point("console_scripts", "m:main").is_for(|_| false));
        assert!(!point("console_scripts", "m:main [extra]").is_for(|_| true));
        assert_eq!(point("g", "m.n:a.b [x]").module(), Some("m.n"));
    }

    #[test]
    fn only_the_head_of_metadata_counts() {
        let text = "Metadata-Version: 2.4\nName: My.Module\nVersion: 1.0\nrequires-python: >=3.11\nRequires-Dist: six>=1 ; python_version > '3'\nRequires-Dist: a[b]\nLicense: A\n        Name: other\n\nName: none\nRequires-Dist: none\n";
        let read = Metadata::read(text);
        assert_eq!(read.name.as_deref(), Some("My.Module"));
        assert_eq!(read.version.as_deref(), Some("1.0"));
        assert_eq!(read.requires_python.as_deref(), Some(">=3.11"));
        assert_eq!(read.requires, ["six>=1 ; python_version > '3'", "a[b]"]);
        assert_eq!(Metadata::read(""), Metadata::default());
    }

    #[test]
    fn entry_points_have_a_group_a_name_and_an_object() {
        let text = "a = before\n[console_scripts]\nrun-me = my_flat:main\n\n# x = y\n[ g.h ]\nx=a.b:c [extra]\n";
        let all = EntryPoint::all(text);
        let all: Vec<_> = all.iter().map(|e| [e.group.as_str(), &e.name, &e.object]).collect();
        assert_eq!(
            all,
            [["console_scripts", "run-me", "my_flat:main"], ["g.h", "x", "a.b:c [extra]"]]
        );
    }
}
