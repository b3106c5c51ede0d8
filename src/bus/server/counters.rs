//! Counters by the names that `failover status --json` gives them. Pure and total.

use crate::agent::snapshot::{AgentCounters, InstanceCounters};

/// Makes a list of fields with their names; a field that is forgotten does not compile.
macro_rules! named {
    ($counters:expr, $kind:ident { $($name:ident),+ $(,)? }) => {{
        let $kind { $($name),+ } = $counters;
        vec![$((stringify!($name), *$name)),+]
    }};
}

/// Those of an instance.
pub(super) fn of_instance(counters: &InstanceCounters) -> Vec<(&'static str, u64)> {
    named!(
        counters,
        InstanceCounters {
            master_transitions,
            adverts_sent,
            adverts_received,
            priority_zero_sent,
            priority_zero_received,
            checksum_rfc9568,
            checksum_rfc5798,
            checksum_errors,
            ip_ttl_errors,
            version_errors,
            invalid_type,
            packet_length_errors,
            adv_interval_errors,
            address_list_errors,
            auth_failures,
            auth_type_errors,
            own_packets,
            foreign_packets,
            second_owner,
            contested,
            addresses_restored,
            announcements_sent,
        }
    )
}

/// Those of no instance.
pub(super) fn of_agent(counters: &AgentCounters) -> Vec<(&'static str, u64)> {
    named!(counters, AgentCounters { vrid_errors, leftovers_removed, dumps, events_missed })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn same(named: Vec<(&'static str, u64)>, counters: &impl serde::Serialize) {
        let json = serde_json::to_value(counters).unwrap();
        let json = json.as_object().unwrap().iter().map(|(name, value)| (&name[..], value.as_u64().unwrap()));
        assert_eq!(named.into_iter().collect::<BTreeMap<_, _>>(), json.collect());
    }

    #[test]
    fn the_names_are_those_of_the_status() {
        let instance = InstanceCounters { contested: 1, adverts_sent: 2, ..InstanceCounters::default() };
        same(of_instance(&instance), &instance);
        let agent = AgentCounters { dumps: 3, ..AgentCounters::default() };
        same(of_agent(&agent), &agent);
    }
}
