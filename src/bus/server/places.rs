//! Places for what callers want done: so many for each connection, each user and all of them, so that nobody takes those of
//! others, and root, who mends things, never waits for anybody else's to come free. A value; never fails: who finds none is
//! told so.

use std::collections::BTreeMap;

/// Of one connection.
const OF_CALLER: usize = 3;
/// Of one user, and of all users but root; root has as many again. They are kept while polkit thinks.
const OF_USER: usize = 4;
const OF_ALL: usize = 32;
/// Of callers of whom the bus is just asked who they are, which it answers at once: more than one user's connections to a
/// bus (256) can take.
const OF_UNKNOWN: usize = 1024;
/// Of those, with a message of more than so many bytes.
const OF_LONG: usize = 64;
const LONG: usize = 4 << 10;
/// The user who is never kept out by others.
pub(super) const ROOT: u32 = 0;

/// Who has a place.
#[derive(Debug)]
struct Place {
    caller: String,
    long: bool,
    /// None until the bus has said it.
    user: Option<u32>,
}

/// The places that are taken, by number.
#[derive(Debug, Default)]
pub(super) struct Places {
    taken: BTreeMap<u64, Place>,
    last: u64,
}

impl Places {
    /// A place for a message of `caller` with so many bytes, until it is known whose it is.
    pub(super) fn enter(&mut self, caller: &str, length: usize) -> Option<u64> {
        let long = length > LONG;
        let unknown = |place: &Place| place.user.is_none();
        let full = self.count(|place| place.caller == caller) >= OF_CALLER
            || self.count(unknown) >= OF_UNKNOWN
            || long && self.count(|place| unknown(place) && place.long) >= OF_LONG;
        if full {
            return None;
        }
        self.last += 1;
        self.taken.insert(self.last, Place { caller: caller.to_owned(), long, user: None });
        Some(self.last)
    }

    /// The place is this user's; whether it can be kept. If not, it is free.
    pub(super) fn keep(&mut self, number: u64, user: u32) -> bool {
        let root = user == ROOT;
        let alike = |place: &Place| place.user.is_some_and(|other| (other == ROOT) == root);
        let full =
            self.count(alike) >= OF_ALL || !root && self.count(|place| place.user == Some(user)) >= OF_USER;
        if full {
            self.leave(number);
        } else if let Some(place) = self.taken.get_mut(&number) {
            place.user = Some(user);
        }
        !full
    }

    /// The place is free.
    pub(super) fn leave(&mut self, number: u64) {
        self.taken.remove(&number);
    }

    fn count(&self, which: impl Fn(&Place) -> bool) -> usize {
        self.taken.values().filter(|place| which(place)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Calls of different connections of a user, as many as find a place.
    fn fill(places: &mut Places, user: u32, calls: usize) -> Vec<u64> {
        let number = |call| {
            let number = places.enter(&format!(":1.{user}.{call}"), 100)?;
            places.keep(number, user).then_some(number)
        };
        (0..calls).filter_map(number).collect()
    }

    #[test]
    fn a_user_with_many_connections_has_a_few_places_and_leaves_those_of_others() {
        let mut places = Places::default();
        let taken = fill(&mut places, 1000, 300);
        assert_eq!(taken.len(), OF_USER);
        assert_eq!(fill(&mut places, 1001, 1).len(), 1);
        places.leave(taken[0]);
        assert_eq!(fill(&mut places, 1000, 300).len(), 1, "one came back");
    }

    #[test]
    fn root_is_never_refused_for_the_sake_of_others() {
        let mut places = Places::default();
        let taken: usize = (1000..1100).map(|user| fill(&mut places, user, 10).len()).sum();
        assert_eq!(taken, OF_ALL);
        assert_eq!(fill(&mut places, ROOT, 300).len(), OF_ALL, "nor without end");
        assert!(fill(&mut places, 1100, 1).is_empty());
    }

    #[test]
    fn a_connection_has_three_and_who_is_not_known_yet_holds_nobody_up() {
        let mut places = Places::default();
        let own: Vec<u64> = (0..5).filter_map(|_| places.enter(":1.1", 100)).collect();
        assert_eq!(own.len(), OF_CALLER);
        // One user's connections, all at once, before the bus has said whose they are.
        for call in 0..256 * OF_CALLER {
            assert!(places.enter(&format!(":2.{}", call / OF_CALLER), 100).is_some());
        }
        assert_eq!(fill(&mut places, ROOT, 1).len(), 1);
        let long = (0..300).filter(|call| places.enter(&format!(":3.{call}"), LONG + 1).is_some());
        assert_eq!(long.count(), OF_LONG);
        assert_eq!(fill(&mut places, ROOT, 1).len(), 1);
        let all = (0..2_000).filter(|call| places.enter(&format!(":4.{call}"), 100).is_some());
        assert!(all.count() < OF_UNKNOWN);
    }
}
