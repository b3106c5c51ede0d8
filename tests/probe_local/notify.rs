//! Notify commands as they are really run. The agent's own user is root here, so `nobody` runs them.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::rc::Rc;

use std::time::{Duration, Instant};

use failover::agent::message::{Entered, Whose};
use failover::agent::snapshot::VrState;
use failover::config::model::{Command, Hooks, Notify, Units, UserName};
use failover::hook::notify::{Done, Notifier, Outcome};

use crate::rig::{Directory, alone, eventually, on_services, runs, zombies};

fn command(program: &str) -> Command {
    Command { program: PathBuf::from(program), arguments: vec!["own".to_owned()] }
}

fn entered(name: &str, state: VrState, leaving: bool, notify: &Notify) -> Entered {
    Entered {
        whose: Whose::Instance,
        name: name.into(),
        previous: VrState::Backup,
        state,
        leaving,
        priority: 101,
        reason: "a test of\nlines".into(),
        hooks: Hooks::new(notify.clone(), Units::default()),
    }
}

type Told = Rc<RefCell<Vec<Done>>>;

fn notifier() -> (Notifier, Told) {
    let told = Told::default();
    let log = Rc::clone(&told);
    (Notifier::new(UserName("nobody".to_owned()), move |done| log.borrow_mut().push(done)), told)
}

#[test]
fn commands_get_what_the_manual_says() {
    let directory = Directory::new();
    let program = directory.file(
        "show",
        "#!/bin/sh\necho \"$@\"\nenv | grep ^FAILOVER_ | sort | head -3\necho $(env | grep -c ^FAILOVER_) $(id -un); exit 3\n",
        0o755,
    );
    on_services(async {
        let (notifier, told) = notifier();
        let notify = Notify {
            master: Some(command(&program)),
            stop: Some(command(&program)),
            any: Some(command("/bin/true")),
            ..Notify::default()
        };
        notifier.enter(entered("web", VrState::Master, false, &notify));
        notifier.finish(Duration::from_secs(5)).await;
        notifier.enter(entered("web", VrState::Init, true, &notify));
        notifier.finish(Duration::from_secs(5)).await;
        let told = told.borrow();
        assert_eq!(told.len(), 4, "{told:?}");
        assert_eq!(told[0].output[0], "own INSTANCE web MASTER 101");
        assert_eq!(
            told[0].output[1..4],
            ["FAILOVER_INSTANCE=web", "FAILOVER_PREVIOUS_STATE=BACKUP", "FAILOVER_PRIORITY=101"]
        );
        // The reason here has two lines, of which one begins so.
        assert_eq!(told[0].output[4], "5 nobody");
        assert_eq!(
            (&told[0].outcome, told[0].command.to_str().unwrap()),
            (&Outcome::Exit(3), program.as_str())
        );
        assert_eq!((&told[1].outcome, told[1].command.to_str()), (&Outcome::Exit(0), Some("/bin/true")));
        assert_eq!(told[2].output[0], "own INSTANCE web STOP 101");
        assert!(told[2].leaving && told[3].leaving);
    });
}

#[test]
fn one_at_a_time_in_order_and_the_latest_wins() {
    let directory = Directory::new();
    fs::set_permissions(directory.join("."), fs::Permissions::from_mode(0o777)).unwrap();
    let log = directory.join("log");
    let text = format!("#!/bin/sh\necho begin $4 >> {0}\nsleep 0.2\necho end $4 >> {0}\n", log.display());
    let program = directory.file("log.sh", &text, 0o755);
    on_services(async {
        let (notifier, told) = notifier();
        let notify = Notify {
            master: Some(command(&program)),
            backup: Some(command(&program)),
            fault: Some(command(&program)),
            ..Notify::default()
        };
        for state in [VrState::Master, VrState::Backup, VrState::Fault, VrState::Master, VrState::Backup] {
            notifier.enter(entered("web", state, false, &notify));
        }
        let began = Instant::now();
        for number in 0..3 {
            notifier.enter(entered(
                &format!("other-{number}"),
                VrState::Fault,
                false,
                &Notify { fault: Some(command("/bin/true")), ..Notify::default() },
            ));
        }
        notifier.finish(Duration::from_secs(5)).await;
        assert!(began.elapsed() < Duration::from_secs(2));
        assert_eq!(fs::read_to_string(&log).unwrap(), "begin MASTER\nend MASTER\nbegin BACKUP\nend BACKUP\n");
        let told = told.borrow();
        let of_web: Vec<_> = told
            .iter()
            .filter(|done| &*done.name == "web")
            .map(|done| (done.state, done.outcome.clone(), done.skipped))
            .collect();
        assert_eq!(
            of_web,
            [
                (VrState::Backup, Outcome::Superseded, 0),
                (VrState::Fault, Outcome::Superseded, 0),
                (VrState::Master, Outcome::Superseded, 0),
                (VrState::Master, Outcome::Exit(0), 0),
                (VrState::Backup, Outcome::Exit(0), 3),
            ]
        );
        let last_other = told.iter().rposition(|done| done.name.starts_with("other")).unwrap();
        let first_end =
            told.iter().position(|done| done.outcome == Outcome::Exit(0) && &*done.name == "web").unwrap();
        assert!(last_other < first_end, "others do not wait");
    });
}

#[test]
fn a_command_over_its_limit_is_ended_and_the_next_runs() {
    on_services(async {
        let (notifier, told) = notifier();
        let word = format!("notify-{}", std::process::id());
        let master = Command {
            program: PathBuf::from("/bin/sh"),
            arguments: ["-c", "echo at work; sleep 1000; exit 0", &word].map(str::to_owned).to_vec(),
        };
        let limit = Duration::from_secs(1);
        let notify = Notify {
            master: Some(master),
            any: Some(command("/no/such/program")),
            timeout: limit,
            ..Notify::default()
        };
        notifier.enter(entered("web", VrState::Master, false, &notify));
        eventually("it runs", || runs(&word) == 1).await;
        notifier.finish(Duration::from_secs(10)).await;
        assert_eq!(runs(&word), 0);
        let told = told.borrow();
        assert_eq!(
            (&told[0].outcome, told[0].output.as_slice()),
            (&Outcome::Limit(limit), &["at work".to_owned()][..])
        );
        assert_eq!(told[1].outcome, Outcome::Refused("/no/such/program does not exist".into()));
    });
}

#[test]
fn leaving_waits_for_so_long_and_then_ends_what_runs() {
    alone(async {
        let others = zombies();
        let (notifier, told) = notifier();
        let word = format!("leave-{}", std::process::id());
        let slow = Command {
            program: PathBuf::from("/bin/sh"),
            arguments: ["-c", "trap '' TERM; sleep 1000; exit 0", &word].map(str::to_owned).to_vec(),
        };
        let notify = Notify { stop: Some(slow), any: Some(command("/bin/true")), ..Notify::default() };
        for name in ["a", "b"] {
            notifier.enter(entered(name, VrState::Init, true, &notify));
        }
        eventually("they run", || runs(&word) == 2).await;
        let began = Instant::now();
        notifier.finish(Duration::from_millis(300)).await;
        assert!((300..800).contains(&began.elapsed().as_millis()), "{:?}", began.elapsed());
        let outcomes: Vec<_> = told.borrow().iter().map(|done| done.outcome.clone()).collect();
        assert_eq!(outcomes, [Outcome::Left, Outcome::Left]);
        eventually("killed", || runs(&word) == 0).await;
        eventually("waited for", || zombies() <= others).await;
    });
}

#[test]
fn what_a_notify_command_leaves_running_goes_on() {
    on_services(async {
        let (notifier, told) = notifier();
        let word = format!("daemon-{}", std::process::id());
        let master = Command {
            program: PathBuf::from("/bin/sh"),
            arguments: ["-c", "sh -c 'sleep 2; exit 0' $0 >/dev/null 2>&1 & exit 0", &word]
                .map(str::to_owned)
                .to_vec(),
        };
        let notify = Notify { master: Some(master), ..Notify::default() };
        notifier.enter(entered("web", VrState::Master, false, &notify));
        notifier.finish(Duration::from_secs(5)).await;
        assert_eq!(told.borrow()[0].outcome, Outcome::Exit(0));
        assert!(told.borrow()[0].took < Duration::from_secs(1));
        // For a moment there may be the fork of `sleep`, too.
        eventually("it goes on", || runs(&word) == 1).await;
    });
}
