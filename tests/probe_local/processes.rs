//! Processes by name and by number.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use failover::config::model::{Probe, ProcessProbe};
use failover::health::outcome::{Finding, Outcome};
use failover::probe::{Runner, Shared};

use crate::rig::{Directory, check, on_services, shared};

/// A program that runs until it is dropped.
struct Running(Child);

impl Running {
    fn new(argv: &[&str]) -> Self {
        Running(Command::new(argv[0]).args(&argv[1..]).stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn by_name(name: &str, shared: &Rc<Shared>) -> Runner {
    let probe = Probe::Process(ProcessProbe::Name(name.to_owned()));
    Runner::new("check", &check(probe, Duration::from_secs(2)), shared)
}

async fn changed(runner: &mut Runner) -> Outcome {
    tokio::time::timeout(Duration::from_secs(2), runner.changed()).await.expect("a change")
}

/// A copy of `sleep` under a name of its own.
fn copy(directory: &Directory, name: &str) -> String {
    let path = directory.join(name);
    crate::rig::copy(Path::new("/bin/sleep"), &path);
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_program_is_found_by_its_name_and_its_exit_heard_of() {
    let directory = Directory::new();
    let name = format!("a-long-name-{}", std::process::id());
    let program = copy(&directory, &name);
    on_services(async {
        let shared = shared();
        let mut runner = by_name(&name, &shared);
        let none = runner.run().await;
        assert_eq!((none.finding, none.text), (Finding::Failed, format!("no process runs {name}")));
        let first = Running::new(&[&program, "100"]);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(runner.run().await.text, format!("process {} runs", first.0.id()));
        // Replaced by an update, it still runs.
        fs::remove_file(&program).unwrap();
        tokio::time::sleep(Duration::from_millis(1100)).await;
        assert_eq!(runner.run().await.finding, Finding::Passed);
        copy(&directory, &name);
        let second = Running::new(&[&program, "100"]);
        let killed = Instant::now();
        let mut first = first;
        first.0.kill().unwrap();
        // Not waited for: a zombie does not run.
        let other = changed(&mut runner).await;
        println!("exit told after {:?}", killed.elapsed());
        assert_eq!(other.text, format!("process {} runs", second.0.id()), "another one passes");
        drop(second);
        let gone = changed(&mut runner).await;
        assert_eq!(gone.finding, Finding::Failed);
        let wait = tokio::time::timeout(Duration::from_millis(50), runner.changed()).await;
        assert!(wait.is_err(), "told once");
    });
}

#[test]
fn a_wait_that_is_dropped_loses_nothing() {
    let directory = Directory::new();
    let name = format!("drop-{}", std::process::id());
    let program = copy(&directory, &name);
    on_services(async {
        let mut runner = by_name(&name, &shared());
        let mut running = Running::new(&[&program, "100"]);
        assert_eq!(runner.run().await.finding, Finding::Passed);
        running.0.kill().unwrap();
        for _ in 0..20 {
            tokio::select! {
                biased;
                _ = runner.changed() => return,
                () = tokio::task::yield_now() => {}
            }
        }
        assert_eq!(changed(&mut runner).await.finding, Finding::Failed);
    });
}

#[test]
fn scripts_and_other_names_of_a_program() {
    let directory = Directory::new();
    let script_name = format!("scr-{}", std::process::id());
    let script = directory.file(&script_name, "#!/bin/sh\nsleep 100\nexit 0\n", 0o755);
    let link_name = format!("lnk-{}", std::process::id());
    let link = directory.join(&link_name);
    symlink("/bin/sleep", &link).unwrap();
    on_services(async {
        let shared = shared();
        let _script = Running::new(&[&script]);
        let _link = Running::new(&[link.to_str().unwrap(), "100"]);
        let _decoy = Running::new(&["/bin/sh", "-c", "sleep 100; exit 0", "decoy-name"]);
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert_eq!(by_name(&script_name, &shared).run().await.finding, Finding::Passed);
        assert_eq!(by_name(&link_name, &shared).run().await.finding, Finding::Passed);
        assert_eq!(by_name("decoy-name", &shared).run().await.finding, Finding::Failed, "an argument");
        assert_eq!(by_name("kthreadd", &shared).run().await.finding, Finding::Failed, "the kernel's");
        let own = std::env::current_exe().unwrap();
        let own = own.file_name().unwrap().to_str().unwrap();
        assert_eq!(by_name(own, &shared).run().await.finding, Finding::Failed, "this process itself");
    });
}

#[test]
fn a_pid_file_is_followed_and_may_be_stale() {
    let directory = Directory::new();
    let path = directory.join("pid");
    let shown = path.display();
    on_services(async {
        let probe = Probe::Process(ProcessProbe::PidFile(path.clone()));
        let mut runner = Runner::new("check", &check(probe, Duration::from_secs(2)), &shared());
        assert_eq!(runner.run().await.text, format!("{shown} does not exist"));
        let mut running = Running::new(&["/bin/sleep", "100"]);
        let pid = running.0.id();
        fs::write(&path, format!("{pid}\n")).unwrap();
        assert_eq!(runner.run().await.text, format!("process {pid} runs"));
        assert_eq!(runner.run().await.finding, Finding::Passed);
        running.0.kill().unwrap();
        let gone = changed(&mut runner).await;
        let stale = format!("process {pid}, whose number is in {shown}, does not run: the file is stale");
        assert_eq!((gone.finding, gone.text.as_str()), (Finding::Failed, stale.as_str()), "a zombie");
        drop(running);
        assert_eq!(runner.run().await.text, stale);
    });
}
