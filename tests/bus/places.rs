//! A polkit that does not answer, and a plain user with many connections: nobody else's requests are in the way of that.

use zbus::connection::Builder;
use zbus::message::Type;
use zbus::{Connection, MessageStream};

use crate::client::{Client, MANAGER, NAME, ROOT, next};
use crate::lab::Lab;
use crate::lab::host::Host;
use crate::lab::process::Process;
use crate::{LIMIT, instance, run};

/// Requests of a user that may be under way.
const OF_USER: usize = 4;
const WEB: &str = "/org/failover1/instance/web";

/// Takes the calls to polkit, and answers none.
struct Mute {
    stream: MessageStream,
}

impl Mute {
    async fn new(address: &str) -> Self {
        let stream = Builder::address(address).build_message_stream().await.expect("a connection");
        let name = ("org.freedesktop.PolicyKit1", 0_u32);
        let (bus, path) = ("org.freedesktop.DBus", "/org/freedesktop/DBus");
        let answer =
            Connection::from(&stream).call_method(Some(bus), path, Some(bus), "RequestName", &name).await;
        answer.expect("polkit's name");
        Mute { stream }
    }

    /// Waits until it is asked so many times.
    async fn asked(&mut self, times: usize) {
        let asked = async {
            let mut left = times;
            while left > 0 {
                let message = next(&mut self.stream).await;
                left -= usize::from(message.message_type() == Type::MethodCall);
            }
        };
        tokio::time::timeout(LIMIT, asked).await.unwrap_or_else(|_| panic!("polkit is asked {times} times"));
    }
}

/// A program of nobody's that asks for a reload, and waits as long as a person may take to answer polkit.
fn asks(host: &Host, name: &str) -> Process {
    let address = format!("--address={}", host.system_bus());
    let nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
    let call = ["busctl", &address, "--timeout=300", "call", NAME, ROOT, MANAGER, "Reload"];
    host.start(name, &[&nobody[..], &call[..]].concat())
}

#[test]
fn a_user_with_many_connections_keeps_nobody_else_from_asking() {
    let lab = Lab::new();
    let _bus = lab.a.bus();
    run(async {
        let mut polkit = Mute::new(&lab.a.system_bus()).await;
        let agent = lab.a.failover(&instance("web", 51));
        crate::lab::wait("it is on the bus", LIMIT, || {
            agent.log().contains("on the system bus as org.failover1").then_some(())
        });
        let mut waiting: Vec<Process> =
            (0..OF_USER).map(|number| asks(&lab.a, &format!("asks-{number}"))).collect();
        polkit.asked(OF_USER).await;
        let mut beyond = asks(&lab.a, "beyond");
        assert!(!beyond.ended(LIMIT).success());
        assert!(beyond.log().contains("too many requests at once"), "{}", beyond.log());
        // Root is served all the same.
        let mut root = Client::bus(&lab.a.system_bus()).await;
        root.manager("Drain", &(vec!["web"], true)).await.expect("a drain");
        root.changed(WEB, "Drained", |value| value.downcast_ref::<bool>() == Ok(true)).await;
        // Who leaves makes room, although polkit has still said nothing.
        waiting.iter_mut().for_each(Process::crash);
        let mut again = asks(&lab.a, "again");
        let mut tries = 1;
        while let Err(late) = tokio::time::timeout(LIMIT / 20, polkit.asked(1)).await {
            assert!(tries < 20 && !again.runs(), "{late}: no place has come back");
            again = asks(&lab.a, "again");
            tries += 1;
        }
    });
}
