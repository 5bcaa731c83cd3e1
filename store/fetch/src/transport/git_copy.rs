//! A copy that git makes, where nothing else will do: of a server that speaks git over HTTP in version 0 only, or not at
//! all (the "dumb" protocol), and of a bundle.
//!
//! git lists the refs, fetches those that are asked for into a repository of the system's temporary directory, and that is
//! served to us by `git upload-pack`. So refs are resolved, packs received and objects checked as from any other server.
//!
//! Limits: the copy is made again for each fetch; a dumb server gives the history too. Its size is limited by
//! [`Limits::copy`](crate::limits::Limits::copy), and the memory of git by
//! [`Limits::git_memory`](crate::limits::Limits::git_memory), where the system has such a limit.

use std::{
    any::Any,
    env,
    ffi::OsString,
    fs::{self, DirBuilder},
    io::{self, BufReader, Cursor, Read, Write},
    os::unix::ffi::OsStringExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use gix_transport::client::blocking_io::http::{
    GetResponse, Http, PostBodyDataKind, PostResponse, Transport as OverHttp,
};
use tempfile::TempDir;

use super::{
    git_config::{GitConfig, RemoteUrl, minimal_repository},
    git_helper::{git_for, needed},
    git_words::fault_from_git,
    process::{Grouping, ProcessInput, ProcessOutput, ServerProcess, local_path},
    refusal::Moment,
    watch::Watch,
};
use crate::{
    errors::{ConnectError, TransferError, TransportError},
    limits::Limits,
};

/// How often a running git is looked at, and how often the size of its copy.
const TICK: Duration = Duration::from_millis(20);
const MEASURE: Duration = Duration::from_millis(500);
/// How long a program that has closed its output may take to end.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// What `git upload-pack` can do, in each version of git that has it.
const CAPABILITIES: &str = "multi_ack thin-pack side-band side-band-64k ofs-delta shallow no-progress include-tag \
                            multi_ack_detailed agent=git/copy";

/// gix's HTTP transport, answered from a copy.
pub(crate) fn transport(copy: CopyClient) -> OverHttp<CopyClient> {
    let url = copy.0.remote.url.clone();
    OverHttp::new_http(copy, url, gix_transport::Protocol::V1, false)
}

/// Answers for a server, with what git fetches from it.
pub(crate) struct CopyClient(Arc<Copying>);

/// What is fetched, and how.
struct Copying {
    config: Arc<GitConfig>,
    remote: RemoteUrl,
    reason: String,
    most: Most,
    watch: Arc<Watch>,
    /// The ids and names of the refs.
    refs: Mutex<Vec<(String, String)>>,
}

/// What a copy may cost, in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Most {
    pub disk: u64,
    pub memory: u64,
}

impl From<&Limits> for Most {
    fn from(limits: &Limits) -> Self {
        Self { disk: limits.copy, memory: limits.git_memory }
    }
}

impl CopyClient {
    /// `reason` says why git is needed.
    pub(crate) fn new(
        config: &Arc<GitConfig>,
        remote: &RemoteUrl,
        reason: &str,
        most: Most,
        watch: &Arc<Watch>,
    ) -> Self {
        Self(Arc::new(Copying {
            config: Arc::clone(config),
            remote: remote.clone(),
            reason: reason.to_owned(),
            most,
            watch: Arc::clone(watch),
            refs: Mutex::default(),
        }))
    }
}

impl Http for CopyClient {
    type Headers = Cursor<Vec<u8>>;
    type ResponseBody = BufReader<CopyAnswer>;
    type PostBody = CopyRequest;

    fn get(
        &mut self,
        _url: &str,
        _base_url: &str,
        _headers: impl IntoIterator<Item = impl AsRef<str>>,
    ) -> gix::Result<GetResponse<Self::Headers, Self::ResponseBody>> {
        let state = match self.0.listing() {
            Ok(listing) => CopyState::Whole(Cursor::new(listing)),
            Err(error) => CopyState::Failed(Some(self.0.watch.fail(error))),
        };
        Ok(GetResponse {
            headers: content_type("advertisement"),
            body: BufReader::new(CopyAnswer { copying: Arc::clone(&self.0), state: shared(state) }),
        })
    }

    fn post(
        &mut self,
        _url: &str,
        _base_url: &str,
        _headers: impl IntoIterator<Item = impl AsRef<str>>,
        _kind: PostBodyDataKind,
    ) -> gix::Result<PostResponse<Self::Headers, Self::ResponseBody, Self::PostBody>> {
        let state = shared(CopyState::Asking(Vec::new()));
        let answer = CopyAnswer { copying: Arc::clone(&self.0), state: Arc::clone(&state) };
        Ok(PostResponse {
            post_body: CopyRequest(state),
            headers: content_type("result"),
            body: BufReader::with_capacity(64 * 1024, answer),
        })
    }

    fn configure(&mut self, _config: &dyn Any) -> gix::Result<()> {
        Ok(())
    }
}

fn content_type(kind: &str) -> Cursor<Vec<u8>> {
    Cursor::new(format!("content-type: application/x-git-upload-pack-{kind}\n").into_bytes())
}

/// A question that is being written, or its answer that is being read.
enum CopyState {
    Asking(Vec<u8>),
    Whole(Cursor<Vec<u8>>),
    Serving { output: ProcessOutput, _program: ServerProcess, _place: TempDir },
    Failed(Option<io::Error>),
}

fn shared(state: CopyState) -> Arc<Mutex<CopyState>> {
    Arc::new(Mutex::new(state))
}

/// The writing side.
pub(crate) struct CopyRequest(Arc<Mutex<CopyState>>);

impl Write for CopyRequest {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            CopyState::Asking(body) => body.write(buf),
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The reading side. The copy is made when it is first read from.
pub(crate) struct CopyAnswer {
    copying: Arc<Copying>,
    state: Arc<Mutex<CopyState>>,
}

impl Read for CopyAnswer {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let CopyState::Asking(request) = &mut *state {
            let request = std::mem::take(request);
            *state = match self.copying.answer(&request) {
                Ok(serving) => serving,
                Err(error) => CopyState::Failed(Some(self.copying.watch.fail(error))),
            };
        }
        match &mut *state {
            CopyState::Whole(bytes) => bytes.read(buf),
            CopyState::Serving { output, .. } => output.read(buf),
            CopyState::Failed(error) => error.take().map_or(Ok(0), Err),
            CopyState::Asking(_) => Ok(0),
        }
    }
}

impl Copying {
    /// The first answer of a server in version 0, made of what git lists.
    fn listing(&self) -> Result<Vec<u8>, TransportError> {
        let mut command = git_for(&self.config, &self.remote);
        command.args(["ls-remote", "--symref", "--"]).arg(self.url());
        let (mut program, mut output, input) = self.start(command)?;
        drop(input);
        self.watch.counters.request();
        let mut list = String::new();
        let read = output.read_to_string(&mut list);
        self.end_of(&mut program, read.map(drop))?;
        let (symrefs, refs): (Vec<&str>, Vec<&str>) =
            list.lines().partition(|line| line.starts_with("ref: "));
        let head =
            symrefs.iter().find_map(|line| line.strip_prefix("ref: ")?.strip_suffix("\tHEAD"));
        let refs: Vec<(String, String)> = refs
            .iter()
            .filter_map(|line| line.split_once('\t'))
            .map(|(id, name)| (id.to_owned(), name.to_owned()))
            .collect();
        let answer = advertisement(&refs, head);
        *self.refs.lock().unwrap_or_else(PoisonError::into_inner) = refs;
        Ok(answer)
    }

    /// Copies what `request` wants, and lets git answer it from there.
    fn answer(&self, request: &[u8]) -> Result<CopyState, TransportError> {
        let place = self.copy(request)?;
        let mut command = Command::new("git");
        command.args([
            "-c",
            "uploadpack.allowAnySHA1InWant=true",
            "upload-pack",
            "--stateless-rpc",
        ]);
        command.arg(place.path()).env_remove("GIT_PROTOCOL");
        let command = within(self.most.memory, command);
        let (program, output, mut input) = ServerProcess::start(command, "git", true, &self.watch)?;
        input.write_all(request).and_then(|()| input.flush()).map_err(|error| {
            let dropped = TransferError::Dropped { source: Some(error.to_string().into()) };
            self.watch
                .take_error()
                .unwrap_or_else(|| program.stderr().meaning(dropped, Moment::Asked))
        })?;
        Ok(CopyState::Serving { output, _program: program, _place: place })
    }

    fn copy(&self, request: &[u8]) -> Result<TempDir, TransportError> {
        let place = repository_of_our_own()?;
        let refs = self.refs.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let wanted = refspecs(&refs, request);
        // A request without a depth is for the history.
        let mut alone = request.windows(7).any(|part| part == b"deepen ");
        let mut fetched = self.fetch(place.path(), &wanted, alone)?;
        if alone && fetched.as_ref().is_err_and(|said| said.contains("shallow")) {
            // A dumb server has files only, and no part of a history.
            alone = false;
            fetched = self.fetch(place.path(), &wanted, alone)?;
        }
        if fetched.as_ref().is_err_and(|said| is_drop(&self.meaning(said))) {
            // Plain files take many requests, and git gives up at the first that is dropped. What it has stays.
            fetched = self.fetch(place.path(), &wanted, alone)?;
        }
        fetched.map(|()| place).map_err(|said| self.meaning(&said))
    }

    /// What a git meant that failed to make a copy.
    fn meaning(&self, said: &str) -> TransportError {
        if MEMORY_IS_USED_UP.iter().any(|words| said.contains(words)) {
            return TransferError::GitMemory(self.most.memory).into();
        }
        fault_from_git(said, TransferError::Dropped { source: None }, Moment::Asked)
    }

    /// Lets git fetch into `place`; what it said, if it failed.
    fn fetch(
        &self,
        place: &Path,
        refspecs: &str,
        alone: bool,
    ) -> Result<Result<(), String>, TransportError> {
        let mut command = git_for(&self.config, &self.remote);
        command.env("GIT_DIR", place);
        command.args(["-c", "core.hooksPath=/dev/null", "-c", "fetch.writeCommitGraph=false"]);
        command.args(["fetch", "-q", "--no-tags", "--no-write-fetch-head", "--no-auto-gc"]);
        command.args(["--no-recurse-submodules", "--update-shallow", "--no-prune"]);
        command.args(alone.then_some("--depth=1")).args(["--stdin", "--"]).arg(self.url());
        let (mut program, _output, mut input) = self.start(command)?;
        self.watch.counters.request();
        let written = input.write_all(refspecs.as_bytes());
        drop(input);
        let status = self.attend(&mut program, place)?;
        let stderr = program.stderr();
        Ok(match written {
            Ok(()) if status.success() => Ok(()),
            _ => Err(stderr.last_words()),
        })
    }

    /// Waits for a program that fills `place`. What it adds there is what is useful of it.
    fn attend(
        &self,
        program: &mut ServerProcess,
        place: &Path,
    ) -> Result<ExitStatus, TransportError> {
        let failed = |error: io::Error| {
            let dropped = TransferError::Dropped { source: Some(error.to_string().into()) };
            self.watch.take_error().unwrap_or_else(|| dropped.into())
        };
        let mut size = 0;
        let mut measured = Instant::now();
        loop {
            if let Some(status) = program.ended().map_err(failed)? {
                self.measure(size_of(place))?;
                return Ok(status);
            }
            self.watch.check_cancelled().and_then(|()| self.watch.time_left()).map_err(failed)?;
            thread::sleep(TICK);
            self.watch.spend(TICK);
            if measured.elapsed() > MEASURE {
                let now = size_of(place);
                let grown = usize::try_from(now.saturating_sub(size)).unwrap_or(usize::MAX);
                self.watch.count_useful(grown);
                self.watch.counters.received(grown);
                (size, measured) = (now, Instant::now());
            }
            self.measure(size)?;
        }
    }

    fn measure(&self, size: u64) -> Result<(), TransferError> {
        let most = self.most.disk;
        if size > most { Err(TransferError::LargeCopy(most)) } else { Ok(()) }
    }

    fn start(
        &self,
        command: Command,
    ) -> Result<(ServerProcess, ProcessOutput, ProcessInput), ConnectError> {
        let grouping = Grouping::of_git(self.config.interactive());
        let command = within(self.most.memory, command);
        ServerProcess::start_as(command, "git", grouping, fault_from_git, &self.watch)
            .map_err(|error| needed(error, &self.reason))
    }

    /// Waits for a program that has closed its output.
    fn end_of(
        &self,
        program: &mut ServerProcess,
        read: io::Result<()>,
    ) -> Result<(), TransportError> {
        let dropped = TransferError::Dropped { source: None };
        read.map_err(|error| {
            let dropped = TransferError::Dropped { source: Some(error.to_string().into()) };
            self.watch.take_error().unwrap_or_else(|| dropped.into())
        })?;
        let begun = Instant::now();
        while begun.elapsed() < LAST_WORDS {
            match program.ended() {
                Ok(None) => thread::sleep(Duration::from_millis(2)),
                Ok(Some(status)) if status.success() => return Ok(()),
                _ => break,
            }
        }
        Err(program.stderr().meaning(dropped, Moment::Asked))
    }

    fn url(&self) -> String {
        self.remote.url.to_bstring().to_string()
    }
}

/// A clone of the bundle that `remote` is, for as long as it is served; nothing where it is no bundle.
pub(crate) fn of_bundle(
    config: &Arc<GitConfig>,
    remote: &RemoteUrl,
    most: Most,
    watch: &Arc<Watch>,
) -> Result<Option<TempDir>, TransportError> {
    let path = PathBuf::from(OsString::from_vec(local_path(&remote.url)));
    if !is_bundle(&path) {
        return Ok(None);
    }
    let copying = CopyClient::new(config, remote, "a bundle", most, watch).0;
    let place = temporary()?;
    let mut command = git_for(config, remote);
    command.env_remove("GIT_DIR").args([
        "-c",
        "core.hooksPath=/dev/null",
        "clone",
        "-q",
        "--mirror",
    ]);
    // A template of the user's could have hooks in it.
    command.args(["--template=", "--"]).arg(&*path).arg(place.path());
    let (mut program, output, input) = copying.start(command)?;
    drop((input, output));
    let status = copying.attend(&mut program, place.path())?;
    if status.success() {
        Ok(Some(place))
    } else {
        Err(copying.meaning(&program.stderr().last_words()))
    }
}

/// What git prints that gets no more memory.
const MEMORY_IS_USED_UP: [&str; 5] =
    ["Out of memory", "out of memory", "Cannot allocate memory", "malloc failed", "mmap failed"];

/// The same command with no more than this much memory, and so for all that it starts: by a shell, which becomes the program. A
/// system without that limit runs it all the same.
fn within(memory: u64, command: Command) -> Command {
    let program = command.get_program().to_owned();
    let paths = env::var_os("PATH").unwrap_or_default();
    // Where it is missing, that is to be said of it and not of the shell.
    if !env::split_paths(&paths).any(|place| place.join(&program).is_file()) {
        return command;
    }
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -v \"$0\" 2>/dev/null; exec \"$@\""]);
    shell.arg((memory >> 10).max(1).to_string()).arg(program).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

fn is_bundle(path: &Path) -> bool {
    let mut start = [0; 16];
    path.is_file()
        && fs::File::open(path).is_ok_and(|mut file| file.read_exact(&mut start).is_ok())
        && [b"# v2 git bundle\n", b"# v3 git bundle\n"].contains(&&start)
}

fn repository_of_our_own() -> Result<TempDir, TransportError> {
    let place = temporary()?;
    minimal_repository(place.path()).map_err(no_place)?;
    // git writes packs of a dumb server here without making the directory.
    DirBuilder::new().create(place.path().join("objects/pack")).map_err(no_place)?;
    Ok(place)
}

fn temporary() -> Result<TempDir, TransportError> {
    Ok(tempfile::tempdir().map_err(no_place)?)
}

fn no_place(source: io::Error) -> ConnectError {
    ConnectError::Start { program: "git, which needs a temporary directory".to_owned(), source }
}

/// The listing as a server in version 0 gives it.
fn advertisement(refs: &[(String, String)], head: Option<&str>) -> Vec<u8> {
    let mut lines = packet("# service=git-upload-pack\n");
    lines.extend_from_slice(b"0000");
    let id_length = refs.first().map_or(40, |(id, _)| id.len());
    let format = if id_length == 64 { "sha256" } else { "sha1" };
    let symref = head.map(|head| format!(" symref=HEAD:{head}")).unwrap_or_default();
    let mut capabilities = format!("\0{CAPABILITIES} object-format={format}{symref}");
    if refs.is_empty() {
        lines.extend(packet(&format!(
            "{} capabilities^{{}}{capabilities}\n",
            "0".repeat(id_length)
        )));
    }
    for (id, name) in refs {
        lines.extend(packet(&format!("{id} {name}{}\n", std::mem::take(&mut capabilities))));
    }
    lines.extend_from_slice(b"0000");
    lines
}

fn packet(line: &str) -> Vec<u8> {
    format!("{:04x}{line}", line.len() + 4).into_bytes()
}

/// The refs that lead to what `request` wants, a line each. What no ref leads to is asked for by its id.
fn refspecs(refs: &[(String, String)], request: &[u8]) -> String {
    let mut lines = String::new();
    for (number, id) in wants(request).into_iter().enumerate() {
        let leading = refs.iter().find(|(known, name)| *known == id && name != "HEAD");
        let leading = leading.or_else(|| refs.iter().find(|(known, _)| *known == id));
        let from = leading.map_or(id.as_str(), |(_, name)| name.trim_end_matches("^{}"));
        lines.push_str(&format!("+{from}:refs/modstore/{number}\n"));
    }
    lines
}

fn wants(request: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(request);
    let mut wants: Vec<String> = text
        .match_indices("want ")
        .filter_map(|(at, want)| {
            let rest = text.get(at + want.len()..)?;
            let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
            rest.get(..end).filter(|id| id.len() >= 40).map(str::to_owned)
        })
        .collect();
    wants.sort_unstable();
    wants.dedup();
    wants
}

/// The bytes of all files below a directory.
fn size_of(place: &Path) -> u64 {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(found) if found.is_dir() => size_of(&entry.path()),
            Ok(found) => found.len(),
            Err(_) => 0,
        })
        .sum()
}

fn is_drop(error: &TransportError) -> bool {
    matches!(error, TransportError::Transfer(TransferError::Dropped { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_of_our_own_making_is_one_of_version_0() {
        let id = "1".repeat(40);
        let refs = [(id.clone(), "HEAD".to_owned()), (id, "refs/heads/x".to_owned())];
        let text = String::from_utf8(advertisement(&refs, Some("refs/heads/x"))).unwrap();
        assert!(text.starts_with("001e# service=git-upload-pack\n0000"), "{text}");
        assert!(text.contains(" HEAD\0multi_ack ") && text.contains("symref=HEAD:refs/heads/x\n"));
        assert!(
            text.ends_with("003a1111111111111111111111111111111111111111 refs/heads/x\n0000"),
            "{text}"
        );
        let empty = String::from_utf8(advertisement(&[], None)).unwrap();
        assert!(empty.contains(&format!("{} capabilities^{{}}\0", "0".repeat(40))));
    }

    #[test]
    fn each_id_that_is_wanted_is_fetched_by_a_name_that_leads_to_it() {
        let (one, two, three) = ("1".repeat(40), "2".repeat(40), "3".repeat(40));
        let refs = [
            (&one, "HEAD"),
            (&one, "refs/heads/x"),
            (&two, "refs/tags/v"),
            (&three, "refs/tags/v^{}"),
        ];
        let refs = refs.map(|(id, name)| (id.clone(), name.to_owned()));
        let four = "4".repeat(40);
        let request = format!("0032want {one} thin-pack\n0032want {three}\n0032want {four}\n0000");
        assert_eq!(
            refspecs(&refs, request.as_bytes()),
            format!(
                "+refs/heads/x:refs/modstore/0\n+refs/tags/v:refs/modstore/1\n+{four}:refs/modstore/2\n"
            )
        );
    }
}
