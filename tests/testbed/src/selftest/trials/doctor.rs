//! A broken Python environment.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::{Machine, Sandbox, Unproved, holds, run};
use crate::failure::LabError;

/// An editable install as pip and uv leave it, whose directory moves within a cache, as an update does it.
pub(super) fn broken(sandbox: &Sandbox<'_>, machine: &Machine) -> Result<Vec<String>, Unproved> {
    if !machine.has_python() {
        return Err(Unproved::Needs("python3"));
    }
    let environment = sandbox.path().join("environment");
    let site = make(&environment).map_err(LabError::cannot("make a Python environment"))?;
    let Some(site) = site else { return Err(Unproved::Needs("python3 with venv")) };
    let code = sandbox.path().join("cache/weather-1");
    install(&site, &code).map_err(LabError::cannot("write a Python package"))?;
    let arguments = ["doctor", "--python", &environment.display().to_string()];
    run(sandbox, &arguments, 0)?;
    fs::rename(&code, code.with_file_name("weather-2"))
        .map_err(LabError::cannot("move a directory"))?;
    let ran = run(sandbox, &arguments, 1)?;
    holds("it is found", ran.stdout.contains("D01 broken  weather"), || ran.stdout.clone())?;
    holds("and where it is now", ran.stdout.contains("cache/weather-2"), || ran.stdout.clone())?;
    Ok(ran.stdout.lines().take(4).map(str::to_owned).collect())
}

/// A virtual environment's site directory; none if this Python makes none.
fn make(environment: &Path) -> io::Result<Option<PathBuf>> {
    let mut command = Command::new("python3");
    command.args(["-m", "venv", "--without-pip"]).arg(environment);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if !command.status()?.success() {
        return Ok(None);
    }
    let versions = fs::read_dir(environment.join("lib"))?.flatten();
    let mut sites = versions.map(|version| version.path().join("site-packages"));
    Ok(sites.find(|site| site.is_dir()))
}

fn install(site: &Path, code: &Path) -> io::Result<()> {
    fs::create_dir_all(code.join("weather"))?;
    fs::write(code.join("weather/__init__.py"), "")?;
    let project = "[project]\nname = \"weather\"\nversion = \"1.0\"\n";
    fs::write(code.join("pyproject.toml"), project)?;
    let info = site.join("weather-1.0.dist-info");
    fs::create_dir(&info)?;
    fs::write(site.join("_editable_impl_weather.pth"), format!("{}\n", code.display()))?;
    fs::write(info.join("METADATA"), "Metadata-Version: 2.1\nName: weather\nVersion: 1.0\n")?;
    let url =
        format!("{{\"url\": \"file://{}\", \"dir_info\": {{\"editable\": true}}}}", code.display());
    fs::write(info.join("direct_url.json"), url)?;
    let files = ["METADATA", "direct_url.json", "RECORD"]
        .map(|name| format!("weather-1.0.dist-info/{name},,\n"));
    let record = ["_editable_impl_weather.pth,,\n".to_owned(), files.concat()].concat();
    fs::write(info.join("RECORD"), record)
}
