//! What must come to pass once the faults are over (liveness), and then must not change any more.

use failover::agent::snapshot::VrState;
use failover::config::model::InstanceConfig;
use failover::vrrp::fields::Version;

use crate::faults::Fault;
use crate::host::Host;
use crate::judge::{Judge, Seat, is_ours};
use crate::network::Network;
use crate::scenario::{MS, SECOND, Scenario};

impl Judge {
    /// When everybody must have settled, if the faults ended at `calm_at`.
    pub(crate) fn settles_at(&self, calm_at: u64, scenario: &Scenario) -> u64 {
        let has = |which: fn(&Fault) -> bool| scenario.strikes.iter().any(|strike| which(&strike.fault));
        // Duplicate address detection, the dump and the sockets of a start, messages still under way.
        let mut recovery = 1200 * MS + scenario.rough.straggle + scenario.beat + scenario.health_settles;
        if has(|fault| matches!(fault, Fault::RefuseSockets { .. })) {
            recovery += 5200 * MS;
        }
        if has(|fault| matches!(fault, Fault::TimeOut { .. })) {
            recovery += 7 * SECOND;
        }
        if has(|fault| matches!(fault, Fault::Refuse { .. } | Fault::TimeOut { .. })) {
            // The pace at which removals that were refused are tried again.
            recovery += 5200 * MS;
        }
        if scenario.hosts.iter().any(|host| !host.tags) && has(|fault| matches!(fault, Fault::Crash { .. })) {
            // What a killed program left cannot be told from an administrator's, and is used until its lease is over.
            recovery += longest_lease(scenario);
        }
        let out_until = |group: usize| {
            let seats = self.watches.iter().filter_map(|watch| watch.seats[group].as_ref());
            seats.map(|seat| seat.out_until).max().unwrap_or(0)
        };
        let each = self.groups.iter().enumerate().map(|(number, group)| {
            calm_at.max(out_until(number)) + recovery + group.preempt_delay + 3 * group.down
        });
        each.max().unwrap_or(calm_at)
    }

    /// Everybody has settled: judges who holds what, and has nothing change from now on.
    pub(crate) fn settled(&mut self, now: u64, hosts: &[Host], network: &Network, scenario: &Scenario) {
        self.still = true;
        for group in 0..self.groups.len() {
            for island in islands(scenario, network, self.groups[group].segment) {
                if let Err(wrong) = self.judge_island(hosts, group, &island) {
                    self.failure.get_or_insert(format!("vr{group} in the calm: {wrong}"));
                }
            }
        }
        for (number, host) in hosts.iter().enumerate() {
            self.judge_host(now, number, host);
        }
    }

    /// A host that is MASTER of something.
    pub(crate) fn any_master(&self) -> Option<usize> {
        let is_master = |seat: &Seat| seat.state == VrState::Master;
        self.watches.iter().position(|watch| watch.seats.iter().flatten().any(is_master))
    }

    /// Host `from` is about to leave.
    pub(crate) fn leaves(&mut self, from: usize) {
        self.successors.clear();
        self.leaving = Some(from);
        for seat in self.watches[from].seats.iter_mut().flatten() {
            seat.left_as_master = seat.state == VrState::Master;
        }
    }

    /// Host `from` left a while ago: where anybody else can be MASTER somebody is, and of unequal ones it was the better
    /// one that took over, which is what the skew is for.
    pub(crate) fn handed_over(
        &mut self,
        from: usize,
        hosts: &[Host],
        network: &Network,
        scenario: &Scenario,
    ) {
        for group in 0..self.groups.len() {
            let Some(left) = self.watches[from].seats[group].as_ref().filter(|seat| seat.left_as_master)
            else {
                continue;
            };
            let segment = self.groups[group].segment;
            let step = match left.config().version {
                Version::V2 => SECOND / 256,
                Version::V3 => u64::from(left.config().interval.centiseconds()) * 10 * MS / 256,
            };
            let near = islands(scenario, network, segment).into_iter().find(|island| island.contains(&from));
            let able = |number: &usize| {
                let host = &hosts[*number];
                *number != from
                    && host.program.is_some()
                    && self.connected(hosts, *number, segment)
                    && !self.watches[*number].said.unfit(group)
            };
            let priority = |number: usize| {
                self.watches[number].seats[group].as_ref().map(|seat| u64::from(seat.effective.number()))
            };
            let able: Vec<usize> = near.unwrap_or_default().into_iter().filter(able).collect();
            let Some(best) = able.iter().filter_map(|number| priority(*number)).max() else { continue };
            let took: Vec<u64> = self
                .successors
                .iter()
                .filter(|(_, of)| *of == group)
                .filter_map(|(n, _)| priority(*n))
                .collect();
            if took.is_empty() {
                return self.fail(from, format!("left vr{group}, and nobody of {able:?} took over in time"));
            }
            if let Some(worse) = took.iter().find(|worse| (best - **worse) * step > self.slack) {
                let what =
                    format!("left vr{group} to one of priority {worse}, who did not wait for that of {best}");
                return self.fail(from, what);
            }
        }
    }

    /// Exactly one MASTER among those that can be, the right one, with all addresses, and nobody else with any.
    fn judge_island(&self, hosts: &[Host], group: usize, island: &[usize]) -> Result<(), String> {
        let (mut eligible, mut masters) = (Vec::new(), Vec::new());
        for number in island {
            let host = &hosts[*number];
            let Some(seat) = &self.watches[*number].seats[group] else { continue };
            let connected = self.connected(hosts, *number, self.groups[group].segment);
            let able = host.program.is_some() && connected && !self.watches[*number].said.unfit(group);
            if able {
                eligible.push((*number, seat));
            } else if host.program.is_some() && seat.state != VrState::Fault {
                return Err(format!("h{number} cannot take part, yet is {}", seat.state));
            }
            if seat.state == VrState::Master {
                masters.push((*number, seat));
            }
        }
        if eligible.is_empty() && masters.is_empty() {
            return Ok(());
        }
        let states: Vec<String> =
            eligible.iter().map(|(number, seat)| format!("h{number} {}", seat.state)).collect();
        let [(master, seat)] = masters[..] else {
            return Err(format!(
                "{} MASTERs of {eligible} ({states:?})",
                masters.len(),
                eligible = eligible.len()
            ));
        };
        let better =
            |(_, other): &&(usize, &Seat)| other.config().preempt && other.effective > seat.effective;
        if let Some((number, other)) = eligible.iter().find(better) {
            let (ours, theirs) = (seat.effective, other.effective);
            return Err(format!("h{master} is MASTER with {ours}, h{number} should be with {theirs}"));
        }
        Ok(())
    }

    /// Whether a host is connected where a virtual router needs it: for one that moves with others, wherever these are.
    fn connected(&self, hosts: &[Host], number: usize, segment: usize) -> bool {
        let kernel = &hosts[number].kernel;
        if self.watches[number].said.together() {
            self.groups.iter().all(|group| kernel.is_connected(group.segment))
        } else {
            kernel.is_connected(segment)
        }
    }

    fn judge_host(&mut self, now: u64, number: usize, host: &Host) {
        let Some(program) = &host.program else { return };
        if let Some((group, address)) = self.odd(number) {
            self.fail(number, format!("vr{group} in the calm: {address} is not where it should be"));
        }
        let wanted = |held: &crate::kernel::Held| {
            let address = held.address.prefix.address();
            let group = self.groups.iter().position(|group| group.addresses.contains(&address));
            let seat = group.and_then(|group| self.watches[number].seats[group].as_ref());
            seat.is_some_and(|seat| seat.state == VrState::Master)
        };
        let stray = host.kernel.held().iter().find(|held| is_ours(host, held) && !wanted(held));
        if let Some(stray) = stray {
            self.fail(number, format!("holds {} in the calm", stray.address.prefix));
        }
        for status in program.agent.snapshot(host.clock.shows(now)).instances {
            let group: usize = status.name.trim_start_matches("vr").parse().unwrap();
            let told = self.watches[number].seats[group].as_ref().map(|seat| seat.state);
            if told != Some(status.state) {
                self.fail(
                    number,
                    format!("status says {} is {}, told was {told:?}", status.name, status.state),
                );
            }
            if status.state == VrState::Master && status.addresses.iter().any(|address| !address.present) {
                self.fail(number, format!("status misses an address of {}", status.name));
            }
        }
    }
}

/// The longest lease of any address.
fn longest_lease(scenario: &Scenario) -> u64 {
    let instances = scenario.hosts.iter().flat_map(|host| host.config.instances.values());
    instances
        .filter_map(InstanceConfig::lease)
        .map(|lease| u64::from(lease.seconds) * SECOND)
        .max()
        .unwrap_or(0)
}

/// The hosts of a segment in sets that can hear each other.
fn islands(scenario: &Scenario, network: &Network, segment: usize) -> Vec<Vec<usize>> {
    let count = scenario.hosts.len();
    let mut islands: Vec<Vec<usize>> = Vec::new();
    for number in 0..count {
        let near = |other: &usize| {
            network.reaches(segment, number, *other) && network.reaches(segment, *other, number)
        };
        match islands.iter_mut().find(|island| island.iter().all(near)) {
            Some(island) => island.push(number),
            None => islands.push(vec![number]),
        }
    }
    islands
}
