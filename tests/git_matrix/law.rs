//! The law, for one cell: git succeeds exactly where modstore does, with the same files; where both fail, the code says what
//! git says.
//!
//! Limits: of the words of modstore only the code and the class are judged.

use std::{collections::BTreeMap, fs, process::Command};

use modstore_testbed::{Item, Ran, Running, TestHome, listing};

use crate::{cell::Cell, surroundings::Surroundings, world::World};

/// What git says when it fails, and which codes say the same. The first that fits counts.
const WORDS: [(&str, &[&str]); 20] = [
    ("not our ref", &["no-such-commit"]),
    ("Authentication failed", &["authentication"]),
    ("could not read Username", &["authentication"]),
    ("could not read Password", &["authentication"]),
    ("Permission denied (publickey)", &["authentication"]),
    ("returned error: 403", &["authentication"]),
    ("response 407", &["proxy"]),
    ("returned error: 407", &["proxy"]),
    ("Proxy Authentication", &["proxy"]),
    ("Host key verification failed", &["untrusted"]),
    ("SSL", &["untrusted"]),
    ("certificate", &["untrusted"]),
    ("not allowed", &["source", "protocol"]),
    ("unable to update url base from redirection", &["protocol"]),
    ("returned error: 302", &["protocol", "server"]),
    ("not exported", &["no-such-repository"]),
    ("does not appear to be a git repository", &["no-such-repository"]),
    ("does not exist", &["no-such-repository"]),
    ("not found", &["no-such-repository"]),
    ("onnect", &["connection", "proxy"]),
];

/// The codes of a reference that git has not.
const REFERENCE: &[&str] = &["no-such-reference", "no-such-commit", "protocol"];

/// The codes of a server that does not take a client's certificate: whether TLS's own words or the end of the connection is
/// seen first is chance, for git too, and git may have seen the other one.
const CLIENT_REFUSED: &[&str] = &["connection", "untrusted", "authentication"];

/// Git's answer to a cell.
struct Oracle {
    cloned: bool,
    /// None if a clone or the checkout failed.
    tree: Option<BTreeMap<String, Item>>,
    said: String,
}

/// Runs a cell; whether both succeeded, or what is wrong.
pub(crate) fn holds(world: &World, cell: Cell) -> Result<bool, String> {
    if cell.is_ssh() && world.ssh.is_none() {
        return Ok(false);
    }
    let program = std::env::var("MODSTORE_BINARY")
        .unwrap_or_else(|_| env!("CARGO_BIN_EXE_modstore").to_owned());
    let mut home = TestHome::in_memory(program);
    home.env("GIT_TERMINAL_PROMPT", "0");
    let set = Surroundings::of(cell, world, &home);
    for (name, value) in &set.variables {
        home.env(name, value);
    }
    set.write(&home);
    let git = ask_git(&home, &set);
    set.write(&home);
    let source = [source(&set.url), set.reference.clone()].join(if set.reference.is_empty() {
        ""
    } else {
        "@"
    });
    let ran = home.run(&["add", "--json", &source, "--name", "m"]);
    judge(cell, &git, &ran, &home).map_err(|wrong| {
        let Surroundings { config, variables, .. } = &set;
        format!(
            "WRONG {cell}: {wrong}\n  again: MODSTORE_GIT_MATRIX='{cell}'\n  git clone {}, then {:?}; {variables:?}\n{config}\
             --- git said\n{}\n--- modstore\n{ran:?}",
            set.url, set.reference, git.said
        )
    })
}

/// The address as a source: the short form of ssh is one already.
fn source(url: &str) -> String {
    if url.contains("://") { format!("git+{url}") } else { url.to_owned() }
}

fn ask_git(home: &TestHome, set: &Surroundings) -> Oracle {
    let place = home.scratch().join("clone");
    let clone = place.to_str().unwrap();
    let git = |args: &[&str]| -> Ran {
        let mut git: Command = home.command_of("git".as_ref(), args);
        git.env("GIT_ADVICE", "0");
        Running::start(git).wait()
    };
    let cloned = git(&["clone", "-q", "--no-checkout", &set.url, clone]);
    if cloned.status != 0 {
        return Oracle { cloned: false, tree: None, said: cloned.stderr };
    }
    let name = set.reference.as_str();
    let is_id = name.len() == 40;
    let detached = ["-C", clone, "checkout", "-q", "--detach"];
    let forms = match name {
        "" => vec!["HEAD".to_owned()],
        name if is_id => vec![name.to_owned()],
        name => vec![format!("refs/remotes/origin/{name}"), format!("refs/tags/{name}")],
    };
    let mut said = String::new();
    for form in forms {
        let ran = git(&[&detached[..], &[&form]].concat());
        if ran.status == 0 {
            return Oracle { cloned: true, tree: Some(files(&place)), said };
        }
        said.push_str(&ran.stderr);
    }
    if is_id && git(&["-C", clone, "fetch", "-q", "origin", name]).status == 0 {
        let ran = git(&[&detached[..], &["FETCH_HEAD"]].concat());
        let tree = (ran.status == 0).then(|| files(&place));
        return Oracle { cloned: true, tree, said: said + &ran.stderr };
    }
    Oracle { cloned: true, tree: None, said }
}

/// A checkout without what git keeps beside it.
fn files(place: &std::path::Path) -> BTreeMap<String, Item> {
    fs::remove_dir_all(place.join(".git")).unwrap();
    listing(place)
}

fn judge(cell: Cell, git: &Oracle, ran: &Ran, home: &TestHome) -> Result<bool, String> {
    match &git.tree {
        None if cell.is_good() => Err("git fails where it has to succeed".to_owned()),
        Some(tree) if ran.status == 0 => {
            let ours = home.tree("m");
            if ours == *tree {
                Ok(true)
            } else {
                Err(format!("git has {tree:?}, modstore {ours:?}"))
            }
        }
        Some(_) => Err("git succeeds and modstore fails".to_owned()),
        None if ran.status == 0 => Err("git fails and modstore succeeds".to_owned()),
        None => {
            let (class, code) = failure(ran)?;
            is_sensible(cell, git, &class, &code).map(|()| false)
        }
    }
}

/// Class and code of a failed `add`.
fn failure(ran: &Ran) -> Result<(String, String), String> {
    let answer: serde_json::Value =
        serde_json::from_str(&ran.stdout).map_err(|error| format!("no JSON: {error}"))?;
    let failed = &answer["update"]["failed"][0];
    let text = |key: &str| failed[key].as_str().map(str::to_owned);
    text("class").zip(text("code")).ok_or_else(|| "no class and code".to_owned())
}

fn is_sensible(cell: Cell, git: &Oracle, class: &str, code: &str) -> Result<(), String> {
    let words = || {
        let fits = |(words, _): &&(&str, &[&str])| git.said.contains(words);
        WORDS.iter().find(fits).map(|(_, codes)| *codes)
    };
    let codes = match git.cloned {
        true => Some(REFERENCE),
        false if cell.client_is_refused() => Some(CLIENT_REFUSED),
        false => words(),
    };
    let Some(codes) = codes else { return Err("git's words are not in the table".to_owned()) };
    if !codes.contains(&code) {
        return Err(format!("the code is {code}, and git's words ask for one of {codes:?}"));
    }
    let may_pass = ["connection", "proxy"].contains(&code);
    if class == "permanent" || may_pass { Ok(()) } else { Err(format!("{code} is {class}")) }
}
