//! Which module a source that a host needs is: the one that is declared from it in whatever spelling, or a new one with a
//! name that is free. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::{Declarations, ModuleName, Source, Subdirectory};

/// How many hex digits tell apart modules whose sources end alike.
const DIGITS: usize = 8;

/// A source that a host needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Required {
    /// Where it comes from. A secret in it is used now and not written down.
    pub source: Source,
    /// The name that it gets if it is not declared yet; made from the source when there is none.
    pub name: Option<ModuleName>,
    /// A file that must be in it.
    pub file: Option<Subdirectory>,
}

/// The name is the name of another source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("module `{other}` is declared from another source: {declared}")]
pub(crate) struct NameTaken {
    /// The module, whose name may differ from the one that was asked for in case.
    pub(crate) other: ModuleName,
    /// Its source, without any secret.
    pub(crate) declared: String,
}

/// The modules that these sources are, in their order, and those of them that are to be declared.
pub(crate) struct NamedSources<'r> {
    pub(crate) names: Vec<Result<ModuleName, NameTaken>>,
    pub(crate) new: Vec<(ModuleName, &'r Source)>,
}

/// Gives each source its module.
pub(crate) fn name_all<'r>(required: &'r [Required], declared: &Declarations) -> NamedSources<'r> {
    let mut names = Names::of(declared);
    let mut new = Vec::new();
    let named = required.iter().map(|required| names.name(required, &mut new)).collect();
    NamedSources { names: named, new }
}

/// The names that are taken, and the sources that have one.
struct Names<'s> {
    by_identity: BTreeMap<String, ModuleName>,
    /// Folded, as some file systems do, with the module and its source.
    taken: BTreeMap<String, (ModuleName, &'s Source)>,
}

impl<'s> Names<'s> {
    fn of(declared: &'s Declarations) -> Self {
        let mut names = Self { by_identity: BTreeMap::new(), taken: BTreeMap::new() };
        for (name, module) in &declared.modules {
            names.take(module.source.identity(), name, &module.source);
        }
        names
    }

    fn take(&mut self, identity: String, name: &ModuleName, source: &'s Source) {
        self.by_identity.entry(identity).or_insert_with(|| name.clone());
        self.taken.insert(folded(name), (name.clone(), source));
    }

    fn name<'r: 's>(
        &mut self,
        required: &'r Required,
        new: &mut Vec<(ModuleName, &'r Source)>,
    ) -> Result<ModuleName, NameTaken> {
        let identity = required.source.identity();
        if let Some(name) = self.by_identity.get(&identity) {
            return Ok(name.clone());
        }
        let name = match &required.name {
            Some(name) => match self.taken.get(&folded(name)) {
                None => name.clone(),
                Some((other, declared)) => {
                    let (other, declared) = (other.clone(), declared.to_toml_text());
                    return Err(NameTaken { other, declared });
                }
            },
            None => self.free(&required.source, &identity),
        };
        self.take(identity, &name, &required.source);
        new.push((name.clone(), &required.source));
        Ok(name)
    }

    /// The name that people would give, or with digits of the identity where another source has it.
    fn free(&self, source: &Source, identity: &str) -> ModuleName {
        let digits = blake3::hash(identity.as_bytes()).to_hex();
        let digits = digits.get(..DIGITS).unwrap_or_default();
        let guessed = ModuleName::guess_from(source);
        if let Some(name) = guessed.as_ref().filter(|name| !self.taken.contains_key(&folded(name)))
        {
            return name.clone();
        }
        let stem = guessed.as_ref().map_or("module", ModuleName::as_str);
        let room = ModuleName::MAX_BYTES - DIGITS - 1;
        let stem: String = stem.chars().take(room).collect();
        format!("{stem}-{digits}").parse().expect("letters and digits behind a name are a name")
    }
}

fn folded(name: &ModuleName) -> String {
    name.as_str().to_ascii_lowercase()
}

/// The modules among these names, each once.
pub(crate) fn distinct(names: &[Result<ModuleName, NameTaken>]) -> BTreeSet<&ModuleName> {
    names.iter().filter_map(|name| name.as_ref().ok()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn required(source: &str, name: Option<&str>) -> Required {
        let source = Source::parse(source, Path::new("/"), None).unwrap();
        Required { source, name: name.map(|name| name.parse().unwrap()), file: None }
    }

    fn names(declared: &str, required: &[Required]) -> Vec<String> {
        let declared = Declarations::parse(declared, Path::new("/"), None).unwrap();
        let named = name_all(required, &declared).names.into_iter();
        named.map(|name| name.map_or_else(|taken| taken.to_string(), String::from)).collect()
    }

    #[test]
    fn spellings_of_a_source_are_one_module_whatever_name_is_asked_for() {
        let spellings = [
            required("git+https://h.example/o/weather@main", None),
            required("git@h.example:o/weather.git@main", Some("other")),
            required("git+https://h.example/o/weather", None),
        ];
        let got = names("", &spellings);
        assert_eq!(got[..2], ["weather", "weather"]);
        assert!(got[2].starts_with("weather-") && got[2].len() == 8 + 8, "{got:?}");
        let declared = "[modules.w]\nsource = 'git+https://h.example/o/weather.git@main'";
        assert_eq!(names(declared, &spellings)[..2], ["w", "w"]);
    }

    #[test]
    fn a_name_that_another_source_has_is_refused_if_asked_for_and_passed_over_if_not() {
        let declared = "[modules.Tools]\nsource = 'git+https://h.example/a/tools'";
        let wanted = [
            required("git+https://h.example/b/tools", Some("tools")),
            required("git+https://h.example/b/tools", None),
        ];
        let got = names(declared, &wanted);
        assert!(got[0].contains("`Tools` is declared from another source"), "{got:?}");
        assert!(got[1].starts_with("tools-"), "{got:?}");
        assert_eq!(names("", &wanted[1..]), names("", &wanted[1..]), "the same each time");
    }
}
