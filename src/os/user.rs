//! Users of this host, and who the process itself is.
//!
//! Reads the host's user database, which may be a server elsewhere: everything here can block. Changes nothing.

use std::ffi::CString;

use nix::unistd::{Gid, Uid, User, geteuid, getgrouplist};

/// A user of this host, with what a program that is run for it needs to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Its name; empty where its number has none.
    pub name: String,
    /// Its number.
    pub uid: Uid,
    /// Its group.
    pub gid: Gid,
    /// All its groups.
    pub groups: Vec<Gid>,
    /// Where it lives.
    pub home: String,
}

/// Whether the process may become another user.
#[must_use]
pub fn is_root() -> bool {
    geteuid().is_root()
}

/// The user `name`; `None` when there is no such user. An error is one of the database, in words.
pub fn named(name: &str) -> Result<Option<Account>, String> {
    let Some(user) = User::from_name(name).map_err(|errno| format!("the user database: {errno}"))? else {
        return Ok(None);
    };
    let plain = CString::new(name).map_err(|_| "a name with a zero byte".to_owned())?;
    let groups = getgrouplist(&plain, user.gid).map_err(|errno| format!("groups of {name}: {errno}"))?;
    Ok(Some(Account { groups, ..account(user) }))
}

/// The process's own user. Its groups are left out: what it starts has them anyway.
#[must_use]
pub fn own() -> Account {
    let uid = geteuid();
    let nameless = || Account {
        name: String::new(),
        uid,
        gid: nix::unistd::getegid(),
        groups: Vec::new(),
        home: "/".to_owned(),
    };
    User::from_uid(uid).ok().flatten().map_or_else(nameless, account)
}

fn account(user: User) -> Account {
    let home = user.dir.to_string_lossy().into_owned();
    Account { name: user.name, uid: user.uid, gid: user.gid, groups: Vec::new(), home }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_with_their_groups() {
        let root = named("root").unwrap().unwrap();
        assert!(root.uid.is_root() && root.groups.contains(&Gid::from_raw(0)), "{root:?}");
        assert_eq!(named("no-such-user-here"), Ok(None));
        assert_eq!(own().uid, geteuid());
    }
}
