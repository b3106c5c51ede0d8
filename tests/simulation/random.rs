//! Random numbers from a seed and nothing else: xoshiro256** (Blackman and Vigna), its state filled by splitmix64.

/// A stream of random numbers.
#[derive(Clone, Debug)]
pub(crate) struct Random([u64; 4]);

impl Random {
    /// The stream that `seed` names.
    pub(crate) fn new(seed: u64) -> Self {
        let mut state = seed;
        let mut word = || {
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = state;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        };
        Random([word(), word(), word(), word()])
    }

    /// Another stream, so that a draw more in one part of the run leaves the other parts alone.
    pub(crate) fn fork(&mut self) -> Self {
        Random::new(self.word())
    }

    /// Any number.
    pub(crate) fn word(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let result = b.wrapping_mul(5).rotate_left(7).wrapping_mul(9);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        result
    }

    /// A number from `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: u64, high: u64) -> u64 {
        let span = u128::from(high - low) + 1;
        let scaled = (u128::from(self.word()) * span) >> 64;
        low + u64::try_from(scaled).unwrap()
    }

    /// A number from `range.0` to `range.1`, both included.
    pub(crate) fn of(&mut self, range: (u64, u64)) -> u64 {
        self.between(range.0, range.1)
    }

    /// True this often in a thousand.
    pub(crate) fn chance(&mut self, thousandths: u64) -> bool {
        thousandths > 0 && self.between(0, 999) < thousandths
    }

    /// A number below `count`.
    pub(crate) fn index(&mut self, count: usize) -> usize {
        usize::try_from(self.between(0, u64::try_from(count).unwrap() - 1)).unwrap()
    }

    /// One of `choices`.
    pub(crate) fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.index(choices.len())]
    }
}
