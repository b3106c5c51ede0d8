//! The words that keys take, each with what it means: the reader, the manual and the schema take them from here.

use http::Method;

use super::model::{AddressLease, Checksum, FileWant, Initial, Track, UnitState};
use crate::net::Scope;
use crate::vrrp::fields::ChecksumForm;

/// The words alone.
const fn texts<T, const N: usize>(pairs: &[(&'static str, T); N]) -> [&'static str; N] {
    let mut words = [""; N];
    let mut at = 0;
    while at < N {
        #[expect(
            clippy::indexing_slicing,
            reason = "computed by the compiler, which refuses what is out of range"
        )]
        {
            words[at] = pairs[at].0;
        }
        at += 1;
    }
    words
}

macro_rules! words {
    ($($(#[doc = $doc:literal])* $name:ident, $texts:ident: $type:ty = [$($word:literal => $value:expr),* $(,)?];)*) => {
        $(
            $(#[doc = $doc])*
            pub(super) const $name: [(&str, $type); [$($word),*].len()] = [$(($word, $value)),*];
            $(#[doc = $doc])*
            pub(super) const $texts: &[&str] = &texts(&$name);
        )*
    };
}

words! {
    /// `checksum`.
    CHECKSUMS, CHECKSUM_WORDS: Checksum = [
        "auto" => Checksum::Auto,
        "rfc9568" => Checksum::Only(ChecksumForm::Rfc9568),
        "rfc5798" => Checksum::Only(ChecksumForm::Rfc5798),
    ];
    /// `address_lease`, where it is no duration.
    LEASES, LEASE_WORDS: AddressLease = ["auto" => AddressLease::Auto, "off" => AddressLease::Off];
    /// `scope` of an address.
    SCOPES, SCOPE_WORDS: Scope =
        ["global" => Scope::Global, "site" => Scope::Site, "link" => Scope::Link, "host" => Scope::Host];
    /// `type` of `auth`.
    AUTHS, AUTH_WORDS: () = ["password" => ()];
    /// `initial` of a check.
    INITIALS, INITIAL_WORDS: Initial =
        ["unknown" => Initial::Unknown, "passing" => Initial::Passing, "failing" => Initial::Failing];
    /// `states` of a unit: what systemd calls `ActiveState`.
    STATES, STATE_WORDS: UnitState = [
        "active" => UnitState::Active,
        "reloading" => UnitState::Reloading,
        "inactive" => UnitState::Inactive,
        "failed" => UnitState::Failed,
        "activating" => UnitState::Activating,
        "deactivating" => UnitState::Deactivating,
        "maintenance" => UnitState::Maintenance,
        "refreshing" => UnitState::Refreshing,
    ];
    /// `method` of a request.
    METHODS, METHOD_WORDS: Method = [
        "GET" => Method::GET,
        "HEAD" => Method::HEAD,
        "POST" => Method::POST,
        "PUT" => Method::PUT,
        "PATCH" => Method::PATCH,
        "DELETE" => Method::DELETE,
        "OPTIONS" => Method::OPTIONS,
    ];
    /// `expect` of a file.
    FILE_WANTS, FILE_WANT_WORDS: FileWant =
        ["present" => FileWant::Present, "absent" => FileWant::Absent, "weight" => FileWant::Weight];
    /// What a tracked check does, where it is no number.
    TRACKS, TRACK_WORDS: Track = ["fault" => Track::Fault, "weight" => Track::FileWeight];
}

/// What others call one of our words: `(key, their word, ours)`.
pub(super) const FOREIGN_WORDS: &[(&str, &str, &str)] = &[
    ("address_lease", "none", "off"),
    ("address_lease", "never", "off"),
    ("address_lease", "forever", "off"),
    ("address_lease", "infinite", "off"),
    ("address_lease", "on", "auto"),
    ("address_lease", "default", "auto"),
    ("initial", "up", "passing"),
    ("initial", "ok", "passing"),
    ("initial", "down", "failing"),
    ("initial", "critical", "failing"),
    ("states", "running", "active"),
    ("states", "started", "active"),
    ("states", "stopped", "inactive"),
    ("states", "dead", "inactive"),
    ("expect", "exists", "present"),
    ("expect", "missing", "absent"),
    ("expect", "integer", "weight"),
];
