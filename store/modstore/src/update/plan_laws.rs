//! Laws of the plan, over small random worlds that a fake carries out: no disk, no network and no clock.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    time::Duration,
};

use modstore_fetch::Wanted;
use proptest::prelude::*;

use super::{
    attempts::{Ended, Tried, moved, remember},
    goal::Goal,
    options::{Retry, RetryPolicy},
    plan::{
        BuildSurvey, Decision, OutputDecision, Situation, Survey, before_asking, built_from,
        decide, decide_build, decide_plain,
    },
};
use crate::{
    acquire::{FetchReason, Meaning, Resolution},
    build::conditions,
    commit::{Frame, Record, State},
    model::{
        Binding, Bound, BuildSpec, Built, Class, Digest, Fetched, Generation, Hold, Keep,
        LinkedPath, MadeFrom, ModuleName, RecordedSource, Revision, Sighting, Source, Stage,
    },
};

const SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const NOW: u64 = 1_790_000_000_000;

/// What happens in a world between two updates.
#[derive(Debug, Clone)]
enum Act {
    Commit(u8),
    RenameHead,
    LoseEntries,
    OtherTools(u8),
    EditDirectory(u8),
    Declare(u8, u8, bool),
    Undeclare(u8),
}

/// All that decisions depend on. Commits, directories and tools are numbers; one of 3 does not build.
#[derive(Debug, Clone)]
struct World {
    state: State,
    there: BTreeSet<Digest>,
    head: u8,
    is_trunk: bool,
    directory: u8,
    tools: u8,
    /// The kind of source, and whether it is built.
    declared: BTreeMap<ModuleName, (u8, bool)>,
}

/// What carrying out a decision has done.
#[derive(Debug, Default, PartialEq)]
struct Effect {
    fetched: bool,
    built: bool,
    bound: bool,
    failed: bool,
}

fn source(kind: u8) -> Source {
    let text = match kind {
        0 => "git+https://h/r".to_owned(),
        1 => "git+https://h/r@main".to_owned(),
        2 => format!("git+https://h/r@{}", Revision::from_bytes([1; 20])),
        3 => format!("archive+https://h/a.zip#sha256={SHA256}"),
        _ => "/mine".to_owned(),
    };
    Source::parse(&text, Path::new("/"), None).unwrap()
}

fn spec() -> BuildSpec {
    BuildSpec {
        command: vec!["make".into()],
        output: None,
        each: Vec::new(),
        inputs: vec!["**".into()],
        env: Vec::new(),
        toolchain: None,
        timeout: Duration::from_secs(1),
        depfile: None,
        validate: None,
    }
}

fn digest(kind: u8, of: u8, tools: u8) -> Digest {
    let mut bytes = [kind; 32];
    (bytes[0], bytes[31], bytes[30]) = (of, of, tools);
    Digest::from_bytes(bytes)
}

impl World {
    fn new() -> Self {
        Self {
            state: State::default(),
            there: BTreeSet::new(),
            head: 1,
            is_trunk: false,
            directory: 1,
            tools: 1,
            declared: BTreeMap::new(),
        }
    }

    fn act(&mut self, act: &Act) {
        let name = |number: &u8| format!("m{number}").parse::<ModuleName>().unwrap();
        match act {
            Act::Commit(commit) => self.head = *commit,
            Act::RenameHead => self.is_trunk = !self.is_trunk,
            Act::LoseEntries => self.there.clear(),
            Act::OtherTools(tools) => self.tools = *tools,
            Act::EditDirectory(content) => self.directory = *content,
            Act::Declare(module, kind, build) => {
                self.declared.insert(name(module), (*kind, *build));
            }
            Act::Undeclare(module) => drop(self.declared.remove(&name(module))),
        }
    }

    fn resolve(&self, goal: &Goal<'_>) -> Resolution {
        let branch = match goal.request().meaning() {
            Meaning::Known(resolution) => return resolution,
            Meaning::Directory(path) => {
                return Resolution::Directory(LinkedPath::of(path).unwrap());
            }
            Meaning::Named(Wanted::Head) if self.is_trunk => "refs/heads/trunk",
            Meaning::Named(_) => "refs/heads/main",
        };
        Resolution::Commit(Fetched {
            origin: goal.source.origin().unwrap(),
            reference: Some(branch.into()),
            revision: Revision::from_bytes([self.head; 20]),
        })
    }

    fn survey(&self, goal: &Goal<'_>) -> Survey {
        let entry = self.state.modules().get(goal.module).and_then(|now| now.bound.source_entry());
        let is_gone = entry.is_some_and(|entry| !self.there.contains(&entry));
        let recipe = goal.build.map(|_| (goal.module.clone(), digest(9, self.tools, 0)));
        Survey {
            gone: is_gone.then(|| goal.module.clone()).into_iter().collect(),
            recipes: recipe.into_iter().collect(),
        }
    }

    /// What a source becomes, whose tree is there.
    fn bind(goal: &Goal<'_>, resolution: &Resolution) -> Binding {
        let bound = match resolution {
            Resolution::Directory(path) => Bound::Linked { path: path.clone() },
            resolution => Bound::Entry {
                digest: match resolution.revision() {
                    Some(revision) => digest(1, revision.as_bytes()[0], 0),
                    None => digest(2, 1, 0),
                },
                subdirectory: None,
                fetched: resolution.commit().cloned(),
            },
        };
        Binding { source: goal.recorded.clone(), bound }
    }

    /// The content that is built, and the name of that build.
    fn key(&self, source: &Binding) -> (u8, Digest) {
        let content = source.bound.source_entry().map_or(self.directory, |it| it.as_bytes()[0]);
        (content, digest(3, content, self.tools))
    }

    fn build_survey(
        &self,
        at: &Situation<'_>,
        module: &ModuleName,
        source: &Binding,
    ) -> BuildSurvey {
        let (_, key) = self.key(source);
        let is_ready = |built: &&Built| built.key == key && self.there.contains(&built.digest);
        BuildSurvey { ready: at.built(module).find(is_ready).cloned(), key, depends_on: key }
    }

    fn output(&self, at: &Situation<'_>, goal: &Goal<'_>, source: &Binding) -> OutputDecision {
        match goal.build {
            Some(_) => {
                let survey = self.build_survey(at, goal.module, source);
                decide_build(at, goal.module, source, &survey)
            }
            None => decide_plain(at, goal.module, source),
        }
    }

    /// What is decided about the source, and what `outdated` makes of that.
    fn decisions(
        &self,
        goal: &Goal<'_>,
        policy: RetryPolicy,
        refetch: bool,
    ) -> (Decision, Decision) {
        let survey = self.survey(goal);
        let at = self.situation(&survey, policy, refetch);
        let early = before_asking(&at, goal);
        let decision = early.unwrap_or_else(|| decide(&at, goal, Ok(self.resolve(goal))));
        let source = match &decision {
            Decision::Keep => self.source_of(goal.module),
            Decision::Fetch(resolution @ Resolution::Directory(_), _) => {
                Some(Self::bind(goal, resolution))
            }
            _ => None,
        };
        let whole = source.map(|source| self.output(&at, goal, &source).into());
        (decision.clone(), whole.unwrap_or(decision))
    }

    fn situation<'a>(
        &'a self,
        survey: &'a Survey,
        policy: RetryPolicy,
        refetch: bool,
    ) -> Situation<'a> {
        Situation { state: &self.state, survey, policy, refetch, now: NOW }
    }

    fn source_of(&self, module: &ModuleName) -> Option<Binding> {
        let now = self.state.modules().get(module)?;
        Some(Binding { source: now.source.clone(), bound: now.bound.unbuilt() })
    }

    /// Does what was decided about the source of a goal, and builds.
    fn carry_out(&self, goal: &Goal<'_>, decision: &Decision, records: &mut Vec<Record>) -> Effect {
        let (survey, mut effect) = (self.survey(goal), Effect::default());
        let at = self.situation(&survey, RetryPolicy::Interactive, false);
        let source = match decision {
            Decision::Keep => self.source_of(goal.module).unwrap(),
            Decision::Fetch(resolution, _) => Self::bind(goal, resolution),
            _ => return effect,
        };
        let entered = |digest| Record::Entered { digest, files: 1, bytes: 1 };
        if let (Decision::Fetch(..), Some(digest)) = (decision, source.bound.source_entry()) {
            effect.fetched = true;
            records.push(entered(digest));
        }
        let to = match self.output(&at, goal, &source) {
            OutputDecision::Keep(_) => return effect,
            OutputDecision::Defer(_) => {
                // Remembered of this source as well, so that it is not fetched to find that out again.
                let attempt = Box::new(moved(at.attempt(goal.module).unwrap(), &source));
                records.push(Record::Attempted { module: goal.module.clone(), attempt });
                return effect;
            }
            OutputDecision::Switch(to) => *to,
            OutputDecision::Build(_) => {
                effect.built = true;
                let (content, key) = self.key(&source);
                if content == 3 {
                    records.push(self.failure(goal, &source, key));
                    return Effect { failed: true, ..effect };
                }
                let (digest, read) = (digest(4, content, self.tools), Vec::new());
                records.push(entered(digest));
                let from = MadeFrom::of(&source.bound);
                built_from(&source, Built { digest, from, key, read })
            }
        };
        effect.bound = at.current(goal.module) != Some(&to);
        records.push(Record::Cleared { module: goal.module.clone() });
        records.push(Record::Bound { module: goal.module.clone(), binding: to });
        effect
    }

    fn failure(&self, goal: &Goal<'_>, source: &Binding, key: Digest) -> Record {
        let conditions = Some(conditions(digest(9, self.tools, 0), key));
        let tried = Tried { conditions, ..Tried::of(source) };
        let error = std::io::Error::other("no");
        let ended = Ended { class: Class::Deterministic, stage: Stage::Build, error: &error };
        let before = self.state.attempts().get(goal.module);
        let attempt = Box::new(remember(&tried, &ended, before, (Retry::default(), NOW)));
        Record::Attempted { module: goal.module.clone(), attempt }
    }

    fn apply(&mut self, records: Vec<Record>) {
        let number = self.state.head().map_or(Generation::FIRST, |head| head.number.next());
        for record in &records {
            if let Record::Entered { digest, .. } = record {
                self.there.insert(*digest);
            }
        }
        let reason = "test".to_owned();
        let generation = Record::Generation { number, at: NOW, reason, restores: None };
        let gone: Vec<ModuleName> = self.state.modules().keys().cloned().collect();
        let gone = gone.into_iter().filter(|module| !self.declared.contains_key(module));
        let unbound = gone.map(|module| Record::Unbound { module });
        let records = std::iter::once(generation).chain(unbound).chain(records).collect();
        let sequence = self.state.sequence() + 1;
        self.state.apply(Frame { sequence, previous: Default::default(), records });
    }
}

/// Calls `law` for each goal of a world.
fn each_goal(world: &World, mut law: impl FnMut(&Goal<'_>)) {
    let spec = spec();
    for (module, (kind, build)) in &world.declared {
        let source = source(*kind);
        let recorded = RecordedSource::from(&source);
        let build = build.then_some(&spec);
        let keep = &Keep::default();
        law(&Goal {
            module,
            source,
            recorded,
            build,
            keep,
            pin: None,
            built: None,
            hold: None,
            cooldown: Duration::ZERO,
        });
    }
}

/// A decision, without what cannot be compared.
fn word(decision: &Decision) -> String {
    match decision {
        Decision::Fetch(resolution, reason) => format!("fetch {resolution:?} {reason:?}"),
        Decision::Switch(to) => format!("switch {to:?}"),
        Decision::Build(reason) => format!("build {reason:?}"),
        Decision::Defer(deferred) => format!("defer {deferred:?}"),
        Decision::Keep => "keep".into(),
        Decision::Remove => "remove".into(),
        Decision::Hold(hold) => format!("hold {hold:?}"),
        Decision::Cool(cooling) => format!("cool {cooling:?}"),
        Decision::Fail(failure) => format!("fail {}", failure.error),
    }
}

/// An update, which does to each module what `outdated` said.
fn update(world: &mut World) {
    let mut records = Vec::new();
    each_goal(world, |goal| {
        let (decision, said) = world.decisions(goal, RetryPolicy::Interactive, false);
        let done = world.carry_out(goal, &decision, &mut records);
        let nothing = Effect::default();
        match &said {
            Decision::Keep | Decision::Defer(_) => assert_eq!(done, nothing, "{said:?}"),
            Decision::Fetch(..) => assert!(done.fetched, "{said:?}: {done:?}"),
            Decision::Switch(_) => assert!(done.bound && !done.built, "{said:?}: {done:?}"),
            Decision::Build(_) => assert!(done.built && !done.fetched, "{said:?}: {done:?}"),
            Decision::Remove | Decision::Fail(_) | Decision::Hold(_) | Decision::Cool(_) => {
                panic!("{said:?}")
            }
        }
    });
    world.apply(records);
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let module = 0..3_u8;
    let act = prop_oneof![
        (1..4_u8).prop_map(Act::Commit),
        Just(Act::RenameHead),
        Just(Act::LoseEntries),
        (1..3_u8).prop_map(Act::OtherTools),
        (1..4_u8).prop_map(Act::EditDirectory),
        (module.clone(), 0..5_u8, any::<bool>()).prop_map(|(m, kind, b)| Act::Declare(m, kind, b)),
        module.prop_map(Act::Undeclare),
    ];
    prop::collection::vec(act, 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn an_update_does_what_outdated_said_and_the_next_one_nothing(rounds in prop::collection::vec(acts(), 1..6)) {
        let mut world = World::new();
        for acts in rounds {
            acts.iter().for_each(|act| world.act(act));
            update(&mut world);
            each_goal(&world, |goal| {
                let (_, said) = world.decisions(goal, RetryPolicy::Interactive, false);
                let is_settled = matches!(said, Decision::Keep)
                    || (matches!(said, Decision::Defer(_)) && world.state.attempts().contains_key(goal.module));
                assert!(is_settled, "{said:?} after an update of {:?}", goal.source);
            });
        }
    }

    #[test]
    fn a_held_module_is_left_alone_before_anything_is_asked(rounds in prop::collection::vec(acts(), 1..6)) {
        let mut world = World::new();
        for acts in rounds {
            acts.iter().for_each(|act| world.act(act));
            each_goal(&world, |goal| {
                let hold = Hold { at: NOW, reason: "modstore hold".into() };
                let goal = Goal { hold: Some(hold.clone()), ..goal.clone() };
                let survey = Survey::default();
                for policy in [RetryPolicy::Interactive, RetryPolicy::DueOnly, RetryPolicy::All] {
                    let at = Situation { state: &world.state, survey: &survey, policy, refetch: false, now: NOW };
                    let decision = before_asking(&at, &goal);
                    assert!(matches!(&decision, Some(Decision::Hold(held)) if *held == hold), "{decision:?}");
                }
            });
            update(&mut world);
        }
    }

    #[test]
    fn only_another_commit_of_the_same_source_waits_for_its_age_and_then_is_taken(
        rounds in prop::collection::vec(acts(), 1..6),
        cooldown in 1..100_u64,
    ) {
        let mut world = World::new();
        for acts in rounds {
            acts.iter().for_each(|act| world.act(act));
            each_goal(&world, |goal| {
                let goal = Goal { cooldown: Duration::from_millis(cooldown), ..goal.clone() };
                let (plain, _) = world.decisions(&Goal { cooldown: Duration::ZERO, ..goal.clone() }, RetryPolicy::All, false);
                let (cooled, _) = world.decisions(&goal, RetryPolicy::All, false);
                let is_moved = matches!(plain, Decision::Fetch(_, FetchReason::Commit));
                let Decision::Cool(cooling) = &cooled else {
                    let is_gone = world.survey(&goal).gone.contains(goal.module);
                    assert!(!is_moved || is_gone, "{plain:?}, {cooled:?}");
                    return assert!(is_moved || word(&plain) == word(&cooled), "{plain:?}, {cooled:?}");
                };
                assert!(is_moved && cooling.until == NOW + cooldown, "{plain:?}, {cooled:?}");
                let decided = |seen: u64, now: u64| {
                    let mut world = world.clone();
                    let sighting = Sighting { at: seen, ..cooling.sighting.clone() };
                    world.apply(vec![Record::Sighted { module: goal.module.clone(), sighting }]);
                    let survey = Survey::default();
                    let at = Situation { now, ..world.situation(&survey, RetryPolicy::All, false) };
                    decide(&at, &goal, Ok(world.resolve(&goal)))
                };
                assert!(matches!(decided(NOW, NOW + cooldown), Decision::Fetch(..)));
                let waits = |seen, now, until| {
                    let decision = decided(seen, now);
                    assert!(matches!(&decision, Decision::Cool(it) if it.until == until), "{decision:?}");
                };
                waits(NOW, NOW + cooldown - 1, NOW + cooldown);
                // The clock went back: it waits from now on, and no longer.
                waits(NOW + 1_000_000, NOW, NOW + cooldown);
            });
            update(&mut world);
        }
    }

    #[test]
    fn a_policy_only_defers_and_a_refetch_keeps_nothing(rounds in prop::collection::vec(acts(), 1..6)) {
        let mut world = World::new();
        for acts in rounds {
            acts.iter().for_each(|act| world.act(act));
            each_goal(&world, |goal| {
                let (all, whole) = world.decisions(goal, RetryPolicy::All, false);
                for policy in [RetryPolicy::Interactive, RetryPolicy::DueOnly] {
                    let (one, one_whole) = world.decisions(goal, policy, false);
                    for (one, all) in [(&one, &all), (&one_whole, &whole)] {
                        let is_deferred = matches!(one, Decision::Defer(_));
                        assert!(is_deferred || word(one) == word(all), "{one:?}, {all:?}");
                    }
                }
                let (refetch, _) = world.decisions(goal, RetryPolicy::All, true);
                let is_directory = matches!(goal.source, Source::Linked(_));
                assert!(is_directory || matches!(refetch, Decision::Fetch(..)), "{refetch:?}");
            });
            update(&mut world);
        }
    }
}
