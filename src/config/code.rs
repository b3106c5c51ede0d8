//! The stable codes of diagnostics: one row each, which the manual repeats and a test compares.

use std::fmt;

macro_rules! codes {
    ($($name:ident = $number:literal, $meaning:literal;)*) => {
        /// What kind of thing is wrong. Numbers are never reused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $name,)*
        }

        impl Code {
            /// Every code, in the order of the numbers.
            pub const ALL: &[Code] = &[$(Code::$name,)*];

            /// The stable name, such as `F0011`.
            #[must_use]
            pub const fn number(self) -> &'static str {
                match self { $(Code::$name => $number,)* }
            }

            /// What it means, in words.
            #[must_use]
            pub const fn meaning(self) -> &'static str {
                match self { $(Code::$name => $meaning,)* }
            }
        }
    };
}

codes! {
    Unreadable = "F0001", "A file cannot be read.";
    NotText = "F0002", "A file is not UTF-8 text.";
    TooLarge = "F0003", "A file is too large.";
    Syntax = "F0010", "The text is not TOML.";
    UnknownKey = "F0011", "There is no such key.";
    NotYet = "F0012", "This version does not have that yet.";
    MissingKey = "F0013", "A required key is missing.";
    WrongType = "F0014", "A value has the wrong type.";
    OutOfRange = "F0015", "A number or a duration is outside its range.";
    BadValue = "F0016", "A value cannot be read as what it should be.";
    BadName = "F0017", "A name is not possible.";
    DuplicateVrid = "F0100", "Two instances use one virtual router ID on one interface and family.";
    MixedFamilies = "F0101", "The advertised addresses of an instance mix IPv4 and IPv6.";
    Version2Ipv6 = "F0102", "Version 2 of VRRP has no IPv6.";
    FirstNotLinkLocal = "F0103", "The first IPv6 address of an instance is not link-local.";
    NoAddresses = "F0104", "An instance has no addresses.";
    TooManyAddresses = "F0105", "An advert cannot carry that many addresses.";
    DuplicateAddress = "F0106", "An address occurs twice on one interface.";
    UnusableAddress = "F0107", "An address cannot be a host's.";
    AuthVersion3 = "F0108", "Version 3 of VRRP has no authentication.";
    BadPassword = "F0109", "A password is empty, too long, or cannot be had.";
    IntervalMismatch = "F0110", "The version's adverts cannot carry that interval.";
    PreemptContradiction = "F0111", "The preemption keys contradict each other or the priority.";
    BadPeers = "F0112", "The list of unicast peers makes no sense.";
    BadSource = "F0113", "The source address cannot send this instance's adverts.";
    Ipv4Only = "F0114", "The key is for IPv4 addresses only.";
    ProbeCount = "F0115", "A check has no probe, or more than one.";
    UnknownCheck = "F0116", "An instance tracks a check that does not exist.";
    TimeoutTooLong = "F0117", "A check's timeout is longer than its interval.";
    ProbeContradiction = "F0118", "The keys of a check contradict each other.";
    SecretInUrl = "F0119", "A URL holds a user name or a password.";
    BadCommand = "F0120", "A command cannot be run as it is written.";
    BadTrack = "F0121", "The check has no weight to track it with.";
    BadMember = "F0122", "A member of a group does not exist, or is listed twice.";
    MixedOwners = "F0123", "Only some members of a group own their addresses.";
    UnitClash = "F0124", "Two instances or groups start and stop one unit.";
    UnitDeadlock = "F0125", "An instance waits for a unit that it starts itself.";
    LeaseTooShort = "F0126", "The lease of the addresses may end before another router has taken over.";
    NoInstances = "F0200", "Nothing is configured.";
    OddLabel = "F0201", "An address label does not begin with the interface's name.";
    NoEffect = "F0202", "The key has no effect here.";
    SecretReadable = "F0203", "Everybody can read a password file.";
    Untracked = "F0204", "No instance tracks the check.";
    IdleWeight = "F0205", "The weight can never change the priority.";
    LoneMember = "F0206", "A group has only one member.";
    MembersDiffer = "F0207", "The members of a group differ in what decides who becomes MASTER.";
    OddCommand = "F0208", "The path of a program holds white space.";
    SecretUnseen = "F0220", "A password cannot be checked here.";
    Brace = "F0300", "A brace in a keepalived configuration has no partner.";
    OpenQuote = "F0301", "A quoted string in a keepalived configuration does not end.";
    NoInclude = "F0302", "A file that a keepalived configuration includes cannot be had.";
    BadSequence = "F0303", "A `~SEQ` or `~LST` of a keepalived configuration cannot be read.";
    TooMuch = "F0304", "The definitions of a keepalived configuration never end, or make too much.";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.number())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend_and_are_unique() {
        let numbers: Vec<_> = Code::ALL.iter().map(|code| code.number()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{numbers:?}");
    }
}
