//! The adverts of one instance as bytes, made once and kept until what is in them changes, and the form of their
//! checksum, which follows the peers.

use std::net::IpAddr;
use std::sync::Arc;

use crate::config::model::{Checksum, InstanceConfig, Transport};
use crate::vrrp::fields::{ChecksumForm, Claim};
use crate::vrrp::packet::{Advertisement, Auth};

/// Adverts in the other form that a MASTER must hear in a row before it changes to it.
///
/// A peer that rejects our form believes itself alone and goes on claiming the addresses: then we must change, or both
/// hold them for ever. A single message must not make us, or anybody could turn a whole group deaf.
const PERSISTENCE: u8 = 3;

/// What an instance puts on the wire.
#[derive(Debug)]
pub(crate) struct Transmit {
    form: ChecksumForm,
    others_in_a_row: u8,
    cached: Option<(IpAddr, Claim)>,
    /// Destination and message.
    messages: Vec<(IpAddr, Arc<[u8]>)>,
}

impl Transmit {
    /// With the form that is sent until a peer was heard. `auto` begins with RFC 5798's: keepalived and FRR drop the
    /// other by default, and who sends the other teaches us with its first adverts.
    pub(crate) fn new(checksum: Checksum) -> Self {
        let form = match checksum {
            Checksum::Auto => ChecksumForm::Rfc5798,
            Checksum::Only(form) => form,
        };
        Transmit { form, others_in_a_row: 0, cached: None, messages: Vec::new() }
    }

    /// What the adverts say is another thing now. The form that was learned stays where it may still be learned.
    pub(crate) fn reconfigure(&mut self, checksum: Checksum) {
        if let Checksum::Only(form) = checksum {
            self.form = form;
        }
        self.others_in_a_row = 0;
        self.cached = None;
    }

    /// The form sent now.
    pub(crate) fn form(&self) -> ChecksumForm {
        self.form
    }

    /// A peer used `form`; `true` if ours changes to it.
    pub(crate) fn heard(&mut self, checksum: Checksum, form: ChecksumForm, as_master: bool) -> bool {
        if checksum != Checksum::Auto || form == self.form {
            self.others_in_a_row = 0;
            return false;
        }
        self.others_in_a_row += 1;
        if as_master && self.others_in_a_row < PERSISTENCE {
            return false;
        }
        self.others_in_a_row = 0;
        self.form = form;
        self.cached = None;
        true
    }

    /// What is to be sent, and where to.
    pub(crate) fn messages(
        &mut self,
        config: &InstanceConfig,
        source: IpAddr,
        claim: Claim,
    ) -> &[(IpAddr, Arc<[u8]>)] {
        if self.cached != Some((source, claim)) {
            self.cached = Some((source, claim));
            self.messages = build(config, source, claim, self.form);
        }
        &self.messages
    }
}

fn build(
    config: &InstanceConfig,
    source: IpAddr,
    claim: Claim,
    form: ChecksumForm,
) -> Vec<(IpAddr, Arc<[u8]>)> {
    let advertisement = Advertisement {
        version: config.version,
        vrid: config.vrid,
        claim,
        interval: config.interval,
        addresses: config.addresses.iter().map(|address| address.prefix.address()).collect(),
        auth: config.password.map_or(Auth::None, |password| Auth::Password(password.0)),
    };
    let group = [config.family.vrrp_group()];
    let destinations: &[IpAddr] = match &config.transport {
        Transport::Multicast => &group,
        Transport::Unicast(peers) => peers,
    };
    let message = |to: &IpAddr| (*to, advertisement.emit(source, *to, form).into());
    destinations.iter().map(message).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use ChecksumForm::{Rfc5798, Rfc9568};

    #[test]
    fn a_backup_follows_its_master_at_once_a_master_only_persistence() {
        let mut transmit = Transmit::new(Checksum::Auto);
        assert_eq!(transmit.form(), Rfc5798);
        assert!(transmit.heard(Checksum::Auto, Rfc9568, false));
        assert_eq!(transmit.form(), Rfc9568);
        assert!(!transmit.heard(Checksum::Auto, Rfc5798, true));
        assert!(!transmit.heard(Checksum::Auto, Rfc5798, true));
        assert!(!transmit.heard(Checksum::Auto, Rfc9568, true), "somebody understands us");
        assert!(!transmit.heard(Checksum::Auto, Rfc5798, true));
        assert!(!transmit.heard(Checksum::Auto, Rfc5798, true));
        assert!(transmit.heard(Checksum::Auto, Rfc5798, true));
        assert_eq!(transmit.form(), Rfc5798);
    }

    #[test]
    fn a_form_that_is_set_stays() {
        let only = Checksum::Only(Rfc9568);
        let mut transmit = Transmit::new(only);
        for _ in 0..10 {
            assert!(!transmit.heard(only, Rfc5798, false));
        }
        assert_eq!(transmit.form(), Rfc9568);
    }
}
