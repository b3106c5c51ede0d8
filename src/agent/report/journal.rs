//! Reports as journal records: the kind of each as a message id, and the fields to search by.

use super::Report;
use crate::agent::snapshot::VrState;

impl Report {
    /// Identifies the kind of message in the journal; listed in failover(8).
    #[must_use]
    pub fn message_id(&self) -> &'static str {
        match self {
            Report::Transition { state: VrState::Master, .. } => "4f9d2c61b7e04a5f8d3b1c9ea2760e11",
            Report::Transition { state: VrState::Backup, .. } => "0c1e7a52d98b4f7c9a63e5d80b1f4a22",
            Report::Transition { state: VrState::Fault, .. } => "b83f6d0a1c7e4952a5d4f9e8c3017b33",
            Report::Transition { state: VrState::Init, .. } => "7d25c9e3f0a84b16b9e7d1a46c8f5044",
            Report::NewMaster { .. } => "e16a80b4d3c94f27a8b5c2f7190d6e55",
            Report::Contested { .. } => "5a9c1e7f3d204b68b1f6e0a9d8c37466",
            Report::Trouble { .. } => "c7f40d9e6a1b4382950ed7b3f1a82c77",
            Report::ChecksumForm { .. } => "2b8e5f1c9d7a4063a4c9f0e6b7d31a88",
            Report::AddressRestored { .. } => "91d3a7c0e5f84b29bd60c8a1f2e49b99",
            Report::SourceGone { .. } => "d01de4f7da8f4a5da34e0ba1e3e4db3d",
            Report::AddressRefused { .. } => "f60b2d8c4a9e4715833fc1d5e7a90baa",
            Report::LeaseNotRenewed { .. } => "5d07e3b96c2f4a8191e4f7c08bd3a6b5",
            Report::AddressStuck { .. } => "3ce7f19a0b5d4c86a72e9d40f8b61cbb",
            Report::LeftoverRemoved { .. } => "a05d8e3b7f1c49629e4b6d2c0f957dcc",
            Report::ForeignAddress { .. } => "68b1f4d09c2e4a75b0d3e7f8a5c16edd",
            Report::NotOwner { .. } => "0b7e61d48f2a4c95b36ad8125c90ef37",
            Report::SocketRefused { .. } => "d94e0a7b2f6c4813ac5f1e9d7b38ffee",
            Report::SendFailed { .. } => "17c6b9f2e8d04a3595ad3c0e4f7b80ff",
            Report::EventsMissed { .. } => "8af30c5d1e9b47629d7e2b6f04c81a10",
            Report::Configured { .. } => "be2d71f9a0c64e38876bd5f3e1490b21",
            Report::Reconfigured(_) => "95c0d7e2a4b84f6189f1e3d2706bc154",
            Report::Around(around) => around.message_id(),
            Report::Planned(planned) => planned.message_id(),
            Report::Stopping => "40e9c8b6d5f74a12b3a1f7d2690ce832",
            Report::Stopped { .. } => "d2f85a1e7b3c49608c4d9e0f6ab17943",
        }
    }

    /// Journal fields, such as `("FAILOVER_INSTANCE", "web")`; names are of [`FIELDS`]. What concerns several instances has
    /// that one several times, so that it is found with each.
    #[must_use]
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![("MESSAGE_ID", self.message_id().to_owned())];
        if let Some(subject) = self.subject() {
            fields.push(("FAILOVER_INSTANCE", subject.name.to_string()));
            fields.push(("FAILOVER_INTERFACE", subject.interface.to_string()));
            fields.push(("FAILOVER_VRID", subject.vrid.to_string()));
            fields.extend(subject.group.iter().map(|group| ("FAILOVER_GROUP", group.to_string())));
        }
        fields.extend(self.concerned().iter().map(|name| ("FAILOVER_INSTANCE", name.to_string())));
        match self {
            Report::Transition { previous, state, priority, reason, .. } => fields.extend([
                ("FAILOVER_STATE", state.to_string()),
                ("FAILOVER_PREVIOUS_STATE", previous.to_string()),
                ("FAILOVER_PRIORITY", priority.to_string()),
                ("FAILOVER_REASON", reason.clone()),
            ]),
            Report::Trouble { peer, trouble, .. } => {
                fields
                    .extend([("FAILOVER_PEER", peer.to_string()), ("FAILOVER_REASON", trouble.to_string())]);
            }
            Report::NewMaster { peer, .. }
            | Report::Contested { peer, .. }
            | Report::ChecksumForm { peer, .. } => fields.push(("FAILOVER_PEER", peer.to_string())),
            Report::AddressStuck { interface, text, .. }
            | Report::SocketRefused { interface, text, .. }
            | Report::SendFailed { interface, text, .. } => {
                fields.extend([("FAILOVER_INTERFACE", interface.clone()), ("FAILOVER_REASON", text.clone())]);
            }
            Report::LeftoverRemoved { interface, .. } => {
                fields.push(("FAILOVER_INTERFACE", interface.clone()));
            }
            Report::AddressRefused { text, .. } | Report::LeaseNotRenewed { text, .. } => {
                fields.push(("FAILOVER_REASON", text.clone()));
            }
            Report::Around(around) => around.fields(&mut fields),
            Report::AddressRestored { .. }
            | Report::SourceGone { .. }
            | Report::ForeignAddress { .. }
            | Report::NotOwner { .. }
            | Report::EventsMissed { .. }
            | Report::Configured { .. }
            | Report::Reconfigured(_)
            | Report::Planned(_)
            | Report::Stopping
            | Report::Stopped { .. } => {}
        }
        fields
    }
}

/// Every name that a record may use.
pub const FIELDS: [&str; 12] = [
    "MESSAGE_ID",
    "FAILOVER_INSTANCE",
    "FAILOVER_GROUP",
    "FAILOVER_CHECK",
    "FAILOVER_STATE",
    "FAILOVER_PREVIOUS_STATE",
    "FAILOVER_REASON",
    "FAILOVER_PRIORITY",
    "FAILOVER_INTERFACE",
    "FAILOVER_VRID",
    "FAILOVER_PEER",
    "FAILOVER_MORE",
];
