//! `failover` beside keepalived: the same work done by both on this machine in one run, in network namespaces made for
//! it, and a table of both, the ratio and the goal.
//!
//! The programs take turns in every round, so that the machine's drift hits both. Time stamps are the kernel's, of frames
//! as they reach the bridge; nothing is taken from what the programs say. Needs root, keepalived, iproute2, util-linux.
//! Fails with what it waited for and the programs' last log lines.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a program for people at a terminal")]
#![expect(clippy::expect_used, clippy::panic, reason = "a benchmark that cannot measure ends and says why")]
#![expect(clippy::indexing_slicing, reason = "host 0 or 1, and slices whose length was just looked at")]
#![expect(clippy::disallowed_methods, reason = "measures with the real clock")]

mod check;
mod flood;
mod instances;
mod leave;
mod load;
mod many;
mod monitor;
mod network;
mod pair;
mod program;
mod reload;
mod request;
mod server;
mod service;
mod sheet;
mod space;
mod start;
mod steady;
mod takeover;
mod wire;

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use program::Program;
use sheet::Sheet;

/// What is asked of this run.
#[derive(Debug)]
struct Context {
    /// The `failover` binary.
    binary: String,
    /// Shorter windows.
    quick: bool,
}

type Work = fn(&Context, Program, &mut Sheet);

/// Name, what it is, rounds unless asked for otherwise, the work of one program in one round.
const ROWS: [(&str, &str, u32, Work); 17] = [
    ("takeover", "one address, the MASTER's host dies", 3, takeover::one_address),
    (
        "addresses",
        "one instance with 1000 addresses, the MASTER's host dies",
        3,
        takeover::thousand_addresses,
    ),
    ("pace", "exactness of the advert interval, idle and under load", 2, steady::pace),
    ("malformed", "20,000 malformed packets at 5,000/s", 2, steady::malformed),
    ("low-priority", "20,000 adverts of priority 1 at 5,000/s", 2, steady::low_priority),
    ("instances", "1000 instances at 100 ms: CPU, memory, load, crash", 2, instances::fast),
    ("instances-1s", "1000 instances at 1 s: CPU", 2, instances::slow),
    ("reload", "200 instances at 100 ms, one gets another priority", 1, reload::one_of_many),
    ("validate", "a configuration of 1000 instances is checked", 1, reload::validate),
    ("service", "the service on the MASTER's host is stopped", 1, service::stopped),
    ("weight", "a check of weight -20 fails on the MASTER's host", 1, service::weight),
    ("checks", "200 TCP checks at 1 s: CPU", 1, many::tcp),
    ("planned", "the MASTER's program is told to end", 1, leave::planned),
    ("killed", "the MASTER's program is killed, its host lives on", 1, leave::killed),
    ("restarted", "the MASTER's program is killed and started again after 100 ms", 1, leave::restarted),
    ("start", "200 instances: from the start until it says that it is ready", 1, start::ready),
    ("http-checks", "1000 HTTP checks at 1 s beside an advert every 10 ms", 1, many::http),
];

const USAGE: &str = "\
cargo bench --bench side_by_side -- [ROW…] [--quick] [--rounds N] [--only keepalived|failover] [--binary FILE]
  --quick   one round with shorter windows, three minutes in all
  --rounds  how often each row is measured with each program
  --only    one of the programs
  --binary  another `failover` than the one built with this benchmark";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [mode, port] = &arguments[..]
        && mode == request::SERVE
    {
        request::serve(port);
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        // `cargo test --all-targets` starts benchmarks, too.
        println!("to measure: cargo bench --bench side_by_side");
        return ExitCode::SUCCESS;
    }
    let options = match Options::read(arguments) {
        Ok(options) => options,
        Err(complaint) => {
            eprintln!("{complaint}\n{USAGE}\nrows:");
            for (name, text, _, _) in ROWS {
                eprintln!("  {name:14} {text}");
            }
            return ExitCode::from(2);
        }
    };
    if !nix::unistd::geteuid().is_root() {
        eprintln!("this benchmark makes network namespaces and starts keepalived in them: run it as root");
        return ExitCode::FAILURE;
    }
    let version = Command::new("keepalived").arg("--version").output();
    match version {
        Ok(version) => {
            let text = String::from_utf8_lossy(&version.stderr).into_owned();
            println!("{}", text.lines().next().unwrap_or_default());
        }
        Err(error) => {
            eprintln!("keepalived: {error} (apt-get install keepalived)");
            return ExitCode::FAILURE;
        }
    }
    options.measure();
    ExitCode::SUCCESS
}

#[derive(Debug)]
struct Options {
    context: Context,
    rows: Vec<String>,
    rounds: Option<u32>,
    programs: Vec<Program>,
}

impl Options {
    fn read(arguments: Vec<String>) -> Result<Self, String> {
        let binary = env!("CARGO_BIN_EXE_failover").to_owned();
        let mut options = Options {
            context: Context { binary, quick: false },
            rows: Vec::new(),
            rounds: None,
            programs: Program::BOTH.to_vec(),
        };
        let mut arguments = arguments.into_iter();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
            match argument.as_str() {
                "--bench" => {}
                "--quick" => options.context.quick = true,
                "--rounds" => options.rounds = Some(value()?.parse().map_err(|_| "--rounds needs a number")?),
                "--binary" => options.context.binary = value()?,
                "--only" => {
                    let name = value()?;
                    options.programs.retain(|program| program.to_string() == name);
                }
                row if ROWS.iter().any(|(name, ..)| *name == row) => options.rows.push(argument),
                _ => return Err(format!("what is `{argument}`?")),
            }
        }
        Ok(options)
    }

    fn measure(&self) {
        let start = Instant::now();
        let mut sheet = Sheet::default();
        for (name, text, usual, work) in ROWS {
            if !self.rows.is_empty() && !self.rows.iter().any(|row| row == name) {
                continue;
            }
            let rounds = self.rounds.unwrap_or(if self.context.quick { 1 } else { usual });
            for round in 1..=rounds {
                for &program in &self.programs {
                    let elapsed = start.elapsed().as_secs();
                    println!("[{elapsed:3} s] {name}, round {round} of {rounds}, {program}: {text}");
                    work(&self.context, program, &mut sheet);
                }
            }
        }
        sheet.print();
        println!("\n{} s in all", start.elapsed().as_secs());
    }
}

/// `a - b`, which may be negative, ms.
fn milliseconds(a: Duration, b: Duration) -> f64 {
    (a.saturating_sub(b).as_secs_f64() - b.saturating_sub(a).as_secs_f64()) * 1e3
}
