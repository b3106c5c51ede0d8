//! Files, and everything that can happen to one and to its directories.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use failover::config::model::{FileProbe, FileWant, Probe};
use failover::health::outcome::{Finding, Outcome};
use failover::probe::{Runner, Shared};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::rig::{Directory, alone, check, descriptors, on_services, shared};

fn runner(path: &Path, expect: FileWant, shared: &Rc<Shared>) -> Runner {
    let probe = Probe::File(FileProbe { path: path.to_owned(), expect });
    Runner::new("check", &check(probe, Duration::from_secs(2)), shared)
}

/// The next change that is not what was known; fails the test when none comes.
async fn next(runner: &mut Runner, what: &str) -> Outcome {
    tokio::time::timeout(Duration::from_secs(2), runner.changed()).await.unwrap_or_else(|_| panic!("{what}"))
}

/// Changes until one says `finding`.
async fn until(runner: &mut Runner, finding: Finding, what: &str) -> Duration {
    let began = Instant::now();
    while next(runner, what).await.finding != finding {}
    began.elapsed()
}

#[test]
fn present_and_absent_are_told_at_once() {
    let directory = Directory::new();
    let path = directory.join("file");
    on_services(async {
        let shared = shared();
        let mut present = runner(&path, FileWant::Present, &shared);
        let mut absent = runner(&path, FileWant::Absent, &shared);
        let shown = path.display();
        assert_eq!(present.run().await.text, format!("{shown} does not exist"));
        assert_eq!(absent.run().await.finding, Finding::Passed);
        fs::write(&path, "").unwrap();
        let took = until(&mut present, Finding::Passed, "created").await;
        println!("created: told after {took:?}");
        until(&mut absent, Finding::Failed, "created").await;
        fs::remove_file(&path).unwrap();
        until(&mut present, Finding::Failed, "removed").await;
        until(&mut absent, Finding::Passed, "removed").await;
        fs::write(directory.join("other"), "").unwrap();
        fs::rename(directory.join("other"), &path).unwrap();
        until(&mut present, Finding::Passed, "renamed to it").await;
        fs::rename(&path, directory.join("other")).unwrap();
        until(&mut present, Finding::Failed, "renamed away").await;
    });
}

#[test]
fn directories_on_the_way_may_come_go_and_be_exchanged() {
    let directory = Directory::new();
    let (outer, path) = (directory.join("a"), directory.join("a/b/file"));
    on_services(async {
        let shared = shared();
        let mut present = runner(&path, FileWant::Present, &shared);
        assert_eq!(present.run().await.finding, Finding::Failed);
        fs::create_dir(&outer).unwrap();
        fs::create_dir(directory.join("a/b")).unwrap();
        fs::write(&path, "").unwrap();
        until(&mut present, Finding::Passed, "made with its directories").await;
        fs::rename(&outer, directory.join("away")).unwrap();
        until(&mut present, Finding::Failed, "its outer directory moved away").await;
        fs::rename(directory.join("away"), &outer).unwrap();
        until(&mut present, Finding::Passed, "and came back").await;
        fs::remove_dir_all(&outer).unwrap();
        until(&mut present, Finding::Failed, "all removed").await;

        // The way of releases: a symbolic link that is exchanged in one step.
        for release in ["1", "2"] {
            fs::create_dir_all(directory.join(release).join("b")).unwrap();
        }
        fs::write(directory.join("2/b/file"), "").unwrap();
        symlink("1", &outer).unwrap();
        next(&mut present, "a link").await;
        symlink("2", directory.join("new")).unwrap();
        fs::rename(directory.join("new"), &outer).unwrap();
        until(&mut present, Finding::Passed, "the link leads elsewhere").await;
        fs::remove_file(directory.join("2/b/file")).unwrap();
        until(&mut present, Finding::Failed, "removed behind the link").await;
    });
}

#[test]
fn a_weight_is_read_whole() {
    let directory = Directory::new();
    let path = directory.join("weight");
    on_services(async {
        let shared = shared();
        let mut weight = runner(&path, FileWant::Weight, &shared);
        assert_eq!(weight.run().await.finding, Finding::Failed);
        fs::write(&path, "-20\n").unwrap();
        let mut outcome = next(&mut weight, "written").await;
        while outcome.weight != Some(-20) {
            outcome = next(&mut weight, "written").await;
        }
        assert_eq!(outcome.text, format!("{} holds -20", path.display()));
        fs::write(directory.join("new"), "30").unwrap();
        fs::rename(directory.join("new"), &path).unwrap();
        while next(&mut weight, "renamed over").await.weight != Some(30) {}

        // Emptied, and written a little later: the look between the two does not tell of an empty file.
        let mut file = fs::File::create(&path).unwrap();
        let late = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            std::io::Write::write_all(&mut file, b"40").unwrap();
            drop(file);
        };
        let (outcome, ()) = tokio::join!(weight.run(), late);
        assert_eq!(outcome.weight, Some(40), "{outcome:?}");
        fs::write(&path, "forty").unwrap();
        let text =
            format!("{} does not hold a whole number from -253 to 253 and nothing else", path.display());
        while next(&mut weight, "nonsense").await.text != text {}
        fs::write(&path, "").unwrap();
        assert!(weight.run().await.text.contains("is empty"));
    });
}

#[test]
fn nobody_waits_at_a_pipe_or_a_device() {
    let directory = Directory::new();
    let path = directory.join("pipe");
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    on_services(async {
        for path in [path.as_path(), Path::new("/dev/zero"), Path::new("/usr")] {
            let outcome = runner(path, FileWant::Weight, &shared()).run().await;
            assert_eq!(outcome.text, format!("{} is not an ordinary file", path.display()));
            assert_eq!(runner(path, FileWant::Present, &shared()).run().await.finding, Finding::Passed);
        }
    });
}

#[test]
fn many_files_share_one_descriptor_and_leave_none() {
    let directory = Directory::new();
    alone(async {
        let before = descriptors();
        let shared = shared();
        let mut runners = Vec::new();
        for number in 0..300 {
            let path = directory.join(&format!("file-{number}"));
            let mut runner = runner(&path, FileWant::Present, &shared);
            assert!(!runner.run().await.text.contains("interval"), "changes are heard of");
            runners.push((path, runner));
        }
        assert!(descriptors() < before + 10, "{before} before, now {}", descriptors());
        for (path, runner) in runners.iter_mut().skip(290) {
            fs::write(&*path, "").unwrap();
            until(runner, Finding::Passed, "created").await;
        }
        // A check that goes takes nobody else's watch along.
        runners.truncate(1);
        fs::write(&runners[0].0, "").unwrap();
        until(&mut runners[0].1, Finding::Passed, "created").await;
        drop(runners);
        drop(shared);
        tokio::task::yield_now().await;
        assert!(descriptors() <= before + 3, "the runtime's own at most");
    });
}
