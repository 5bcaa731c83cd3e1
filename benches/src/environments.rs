//! What it costs to tell what an environment's installs point at: in the process, and by the tools that list them.
//!
//! Limits: the distributions are made up and empty, and no import is tried; everything is in the page cache.

use std::collections::BTreeMap;
use std::fs;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use modstore_python::{PointerKind, Scan};
use modstore_testbed::PythonTools;

use crate::local::{Samples, middle, milliseconds, ratio};
use crate::measure::run;
use crate::report::Table;

const DISTRIBUTIONS: usize = 300;
const EDITABLES: usize = 20;
/// Of these, so many lead nowhere.
const DANGLING: usize = 2;

/// The way the editables' own metadata tells of them; what they import from is not looked at.
const METADATA: &str = "import importlib.metadata as m, json\n\
    found = [d.read_text('direct_url.json') for d in m.distributions()]\n\
    print(sum(1 for text in found if text and json.loads(text)['dir_info'].get('editable')))\n";

/// An environment of 300 distributions, 20 of them editable, two of which lead nowhere.
pub(crate) fn measure(place: &Path, modstore: &Path, rounds: usize) -> Result<String, String> {
    let Some(tools) = PythonTools::find() else {
        return Ok("uv is not in target/tools; tests/setup.sh fetches it.\n".to_owned());
    };
    let place = place.join("environment");
    crate::contender::empty(&place)?;
    let venv = place.join("venv");
    run(Command::new("python3").args(["-m", "venv", "--without-pip"]).arg(&venv))?;
    let site = site_of(&venv)?;
    fill(&place, &site).map_err(|error| format!("{}: {error}", site.display()))?;
    let python = venv.join("bin/python");
    let mut samples = Samples::new();
    for round in 0..=rounds {
        let mut take = |name: &str, work: &dyn Fn() -> Result<(), String>| {
            let start = Instant::now();
            work()?;
            let wall = start.elapsed().as_secs_f64();
            if round > 0 {
                samples.entry(name.to_owned()).or_default().push(wall);
            }
            Ok::<(), String>(())
        };
        // Its own cost is far below that of what stands beside it; so it is taken more often.
        for _ in 0..50 {
            take("check", &|| check(&site))?;
        }
        for _ in 0..5 {
            take("doctor", &|| doctor(modstore, &venv))?;
        }
        take("uv", &|| {
            let mut uv = Command::new(tools.uv());
            uv.args(["pip", "list", "--editable", "--offline", "--quiet", "--python"]).arg(&python);
            run(&mut uv).map(drop)
        })?;
        take("metadata", &|| run(Command::new(&python).args(["-c", METADATA])).map(drop))?;
        take("python", &|| run(Command::new(&python).args(["-c", "pass"])).map(drop))?;
    }
    crate::contender::empty(&place)?;
    Ok(table(&samples))
}

fn table(samples: &Samples) -> String {
    let mut table =
        Table::new(1, &["what", "ms, median [min..max]", "× of the check", "finds what dangles"]);
    for (name, what, finds) in [
        ("check", "the check, in the process (aim: below 1 ms)", "yes"),
        ("doctor", "`modstore doctor --quick`, as a process (aim: below 20 ms)", "yes"),
        ("uv", "`uv pip list --editable`", "no"),
        ("metadata", "Python with `importlib.metadata`", "no"),
        ("python", "Python that does nothing", ""),
    ] {
        table.row(vec![
            what.to_owned(),
            milliseconds(samples, name),
            ratio(middle(samples, name), middle(samples, "check")),
            finds.to_owned(),
        ]);
    }
    format!(
        "{DISTRIBUTIONS} distributions, {EDITABLES} editables: 14 by a `.pth`, 6 by a finder.\n\n{table}"
    )
}

/// Everything that points out of the site, and whether it leads anywhere.
fn check(site: &Path) -> Result<(), String> {
    let scan = Scan::of(site).map_err(|error| error.to_string())?;
    let followed = scan.pointers.iter().filter(|pointer| pointer.how != PointerKind::DirectUrl);
    let (there, gone): (Vec<_>, Vec<_>) = followed.partition(|pointer| pointer.target.exists());
    let found = (scan.distributions.len(), there.len() + gone.len(), gone.len());
    match black_box(found) == (DISTRIBUTIONS, EDITABLES, DANGLING) {
        true => Ok(()),
        false => Err(format!("the check found {found:?}, and {:?} in the way", scan.unparsed)),
    }
}

/// The same by the program, which ends with 1 because something leads nowhere.
fn doctor(modstore: &Path, venv: &Path) -> Result<(), String> {
    let mut doctor = Command::new(modstore);
    doctor.arg("--home").arg(venv.join("no-store")).args(["doctor", "--quick", "--python"]);
    let ended = doctor.arg(venv).output().map_err(|error| format!("doctor: {error}"))?;
    match ended.status.code() {
        Some(1) => Ok(()),
        other => Err(format!("doctor ended with {other:?}")),
    }
}

fn site_of(venv: &Path) -> Result<PathBuf, String> {
    let lib = fs::read_dir(venv.join("lib")).map_err(|error| error.to_string())?;
    let mut sites = lib.flatten().map(|child| child.path().join("site-packages"));
    sites.find(|site| site.is_dir()).ok_or_else(|| "the environment has no site".to_owned())
}

/// Writes what installers write, with the packages of the editables beside the environment.
fn fill(place: &Path, site: &Path) -> std::io::Result<()> {
    for number in 0..DISTRIBUTIONS {
        let name = format!("dist_{number:03}");
        let mut files = BTreeMap::new();
        let info = format!("{name}-1.0.dist-info");
        files.insert(
            format!("{info}/METADATA"),
            format!("Metadata-Version: 2.4\nName: {name}\nVersion: 1.0\n"),
        );
        files.insert(format!("{info}/WHEEL"), "Wheel-Version: 1.0\nTag: py3-none-any\n".to_owned());
        files.insert(format!("{info}/INSTALLER"), "uv".to_owned());
        if number < EDITABLES {
            let project = place.join(format!("projects/{name}"));
            if number >= DANGLING {
                let package = project.join(format!("src/{name}"));
                fs::create_dir_all(&package)?;
                // Where there is no code, a doctor finds a deletion and looks for the rest.
                fs::write(package.join("__init__.py"), "")?;
            }
            editable(number, &name, &project, &info, &mut files);
        } else {
            files.insert(format!("{name}/__init__.py"), String::new());
        }
        let record: String = files.keys().map(|path| format!("{path},sha256=x,1\n")).collect();
        files.insert(format!("{info}/RECORD"), record);
        for (path, text) in files {
            let path = site.join(path);
            fs::create_dir_all(path.parent().unwrap_or(site))?;
            fs::write(path, text)?;
        }
    }
    Ok(())
}

/// Of twenty, every third or so by a finder as setuptools writes it, the others by a line.
fn editable(
    number: usize,
    name: &str,
    project: &Path,
    info: &str,
    files: &mut BTreeMap<String, String>,
) {
    let at = project.display();
    let url = format!("{{\"url\":\"file://{at}\",\"dir_info\":{{\"editable\":true}}}}");
    files.insert(format!("{info}/direct_url.json"), url);
    if number % 3 == 2 {
        let finder = format!("__editable___{name}_1_0_finder");
        let text = format!(
            "import sys\n\nMAPPING: dict[str, str] = {{'{name}': '{at}/src/{name}'}}\nNAMESPACES: dict[str, list[str]] = {{}}\n\n\nclass _EditableFinder:\n    pass\n\n\ndef install():\n    pass\n"
        );
        files.insert(format!("{finder}.py"), text);
        files.insert(
            format!("__editable__.{name}-1.0.pth"),
            format!("import {finder}; {finder}.install()"),
        );
    } else {
        files.insert(format!("_editable_impl_{name}.pth"), format!("{at}/src"));
    }
}
