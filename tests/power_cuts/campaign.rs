//! Many power cuts in a row, on one file system: starting the host, cutting, and counting what was met.

use std::{
    collections::BTreeMap,
    io::{BufRead as _, BufReader, Read as _},
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, RecvTimeoutError, channel},
    time::Duration,
};

use modstore_testbed::{Mount, Random, TestHome, Unsynced};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use crate::{host::Orders, life::Life, moment::Moment, upstream::Origin};

/// How many cuts one store lives through.
const LIFETIME: u64 = 8;

/// What is done to a file system.
pub(crate) struct Campaign<'a> {
    /// Its name.
    pub(crate) name: &'static str,
    /// The file system.
    pub(crate) mount: &'a Mount,
    /// How often its power is cut.
    pub(crate) cuts: u64,
    /// Decides everything but the speed of the machine.
    pub(crate) seed: u64,
    /// Whether the host may use the other barrier too.
    pub(crate) each_file: bool,
    /// System calls that do nothing and say that they did, by the names that strace has for them.
    pub(crate) sabotaged: Option<&'static str>,
}

/// What was met.
#[derive(Debug, Default)]
pub(crate) struct Met {
    /// How many cuts hit each operation.
    pub(crate) operations: BTreeMap<String, u64>,
    /// How many cuts came at each kind of moment.
    pub(crate) moments: BTreeMap<&'static str, u64>,
    /// The act before which the host was held, for those where it was.
    pub(crate) acts: BTreeMap<String, u64>,
    /// How many generations were acknowledged in all.
    pub(crate) generations: usize,
}

impl Campaign<'_> {
    /// Cuts and checks.
    ///
    /// # Errors
    /// The first thing that did not hold.
    pub(crate) fn run(&self) -> Result<Met, String> {
        let origin = Origin::make();
        let (mut met, mut random) = (Met::default(), Random::of(self.seed));
        let mut number = 0;
        while number < self.cuts {
            let mut home = TestHome::in_memory(env!("CARGO_BIN_EXE_modstore"))
                .with_store_at(self.mount.path().join(format!("store-{number}")));
            home.env(ALLOWED.0, ALLOWED.1);
            let mut life = Life::beginning(&origin, home, self.mount.must_be_checked());
            let ways = (self.each_file && random.percent(25), random.percent(50));
            for age in 0..LIFETIME.min(self.cuts - number) {
                let what = format!("{}, seed {}, cut {number}", self.name, self.seed);
                self.one(&mut life, age, ways, &mut random, &mut met)
                    .map_err(|why| format!("{what}: {why}"))?;
                number += 1;
            }
            checked(|| life.check_swept())?;
            checked(|| life.check_verifies())?;
            checked(|| life.check_past())?;
            met.generations += life.generations();
            modstore_core::disk::Disk::default().remove_tree(life.path()).unwrap();
            // What a removed store leaves on the disk is not to come back as part of the next one.
            assert!(
                Command::new("sync").arg("-f").arg(self.mount.path()).status().unwrap().success()
            );
        }
        Ok(met)
    }

    fn one(
        &self,
        life: &mut Life<'_>,
        age: u64,
        (each_file, sweeps): (bool, bool),
        random: &mut Random,
        met: &mut Met,
    ) -> Result<(), String> {
        let orders = Orders {
            home: life.path().to_owned(),
            upstream: life.upstream().to_owned(),
            seed: random.draw(),
            // The first install is what the first cut is about.
            before: if age == 0 { 0 } else { random.within(0..4) },
            moment: Moment::any(random),
            each_file,
            sweeps,
        };
        let unsynced = if random.percent(50) { Unsynced::Lost } else { Unsynced::NamesKept };
        let at_once = random.percent(50);
        let mut host = Host::start(&orders, self.sabotaged);
        let said = host.until(&orders);
        host.cut(self.mount, unsynced, at_once, life);
        met.count(&orders, &said, &host);
        let what =
            format!("{orders:?}, {unsynced:?}, at once: {at_once}, received {:?}", host.heard);
        let told = |why| format!("{why}\n{what}");
        checked(|| life.check_as_found()).map_err(told)?;
        if random.percent(60) {
            crate::upstream::Upstream::found_in(&orders.upstream).publish(random);
        }
        checked(|| life.check_converges()).map_err(told)?;
        if random.percent(30) { checked(|| life.check_swept()).map_err(told) } else { Ok(()) }
    }
}

impl Met {
    fn count(&mut self, orders: &Orders, said: &str, host: &Host) {
        let last = host.heard.iter().rev().find_map(|line| line.strip_prefix("begin "));
        let operation =
            last.and_then(|last| last.split(['(', ' ']).next()).unwrap_or("nothing yet");
        *self.operations.entry(operation.to_owned()).or_default() += 1;
        let at_end = said.starts_with("held at the end");
        let moment = if at_end { Moment::End } else { orders.moment };
        *self.moments.entry(moment.kind()).or_default() += 1;
        if let Some(act) = said.strip_prefix("held before ") {
            let verb = act.split(" /").next().unwrap_or(act);
            *self.acts.entry(verb.to_owned()).or_default() += 1;
        }
    }
}

/// Runs assertions; what they say when they do not hold.
fn checked(check: impl FnOnce()) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(check)).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()))
            .unwrap_or_else(|| "a panic without a text".to_owned())
    })
}

/// Lets a repository have a local submodule.
const ALLOWED: (&str, &str) = ("GIT_ALLOW_PROTOCOL", "file");

/// The host, running.
struct Host {
    child: Child,
    pid: Option<Pid>,
    lines: Receiver<String>,
    heard: Vec<String>,
}

impl Host {
    fn start(orders: &Orders, sabotaged: Option<&str>) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = match sabotaged {
            None => Command::new(&program),
            Some(calls) => {
                let mut strace = Command::new("strace");
                strace.args(["-f", "-qq", "--seccomp-bpf", "-o", "/dev/null", "-e"]);
                strace.args([&format!("trace={calls}"), "-e"]);
                strace.arg(format!("inject={calls}:retval=0")).arg(&program);
                strace
            }
        };
        let mut child = command
            .args(["--exact", "--nocapture", "a_host_whose_power_may_be_cut_works"])
            .env(Orders::VARIABLE, orders.to_line())
            .env(ALLOWED.0, ALLOWED.1)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (send, lines) = channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                // The test runner may have begun the line.
                if let Some((_, said)) = line.split_once('@') {
                    let _ = send.send(said.to_owned());
                }
            }
        });
        Self { child, pid: None, lines, heard: Vec::new() }
    }

    /// Waits until the moment has come; what the host said last.
    fn until(&mut self, orders: &Orders) -> String {
        let mut begun = 0;
        loop {
            let said = self.lines.recv_timeout(Duration::from_secs(60));
            let said = match said {
                Ok(said) => said,
                Err(RecvTimeoutError::Timeout) => self.died("it hangs"),
                Err(RecvTimeoutError::Disconnected) => self.died("it has ended by itself"),
            };
            if let Some(pid) = said.strip_prefix("process ") {
                self.pid = Pid::from_raw(pid.parse().unwrap());
            }
            if said.starts_with("failed ") {
                self.heard.push(said);
                self.died("an operation failed, with the power on");
            }
            begun += u64::from(said.starts_with("begin "));
            self.heard.push(said.clone());
            if said.starts_with("held ") {
                return said;
            }
            if let Some(time) = orders.moment.time()
                && begun > orders.before
            {
                std::thread::sleep(time);
                return said;
            }
        }
    }

    fn died(&mut self, how: &str) -> ! {
        let _ = self.child.kill();
        let mut said = String::new();
        let _ = self.child.stderr.take().unwrap().read_to_string(&mut said);
        panic!("the host: {how}\n{:#?}\n{said}", self.heard);
    }

    /// Cuts the power: with the host stopped in its tracks, or running on for as long as it can.
    fn cut(&mut self, mount: &Mount, unsynced: Unsynced, at_once: bool, life: &mut Life<'_>) {
        let pid = self.pid.expect("it has said who it is");
        let ours = pid.as_raw_nonzero().get().cast_unsigned() == self.child.id();
        if ours && (at_once || mount.must_be_stopped()) {
            kill_process(pid, Signal::STOP).unwrap();
            waitpid(Some(pid), WaitOptions::UNTRACED).unwrap();
        }
        mount.power_cut_under(unsynced, || {
            kill_process(pid, Signal::KILL).unwrap();
            self.child.wait().unwrap();
            // Everything that it reported before the end counts, even if the test had not read it yet.
            self.heard.extend(self.lines.iter());
        });
        self.heard.iter().for_each(|line| life.hear(line));
    }
}
