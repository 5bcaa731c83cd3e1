//! [`Declarations`]: what the user declared in `modules.toml`.
//!
//! Only reads; edits that keep a person's comments are in `declarations_edit`.

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    fmt,
    path::{Path, PathBuf},
    time::Duration,
};

use super::amounts;
use super::toml_fields::{self, Fields, Placed, TomlFault};
use super::written::redact;
use super::{
    BuildSpec, Contents, DeclaredProbe, Keep, ModuleName, ParseKeepError, ParseModuleNameError,
    ParseSourceError, Source, Transport,
};

/// The key for how old a commit must be.
const COOLDOWN: &str = "cooldown";

/// The key for groups of modules.
const GROUPS: &str = "groups";

/// The declared modules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Declarations {
    /// Each module once; no two names differ only in case.
    pub modules: BTreeMap<ModuleName, Declared>,
    /// Who speaks to HTTP servers, if that is written.
    pub transport: Option<Transport>,
    /// How old a commit must be before an update takes it, if that is written.
    pub cooldown: Option<Duration>,
    /// Names for several modules together. Whether those are declared is checked where a group is used.
    pub groups: BTreeMap<String, Vec<ModuleName>>,
}

/// What one module is declared to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Declared {
    /// Where it comes from.
    pub source: Source,
    /// The source as written, with its secrets replaced by `***`.
    pub text: String,
    /// The directory that stands in for the source for as long as it is written there.
    pub linked: Option<PathBuf>,
    /// How it is built, if it is.
    pub build: Option<BuildSpec>,
    /// What is imported of it to see that it works, if that is written.
    pub probe: Option<DeclaredProbe>,
    /// The paths that it may write to and that survive updates.
    pub keep: Keep,
    /// How old a commit of it must be, if that is written for it alone.
    pub cooldown: Option<Duration>,
}

/// `modules.toml` cannot be read. Nothing has been changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseDeclarationsError {
    /// The line, from 1.
    pub line: usize,
    /// The column, from 1, in characters.
    pub column: usize,
    /// What is wrong there; why a name or a source is bad is the source of this error.
    pub fault: Box<DeclarationFault>,
}

/// What is wrong in `modules.toml`. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeclarationFault {
    /// Not TOML, or not the keys and types it should have.
    #[error(transparent)]
    Toml(#[from] TomlFault),
    /// A name no module can have.
    #[error("expected the name of a module")]
    Name(#[source] ParseModuleNameError),
    /// A name no group can have: they are written as those of modules.
    #[error("expected the name of a group")]
    Group(#[source] ParseModuleNameError),
    /// A group with a name that no module can have.
    #[error("expected group `{group}` to have names of modules")]
    Member {
        /// The group.
        group: ModuleName,
        /// Why.
        source: ParseModuleNameError,
    },
    /// A source that does not parse.
    #[error("expected the source of module `{module}`")]
    Source {
        /// The module.
        module: ModuleName,
        /// Why, and where in the source.
        source: ParseSourceError,
    },
    /// A path to keep that cannot be one.
    #[error("expected `{pattern}` to be a path that module `{module}` keeps")]
    Keep {
        /// The module.
        module: ModuleName,
        /// The text.
        pattern: String,
        /// Why.
        source: ParseKeepError,
    },
    /// What is built has no files of upstream's that could be kept.
    #[error("module `{0}` is built, so it can keep nothing: `keep` and `build` exclude each other")]
    KeepAndBuild(ModuleName),
    /// On file systems that fold case the two would be one.
    #[error("`{name}` differs from `{other}` only in case")]
    SameButCase {
        /// The second of the two.
        name: ModuleName,
        /// The first of the two.
        other: ModuleName,
    },
}

// By hand, because the fault is part of this error's clause and only what lies below it is its source.
impl Error for ParseDeclarationsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.fault.source()
    }
}

impl fmt::Display for ParseDeclarationsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.fault)
    }
}

impl Declarations {
    /// Reads `modules.toml`. An empty text declares nothing. `base` and `home` are what `./` and `~/` in a
    /// source stand for.
    ///
    /// # Errors
    /// The first thing that is wrong, with its line and column.
    pub fn parse(
        text: &str,
        base: &Path,
        home: Option<&Path>,
    ) -> Result<Self, ParseDeclarationsError> {
        read(text, base, home).map_err(|placed| {
            let (line, column, fault) = toml_fields::located(text, placed);
            ParseDeclarationsError { line, column, fault: Box::new(fault) }
        })
    }

    /// What `name` is declared to be.
    #[must_use]
    pub fn get(&self, name: &ModuleName) -> Option<&Declared> {
        self.modules.get(name)
    }
}

impl Declared {
    /// Where it comes from now: the directory it is linked to, or its source.
    #[must_use]
    pub fn effective_source(&self) -> Source {
        self.linked.as_deref().map_or_else(|| self.source.clone(), Source::linked)
    }
}

fn read(
    text: &str,
    base: &Path,
    home: Option<&Path>,
) -> Result<Declarations, Placed<DeclarationFault>> {
    let document = toml_fields::document(text).map_err(in_toml)?;
    let root = Fields::root(&document);
    root.only(&["modules", "transport", COOLDOWN, GROUPS]).map_err(in_toml)?;
    let transport = match root.text("transport").map_err(in_toml)? {
        None => None,
        Some(text) => {
            let wrong = |_| in_toml(root.wrong("transport", "`auto` or `git`"));
            Some(text.parse().map_err(wrong)?)
        }
    };
    let cooldown = read_cooldown(root).map_err(in_toml)?;
    let modules = match root.table("modules").map_err(in_toml)? {
        Some(table) => read_modules(table, base, home)?,
        None => BTreeMap::new(),
    };
    let groups = read_groups(root)?;
    Ok(Declarations { modules, transport, cooldown, groups })
}

fn read_groups(
    root: Fields<'_>,
) -> Result<BTreeMap<String, Vec<ModuleName>>, Placed<DeclarationFault>> {
    let Some(table) = root.table(GROUPS).map_err(in_toml)? else { return Ok(BTreeMap::new()) };
    let mut groups = BTreeMap::new();
    for key in table.keys() {
        let group: ModuleName =
            key.parse().map_err(|error| (table.at(key), DeclarationFault::Group(error)))?;
        let wrong = |_| in_toml(table.wrong(key, "a list of names of modules"));
        let texts = table.texts(key).map_err(wrong)?.unwrap_or_default();
        let members = texts.iter().map(|text| text.parse()).collect::<Result<_, _>>();
        let members = members.map_err(|source| {
            (table.value_at(key), DeclarationFault::Member { group: group.clone(), source })
        })?;
        groups.insert(key.to_owned(), members);
    }
    Ok(groups)
}

fn read_modules(
    table: Fields<'_>,
    base: &Path,
    home: Option<&Path>,
) -> Result<BTreeMap<ModuleName, Declared>, Placed<DeclarationFault>> {
    let mut modules = BTreeMap::new();
    let mut folded = HashMap::new();
    for key in table.keys() {
        let name: ModuleName =
            key.parse().map_err(|error| (table.at(key), DeclarationFault::Name(error)))?;
        if let Some(other) = folded.insert(key.to_ascii_lowercase(), name.clone()) {
            return Err((table.at(key), DeclarationFault::SameButCase { name, other }));
        }
        let fields = table.table(key).map_err(in_toml)?.expect("the key was just listed");
        let declared = read_module(&name, fields, base, home)?;
        modules.insert(name, declared);
    }
    Ok(modules)
}

fn read_module(
    name: &ModuleName,
    fields: Fields<'_>,
    base: &Path,
    home: Option<&Path>,
) -> Result<Declared, Placed<DeclarationFault>> {
    fields
        .only(&["source", "linked", "submodules", "lfs", "build", "probe", Keep::KEY, COOLDOWN])
        .map_err(in_toml)?;
    let text =
        fields.text("source").and_then(|text| fields.required("source", text)).map_err(in_toml)?;
    let source = Source::parse(text, base, home).map_err(|source| {
        (fields.value_at("source"), DeclarationFault::Source { module: name.clone(), source })
    })?;
    let source = with_contents(source, fields).map_err(in_toml)?;
    let linked = match fields.text("linked").map_err(in_toml)? {
        None => None,
        Some(path) => match Source::parse(path, base, home) {
            Ok(Source::Linked(path)) => Some(path),
            _ => return Err(in_toml(fields.wrong("linked", "the path of a directory"))),
        },
    };
    let build = fields.table("build").and_then(|table| table.map(BuildSpec::read).transpose());
    let (build, probe) = (build.map_err(in_toml)?, DeclaredProbe::read(fields).map_err(in_toml)?);
    let keep = read_keep(name, fields, build.is_some())?;
    let cooldown = read_cooldown(fields).map_err(in_toml)?;
    Ok(Declared { source, text: redact(text).text, linked, build, probe, keep, cooldown })
}

fn read_cooldown(fields: Fields<'_>) -> Result<Option<Duration>, Placed<TomlFault>> {
    let Some(text) = fields.text(COOLDOWN)? else { return Ok(None) };
    let time = amounts::time(text);
    time.map(Some).ok_or_else(|| fields.wrong(COOLDOWN, "a time such as \"7d\", \"12h\" or \"0s\""))
}

fn read_keep(
    module: &ModuleName,
    fields: Fields<'_>,
    is_built: bool,
) -> Result<Keep, Placed<DeclarationFault>> {
    let texts = Keep::texts(fields).map_err(in_toml)?;
    let at = fields.value_at(Keep::KEY);
    let keep = Keep::parse(&texts).map_err(|(pattern, source)| {
        (at, DeclarationFault::Keep { module: module.clone(), pattern, source })
    })?;
    match is_built && !keep.is_empty() {
        true => Err((at, DeclarationFault::KeepAndBuild(module.clone()))),
        false => Ok(keep),
    }
}

/// The source with what the keys beside it say.
fn with_contents(mut source: Source, fields: Fields<'_>) -> Result<Source, Placed<TomlFault>> {
    match &mut source {
        Source::Git(git) => git.contents = Contents::read(fields, &git.contents)?,
        Source::Linked(_) | Source::Archive(_) => {
            let key = fields.keys().find(|key| Contents::KEYS.contains(key));
            if let Some(key) = key {
                return Err(fields.wrong(key, "left out: the source is no repository"));
            }
        }
    }
    Ok(source)
}

fn in_toml((at, fault): Placed<TomlFault>) -> Placed<DeclarationFault> {
    (at, fault.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESIGN: &str = r##"
[modules.provider-openai]
source = "git+https://github.com/microsoft/amplifier-module-provider-openai@main"

[modules.hooks-routing]
source = "git+https://github.com/microsoft/amplifier-bundle-routing-matrix@main#subdirectory=modules/hooks-routing"

[modules.my-fork]
source = "/home/me/src/my-fork"          # linked: live, never copied, updated or swept

[modules.weather]
source = "git+ssh://git@example.com/me/weather@v2"
[modules.weather.build]                   # every key but command has a default
command   = ["deno", "bundle", "main.ts", "out.js"]
output    = "."                          # the part of the scratch copy that becomes the entry
inputs    = ["**"]
env       = ["DENO_DIR"]
toolchain = ["deno", "--version"]
timeout   = "120s"
validate  = ["deno", "check", "out.js"]
"##;

    fn parse(text: &str) -> Result<Declarations, ParseDeclarationsError> {
        Declarations::parse(text, Path::new("/base"), Some(Path::new("/home/me")))
    }

    #[test]
    fn the_design_s_own_file_reads() {
        let declarations = parse(DESIGN).unwrap();
        let names: Vec<String> = declarations.modules.keys().map(ToString::to_string).collect();
        assert_eq!(names, ["hooks-routing", "my-fork", "provider-openai", "weather"]);
        let weather = declarations.get(&"weather".parse().unwrap()).unwrap();
        let build = weather.build.as_ref().unwrap();
        assert_eq!(build.command, ["deno", "bundle", "main.ts", "out.js"]);
        assert_eq!((build.output.as_ref(), build.timeout), (None, Duration::from_secs(120)));
        assert_eq!(weather.source.to_string(), weather.text);
        let fork = declarations.get(&"my-fork".parse().unwrap()).unwrap();
        assert_eq!(fork.source, Source::linked(Path::new("/home/me/src/my-fork")));
    }

    #[test]
    fn every_way_to_write_a_table_declares_the_same() {
        let written = "[modules.a]\nsource = \"./x\"\n";
        for other in [
            "modules.a.source = \"./x\"",
            "modules.a = { source = \"./x\" }",
            "modules = { a = { source = './x' } }",
            "[modules]\na.source = \"./x\"",
            "[modules.\"a\"]\r\nsource = \"./x\"\r\n",
        ] {
            assert_eq!(parse(other), parse(written), "{other}");
        }
        for nothing in ["", "# a comment", "[modules]"] {
            assert_eq!(parse(nothing), Ok(Declarations::default()));
        }
    }

    #[test]
    fn who_speaks_to_servers_stands_before_the_modules() {
        let transport = |text| parse(text).map(|declared| declared.transport);
        assert_eq!(transport("transport = 'git'\n[modules]"), Ok(Some(Transport::Git)));
        assert_eq!(transport("transport = 'auto'"), Ok(Some(Transport::Auto)));
        assert_eq!(transport(""), Ok(None));
    }

    #[test]
    fn a_group_has_names_of_modules_and_any_other_thing_is_refused_by_its_place() {
        let groups = |text: &str| parse(text).map(|declared| declared.groups);
        let read = groups("[groups]\nai = ['a', 'b']\nnone = []").unwrap();
        let of = |name: &str| read.get(name).unwrap().iter().map(ModuleName::as_str).collect();
        assert_eq!((of("ai"), of("none")), (vec!["a", "b"], Vec::<&str>::new()));
        for (text, line, column, says) in [
            ("groups = 1", 1, 10, "expected `groups` to be a table"),
            ("[groups]\nai = 'a'", 2, 6, "expected `ai` to be a list of names of modules"),
            ("[groups]\nai = [1]", 2, 6, "expected `ai` to be a list of names of modules"),
            ("[groups]\nai = ['../a']", 2, 6, "expected group `ai` to have names of modules"),
            ("[groups]\n'a/b' = []", 2, 1, "expected the name of a group"),
            ("[group]\nai = []", 1, 2, "did you mean `groups`?"),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
            assert!(error.to_string().contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn a_cooldown_stands_before_the_modules_or_in_one_of_them() {
        let text = "cooldown = '7d'\n[modules.a]\nsource = '/x'\n[modules.b]\nsource = '/y'\ncooldown = '0s'";
        let declared = parse(text).unwrap();
        let of = |name: &str| declared.get(&name.parse().unwrap()).unwrap().cooldown;
        assert_eq!(declared.cooldown, Some(Duration::from_secs(7 * 86_400)));
        assert_eq!((of("a"), of("b")), (None, Some(Duration::ZERO)));
        for (text, line, column) in [
            ("cooldown = 7", 1, 12),
            ("cooldown = '7'", 1, 12),
            ("cooldown = '1w'", 1, 12),
            ("[modules.a]\nsource = '/x'\ncooldown = '-1d'", 3, 12),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!((error.line, error.column), (line, column), "{text}: {error}");
            assert!(error.to_string().contains("expected `cooldown` to be a"), "{error}");
        }
        let slip = parse("coldown = '7d'").unwrap_err().to_string();
        assert!(slip.contains("did you mean `cooldown`?"), "{slip}");
    }

    #[test]
    fn a_probe_says_what_is_imported_and_anything_else_is_refused_by_its_key() {
        let probe = |value: &str| {
            let text = format!("[modules.a]\nsource = '/x'\nprobe = {value}");
            parse(&text).map(|declared| declared.get(&"a".parse().unwrap()).unwrap().probe.clone())
        };
        let imports = |names: &[&str]| {
            let names = names.iter().map(|name| (*name).to_owned()).collect();
            Some(DeclaredProbe::Imports(names))
        };
        assert_eq!(probe("false").unwrap(), Some(DeclaredProbe::Nothing));
        assert_eq!(probe("true").unwrap(), None);
        assert_eq!(probe("['import a.b', ' import  _c ']").unwrap(), imports(&["_c", "a.b"]));
        for bad in [
            "1",
            "'import a'",
            "[]",
            "['a']",
            "['import a, b']",
            "['import a; x()']",
            "[false]",
            "['import 1a']",
            "['from a import b']",
            "['import ']",
        ] {
            let error = probe(bad).unwrap_err();
            assert_eq!((error.line, error.column), (3, 9), "{bad}: {error}");
            assert!(
                error.to_string().contains("expected `probe` to be false, or a list like"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_linked_directory_stands_in_for_the_source() {
        let text = "[modules.a]\nsource = 'git+https://h/r'\nlinked = './x'";
        let declared = parse(text).unwrap().modules.pop_first().unwrap().1;
        assert_eq!(declared.effective_source(), Source::linked(Path::new("/base/x")));
        assert!(parse("[modules.a]\nsource = './y'\nlinked = 'git+https://h/r'").is_err());
    }

    #[test]
    fn what_is_wanted_beyond_the_tree_is_said_beside_the_source_or_in_it() {
        let read = |rest: &str| {
            let text = format!("[modules.a]\nsource = 'git+https://h/r'\n{rest}");
            parse(&text).map(|mut read| read.modules.pop_first().unwrap().1.source.to_string())
        };
        for (rest, fragment) in [
            ("", ""),
            ("submodules = true\nlfs = false", ""),
            ("submodules = false", "#submodules=false"),
            ("submodules = []", "#submodules=false"),
            ("submodules = ['b', 'vendor/a/', 'b']", "#submodules=b,vendor/a"),
            ("lfs = true", "#lfs=true"),
            ("linked = '/x'\nlfs = true", "#lfs=true"),
        ] {
            assert_eq!(read(rest), Ok(format!("git+https://h/r{fragment}")), "{rest}");
        }
        let agreeing = "[modules.a]\nsource='git+https://h/r#lfs=true'\nlfs=true";
        assert!(parse(agreeing).is_ok());
        for (text, line, message) in [
            ("[modules.a]\nsource='git+https://h/r'\nsubmodules='a'", 3, "expected `submodules`"),
            ("[modules.a]\nsource='git+https://h/r'\nsubmodules=['../a']", 3, "without `..`"),
            ("[modules.a]\nsource='git+https://h/r'\nlfs=1", 3, "expected `lfs` to be true or"),
            ("[modules.a]\nsource='git+https://h/r#lfs=true'\nlfs=false", 3, "the source says"),
            (
                "[modules.a]\nsource='git+https://h/r#submodules=a'\nsubmodules=['b']",
                3,
                "the source says",
            ),
            ("[modules.a]\nsource='/x'\nsubmodules=true", 3, "no repository"),
        ] {
            let error = parse(text).expect_err(text);
            assert_eq!(error.line, line, "{text}");
            assert!(error.to_string().contains(message), "{text}: {error}");
        }
    }

    #[test]
    fn a_path_to_keep_that_cannot_be_one_is_named_with_its_place_and_reason() {
        let keep = |rest: &str| parse(&format!("[modules.a]\nsource = '/x'\n{rest}"));
        let declared = keep("keep = ['user/**', 'a.json', 'user/']").unwrap();
        let patterns = declared.get(&"a".parse().unwrap()).unwrap().keep.clone();
        let texts: Vec<String> = patterns.patterns().iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["user/**", "a.json"]);
        for (rest, says, why) in [
            ("keep = 'user'", "expected `keep` to be a list", ""),
            ("keep = [1]", "expected `keep` to be a list", ""),
            ("keep = ['../x']", "expected `../x` to be a path that module `a` keeps", "`..`"),
            ("keep = ['/x']", "expected `/x` to be a path", "begin with `/`"),
            ("keep = ['user']\nbuild.command = ['make']", "exclude each other", ""),
        ] {
            let error = keep(rest).expect_err(rest);
            assert_eq!((error.line, error.column), (3, 8), "{rest}");
            let cause = Error::source(&error).map(ToString::to_string).unwrap_or_default();
            assert!(error.to_string().contains(says) && cause.contains(why), "{error}: {cause}");
        }
    }

    #[test]
    fn a_build_needs_only_a_command() {
        let text = "[modules.a]\nsource = './x'\nbuild.command = ['make']";
        let (_, declared) = parse(text).unwrap().modules.pop_first().unwrap();
        let build = declared.build.unwrap();
        let BuildSpec { command, output, each, inputs, env, toolchain, timeout, depfile, validate } =
            build;
        assert!(each.is_empty());
        assert_eq!((command, inputs, env), (vec!["make".into()], vec!["**".into()], vec![]));
        assert_eq!((output, toolchain, depfile, validate), (None, None, None, None));
        assert_eq!(timeout, BuildSpec::DEFAULT_TIMEOUT);
    }

    #[test]
    fn a_build_for_each_of_several_files_names_them_and_has_an_output() {
        let each = |rest: &str| {
            let text = format!("[modules.a]\nsource='/x'\nbuild={{command=['make'],{rest}}}");
            parse(&text).map(|mut read| read.modules.pop_first().unwrap().1.build.unwrap().each)
        };
        assert_eq!(each("output='out',each='m/*.ts'").unwrap(), ["m/*.ts"]);
        let list = each("output='out',each=['m/*.ts','!m/_*']").unwrap();
        assert_eq!(list, ["m/*.ts", "!m/_*"]);
        for (rest, says) in [
            ("each='m/*.ts'", "together with an `output`"),
            ("each='m/*.ts',output='.'", "together with an `output`"),
            ("each='',output='o'", "a glob"),
            ("each=[],output='o'", "a glob"),
            ("each=['!a'],output='o'", "a glob"),
            ("each=1,output='o'", "expected `each`"),
        ] {
            let error = each(rest).expect_err(rest);
            assert!(error.to_string().contains(says) && error.line == 3, "{rest}: {error}");
        }
    }

    #[test]
    fn what_is_wrong_is_found_with_line_and_column() {
        let table = [
            ("[modules.a", 1, 11, ""),
            ("x = 1", 1, 1, "unknown key `x`"),
            ("transport = 'curl'", 1, 13, "expected `transport` to be `auto` or `git`"),
            ("[module.a]\nsource='/x'", 1, 2, "unknown key `module`, did you mean `modules`?"),
            ("modules = 1", 1, 11, "expected `modules` to be a table"),
            ("[modules]\na = 1", 2, 5, "expected `a` to be a table"),
            ("[[modules.a]]\nsource='/x'", 1, 1, "expected `a` to be a table"),
            ("\n[modules.a]\n", 2, 10, "expected a `source`"),
            ("[modules.a]\nsorce = '/x'", 2, 1, "unknown key `sorce`, did you mean `source`?"),
            ("[modules.a]\nsource='/x'\nzzz = 1", 3, 1, "unknown key `zzz`"),
            ("[modules.a]\nsource = 1", 2, 10, "expected `source` to be a string"),
            ("[modules.a]\nsource = 'x'", 2, 10, "expected the source of module `a`"),
            ("[modules.\"a/b\"]\nsource='/x'", 1, 10, "expected the name of a module"),
            ("[modules.a]\nsource='/x'\n[modules.a]\nsource='/y'", 3, 10, "duplicate key"),
            ("[modules.a]\nsource='/x'\nsource='/y'", 3, 1, "duplicate key"),
            (
                "[modules.a]\nsource='/x'\n[modules.A]\nsource='/y'",
                3,
                10,
                "`A` differs from `a` only",
            ),
            ("[modules.a]\nsource='/x'\n[modules.a.build]", 3, 12, "expected a `command`"),
            (
                "[modules.a]\nsource='/x'\nbuild.command=[]",
                3,
                15,
                "expected `command` to be a program",
            ),
            (
                "[modules.a]\nsource='/x'\nbuild.command=['']",
                3,
                15,
                "expected `command` to be a program",
            ),
            (
                "[modules.a]\nsource='/x'\nbuild={command=['x'],timeout=3}",
                3,
                30,
                "expected `timeout`",
            ),
            (
                "[modules.a]\nsource='/x'\nbuild={command=['x'],timeout='3'}",
                3,
                30,
                "expected `timeout`",
            ),
            (
                "[modules.a]\nsource='/x'\nbuild={command=['x'],output='..'}",
                3,
                29,
                "expected `output`",
            ),
            (
                "[modules.a]\nsource='/x'\nbuild={command=['x'],env=['A=b']}",
                3,
                26,
                "expected `env`",
            ),
            (
                "[modules.a]\nsource='/x'\nbuild={command=['x'],envs=[]}",
                3,
                22,
                "unknown key `envs`",
            ),
        ];
        for (text, line, column, message) in table {
            let error = parse(text).expect_err(text);
            assert_eq!((error.line, error.column), (line, column), "{text:?}: {error}");
            assert!(error.to_string().contains(message), "{text:?}: {error}");
        }
    }

    #[test]
    fn no_error_and_no_debug_output_holds_a_secret() {
        for text in [
            "[modules.a]\nsource = 'git+https://u:s3cr3t@h/r'",
            "[modules.a]\nsource = 'https://u:s3cr3t@h/r'",
            "[modules.a]\nsource = 'git+https://u:s3cr3t@h/r",
            "[modules.a]\nsource = git+https://u:s3cr3t@h/r",
            "[modules.a]\nsource = 'git+https://u:s3cr3t@h/r'\n[modules.a]",
        ] {
            let parsed = parse(text);
            let chain = parsed.as_ref().err().and_then(Error::source).map(ToString::to_string);
            let shown =
                format!("{parsed:?} {chain:?} {:?}", parsed.as_ref().map_err(ToString::to_string));
            assert!(!shown.contains("s3cr3t"), "{shown}");
        }
    }
}
