//! Order, skipping and bounds.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use proptest::prelude::*;

use super::*;
use crate::config::model::{Hooks, Notify, Units};

fn command(name: &str) -> Command {
    Command { program: PathBuf::from(format!("/{name}")), arguments: Vec::new() }
}

fn hooks(words: &[&str]) -> Option<Arc<Hooks>> {
    let said = |word: &str| words.contains(&word).then(|| command(word));
    let notify = Notify {
        master: said("master"),
        backup: said("backup"),
        fault: said("fault"),
        stop: said("stop"),
        any: said("any"),
        ..Notify::default()
    };
    Hooks::new(notify, Units::default())
}

const ALL: [&str; 5] = ["master", "backup", "fault", "stop", "any"];

fn entered(name: &str, state: VrState, leaving: bool, words: &[&str]) -> Entered {
    Entered {
        whose: Whose::Instance,
        name: name.into(),
        previous: VrState::Init,
        state,
        leaving,
        priority: 100,
        reason: "a test".into(),
        hooks: hooks(words),
    }
}

/// What is started now, as names of programs.
fn started(queue: &mut Queue) -> Vec<String> {
    std::iter::from_fn(|| queue.take()).map(|task| task.command.program.display().to_string()).collect()
}

fn done(queue: &mut Queue, name: &str) {
    queue.done(&(Whose::Instance, name.into()));
}

#[test]
fn what_is_run_on_which_occasion() {
    for (state, leaving, words, expected) in [
        (VrState::Master, false, &ALL[..], &["/master", "/any"][..]),
        (VrState::Backup, false, &ALL, &["/backup", "/any"]),
        (VrState::Fault, false, &ALL, &["/fault", "/any"]),
        (VrState::Init, false, &ALL, &[]),
        (VrState::Init, true, &ALL, &["/stop", "/any"]),
        (VrState::Init, true, &["any"], &["/any"]),
        (VrState::Master, false, &["stop"], &[]),
        (VrState::Master, false, &[], &[]),
    ] {
        let mut queue = Queue::new(8);
        queue.push(entered("a", state, leaving, words));
        let mut ran = Vec::new();
        loop {
            let now = started(&mut queue);
            if now.is_empty() {
                break;
            }
            assert_eq!(now.len(), 1, "one at a time");
            ran.extend(now);
            done(&mut queue, "a");
        }
        assert_eq!(ran, expected, "{state:?} {leaving}");
        assert!(queue.is_idle());
    }
}

#[test]
fn the_latest_waits_and_the_others_are_counted() {
    let mut queue = Queue::new(8);
    assert_eq!(queue.push(entered("a", VrState::Backup, false, &ALL)), None);
    assert_eq!(started(&mut queue), ["/backup"]);
    assert_eq!(queue.push(entered("a", VrState::Master, false, &ALL)), None);
    let skipped = queue.push(entered("a", VrState::Fault, false, &ALL)).unwrap();
    assert_eq!(skipped.state, VrState::Master);
    assert_eq!(queue.push(entered("a", VrState::Init, true, &ALL)).unwrap().state, VrState::Fault);
    assert_eq!(started(&mut queue), Vec::<String>::new());
    done(&mut queue, "a");
    let any = queue.take().unwrap();
    assert_eq!((any.command, any.entered.state), (command("any"), VrState::Backup), "told to its end");
    assert_eq!(any.skipped, 2);
    done(&mut queue, "a");
    let stop = queue.take().unwrap();
    assert_eq!((stop.command, stop.skipped), (command("stop"), 0));
}

#[test]
fn a_state_with_nothing_to_run_takes_the_place_of_one_that_waits() {
    let mut queue = Queue::new(8);
    queue.push(entered("a", VrState::Backup, false, &["backup", "master"]));
    assert_eq!(started(&mut queue), ["/backup"]);
    queue.push(entered("a", VrState::Master, false, &["backup", "master"]));
    let skipped = queue.push(entered("a", VrState::Fault, false, &["backup", "master"]));
    assert_eq!(skipped.unwrap().state, VrState::Master, "it is not MASTER any more");
    done(&mut queue, "a");
    assert_eq!(started(&mut queue), Vec::<String>::new());
    assert!(queue.is_idle());
}

#[test]
fn subjects_do_not_wait_for_each_other_but_for_a_free_place() {
    let mut queue = Queue::new(2);
    for name in ["a", "b", "c"] {
        queue.push(entered(name, VrState::Master, false, &["master"]));
    }
    let mut group = entered("a", VrState::Fault, false, &["fault"]);
    group.whose = Whose::Group;
    queue.push(group);
    assert_eq!(started(&mut queue), ["/master", "/master"]);
    done(&mut queue, "b");
    assert_eq!(queue.take().unwrap().entered.name.as_ref(), "c");
    done(&mut queue, "a");
    assert_eq!(started(&mut queue), ["/fault"], "a group is another subject than the instance of its name");
    done(&mut queue, "nobody");
    assert_eq!(started(&mut queue), Vec::<String>::new());
}

#[test]
fn what_waits_can_be_given_up() {
    let mut queue = Queue::new(1);
    queue.push(entered("a", VrState::Master, false, &ALL));
    queue.push(entered("b", VrState::Master, false, &ALL));
    assert_eq!(started(&mut queue), ["/master"]);
    queue.push(entered("a", VrState::Init, true, &ALL));
    let given_up: Vec<_> = queue.give_up().iter().map(|entered| entered.name.to_string()).collect();
    assert_eq!(given_up, ["a", "b"]);
    done(&mut queue, "a");
    assert_eq!(started(&mut queue), Vec::<String>::new());
    assert!(queue.is_idle());
}

#[derive(Clone, Debug)]
enum Act {
    Push(u8, u8, bool),
    Start,
    Done(u8),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..4_u8, 0..4_u8, prop::bool::weighted(0.1))
            .prop_map(|(who, state, leaving)| Act::Push(who, state, leaving)),
        Just(Act::Start),
        (0..4_u8).prop_map(Act::Done),
    ]
}

proptest! {
    #[test]
    fn any_order_of_events_keeps_the_rules(
        acts in prop::collection::vec(act(), 0..200),
        most in 1..4_usize,
        words in prop::sample::subsequence(&ALL[..], 0..=5),
    ) {
        let states = [VrState::Master, VrState::Backup, VrState::Fault, VrState::Init];
        let mut queue = Queue::new(most);
        let mut running: BTreeSet<String> = BTreeSet::new();
        // Per subject: the priority, which numbers its occasions, of the last told and the last pushed.
        let mut told: BTreeMap<String, u8> = BTreeMap::new();
        let (mut pushed, mut skipped, mut counted, mut begun) = (0_usize, 0_usize, 0_usize, BTreeSet::new());
        let mut number = 0_u8;
        for act in acts.into_iter().chain((0..60).flat_map(|_| [Act::Start, Act::Done(0), Act::Done(1), Act::Done(2), Act::Done(3)])) {
            match act {
                Act::Push(who, state, leaving) => {
                    number += 1;
                    let mut event = entered(&who.to_string(), states[usize::from(state)], leaving, &words);
                    event.priority = number;
                    pushed += usize::from(commands(&event).next().is_some());
                    skipped += usize::from(queue.push(event).is_some());
                }
                Act::Start => {
                    while let Some(task) = queue.take() {
                        let name = task.entered.name.to_string();
                        prop_assert!(running.insert(name.clone()), "two at once of {}", name);
                        let last = told.insert(name.clone(), task.entered.priority).unwrap_or(0);
                        prop_assert!(task.entered.priority >= last, "out of order");
                        begun.insert(task.entered.priority);
                        counted += usize::try_from(task.skipped).unwrap();
                    }
                    prop_assert!(running.len() <= most);
                }
                Act::Done(who) => {
                    if running.remove(&who.to_string()) {
                        queue.done(&(Whose::Instance, who.to_string().into()));
                    }
                }
            }
        }
        prop_assert!(queue.is_idle(), "everything was told in the end");
        prop_assert_eq!(begun.len() + skipped, pushed, "each occasion was told or handed back");
        prop_assert!(counted <= skipped);
    }
}
