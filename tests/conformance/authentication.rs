//! AUT: the password of RFC 2338, for version 2 only.

use failover::agent::snapshot::VrState;
use failover::config::model::{InstanceConfig, Password};
use failover::vrrp::fields::Vrid;
use failover::vrrp::packet::{Advertisement, Auth, ParseError};

use super::bytes::*;
use super::rig::*;
use super::segment::ms;

const SECRET: [u8; 8] = *b"secret\0\0";

fn with_password(password: [u8; 8]) -> InstanceConfig {
    InstanceConfig { password: Some(Password(password)), ..instance_v2(100) }
}

fn peer_with(auth: Auth) -> Message {
    message(&Advertisement { auth, ..advert_v2(200, &[VIP]) })
}

#[test]
fn aut_01_the_authentication_type_says_what_the_eight_bytes_are() {
    for (number, auth) in
        [(0, Auth::None), (1, Auth::Password(SECRET)), (2, Auth::Other(2)), (9, Auth::Other(9))]
    {
        let mut bytes = emit4(&advert_v2(100, &["192.0.2.1"]));
        bytes[4] = number;
        bytes[12..].copy_from_slice(&SECRET);
        assert_eq!(parse4(&summed(bytes)).unwrap().advertisement.auth, auth);
    }
}

#[test]
fn aut_02_the_password_stands_left_in_a_field_of_eight_bytes() {
    let mut rig = Rig::start(&[with_password(SECRET)]);
    rig.run(ms(4000));
    let bytes = &rig.sent()[0].bytes;
    assert_eq!(bytes[4], 1);
    assert_eq!(bytes[bytes.len() - 8..], SECRET);
}

#[test]
fn aut_03_a_wrong_password_and_a_wrong_type_are_dropped_and_counted_apart() {
    let mut rig = Rig::masters(&[with_password(SECRET)]);
    rig.hear(&peer_with(Auth::Password(*b"Secret\0\0")));
    rig.hear(&peer_with(Auth::Password(*b"secret\0x")));
    rig.hear(&peer_with(Auth::None));
    rig.hear(&peer_with(Auth::Other(2)));
    assert_eq!(rig.state(), VrState::Master);
    let counters = rig.counters();
    assert_eq!((counters.auth_failures, counters.auth_type_errors), (2, 2));
    rig.hear(&peer_with(Auth::Password(SECRET)));
    assert_eq!(rig.state(), VrState::Backup);
}

#[test]
fn aut_05_without_a_password_of_ours_only_type_0_is_valid() {
    let mut rig = Rig::masters(&[instance_v2(100)]);
    rig.hear(&peer_with(Auth::Password(SECRET)));
    rig.hear(&peer_with(Auth::Other(3)));
    assert_eq!((rig.state(), rig.counters().auth_type_errors), (VrState::Master, 2));
    rig.hear(&peer_with(Auth::None));
    assert_eq!(rig.state(), VrState::Backup);
}

#[test]
fn aut_07_each_virtual_router_has_a_password_of_its_own() {
    let second = InstanceConfig { vrid: Vrid::new(52).unwrap(), ..with_password(*b"other\0\0\0") };
    let mut rig = Rig::masters(&[with_password(SECRET), second]);
    let with_secret = Advertisement { auth: Auth::Password(SECRET), ..advert_v2(200, &[VIP]) };
    rig.hear(&message(&Advertisement { vrid: Vrid::new(52).unwrap(), ..with_secret.clone() }));
    rig.hear(&message(&with_secret));
    assert_eq!(rig.status("web").state, VrState::Backup);
    assert_eq!(rig.status("db").state, VrState::Master);
    assert_eq!(rig.status("db").counters.auth_failures, 1);
}

#[test]
fn aut_08_the_password_is_in_no_text() {
    let mut rig = Rig::masters(&[with_password(SECRET)]);
    rig.hear(&peer_with(Auth::Password(*b"guessed!")));
    rig.hear(&peer_with(Auth::Password(SECRET)));
    let reports = rig.reports();
    assert!(!reports.is_empty());
    let mut texts: Vec<String> = reports.iter().map(failover::agent::report::Report::message).collect();
    texts.extend(reports.iter().flat_map(|report| report.fields().into_iter().map(|(_, value)| value)));
    texts.push(format!("{reports:?} {:?} {:?}", with_password(SECRET), rig.status("web")));
    for text in texts {
        assert!(!text.contains("secret") && !text.contains("guessed"), "{text}");
        assert!(!text.contains("115, 101, 99"), "as numbers: {text}");
    }
}

#[test]
fn aut_09_a_trailer_after_the_message_makes_it_too_long() {
    for bytes in [emit4(&advert(100, &["192.0.2.1"])), emit4(&advert_v2(100, &["192.0.2.1"]))] {
        let expected = bytes.len();
        let trailer = summed([bytes, vec![0xa5; 44]].concat());
        assert_eq!(parse4(&trailer), Err(ParseError::Length { actual: expected + 44, expected }));
    }
}
