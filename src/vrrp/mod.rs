//! VRRP itself: fields and their arithmetic, packets, announcements, the state machine.
//!
//! Sources: RFC 9568 (version 3), RFC 5798 (version 3, older), RFC 3768 (version 2), RFC 2338 (version 2 with a
//! password). RFC 9568 says *Active* where this program, like the field, says MASTER.
//!
//! | of the RFC | is in |
//! |---|---|
//! | 5.2 message fields, 6.1 parameters and intervals | [`fields`] |
//! | 5.2 message format, 5.2.8 checksum, 7.1 checks on one message | [`packet`] |
//! | 6.4.2 announcements (gratuitous ARP, unsolicited neighbour advertisement) | [`announce`] |
//! | 6.3, 6.4 state machine | [`router`] |
//!
//! Pure: no clock, no socket, no log, no random, no panic.

pub mod announce;
mod checksum;
pub mod fields;
pub mod packet;
pub mod router;
pub mod together;
