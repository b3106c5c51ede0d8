//! That no item is forgotten: each has a test named by its number, or stands in `left-out.md` with a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where tests are.
const PLACES: [&str; 2] = ["src", "tests"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn items() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("tests/conformance/items.txt")).unwrap();
    let lines: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    let set: BTreeSet<String> = lines.iter().cloned().collect();
    assert_eq!(set.len(), lines.len(), "an item is listed twice");
    set
}

/// Number and reason.
fn left_out() -> BTreeMap<String, String> {
    let text = fs::read_to_string(root().join("tests/conformance/left-out.md")).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |")?.split_once(" | "));
    rows.filter(|(id, _)| id.chars().any(|c| c.is_ascii_digit()))
        .map(|(id, reason)| (id.to_owned(), reason.to_owned()))
        .collect()
}

fn sources(place: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(place).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The item that a test's name begins with: `fmt_01_…` is FMT-01.
fn item_of(function: &str) -> Option<String> {
    let mut parts = function.split('_');
    let (group, number) = (parts.next()?, parts.next()?);
    let numbered = number.len() == 2 && number.bytes().all(|byte| byte.is_ascii_digit());
    (numbered && parts.next().is_some()).then(|| format!("{}-{number}", group.to_uppercase()))
}

/// Functions directly below `#[test]`, in all sources.
fn tests() -> BTreeSet<String> {
    let mut paths = Vec::new();
    for place in PLACES {
        sources(&root().join(place), &mut paths);
    }
    let mut found = BTreeSet::new();
    for path in paths {
        let text = fs::read_to_string(path).unwrap();
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            if let (true, Some(rest)) = (is_test, line.strip_prefix("fn ")) {
                found.extend(item_of(rest.split('(').next().unwrap()));
            }
            is_test = line == "#[test]" || (is_test && line.starts_with("#["));
        }
    }
    found
}

#[test]
fn every_item_has_a_test_or_a_reason_for_having_none() {
    let (items, left_out, tests) = (items(), left_out(), tests());
    let is_out = |id: &&String| left_out.contains_key(*id);
    let neither: Vec<_> = items.iter().filter(|id| !tests.contains(*id) && !is_out(id)).collect();
    let both: Vec<_> = items.iter().filter(|id| tests.contains(*id) && is_out(id)).collect();
    assert!(neither.is_empty(), "neither tested nor left out: {neither:?}");
    assert!(both.is_empty(), "tested, and left out: {both:?}");
}

#[test]
fn what_is_left_out_is_an_item_and_has_a_reason() {
    let items = items();
    for (id, reason) in left_out() {
        assert!(items.contains(&id), "{id} is no item");
        assert!(reason.len() > 20, "{id}: {reason:?} is no reason");
    }
}

#[test]
fn tests_named_by_a_number_name_one_of_the_list() {
    let items = items();
    let groups: BTreeSet<&str> = items.iter().map(|id| id.split('-').next().unwrap()).collect();
    for id in tests() {
        let group = id.split('-').next().unwrap();
        assert!(items.contains(&id) || !groups.contains(group), "a test is named {id}, which is no item");
    }
}
