//! Where the program itself is in memory, as `/proc` shows it, and that it need not be there.
//!
//! Never: touches what is not as it is in the program's file. What cannot be read, or is not understood, stays.

use std::fs;

use super::sys;

/// The program's file, where it is mapped for reading alone and no page was other than in the file: the first byte of each
/// part, and how many bytes it has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Program(Vec<(usize, usize)>);

impl Program {
    /// Looks where it is.
    #[must_use]
    pub fn find() -> Self {
        Program(unchanged())
    }

    /// Gives its pages back: reading the configuration is a great part of the code. What runs again is mapped again as it
    /// does, in a microsecond or two for each sixteen pages.
    pub fn give_back(&self) {
        sys::forget(self);
    }

    pub(super) fn parts(&self) -> &[(usize, usize)] {
        &self.0
    }
}

fn unchanged() -> Vec<(usize, usize)> {
    let program =
        fs::read_link("/proc/self/exe").ok().and_then(|path| path.into_os_string().into_string().ok());
    let mappings = fs::read_to_string("/proc/self/smaps").ok();
    mappings.zip(program).map_or_else(Vec::new, |(mappings, program)| find(&mappings, &program))
}

fn find(mappings: &str, program: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let (mut part, mut zeroes) = (None, 0);
    for line in mappings.lines() {
        if let Some((range, may, file)) = mapping(line) {
            let reads = may.starts_with("r-") && may.ends_with('p') && file == program;
            (part, zeroes) = (reads.then_some(range), 0);
        }
        // Pages of its own, in memory and out of it.
        let own = ["Anonymous:", "Swap:"].iter().find_map(|name| line.strip_prefix(name));
        zeroes += u8::from(own.is_some_and(|size| size.trim() == "0 kB"));
        if zeroes == 2 {
            found.extend(part.take());
        }
    }
    found
}

/// A line that begins a mapping of a file: where it is, what may be done there, and which file.
fn mapping(line: &str) -> Option<((usize, usize), &str, &str)> {
    let mut words = line.split_ascii_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let (start, end) = (usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?);
    let file = line.find('/').and_then(|place| line.get(place..))?;
    Some(((start, end.checked_sub(start)?), words.next()?, file))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(first: &str, anonymous: u32, swap: u32) -> String {
        format!(
            "{first}\nSize: 8 kB\nAnonymous:  {anonymous} kB\nSwap:   {swap} kB\nSwapPss: 0 kB\nVmFlags: rd mr\n"
        )
    }

    #[test]
    fn only_what_is_as_in_the_file_is_found() {
        let text = [
            part("1000-3000 r--p 00000000 fe:00 7   /usr/bin/a b", 0, 0),
            part("4000-8000 r-xp 00002000 fe:00 7   /usr/bin/a b", 0, 0),
            part("8000-9000 r-xp 00002000 fe:00 7   /usr/bin/a b", 4, 0),
            part("9000-a000 r--p 00003000 fe:00 7   /usr/bin/a b", 0, 4),
            part("a000-b000 rw-p 00004000 fe:00 7   /usr/bin/a b", 0, 0),
            part("b000-c000 r--s 00004000 fe:00 7   /usr/bin/a b", 0, 0),
            part("c000-d000 r--p 00004000 fe:00 7   /usr/bin/a", 0, 0),
            part("d000-e000 r--p 00000000 00:00 0", 0, 0),
            part("e000-f000 r--p 00000000 00:00 0   [vdso]", 0, 0),
        ];
        let text = text.concat();
        assert_eq!(find(&text, "/usr/bin/a b"), [(0x1000, 0x2000), (0x4000, 0x4000)]);
        for length in 0..text.len() {
            assert!(find(&text[..length], "/usr/bin/a b").len() <= 2);
        }
    }

    #[test]
    fn this_program_has_such_parts() {
        let here = unchanged();
        assert!(
            !here.is_empty() && here.iter().all(|(start, length)| start % 4096 == 0 && *length > 0),
            "{here:?}"
        );
    }
}
