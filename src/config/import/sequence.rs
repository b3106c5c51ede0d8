//! `~SEQ(…)` and `~LST(…)`: a line that is repeated with other values each time. Pure.
//!
//! Fails: with what is wrong, in words; the caller has the place.

/// Most repetitions of one line.
const MOST: usize = 10_000;

/// A line to repeat.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Sequence {
    /// What to define before each repetition.
    pub(super) names: Vec<String>,
    /// The values of one repetition, as many as there are names.
    pub(super) values: Vec<Vec<String>>,
    /// What is repeated.
    pub(super) text: String,
}

/// The sequence that `line` begins with; `None` when it begins with none.
pub(super) fn read(line: &str) -> Option<Result<Sequence, &'static str>> {
    if let Some(rest) = line.strip_prefix("~SEQ") {
        let (rest, hexadecimal) = match rest.strip_prefix('x') {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        return Some(numbers(rest, hexadecimal));
    }
    line.strip_prefix("~LST").map(list)
}

/// What stands between the parentheses, and what comes after them.
fn parenthesis(text: &str) -> Result<(&str, &str), &'static str> {
    let inside = text.trim_start().strip_prefix('(').ok_or("a parenthesis must follow")?;
    let (inside, rest) = inside.split_once(')').ok_or("the parenthesis does not end")?;
    Ok((inside, rest.trim_start()))
}

/// `~SEQ(name, end)`, `~SEQ(name, start, end)` or `~SEQ(name, start, step, end)`.
fn numbers(text: &str, hexadecimal: bool) -> Result<Sequence, &'static str> {
    let (inside, rest) = parenthesis(text)?;
    let mut parts = inside.split(',').map(str::trim);
    let name = parts.next().filter(|name| super::define::is_name(name)).ok_or("a name must come first")?;
    let numbers: Option<Vec<i64>> = parts.map(number).collect();
    let numbers = numbers.ok_or("the limits must be numbers")?;
    let (start, step, end) = match *numbers.as_slice() {
        [end] if end < 0 => (-1, -1, end),
        [0] => (1, -1, 0),
        [end] => (1, 1, end),
        [start, end] => (start, if start <= end { 1 } else { -1 }, end),
        [start, step, end] => (start, step, end),
        _ => return Err("one, two or three numbers must follow the name"),
    };
    if step == 0 || (start < end && step < 0) || (start > end && step > 0) {
        return Err("the steps lead away from the end");
    }
    if hexadecimal && (start < 0 || end < 0) {
        return Err("hexadecimal numbers cannot be negative");
    }
    let mut values = Vec::new();
    let mut next = start;
    while (step > 0 && next <= end) || (step < 0 && next >= end) {
        if values.len() >= MOST {
            return Err("the line would be repeated more than 10000 times");
        }
        values.push(vec![if hexadecimal { format!("{next:x}") } else { next.to_string() }]);
        let Some(after) = next.checked_add(step) else { break };
        next = after;
    }
    Ok(Sequence { names: vec![name.to_owned()], values, text: rest.to_owned() })
}

fn number(text: &str) -> Option<i64> {
    let (digits, negative) = match text.strip_prefix('-') {
        Some(digits) => (digits, true),
        None => (text, false),
    };
    let hexadecimal = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X"));
    let value = match hexadecimal {
        Some(digits) => i64::from_str_radix(digits, 16).ok()?,
        None if digits.starts_with('0') && digits.len() > 1 => i64::from_str_radix(digits, 8).ok()?,
        None => digits.parse().ok()?,
    };
    Some(if negative { -value } else { value })
}

/// `~LST(name, value, …)` or `~LST({name, …}, {value, …}, …)`.
fn list(text: &str) -> Result<Sequence, &'static str> {
    let (inside, rest) = parenthesis(text)?;
    let mut sets = braced(inside).ok_or("a brace does not end")?.into_iter();
    let names = sets.next().filter(|names| names.iter().all(|name| super::define::is_name(name)));
    let names = names.ok_or("names must come first")?;
    let mut values: Vec<Vec<String>> = sets.collect();
    if values.is_empty() {
        return Err("values must follow the names");
    }
    if values.len() > MOST {
        return Err("the line would be repeated more than 10000 times");
    }
    for set in &mut values {
        if set.len() > names.len() {
            return Err("more values than names");
        }
        set.resize(names.len(), String::new());
    }
    Ok(Sequence { names, values, text: rest.to_owned() })
}

/// The items between commas, each a word alone or several in braces.
fn braced(text: &str) -> Option<Vec<Vec<String>>> {
    let words = |text: &str| text.split(',').map(|word| word.trim().to_owned()).collect();
    let mut sets = Vec::new();
    let mut rest = text.trim();
    loop {
        let (set, after) = if let Some(inside) = rest.strip_prefix('{') {
            let (inside, after) = inside.split_once('}')?;
            (words(inside), after.trim_start())
        } else {
            let end = rest.find(',').unwrap_or(rest.len());
            let (word, after) = rest.split_at(end);
            (vec![word.trim().to_owned()], after)
        };
        sets.push(set);
        match after.strip_prefix(',') {
            Some(more) => rest = more.trim_start(),
            None if after.is_empty() => return Some(sets),
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(line: &str) -> String {
        let sequence = read(line).unwrap().unwrap();
        let sets: Vec<String> = sequence.values.iter().map(|set| set.join("+")).collect();
        format!("{}: {}: {}", sequence.names.join("+"), sets.join(" "), sequence.text)
    }

    #[test]
    fn numbers_count_as_they_say() {
        for (line, expected) in [
            ("~SEQ(N, 0, 3) 10.0.${N}.1", "N: 0 1 2 3: 10.0.${N}.1"),
            ("~SEQ(N,3) x", "N: 1 2 3: x"),
            ("~SEQ (N, -2) x", "N: -1 -2: x"),
            ("~SEQ(N, 3, 1) x", "N: 3 2 1: x"),
            ("~SEQ(N, 1, 2, 6) x", "N: 1 3 5: x"),
            ("~SEQx(N, 0x90, 0x10, 0xc0) x", "N: 90 a0 b0 c0: x"),
            ("~SEQ(N, 1, 2) ~SEQ(M, 1, 2) x", "N: 1 2: ~SEQ(M, 1, 2) x"),
        ] {
            assert_eq!(values(line), expected, "{line}");
        }
    }

    #[test]
    fn lists_take_one_or_several_values_at_a_time() {
        for (line, expected) in
            [("~LST(A, 1, 2,3) x", "A: 1 2 3: x"), ("~LST({A,  B}, {10,1},{20}) x", "A+B: 10+1 20+: x")]
        {
            assert_eq!(values(line), expected, "{line}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for line in [
            "~SEQ",
            "~SEQ(N, 1, 3",
            "~SEQ(1, 2)",
            "~SEQ(N)",
            "~SEQ(N, a)",
            "~SEQ(N, 1, -1, 3)",
            "~SEQ(N, 1, 0, 3)",
            "~SEQ(N, 1, 100000)",
            "~SEQx(N, -1, 1)",
            "~SEQ(N, 1, 2, 3, 4)",
            "~LST(A)",
            "~LST({A, 1)",
            "~LST(A, {1, 2})",
            "~LST({A} B, 1)",
        ] {
            assert!(read(line).unwrap().is_err(), "{line}");
        }
        assert!(read("priority 100").is_none());
    }
}
