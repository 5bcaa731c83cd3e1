//! What a host waits for at its start when everything is there: `ensure` and `activate`, each in turn with `/bin/true`.
//!
//! Limits: the sources are parts of one repository on this machine, and no environment is bound; all is in the page cache.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use crate::{
    contender::empty,
    local::{Local, Samples, middle, milliseconds, ratio, timed},
    measure::run,
    report::Table,
};

/// As many sources as Amplifier's default install has, and a thousand.
const SOURCES: [usize; 2] = [28, 1000];

/// Calls that find all sources there.
pub(crate) fn ensure(local: &Local<'_>) -> Result<String, String> {
    let mut table = Table::new(1, &["what", "ms, median [min..max]", "of /bin/true, paired"]);
    for sources in SOURCES {
        let (home, root) = (local.fresh("ensure")?, local.fresh("ensure-sources")?);
        repository(&root, sources)?;
        let list = list(&root, sources);
        call(local, &home, "ensure", &list)?;
        let mut samples = Samples::new();
        for _ in 0..local.rounds.max(9) {
            for name in ["ensure", "activate", "true"] {
                let wall = timed(|| match name {
                    "true" => run(&mut Command::new("/bin/true")).map(drop),
                    command => call(local, &home, command, &list),
                })?;
                samples.entry(name.to_owned()).or_default().push(wall);
            }
        }
        let least = middle(&samples, "true");
        for name in ["ensure", "activate", "true"] {
            let what = if name == "true" {
                "`/bin/true`".to_owned()
            } else {
                format!("`modstore {name}`, {sources} sources, all there")
            };
            let times = ratio(middle(&samples, name), least);
            table.row(vec![what, milliseconds(&samples, name), times]);
        }
        empty(&home)?;
        empty(&root)?;
    }
    Ok(table.to_string())
}

/// A repository with a directory for each source.
fn repository(root: &Path, sources: usize) -> Result<(), String> {
    for number in 0..sources {
        let directory = root.join(format!("p{number}"));
        fs::create_dir_all(&directory).map_err(|error| error.to_string())?;
        fs::write(directory.join("v"), number.to_string()).map_err(|error| error.to_string())?;
    }
    for arguments in [
        &["init", "-q", "-b", "main"][..],
        &["add", "."],
        &["-c", "user.name=b", "-c", "user.email=b@b", "commit", "-qm", "b"],
    ] {
        run(Command::new("git").arg("-C").arg(root).args(arguments))?;
    }
    Ok(())
}

fn list(root: &Path, sources: usize) -> String {
    let source = |number| {
        format!("{{\"source\":\"git+file://{}@main#subdirectory=p{number}\"}}", root.display())
    };
    let sources: Vec<String> = (0..sources).map(source).collect();
    format!("{{\"modules\":[{}]}}", sources.join(","))
}

fn call(local: &Local<'_>, home: &Path, command: &str, list: &str) -> Result<(), String> {
    let mut child = Command::new(local.modstore)
        .arg("--home")
        .arg(home)
        .args(["--json", command])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    let mut stdin = child.stdin.take().ok_or("it has no standard input")?;
    stdin.write_all(list.as_bytes()).map_err(|error| error.to_string())?;
    drop(stdin);
    let ended = child.wait().map_err(|error| error.to_string())?;
    if ended.success() { Ok(()) } else { Err(format!("`modstore {command}` ended with {ended}")) }
}
