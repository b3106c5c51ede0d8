//! Script checks with real programs.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::time::Duration;

use failover::config::model::{Probe, Text};
use failover::health::outcome::{Finding, Outcome};
use failover::probe::Runner;

use crate::rig::{
    Directory, alone, check, descriptors, eventually, on_services, once, runs, script, script_runner, shared,
    zombies,
};

const SECOND: Duration = Duration::from_secs(1);

fn as_root(argv: &[&str]) -> Outcome {
    on_services(async {
        let probe = Probe::Script(script(argv, Some("root")));
        Runner::new("check", &check(probe, SECOND * 5), &shared()).run().await
    })
}

#[test]
fn the_exit_status_and_the_first_lines_are_told() {
    on_services(async {
        let fine = once(&["/bin/sh", "-c", "echo fine"]).await;
        assert_eq!((fine.finding, fine.text.as_str()), (Finding::Passed, "exit status 0: fine"));
        let bad = once(&["/bin/sh", "-c", "echo one; echo two >&2; exit 2"]).await;
        assert_eq!((bad.finding, bad.text.as_str()), (Finding::Failed, "exit status 2: one"));
        assert_eq!(bad.output, ["one", "two"]);
        let killed = once(&["/bin/sh", "-c", "kill -SEGV $$"]).await;
        assert_eq!((killed.finding, killed.text.as_str()), (Finding::Failed, "killed by SIGSEGV"));
        let real_time = once(&["/bin/sh", "-c", "kill -40 $$"]).await;
        assert_eq!(real_time.text, "killed by signal 40");
    });
}

#[test]
fn what_cannot_be_run_says_why() {
    let directory = Directory::new();
    let plain = directory.file("plain", "#!/bin/sh\n", 0o644);
    let lost = directory.file("lost", "#!/no/such/interpreter -x\n", 0o755);
    let bare = directory.file("bare", "echo a shell ran this\n", 0o755);
    let closed = directory.file("closed", "#!/bin/sh\n", 0o700);
    let missing = directory.join("missing").to_str().unwrap().to_owned();
    on_services(async {
        for (program, text) in [
            (&missing, format!("{missing} does not exist")),
            (&plain, format!("{plain} is not executable: chmod +x {plain}")),
            (
                &lost,
                format!(
                    "{lost} names the interpreter /no/such/interpreter in its first line, which does not exist"
                ),
            ),
            (
                &bare,
                format!(
                    "{bare} is no program for this machine; a script needs its interpreter in the first line, such as \
                     #!/bin/sh"
                ),
            ),
            (
                &closed,
                format!(
                    "nobody may not execute {closed}: look at the modes of the file, of its directories and of its \
                     interpreter, and for a file system mounted noexec"
                ),
            ),
        ] {
            let outcome = once(&[program]).await;
            assert_eq!((outcome.finding, outcome.text), (Finding::Failed, text));
        }
        assert_eq!(once(&["/usr"]).await.text, "/usr is a directory");
    });
}

#[test]
fn a_script_has_an_environment_of_its_own_and_no_privilege() {
    let script_text = "env | sort | tr '\\n' ' '; echo; \
        grep -E '^(NoNewPrivs|Groups|Uid|SigBlk)' /proc/self/status | tr '\\t\\n' '  '; echo; \
        grep ^Cap /proc/self/status | tr '\\t\\n' '  '; echo; \
        echo $(pwd) $(ls /proc/self/fd | wc -l); \
        echo $(cat /proc/self/oom_score_adj) $(cut -d' ' -f18,19,41 /proc/self/stat) $(umask)";
    on_services(async {
        let mut probe = script(&["/bin/sh", "-c", script_text], None);
        probe.env.insert("COLOUR".to_owned(), Text("green".to_owned()));
        let outcome = Runner::new("web", &check(Probe::Script(probe), SECOND * 5), &shared()).run().await;
        assert_eq!(outcome.finding, Finding::Passed, "{outcome:?}");
        let environment = &outcome.output[0];
        assert_eq!(
            environment,
            "COLOUR=green FAILOVER_CHECK=web HOME=/nonexistent LANG=C LOGNAME=nobody \
             PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin PWD=/ USER=nobody"
        );
        let none = "0000000000000000";
        assert_eq!(
            outcome.output[1],
            format!("Uid: 65534 65534 65534 65534 Groups: 65534  SigBlk: {none} NoNewPrivs: 1")
        );
        assert_eq!(
            outcome.output[2],
            format!("CapInh: {none} CapPrm: {none} CapEff: {none} CapBnd: {none} CapAmb: {none}")
        );
        // The three of every program, and the directory that is listed.
        assert_eq!(outcome.output[3], "/ 4", "directory and descriptors");
        assert_eq!(
            outcome.output[4], "0 20 0 0 0022",
            "out-of-memory score, priority, nice value, policy, mask"
        );
    });
}

#[test]
fn user_root_must_be_said_and_the_path_be_roots_alone() {
    let id = as_root(&["/usr/bin/id", "-u"]);
    assert_eq!(id.text, "exit status 0: 0");
    let directory = Directory::new();
    // /tmp has the sticky bit and is root's: what root put there, others cannot replace.
    let program = directory.file("program", "#!/bin/sh\necho ran\n", 0o755);
    assert_eq!(as_root(&[&program]).text, "exit status 0: ran");
    let refused = |program: &str, why: &str| {
        let outcome = as_root(&[program]);
        assert_eq!(outcome.finding, Finding::Failed);
        assert_eq!(
            outcome.text,
            format!("{program} is not run as root: {why}, so that others decide what it does")
        );
    };
    for mode in [0o775, 0o757, 0o777] {
        fs::set_permissions(&program, fs::Permissions::from_mode(mode)).unwrap();
        refused(&program, &format!("{program} can be written by others than root (mode {mode:04o})"));
    }
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    chown(&program, Some(65534), None).unwrap();
    refused(&program, &format!("{program} belongs to user 65534"));
    chown(&program, Some(0), None).unwrap();

    let open = directory.join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    symlink(&program, open.join("link")).unwrap();
    let link = open.join("link").to_str().unwrap().to_owned();
    refused(&link, &format!("{} can be written by others than root (mode 0777)", open.display()));
    fs::set_permissions(&open, fs::Permissions::from_mode(0o1777)).unwrap();
    assert_eq!(as_root(&[&link]).text, "exit status 0: ran");
    std::os::unix::fs::lchown(&link, Some(65534), None).unwrap();
    refused(&link, &format!("{link} belongs to user 65534"));
}

#[test]
fn a_user_that_does_not_exist_runs_nothing() {
    on_services(async {
        let shared = std::rc::Rc::new(failover::probe::Shared::new(failover::config::model::UserName(
            "failover-nobody".to_owned(),
        )));
        let outcome = script_runner(&["/bin/true"], SECOND, &shared).run().await;
        assert_eq!(outcome.finding, Finding::Failed);
        assert_eq!(
            outcome.text,
            "user failover-nobody does not exist: create it (useradd --system --shell /usr/sbin/nologin \
             failover-nobody) or set agent.script_user"
        );
    });
}

#[test]
fn the_limit_is_told_at_the_limit_and_the_next_run_waits_for_the_end() {
    let word = format!("stubborn-{}", std::process::id());
    let program = format!("trap '' TERM; echo started; sleep 1000 & sleep 1000; exit 0 # {word}");
    alone(async {
        // A test whose runtime ends leaves its killed processes to the end of this process.
        let others = zombies();
        let argv = ["/bin/sh", "-c", &program, &word];
        let mut runner = script_runner(&argv, Duration::from_millis(200), &shared());
        let outcome = runner.run().await;
        assert_eq!(
            (outcome.finding, outcome.text.as_str()),
            (Finding::Failed, "no answer within 200 ms: started")
        );
        assert!(outcome.took < Duration::from_millis(400), "{:?}", outcome.took);
        assert_eq!(runs(&word), 1, "it ignores the TERM");
        let early = runner.run().await;
        assert_eq!(early.finding, Finding::Failed);
        assert_eq!(early.text, "not run: /bin/sh of the run before has not ended yet");
        assert!(early.took < Duration::from_millis(50));
        let began = std::time::Instant::now();
        eventually("killed after a second of grace", || runs(&word) == 0).await;
        assert!(began.elapsed() > Duration::from_millis(500));
        eventually("waited for", || zombies() <= others).await;
        assert_eq!(runner.run().await.text, "no answer within 200 ms: started");
    });
}

#[test]
fn who_ends_at_the_term_may_run_again_at_once() {
    let word = format!("gentle-{}", std::process::id());
    let directory = Directory::new();
    fs::set_permissions(directory.join("."), fs::Permissions::from_mode(0o777)).unwrap();
    let mark = directory.join("cleaned");
    let program = format!("trap 'echo x > {}; exit 0' TERM; sleep 1000 & wait", mark.display());
    alone(async {
        let argv = ["/bin/sh", "-c", &program, &word];
        let mut runner = script_runner(&argv, Duration::from_millis(200), &shared());
        assert_eq!(runner.run().await.text, "no answer within 200 ms");
        eventually("ended", || runs(&word) == 0).await;
        assert!(mark.exists(), "it was given the time to clean up");
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(runner.run().await.text, "no answer within 200 ms", "not refused");
    });
}

#[test]
fn what_a_script_leaves_running_ends_with_it_and_holds_nothing_up() {
    on_services(async {
        let word = format!("left-{}", std::process::id());
        let program = "sh -c 'sleep 1000' $0 & echo done";
        let outcome = once(&["/bin/sh", "-c", program, &word]).await;
        assert_eq!(outcome.text, "exit status 0: done");
        assert!(outcome.took < Duration::from_millis(500), "{:?}", outcome.took);
        eventually("gone", || runs(&word) == 0).await;

        // Who begins a session of its own gets away, and holds the pipe: nobody waits for it.
        let outcome = once(&["/bin/sh", "-c", "setsid sleep 2 & echo done", &word]).await;
        assert_eq!(outcome.text, "exit status 0: done");
        assert!(outcome.took < Duration::from_millis(500), "{:?}", outcome.took);
    });
}

#[test]
fn a_chatty_script_neither_blocks_nor_grows() {
    alone(async {
        let before = memory();
        let chatty = once(&["/bin/sh", "-c", "head -c 100000000 /dev/zero | tr '\\0' 'y'; exit 3"]).await;
        assert_eq!(chatty.text, format!("exit status 3: {}", "y".repeat(200)));
        let lines = once(&["/bin/sh", "-c", "yes | head -c 100000000; exit 4"]).await;
        assert_eq!((lines.text.as_str(), lines.output.len()), ("exit status 4: y", 5));
        let grown = memory().saturating_sub(before);
        assert!(grown < 20_000, "{grown} KiB more than before");
    });
}

/// Resident memory in KiB.
fn memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn to_drop_the_runner_kills_what_it_started() {
    let word = format!("dropped-{}", std::process::id());
    alone(async {
        // A test whose runtime ends leaves its killed processes to the end of this process.
        let others = zombies();
        let argv = ["/bin/sh", "-c", "trap '' TERM; sleep 1000 & sleep 1000", &word];
        let mut runner = script_runner(&argv, SECOND * 30, &shared());
        let run = tokio::time::timeout(Duration::from_millis(300), runner.run()).await;
        assert!(run.is_err());
        eventually("killed when the run is dropped", || runs(&word) == 0).await;
        let mut runner = script_runner(&argv, Duration::from_millis(200), &shared());
        runner.run().await;
        assert_eq!(runs(&word), 1);
        drop(runner);
        let began = std::time::Instant::now();
        eventually("killed when the runner is dropped", || runs(&word) == 0).await;
        assert!(began.elapsed() < Duration::from_millis(500), "without the grace");
        eventually("waited for", || zombies() <= others).await;
    });
}

#[test]
fn a_thousand_hanging_scripts_leave_nothing() {
    let word = format!("thousand-{}", std::process::id());
    alone(async {
        // A test whose runtime ends leaves its killed processes to the end of this process.
        let others = zombies();
        let shared = shared();
        once(&["/bin/true"]).await;
        let before = descriptors();
        let began = std::time::Instant::now();
        let mut runs_of_them = Vec::new();
        for _ in 0..1000 {
            let argv = ["/bin/sleep".to_owned(), "1000".to_owned(), word.clone()];
            let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
            // `sleep` takes several times and adds them: the word goes to `sh`.
            let argv = ["/bin/sh", "-c", "trap '' TERM; while :; do sleep 1000; done", argv[2]];
            let mut runner = script_runner(&argv, SECOND * 8, &shared);
            runs_of_them.push(tokio::task::spawn_local(async move {
                let outcome = runner.run().await;
                (runner, outcome)
            }));
        }
        eventually("all run", || runs(&word) >= 1000).await;
        println!("1000 scripts started in {:?}", began.elapsed());
        let mut runners = Vec::new();
        for run in runs_of_them {
            let (runner, outcome) = run.await.unwrap();
            assert_eq!(outcome.text, "no answer within 8 s");
            runners.push(runner);
        }
        println!("all told after {:?}", began.elapsed());
        eventually("all killed", || runs(&word) == 0).await;
        println!("all gone after {:?}", began.elapsed());
        eventually("all waited for", || zombies() <= others).await;
        drop(runners);
        eventually("descriptors closed", || descriptors() <= before).await;
    });
}

/// The agent as a service: a user of its own, with two capabilities that what it executes would inherit.
#[test]
fn an_agent_that_is_not_root_runs_everything_as_itself_without_capabilities() {
    const NAME: &str = "scripts::an_agent_that_is_not_root_runs_everything_as_itself_without_capabilities";
    if nix::unistd::geteuid().is_root() {
        let directory = Directory::new();
        let copy = directory.join("test");
        crate::rig::copy(&std::env::current_exe().unwrap(), &copy);
        let capabilities = "+net_admin,+net_raw";
        let output = std::process::Command::new("setpriv")
            .args(["--reuid", "nobody", "--regid", "nogroup", "--clear-groups"])
            .args(["--inh-caps", capabilities, "--ambient-caps", capabilities, "--"])
            .arg(&copy)
            .args(["--exact", NAME, "--nocapture"])
            .output()
            .expect("setpriv");
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{text}{errors}");
        return;
    }
    let own = fs::read_to_string("/proc/self/status").unwrap();
    assert!(own.contains("CapAmb:\t0000000000003000"), "{own}");
    on_services(async {
        let text = "id -un; grep -E '^Cap(Inh|Prm|Eff|Amb)' /proc/self/status | tr '\\t\\n' '  '";
        let outcome = once(&["/bin/sh", "-c", text]).await;
        let none = "0000000000000000";
        assert_eq!(
            outcome.output,
            ["nobody", &format!("CapInh: {none} CapPrm: {none} CapEff: {none} CapAmb: {none}")]
        );
        let run = async |user: &str| {
            let probe = Probe::Script(script(&["/bin/true"], Some(user)));
            Runner::new("check", &check(probe, SECOND * 5), &shared()).run().await
        };
        assert_eq!(run("nobody").await.finding, Finding::Passed, "itself may be named");
        for other in ["root", "daemon", "no-such-user"] {
            assert_eq!(
                run(other).await.text,
                format!(
                    "cannot run it as user {other}: the agent is user nobody and may not change that; leave user out, or \
                     let systemd run it as whom it likes (units)"
                )
            );
        }
    });
}
