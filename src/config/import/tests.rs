//! Tests of the parts between the language and the text: pieces, blocks, facts, the sweep, what our reader refuses.

use super::document::{Document, Element, Entry, Fate, Note, Section};
use super::expand::{self, Kind};
use super::facts::Facts;
use super::model::Model;
use super::tree::{self, Tree};
use super::{Included, Options, verify};
use crate::net::Family;

/// The pieces of `text`, one a line; `include x` brings `brought`.
fn pieces(text: &str, brought: &str) -> (Vec<String>, Vec<String>) {
    let options = Options { config_id: "lb1".to_owned(), directory: "/etc".to_owned() };
    let mut bring = |pattern: &str, directory: &str| {
        let (name, directory) = (format!("{directory}/{pattern}"), "/etc/sub".to_owned());
        Ok(vec![Included { name, directory, text: Ok(brought.to_owned()) }])
    };
    let read = expand::read(text, "a", &options, &mut bring);
    let show = |piece: &expand::Piece| match &piece.kind {
        Kind::Words => format!("{}:{}: {}", piece.origin.source, piece.origin.line, piece.text),
        Kind::Open => "{".to_owned(),
        Kind::Close => "}".to_owned(),
        Kind::Aside(fate, _, last) => format!("{fate:?} to {last}: {}", piece.text),
    };
    let problems = read.problems.iter().map(|problem| problem.code.number().to_owned()).collect();
    (read.pieces.iter().map(show).collect(), problems)
}

#[test]
fn lines_become_pieces_in_keepalived_s_order() {
    for (text, expected) in [
        ("a b { c } # d", &["0:1: a b", "{", "0:1: c", "}"][..]),
        ("a \"{\" {", &["0:1: a \"{\"", "{"]),
        (
            "@lb1 a\n@lb2 b\n@^lb2 c\n@lb1",
            &["0:1: a", "Ignored to 2: @lb2 b", "0:3: c", "Ignored to 4: @lb1"],
        ),
        ("$A=1\na $A ${A}x $Ay", &["Translated to 1: $A=…", "0:2: a 1 1x $Ay"]),
        // The value counts that a definition has when it is used.
        (
            "$A=${B}\n$B=1\n$A\n$B=2\n$A",
            &["Translated to 1: $A=…", "Translated to 2: $B=…", "0:3: 1", "Translated to 4: $B=…", "0:5: 2"],
        ),
        // Lines of a definition keep their places; an empty line ends it, a comment does not.
        ("$A= \\\n a { \\\n # no \\\n }\n$A", &["Translated to 4: $A=…", "0:2: a", "{", "}"]),
        ("$A= \\\n a \\\n\n b\n$A", &["Translated to 2: $A=…", "0:4: b", "0:5: a"]),
        ("~SEQ(N, 1, 2) a ${N}", &["0:1: a 1", "0:1: a 2"]),
        ("include x\nb", &["Translated to 1: include x", "1:1: in /etc/sub", "0:2: b"]),
        ("in ${_PWD} $_INSTANCE", &["0:1: in /etc lb1"]),
    ] {
        let (found, problems) = pieces(text, "in ${_PWD}\n");
        assert_eq!(found, expected, "{text}");
        assert_eq!(problems, [""; 0], "{text}");
    }
}

#[test]
fn what_never_ends_is_cut_off() {
    for (text, expected) in [
        ("$A= \\\n $A \\\n b\n$A", &["F0304"][..]),
        ("$A=$A \nx $A", &["F0304"]),
        ("include x", &["F0302"]),
        ("~SEQ(A, 1, 9999) ~SEQ(B, 1, 9999) ${A}", &["F0304"]),
    ] {
        assert_eq!(pieces(text, "include x\n").1, expected, "{text}");
    }
}

fn grow(text: &str) -> (Tree, Vec<&'static str>) {
    let options = Options { config_id: String::new(), directory: String::new() };
    let read = expand::read(text, "a", &options, &mut |_, _| Ok(Vec::new()));
    let mut problems = read.problems;
    let tree = tree::grow(read.pieces, &mut problems);
    (tree, problems.iter().map(|problem| problem.code.number()).collect())
}

#[test]
fn braces_belong_to_the_statement_before_them() {
    let (tree, problems) = grow("a 1\n{\n b\n c { d }\n}\ne");
    assert_eq!(problems, [""; 0]);
    let [a, e] = tree.nodes.as_slice() else { panic!("{:?}", tree.nodes) };
    assert_eq!((a.keyword(), a.body().len(), e.keyword(), e.body.is_none()), ("a", 2, "e", true));
    assert_eq!(tree.statements[a.id].lines, (1, 5));
    assert_eq!(a.ids(), [0, 1, 2, 3]);
    for (text, expected) in [("a }", 1), ("a {", 1), ("{ }", 1), ("a { } { }", 1), ("} {", 2)] {
        assert_eq!(grow(text).1, vec!["F0300"; expected], "{text}");
    }
}

#[test]
fn instances_are_what_keepalived_makes_of_them() {
    let master = "state MASTER\n";
    for (text, priority, is_master, preempts) in [
        ("", 100, false, true),
        (master, 255, true, true),
        ("state MASTER\nstate BACKUP\n", 255, true, true),
        ("priority 255\n", 255, false, true),
        ("priority 0\nstate MASTER\n", 100, true, true),
        ("state MASTER\npriority 150\nnopreempt\n", 150, true, true),
        ("state MASTER\npriority 150\nnopreempt\nstrict_mode\n", 150, false, false),
        ("nopreempt\n", 100, false, false),
        ("nopreempt\npreempt\n", 100, false, true),
    ] {
        let (tree, _) = grow(&format!("vrrp_instance a {{\n{text}}}\n"));
        let model = Model::survey(&tree);
        let facts = Facts::of(&tree.nodes[0], &model);
        assert_eq!(
            (facts.priority, facts.master, facts.preempts()),
            (priority, is_master, preempts),
            "{text}"
        );
    }
}

#[test]
fn whatever_names_an_address_first_decides_the_family_and_so_the_version() {
    for (text, family, version) in [
        ("", Family::Ipv4, 2),
        ("version 3\n", Family::Ipv4, 3),
        ("virtual_ipaddress { 2001:db8::1 }\nversion 2\n", Family::Ipv6, 3),
        ("virtual_ipaddress { 192.0.2.1/24\n2001:db8::1 }\n", Family::Ipv4, 2),
        ("unicast_peer { 2001:db8::2 }\nvirtual_ipaddress { 192.0.2.1 }\n", Family::Ipv6, 3),
        ("mcast_src_ip 192.0.2.2\nvirtual_ipaddress { 2001:db8::1 }\n", Family::Ipv4, 2),
        ("virtual_ipaddress_excluded { 2001:db8::1 }\n", Family::Ipv6, 3),
        ("virtual_ipaddress_excluded { 2001:db8::1\n192.0.2.1 }\n", Family::Ipv4, 2),
    ] {
        let (tree, _) = grow(&format!("vrrp_instance a {{\n{text}}}\n"));
        let model = Model::survey(&tree);
        let facts = Facts::of(&tree.nodes[0], &model);
        assert_eq!((facts.family, facts.version.number()), (family, version), "{text}");
    }
}

/// The rule that nothing gets lost: a translation that forgets a statement still names it.
#[test]
fn what_a_translation_forgets_is_named_all_the_same() {
    let (tree, _) = grow("known {\n taken 1\n forgotten 2\n}\nlost { inside }\n");
    let known = tree.nodes[0].id;
    let taken = tree.nodes[0].body()[0].id;
    let mut section = Section::new("agent", vec![known]);
    section.set(Entry::new("router_id", "\"a\"", vec![taken]));
    let mut document = Document { sections: vec![Section::default(), section], ..Document::default() };
    document.sweep(&tree);
    let rendered = verify::settle(&mut document, &tree.statements, &["a".to_owned()]);
    assert_eq!(
        rendered.text,
        "# a:5: `lost { … }`: not understood; see keepalived.conf(5)\n\n[agent]\nrouter_id = \"a\"\n\
         # a:3: `forgotten 2`: not understood; see keepalived.conf(5)\n"
    );
    let all: Vec<_> = rendered.shown.keys().copied().collect();
    assert_eq!(all, (0..tree.statements.len()).collect::<Vec<_>>());
    assert_eq!(rendered.shown[&taken], (Fate::Translated, vec![4]));
    assert_eq!(rendered.shown[&tree.nodes[1].id], (Fate::Without, vec![1]));
}

/// An instance that the reader takes, but for what `change` does to it.
fn settled(change: impl FnOnce(&mut Section)) -> String {
    let mut section = Section::new("instance.a", Vec::new());
    section.set(Entry::new("interface", "\"eth0\"", Vec::new()).essential());
    section.set(Entry::new("virtual_router_id", "1", Vec::new()).essential());
    change(&mut section);
    let track = section.below("track");
    let mut document = Document { sections: vec![section, track], ..Document::default() };
    let mut group = Section::new("group.g", Vec::new());
    let mut member = Element::new("\"a\"", Vec::new());
    member.needs = Some("instance.a".to_owned());
    group.set(Entry::many("members", vec![member], Vec::new()).essential());
    document.sections.push(group);
    verify::settle(&mut document, &[], &[]).text
}

fn addresses(list: &[&str]) -> Entry {
    let elements = list.iter().map(|text| Element::new(*text, Vec::new())).collect();
    Entry::many("addresses", elements, Vec::new()).essential()
}

#[test]
fn what_our_reader_refuses_becomes_a_comment_with_its_reason() {
    // An element, and what is left of its array stays.
    let text = settled(|section| section.set(addresses(&["\"192.0.2.1\"", "\"192.0.2.0/24\""])));
    assert!(text.contains("\n  \"192.0.2.1\",\n  # `192.0.2.0` cannot be a host's address"), "{text}");
    assert!(text.contains("\n  #\"192.0.2.0/24\",\n]\n") && text.contains("\n[group.g]\n"), "{text}");
    // A setting that its table can do without.
    let text = settled(|section| {
        section.set(addresses(&["\"192.0.2.1\""]));
        section.set(Entry::new("priority", "300", Vec::new()).note(Note::plain("said")));
    });
    assert!(
        text.contains("# said\n# `priority` must be 1 to 255: out of range\n#priority = 300\n"),
        "{text}"
    );
    assert!(text.starts_with("[instance.a]\n"), "{text}");
    // All of a table, and who needs it.
    let text = settled(|section| section.set(addresses(&["\"nonsense\""])));
    assert!(
        text.contains("# nothing is left of its `addresses`\n#[instance.a]\n#interface = \"eth0\"\n"),
        "{text}"
    );
    assert!(text.contains("#[group.g]\n"), "{text}");
    assert!(text.lines().all(|line| line.is_empty() || line.trim_start().starts_with('#')), "{text}");
}
