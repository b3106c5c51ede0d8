//! How adverts travel: the source address, unicast peers, the checksum, the password of version 2.

use std::net::IpAddr;

use super::check::{asides, superseded};
use super::document::{Element, Entry, Fate, Note, Section};
use super::facts::{Facts, address, last, on};
use super::quote::string;
use super::tree::Node;
use crate::net::{Family, is_link_local};
use crate::vrrp::fields::Version;

/// Bytes of a password that an advert carries.
const PASSWORD: usize = 8;

/// Writes what the instance says of all that.
pub(super) fn translate(facts: &Facts<'_>, main: &mut Section) {
    peers(facts, main);
    source(facts, main);
    password(facts, main);
}

fn peers(facts: &Facts<'_>, main: &mut Section) {
    let (mut blocks, mut seen, mut elements) = (Vec::new(), Vec::new(), Vec::new());
    for block in facts.all("unicast_peer") {
        blocks.push(block.id);
        for (fate, reason, node) in asides(block) {
            main.say(Note::of(node, fate, reason));
        }
        for line in block.body().iter().filter(|line| line.aside.is_none()) {
            let reason = match line.keyword().parse::<IpAddr>() {
                Err(_) => "no address: keepalived leaves it out",
                Ok(peer) if Family::of(peer) != facts.family => {
                    "of another family than the instance: keepalived leaves it out"
                }
                Ok(peer) if seen.contains(&peer) => "it is listed already",
                Ok(peer) => {
                    seen.push(peer);
                    let mut element = Element::new(string(&peer.to_string()), vec![line.id]);
                    if line.word(1).is_some() {
                        let reason =
                            "peers may be any number of routers away; the hop limit is not looked at";
                        element.notes.push(Note::of(line, Fate::Changed, reason));
                    }
                    elements.push(element);
                    continue;
                }
            };
            main.say(Note::of(line, Fate::Ignored, reason));
        }
    }
    if !elements.is_empty() {
        let mut entry = Entry::many("peers", elements, blocks);
        if facts.last("check_unicast_src").is_none() {
            let reason = "With peers, adverts of anybody else are ignored; in keepalived, with check_unicast_src only.";
            entry = entry.note(Note::plain(reason));
        }
        main.set(entry);
    } else if !blocks.is_empty() {
        let reason = "it names nobody: keepalived uses multicast".to_owned();
        main.say(Note { about: blocks, block: true, fate: Fate::Ignored, reason });
    }
}

fn source(facts: &Facts<'_>, main: &mut Section) {
    let stated: Vec<&Node> = facts
        .body
        .iter()
        .filter(|node| matches!(node.keyword(), "mcast_src_ip" | "unicast_src_ip"))
        .collect();
    let of_family = |node: &&&Node| {
        node.word(1).and_then(address).is_some_and(|address| Family::of(address) == facts.family)
    };
    let counts = stated.iter().rfind(of_family).map(|node| node.id);
    for node in stated {
        if Some(node.id) != counts {
            main.say(Note::of(
                node,
                Fate::Ignored,
                "another one counts, or this is no address of the instance's family",
            ));
            continue;
        }
        let Some(source) = node.word(1).and_then(address) else { continue };
        if let IpAddr::V6(v6) = source
            && !facts.unicast
            && !is_link_local(v6)
        {
            let reason =
                "adverts to the IPv6 group come from a link-local address; the interface's own is used";
            main.say(Note::of(node, Fate::Without, reason));
            continue;
        }
        let mut entry = Entry::new("source_address", string(&source.to_string()), vec![node.id]);
        if node.keyword() == "mcast_src_ip" {
            let reason = "the interface must have this address, else the instance is in FAULT";
            entry = entry.note(Note::of(node, Fate::Changed, reason));
        }
        main.set(entry);
    }
}

/// What becomes of the checksum, said by the instance or for all.
pub(super) fn checksum(facts: &Facts<'_>, global: Option<&Node>, main: &mut Section) {
    superseded(facts.body, "v3_checksum_as_v2", main);
    let own = facts.last("v3_checksum_as_v2");
    let Some(node) = own.or(global) else { return };
    let (applies, own) = (facts.version == Version::V3 && facts.family == Family::Ipv4, own.is_some());
    if applies && on(node) {
        // Not "rfc9568": keepalived knows the word since 2.2.8 only, and with it hears both forms.
        let reason = "left to `checksum` = \"auto\": it hears both forms, as keepalived does then, and sends what the \
                      master sends; \"rfc9568\" is that form alone";
        main.say(Note::of(node, Fate::Changed, reason));
    } else if own {
        let reason =
            if applies { "`checksum` finds out by itself" } else { "only version 3 over IPv4 has that" };
        main.say(Note::of(node, Fate::Translated, reason));
    }
}

fn password(facts: &Facts<'_>, main: &mut Section) {
    superseded(facts.body, "authentication", main);
    let Some(block) = facts.last("authentication") else { return };
    let body = block.body();
    for keyword in ["auth_type", "auth_pass"] {
        superseded(body, keyword, main);
    }
    for (fate, reason, node) in asides(block) {
        main.say(Note::of(node, fate, reason));
    }
    let kind = last(body, "auth_type");
    let stated = last(body, "auth_pass");
    let secret = stated.and_then(|node| node.word(1)).unwrap_or_default();
    let (fate, reason) = match kind.and_then(|node| node.word(1)) {
        _ if facts.version == Version::V3 => {
            (Fate::Ignored, "version 3 has no authentication: keepalived does without it, too")
        }
        _ if facts.strict => (Fate::Ignored, "in strict mode keepalived does without it, too"),
        Some("AH") => (Fate::Without, "AH is not available: routers that insist on it do not hear this one"),
        Some("PASS") if !secret.is_empty() => {
            accept_password(block, secret, [kind, stated], main);
            return;
        }
        Some("PASS") => (Fate::Ignored, "there is no password: keepalived does without authentication"),
        Some(_) | None => (Fate::Ignored, "`auth_type` is not PASS: keepalived does without authentication"),
    };
    let about = [Some(block), kind, stated].into_iter().flatten().map(|node| node.id).collect();
    main.say(Note { about, block: true, fate, reason: reason.to_owned() });
}

fn accept_password(block: &Node, secret: &str, inner: [Option<&Node>; 2], main: &mut Section) {
    let from = std::iter::once(block).chain(inner.into_iter().flatten()).map(|node| node.id).collect();
    let cut = secret.get(..PASSWORD.min(secret.len()));
    let Some(cut) = cut.filter(|cut| !cut.contains('\0')) else {
        let reason = "only 8 bytes count, and they end within a character: write them to a file, and name it as \
                      `password_file`";
        main.say(Note { about: from, block: true, fate: Fate::Without, reason: reason.to_owned() });
        return;
    };
    let value = format!("{{ type = \"password\", password = {} }}", string(cut));
    let mut entry = Entry::new("auth", value, from);
    if let Some(stated) = inner.get(1).copied().flatten().filter(|_| cut.len() < secret.len()) {
        let reason = "an advert carries 8 bytes of a password, and in keepalived only these count, too";
        entry = entry.note(Note::of(stated, Fate::Changed, reason));
    }
    main.set(entry);
}
