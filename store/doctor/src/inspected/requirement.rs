//! [`Requirement`]: a requirement in the metadata of a distribution (PEP 508), compared with the installed versions.
//!
//! Versions are those of `pep440_rs`; names, extras and markers are parsed here, because the existing parsers bring an
//! algebra of markers that is not needed. Three answers: yes, no, and not understood, in which case nothing is claimed.

use std::collections::BTreeMap;

use modstore_core::model::DistributionName;
use modstore_python::PythonVersion;
use pep440_rs::{Version, VersionSpecifiers};

/// No Python has a later patch version.
const NEWEST_PATCH: u32 = 999;

/// A requirement of a distribution.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Requirement {
    pub name: DistributionName,
    /// As written.
    pub text: String,
    specifiers: VersionSpecifiers,
    marker: Option<Marker>,
}

/// The Python and machine for which markers are evaluated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MarkerEnvironment {
    /// Its Python, as far as files tell.
    pub python: PythonVersion,
    pub machine: String,
    /// The values that this Python itself has; empty, if it was not asked.
    pub answered: BTreeMap<String, String>,
}

#[derive(Debug, Clone, PartialEq)]
enum Marker {
    Or(Vec<Self>),
    And(Vec<Self>),
    Compare(Operand, String, Operand),
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operand {
    Variable(String),
    Text(String),
}

impl Requirement {
    /// The requirement that this text is, if it is understood.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (head, marker) = split_marker(text);
        let end = head.find(|c: char| !(c.is_ascii_alphanumeric() || "._-".contains(c)));
        let (name, mut rest) = head.split_at(end.unwrap_or(head.len()));
        rest = rest.trim_start();
        if let Some(extras) = rest.strip_prefix('[') {
            rest = extras.split_once(']')?.1.trim_start();
        }
        // Any version at an address meets it.
        let range = if rest.starts_with('@') { "" } else { rest.trim() };
        let range = range.strip_prefix('(').and_then(|r| r.strip_suffix(')')).unwrap_or(range);
        let specifiers = match range {
            "" => VersionSpecifiers::empty(),
            range => range.parse().ok()?,
        };
        let marker = match marker {
            Some(marker) => Some(Marker::parse(marker)?),
            None => None,
        };
        Some(Self { name: name.parse().ok()?, text: text.trim().to_owned(), specifiers, marker })
    }

    /// Whether it has to be met there, without any extra.
    pub(crate) fn applies(&self, to: &MarkerEnvironment) -> Option<bool> {
        self.marker.as_ref().map_or(Some(true), |marker| marker.holds(to))
    }

    /// Whether this version meets it.
    pub(crate) fn admits(&self, version: &str) -> Option<bool> {
        Some(self.specifiers.contains(&version.parse().ok()?))
    }

    /// The same as a constraint with its marker, for an installer. None for one at an address, of any version, or of an extra,
    /// for a constraint has no extras.
    pub(crate) fn constraint(&self) -> Option<String> {
        let marker = split_marker(&self.text).1.map(str::trim);
        (!self.specifiers.is_empty() && !self.is_of_extra()).then(|| {
            let marker = marker.map(|marker| format!(" ; {marker}")).unwrap_or_default();
            format!("{}{}{marker}", self.name, self.specifiers)
        })
    }

    /// Whether only an extra brings it.
    pub(crate) fn is_of_extra(&self) -> bool {
        self.marker.as_ref().is_some_and(Marker::names_extra)
    }

    /// The same without its marker, for an installer.
    pub(crate) fn without_marker(&self) -> &str {
        split_marker(&self.text).0.trim()
    }
}

/// Whether a marker by itself holds there.
pub(crate) fn marker_holds(marker: &str, to: &MarkerEnvironment) -> Option<bool> {
    Marker::parse(marker)?.holds(to)
}

/// Whether a Python of this version may be used, by a `Requires-Python`. Where the patch version is not known, and decides,
/// there is no answer.
pub(crate) fn admits_python(requires: &str, python: PythonVersion) -> Option<bool> {
    let specifiers: VersionSpecifiers = requires.parse().ok()?;
    let (major, minor, patch) = python;
    let admits = |patch| specifiers.contains(&version_of((major, minor, Some(patch))));
    match patch {
        Some(patch) => Some(admits(patch)),
        None => Some(admits(0)).filter(|first| *first == admits(NEWEST_PATCH)),
    }
}

/// Whether two versions are one, however they are written. A label that the second alone has, as some build backends give one
/// to every editable install (`1.0+editable`), makes no difference.
pub(crate) fn is_same_version(declared: &str, installed: &str) -> bool {
    let parsed = |text: &str| text.parse::<Version>().ok();
    match (parsed(declared), parsed(installed)) {
        (Some(declared), Some(installed)) if declared.local().is_empty() => {
            declared == installed.without_local()
        }
        (Some(declared), Some(installed)) => declared == installed,
        _ => declared == installed,
    }
}

fn version_of((major, minor, patch): PythonVersion) -> Version {
    let parts = [Some(major), Some(minor), patch];
    Version::new(parts.into_iter().flatten().map(u64::from))
}

/// A requirement's text before and after the `;` that begins its marker; one in an address needs a space before it.
fn split_marker(text: &str) -> (&str, Option<&str>) {
    let sign = if text.contains('@') { " ;" } else { ";" };
    match text.split_once(sign) {
        Some((head, marker)) => (head, Some(marker)),
        None => (text, None),
    }
}

impl Marker {
    fn parse(text: &str) -> Option<Self> {
        let mut words = words(text)?;
        words.reverse();
        let marker = Self::either(&mut words)?;
        words.is_empty().then_some(marker)
    }

    /// `words` are the last word first.
    fn either(words: &mut Vec<Word>) -> Option<Self> {
        let mut parts = vec![Self::both(words)?];
        while words.pop_if(|word| *word == Word::Name("or".into())).is_some() {
            parts.push(Self::both(words)?);
        }
        Some(Self::Or(parts))
    }

    fn both(words: &mut Vec<Word>) -> Option<Self> {
        let mut parts = vec![Self::one(words)?];
        while words.pop_if(|word| *word == Word::Name("and".into())).is_some() {
            parts.push(Self::one(words)?);
        }
        Some(Self::And(parts))
    }

    fn one(words: &mut Vec<Word>) -> Option<Self> {
        let left = match words.pop()? {
            Word::Sign(sign) if sign == "(" => {
                let inner = Self::either(words)?;
                words.pop_if(|word| *word == Word::Sign(")".into()))?;
                return Some(inner);
            }
            word => word.operand()?,
        };
        let sign = match words.pop()? {
            Word::Sign(sign) => sign,
            Word::Name(name) if name == "in" => name,
            Word::Name(name) if name == "not" => {
                words.pop_if(|word| *word == Word::Name("in".into()))?;
                "not in".into()
            }
            _ => return None,
        };
        Some(Self::Compare(left, sign, words.pop()?.operand()?))
    }

    fn names_extra(&self) -> bool {
        let is_extra = |it: &Operand| *it == Operand::Variable("extra".to_owned());
        match self {
            Self::Or(parts) | Self::And(parts) => parts.iter().any(Self::names_extra),
            Self::Compare(left, _, right) => is_extra(left) || is_extra(right),
        }
    }

    fn holds(&self, to: &MarkerEnvironment) -> Option<bool> {
        match self {
            Self::Or(parts) => together(parts, to, true),
            Self::And(parts) => together(parts, to, false),
            Self::Compare(left, sign, right) => compare(left, sign, right, to),
        }
    }
}

/// Combines three-valued answers: `decides` if one is that, unknown if one is unknown, else the opposite.
fn together(parts: &[Marker], to: &MarkerEnvironment, decides: bool) -> Option<bool> {
    let answers: Vec<Option<bool>> = parts.iter().map(|part| part.holds(to)).collect();
    if answers.contains(&Some(decides)) {
        return Some(decides);
    }
    (!answers.contains(&None)).then_some(!decides)
}

fn compare(left: &Operand, sign: &str, right: &Operand, to: &MarkerEnvironment) -> Option<bool> {
    let variable = |operand: &Operand| match operand {
        Operand::Variable(name) => Some(name.clone()),
        Operand::Text(_) => None,
    };
    let name = variable(left).or_else(|| variable(right))?;
    if name == "extra" {
        // No extra was asked for, as far as is known.
        return Some(matches!(sign, "!=" | "not in"));
    }
    let value = |operand: &Operand| match operand {
        Operand::Variable(name) => to.value(name),
        Operand::Text(text) => Some(text.clone()),
    };
    let a = value(left)?;
    let b = value(right)?;
    match sign {
        "in" => return Some(b.contains(&a)),
        "not in" => return Some(!b.contains(&a)),
        _ => {}
    }
    let is_version = matches!(&*name, "python_version" | "python_full_version");
    match (is_version, matches!(left, Operand::Variable(_))) {
        (true, true) => among(&a, sign, &b),
        (true, false) => among(&b, turned(sign)?, &a),
        (false, _) => match sign {
            "==" | "===" => Some(a == b),
            "!=" => Some(a != b),
            _ => None,
        },
    }
}

fn among(version: &str, sign: &str, other: &str) -> Option<bool> {
    let specifiers: VersionSpecifiers = format!("{sign}{other}").parse().ok()?;
    Some(specifiers.contains(&version.parse().ok()?))
}

/// The sign with its sides exchanged.
fn turned(sign: &str) -> Option<&str> {
    match sign {
        "<" => Some(">"),
        "<=" => Some(">="),
        ">" => Some("<"),
        ">=" => Some("<="),
        "==" | "!=" | "===" => Some(sign),
        _ => None,
    }
}

impl MarkerEnvironment {
    fn value(&self, name: &str) -> Option<String> {
        if let Some(value) = self.answered.get(name) {
            return Some(value.clone());
        }
        let (major, minor, patch) = self.python;
        let is_mac = cfg!(target_os = "macos");
        Some(match name {
            "python_version" => format!("{major}.{minor}"),
            "python_full_version" => format!("{major}.{minor}.{}", patch?),
            "os_name" => "posix".into(),
            "sys_platform" => if is_mac { "darwin" } else { "linux" }.into(),
            "platform_system" => if is_mac { "Darwin" } else { "Linux" }.into(),
            "platform_machine" => self.machine.clone(),
            "platform_python_implementation" => "CPython".into(),
            "implementation_name" => "cpython".into(),
            _ => return None,
        })
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    Name(String),
    Text(String),
    Sign(String),
}

impl Word {
    fn operand(self) -> Option<Operand> {
        match self {
            Self::Name(name) => Some(Operand::Variable(name)),
            Self::Text(text) => Some(Operand::Text(text)),
            Self::Sign(_) => None,
        }
    }
}

fn words(text: &str) -> Option<Vec<Word>> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let take = |is: &dyn Fn(char) -> bool| rest.find(|c| !is(c)).unwrap_or(rest.len());
        let end = match first {
            '\'' | '"' => {
                let (inner, _) = rest.get(1..)?.split_once(first)?;
                words.push(Word::Text(inner.to_owned()));
                inner.len() + 2
            }
            '(' | ')' => {
                words.push(Word::Sign(first.into()));
                1
            }
            '<' | '>' | '=' | '!' | '~' => {
                let end = take(&|c| "<>=!~".contains(c));
                words.push(Word::Sign(rest.get(..end)?.to_owned()));
                end
            }
            first if first.is_ascii_alphabetic() => {
                let end = take(&|c| c.is_ascii_alphanumeric() || c == '_' || c == '.');
                words.push(Word::Name(rest.get(..end)?.replace('.', "_")));
                end
            }
            _ => return None,
        };
        rest = rest.get(end..)?.trim_start();
    }
    Some(words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> MarkerEnvironment {
        MarkerEnvironment {
            python: (3, 12, Some(1)),
            answered: BTreeMap::new(),
            machine: "x86_64".into(),
        }
    }

    #[test]
    fn a_requirement_is_read_in_all_its_forms() {
        for (text, name, version, admitted) in [
            ("a", "a", "1", true),
            ("A.b_c>=1,<2", "a-b-c", "1.5", true),
            ("a-b [x,y] (>=1.0)", "a-b", "0.9", false),
            ("a~=1.4.2", "a", "1.4.9", true),
            ("a==1.*", "a", "2.0", false),
            ("a @ git+https://h/r@v1;p#egg=x", "a", "9", true),
            ("a>=1.0 ; python_version > '3'", "a", "1.0rc1", false),
            ("a!=1.5", "a", "1.5.0", false),
        ] {
            let requirement = Requirement::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(requirement.name.as_str(), name);
            assert_eq!(requirement.admits(version), Some(admitted), "{text} {version}");
        }
        for text in ["", ">=1", "a>=", "a ; python_version >", "a ; nonsense", "a [x"] {
            assert_eq!(Requirement::parse(text), None, "{text}");
        }
        assert_eq!(Requirement::parse("a").unwrap().admits("no version"), None);
    }

    #[test]
    fn a_constraint_keeps_its_marker_and_has_no_extra() {
        for (text, constraint) in [
            ("a[x]>=1,<2", Some("a>=1, <2")),
            ("a<2 ; python_version >= '3.8'", Some("a<2 ; python_version >= '3.8'")),
            ("a<2 ; python_version >= '3.8' and extra == 'x'", None),
            ("a", None),
            ("a @ https://h/a.zip", None),
        ] {
            let read = Requirement::parse(text).unwrap().constraint();
            assert_eq!(read.as_deref(), constraint, "{text}");
        }
    }

    #[test]
    fn a_marker_holds_or_not_or_is_not_known() {
        for (marker, holds) in [
            ("python_version >= '3.10'", Some(true)),
            ("python_version < '3.9' or sys_platform != 'win32'", Some(true)),
            ("'3.9' > python_version", Some(false)),
            ("python_version >= '3.9' and python_version < '3.12'", Some(false)),
            ("python_full_version == '3.12.*'", Some(true)),
            ("extra == 'dev'", Some(false)),
            ("extra == 'dev' and platform_release > '5'", Some(false)),
            ("platform_release > '5'", None),
            (
                "(os_name == 'nt' or os.name == 'posix') and platform_machine in 'x86_64 arm64'",
                Some(true),
            ),
            ("implementation_name == 'cpython'", Some(true)),
            ("platform_python_implementation not in 'PyPy Jython'", Some(true)),
        ] {
            let requirement = Requirement::parse(&format!("a ; {marker}"));
            let requirement = requirement.unwrap_or_else(|| panic!("{marker}"));
            assert_eq!(requirement.applies(&environment()), holds, "{marker}");
        }
    }

    #[test]
    fn a_version_is_the_same_however_it_is_written() {
        assert!(is_same_version("1.0", "1.0.0") && is_same_version("1.0a1", "1.0.alpha1"));
        assert!(!is_same_version("1.0", "1.0.1") && is_same_version("odd", "odd"));
        assert!(is_same_version("1.0", "1.0+editable") && !is_same_version("1.0+a", "1.0+b"));
        assert_eq!(admits_python(">=3.11", (3, 12, None)), Some(true));
        assert_eq!(admits_python("<3.12", (3, 12, None)), Some(false));
    }
}
