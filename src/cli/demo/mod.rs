//! `failover demo`: two hosts and a client in network namespaces, a crash, a hand-over, and the measured outages.
//!
//! The hosts are processes of this program in namespaces of their own, each with a real agent (`failover run`) and a
//! small service behind the virtual address. Never touches anything outside of its namespaces but a temporary directory;
//! nothing of it outlives it.
//!
//! Fails with exit code 1 when the system forbids namespaces (and says what to do), when a move does not happen, and
//! when it is interrupted.

mod client;
mod host;
mod link;
mod netns;
mod plan;
mod scenario;
mod timeline;
mod world;

use std::ffi::OsString;
use std::io;

use clap::{Args, Parser};

use self::netns::Privilege;
use self::plan::Host;
use self::scenario::Scenario;
use self::timeline::Timeline;
use self::world::World;
use super::{Exit, Failure, output};

/// Show a fail-over between two agents in private network namespaces, and measure it
///
/// Takes about five seconds. Needs no root where user namespaces are allowed.
#[derive(Debug, Args)]
pub(super) struct DemoArgs {
    // A `Part`. Not a subcommand, since completion scripts would offer it to people.
    #[arg(help = "", hide = true, trailing_var_arg = true, allow_hyphen_values = true)]
    part: Vec<OsString>,
}

/// What the demo starts itself as.
#[derive(Debug, Parser)]
#[command(no_binary_name = true)]
enum Part {
    Host(host::HostArgs),
    Agent(host::AgentArgs),
}

pub(super) fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    if args.part.is_empty() {
        return show();
    }
    match Part::try_parse_from(&args.part) {
        Ok(Part::Host(args)) => host::host(&args),
        Ok(Part::Agent(args)) => host::agent(&args),
        Err(_) => Err(Failure::Said { text: "demo takes no arguments".to_owned(), exit: Exit::Usage }),
    }
}

fn show() -> Result<Exit, Failure> {
    let world = World::new()?;
    output::answer(&introduction(world.privilege))?;
    let timeline = Timeline::new(output::wants_color(&io::stdout()));
    let measured = Scenario::new(world, timeline).play()?;
    output::answer(&timeline::summary(&measured))?;
    Ok(Exit::Fine)
}

fn introduction(privilege: Privilege) -> String {
    let how = match privilege {
        Privilege::Own => "",
        Privilege::UserNamespace => " (and, without root, in a user namespace)",
    };
    let config = plan::configuration(Host::Alpha);
    let config: Vec<&str> = config.lines().collect();
    let config = config.join("\n    ");
    format!(
        "Two hosts, alpha ({}) and beta ({}), share the address {}. A client asks a service there every\n\
         millisecond. All of it lives in network namespaces{how} that go away again.\n\
         \n\
         The configuration of alpha; beta's has priority 100:\n\
         \n\
         \x20   {config}\n\n",
        Host::Alpha.address(),
        Host::Beta.address(),
        plan::VIRTUAL,
    )
}
