//! The task that keeps the connection while it is needed: connects, subscribes, reads what is to be read, and begins anew
//! when the connection is lost, after a delay that grows.

use std::rc::Rc;
use std::time::Duration;

use zbus::MessageStream;
use zbus::message::Sequence;

use super::link::{Link, MANAGER, MANAGER_PATH, Row, SYSTEMD};
use super::{Inner, Trouble, signals};
use crate::os::clock;

/// The first delay before another attempt.
const FIRST_DELAY: Duration = Duration::from_millis(20);
/// The longest.
const LONGEST_DELAY: Duration = Duration::from_secs(5);
/// A connection that lasted so long was a good one.
const GOOD: Duration = Duration::from_secs(10);
/// Units that are asked for in one call.
const BATCH: usize = 200;
/// From so many on, all that are loaded are asked for at once.
const MANY: usize = 8;

/// What is to be told by the bus. One rule for all units: the bus allows a connection 512 rules, and looks at each for
/// every message.
const RULES: [&str; 3] = [
    "type='signal',sender='org.freedesktop.systemd1',interface='org.freedesktop.systemd1.Manager',\
     path='/org/freedesktop/systemd1'",
    "type='signal',sender='org.freedesktop.systemd1',interface='org.freedesktop.DBus.Properties',\
     member='PropertiesChanged',path_namespace='/org/freedesktop/systemd1/unit'",
    "type='signal',sender='org.freedesktop.DBus',interface='org.freedesktop.DBus',member='NameOwnerChanged',\
     arg0='org.freedesktop.systemd1'",
];

/// Keeps the connection until nobody needs it.
pub(super) async fn keep(inner: Rc<Inner>) {
    {
        let mut kept = std::pin::pin!(again_and_again(&inner));
        while inner.needs.get() > 0 {
            tokio::select! {
                () = &mut kept => {}
                () = inner.idle.notified() => {}
            }
        }
    }
    inner.away("");
    inner.kept.set(false);
}

async fn again_and_again(inner: &Rc<Inner>) {
    let mut delay = FIRST_DELAY;
    loop {
        once(inner, &mut delay).await;
    }
}

/// One connection from beginning to end, and the delay after it.
async fn once(inner: &Rc<Inner>, delay: &mut Duration) {
    let began = clock::now();
    let why = match Link::connect(&inner.address).await {
        Ok(link) => serve(inner, &link).await,
        Err(why) => why,
    };
    inner.away(&why);
    if clock::now().since(began) > GOOD {
        *delay = FIRST_DELAY;
    }
    tokio::time::sleep(*delay).await;
    *delay = (*delay * 2).min(LONGEST_DELAY);
}

/// Serves until the connection ends; why it did.
async fn serve(inner: &Rc<Inner>, link: &Link) -> String {
    let stream = MessageStream::from(&link.connection);
    tokio::select! {
        why = signals::take(inner, link, stream) => why,
        trouble = work(inner, link) => trouble.to_string(),
    }
}

/// Subscribes, reads everything once, then what there is to read.
async fn work(inner: &Inner, link: &Link) -> Trouble {
    match begin(inner, link).await {
        Ok(()) => inner.up(link),
        Err(trouble) => return trouble,
    }
    loop {
        if let Err(trouble) = catch_up(inner, link).await {
            return trouble;
        }
        inner.work.notified().await;
    }
}

async fn begin(inner: &Inner, link: &Link) -> Result<(), Trouble> {
    for rule in RULES {
        link.call_bus::<_, ()>("AddMatch", &rule).await?;
    }
    let owner: String = link.call_bus("GetNameOwner", &SYSTEMD).await?;
    link.owner.replace(owner);
    let subscribed: Result<((), Sequence), Trouble> =
        link.call(MANAGER_PATH, MANAGER, "Subscribe", &()).await;
    match subscribed {
        // "Already subscribed" is as good.
        Ok(_) | Err(Trouble::Refused { .. }) => {}
        Err(trouble) => return Err(trouble),
    }
    inner.slots.borrow().values().filter_map(std::rc::Weak::upgrade).for_each(|slot| slot.renumber());
    *inner.todo.borrow_mut() = super::Todo { all: true, ..super::Todo::default() };
    catch_up(inner, link).await
}

/// Reads all that is noted down.
async fn catch_up(inner: &Inner, link: &Link) -> Result<(), Trouble> {
    loop {
        let (mut names, loaded) = {
            let mut todo = inner.todo.borrow_mut();
            let all = std::mem::take(&mut todo.all);
            let some: Vec<String> = std::mem::take(&mut todo.names).into_iter().collect();
            let loaded = std::mem::take(&mut todo.loaded);
            if all { (inner.names(), super::BTreeSet::new()) } else { (some, loaded) }
        };
        if loaded.len() > MANY {
            inner.read_loaded(link).await?;
        } else {
            for name in loaded {
                if link.is_loaded(&name).await? {
                    names.push(name);
                }
            }
        }
        if names.is_empty() {
            return Ok(());
        }
        for batch in names.chunks(BATCH) {
            inner.read(link, batch).await?;
        }
    }
}

impl Inner {
    /// Asks systemd for `names` and tells who watches them.
    pub(super) async fn read(&self, link: &Link, names: &[String]) -> Result<(), Trouble> {
        let asked: Vec<&str> = names.iter().map(String::as_str).collect();
        let (rows, position) = link.list(&asked).await?;
        for (name, row) in names.iter().zip(&rows) {
            if let Some(slot) = self.slot(name) {
                self.name_path(&slot, row.6.as_str());
                self.row(link, &slot, row, position).await?;
            }
        }
        Ok(())
    }

    /// The same for all that are loaded. Loads nothing.
    async fn read_loaded(&self, link: &Link) -> Result<(), Trouble> {
        let (rows, position) = link.list_loaded().await?;
        for row in &rows {
            for slot in self.at(row.6.as_str()) {
                self.row(link, &slot, row, position).await?;
            }
        }
        Ok(())
    }

    async fn row(
        &self,
        link: &Link,
        slot: &super::Slot,
        row: &Row,
        position: Sequence,
    ) -> Result<(), Trouble> {
        let (_, _, load, active, sub, _, path, ..) = row;
        if slot.wants_service(active) {
            match link.service(path.as_str()).await {
                Ok((result, restarts, at)) => slot.service(at, Some(result), Some(restarts)),
                // It vanished meanwhile, or has no such properties.
                Err(Trouble::Refused { .. } | Trouble::Strange(_)) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        slot.state(position, Some(load), Some(active), Some(sub));
        slot.tell();
        Ok(())
    }

    /// The unit of `slot` is told of as the object `path`: that of the unit which it is an alias of.
    fn name_path(&self, slot: &super::Slot, path: &str) {
        let before = slot.path.replace(path.to_owned());
        let mut paths = self.paths.borrow_mut();
        if before != path
            && let Some(names) = paths.get_mut(&before)
        {
            names.remove(&slot.name);
        }
        paths.entry(path.to_owned()).or_default().insert(slot.name.clone());
    }
}
