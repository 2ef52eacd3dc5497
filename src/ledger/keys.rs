//! A set of event keys that fits in memory: about 21 bytes a key, and no pause while it grows.

use std::thread;

use crate::event::EventKey;

/// A set of event keys.
///
/// The keys are digests, so they are already spread evenly: a key's own leading bits are its hash. The first bits pick
/// a shard, so that growing copies one part in 64 at a time; the next ones pick a home slot in the shard. Home slots
/// rise with the key and probing is linear, so that a shard is a sorted array with gaps: a search for an absent key
/// ends at the first greater one, which keeps probes short even when the shard is nearly full.
#[derive(Clone, Debug)]
pub struct Keys {
    shards: Box<[Shard]>,
    /// The all-zero key, which marks an empty slot and therefore cannot be stored in one.
    zero: bool,
}

/// Bits of a key that pick its shard.
const SHARD_BITS: u32 = 6;
/// Home slots of a shard that holds its first key.
const FIRST_HOMES: usize = 8;
/// A shard grows when this share of its home slots is in use, to a share of 4/5 of it.
const FULL: (usize, usize) = (7, 8);
/// Keys for which a set that was made at once has room for one more.
const SPARE: usize = 64;

impl Keys {
    /// An empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty set with room for `keys` keys before it grows.
    #[must_use]
    pub fn with_capacity(keys: usize) -> Self {
        // Shards fill unevenly, by about the square root of their size.
        let each = keys >> SHARD_BITS;
        let homes = (each + each.isqrt() * 4) / FULL.0 * FULL.1;
        Self { shards: vec![Shard::new(homes); 1 << SHARD_BITS].into(), zero: false }
    }

    /// Adds a key; says whether it was absent.
    pub fn insert(&mut self, key: &EventKey) -> bool {
        match number(key) {
            0 => !std::mem::replace(&mut self.zero, true),
            number => self.shards[shard(number)].insert(number),
        }
    }

    /// Whether the key is in the set.
    #[must_use]
    pub fn contains(&self, key: &EventKey) -> bool {
        match number(key) {
            0 => self.zero,
            number => self.shards[shard(number)].find(number).is_ok(),
        }
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.len).sum::<usize>() + usize::from(self.zero)
    }

    /// Whether there is no key.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes of memory the set holds.
    #[must_use]
    pub fn memory(&self) -> usize {
        let slots: usize = self.shards.iter().map(|shard| shard.slots.capacity()).sum();
        size_of::<Self>() + size_of_val(&*self.shards) + slots * size_of::<u128>()
    }
}

impl Default for Keys {
    fn default() -> Self {
        Self { shards: vec![Shard::new(0); 1 << SHARD_BITS].into(), zero: false }
    }
}

/// One part of the key space: sorted, with zeros for gaps.
#[derive(Clone, Debug, Default)]
struct Shard {
    /// `homes` slots, and behind them what was pushed over the end.
    slots: Vec<u128>,
    homes: usize,
    len: usize,
}

impl Shard {
    fn new(homes: usize) -> Self {
        Self { slots: vec![0; homes], homes, len: 0 }
    }

    /// Where the key is, or where it belongs.
    fn find(&self, key: u128) -> Result<usize, usize> {
        let mut index = home(key, self.homes);
        loop {
            match self.slots.get(index) {
                Some(&found) if found == key => return Ok(index),
                Some(&found) if found != 0 && found < key => index += 1,
                _ => return Err(index),
            }
        }
    }

    fn insert(&mut self, key: u128) -> bool {
        if self.find(key).is_ok() {
            return false;
        }
        if self.len * FULL.1 >= self.homes * FULL.0 {
            self.grow();
        }
        if let Err(index) = self.find(key) {
            self.shift_in(index, key);
        }
        self.len += 1;
        true
    }

    /// Puts `key` at `index` and moves what is there to the next gap, which keeps the order.
    fn shift_in(&mut self, mut index: usize, mut key: u128) {
        while let Some(slot) = self.slots.get_mut(index) {
            std::mem::swap(slot, &mut key);
            if key == 0 {
                return;
            }
            index += 1;
        }
        if self.slots.len() == self.slots.capacity() {
            self.slots.reserve_exact(Self::overhang(self.homes));
        }
        self.slots.push(key);
    }

    /// Slots behind the homes, for what is pushed over the end.
    fn overhang(homes: usize) -> usize {
        homes / 64 + 1
    }

    /// Moves the keys into a shard of 5/4 the homes.
    fn grow(&mut self) {
        let homes = (self.homes + self.homes / 4).max(FIRST_HOMES);
        *self = Self::sorted(self.slots.iter().copied().filter(|key| *key != 0), self.len, homes);
    }

    /// A shard of these `len` keys, which come in order, so that each one goes to the end.
    fn sorted(keys: impl Iterator<Item = u128>, len: usize, homes: usize) -> Self {
        let mut slots = Vec::with_capacity(homes + Self::overhang(homes));
        for key in keys {
            slots.resize(slots.len().max(home(key, homes)), 0);
            slots.push(key);
        }
        slots.resize(slots.len().max(homes), 0);
        Self { slots, homes, len }
    }
}

/// Keys on their way into a set, all at once: sorting them is several times faster than finding each one's place.
#[derive(Debug)]
pub struct Gathering {
    shards: Vec<Vec<u128>>,
    zero: bool,
}

impl Gathering {
    /// Nothing yet, with room for `keys` keys.
    #[must_use]
    pub fn with_capacity(keys: usize) -> Self {
        let each = keys >> SHARD_BITS;
        let shard = || Vec::with_capacity(each + each.isqrt() * 4);
        Self { shards: std::iter::repeat_with(shard).take(1 << SHARD_BITS).collect(), zero: false }
    }

    /// Adds a key, which may be there already.
    pub fn push(&mut self, key: &EventKey) {
        match number(key) {
            0 => self.zero = true,
            number => self.shards[shard(number)].push(number),
        }
    }

    /// The set of these keys, made by `threads` threads.
    #[must_use]
    pub fn finish(self, threads: usize) -> Keys {
        let Self { mut shards, zero } = self;
        let mut made = vec![Shard::default(); shards.len()];
        let each = shards.len().div_ceil(threads.max(1));
        thread::scope(|scope| {
            for (gathered, made) in shards.chunks_mut(each).zip(made.chunks_mut(each)) {
                scope.spawn(|| {
                    for (gathered, made) in gathered.iter_mut().zip(made) {
                        let mut keys = std::mem::take(gathered);
                        keys.sort_unstable();
                        keys.dedup();
                        let len = keys.len();
                        *made = Shard::sorted(keys.into_iter(), len, (len + len / SPARE).div_ceil(FULL.0) * FULL.1);
                    }
                });
            }
        });
        Keys { shards: made.into(), zero }
    }
}

fn number(key: &EventKey) -> u128 {
    u128::from_be_bytes(*key.as_bytes())
}

fn shard(key: u128) -> usize {
    usize::try_from(key >> (u128::BITS - SHARD_BITS)).expect("a few bits fit")
}

/// The key's place among `homes`: the share of the shard's key space that lies below it.
fn home(key: u128, homes: usize) -> usize {
    let place = (key << SHARD_BITS) >> 64;
    usize::try_from((place * homes as u128) >> 64).expect("below the number of homes")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn spread(index: u64) -> EventKey {
        let mut key = [0; 16];
        key.copy_from_slice(&blake3::hash(&index.to_le_bytes()).as_bytes()[..16]);
        EventKey::from(key)
    }

    #[test]
    fn keeps_every_key_at_no_more_than_24_bytes() {
        let mut keys = Keys::new();
        for index in 0..200_000 {
            assert!(keys.insert(&spread(index)));
            assert!(!keys.insert(&spread(index / 2)));
        }
        assert_eq!(keys.len(), 200_000);
        assert!((0..200_000).all(|index| keys.contains(&spread(index))));
        assert!((200_000..400_000).all(|index| !keys.contains(&spread(index))));
        assert!(keys.memory() < 200_000 * 24, "{} bytes", keys.memory());
    }

    #[test]
    fn a_capacity_is_kept_without_growing() {
        let mut keys = Keys::with_capacity(100_000);
        let before = keys.memory();
        for index in 0..100_000 {
            keys.insert(&spread(index));
        }
        assert!(keys.memory() <= before + before / 20, "{before} {}", keys.memory());
    }

    #[test]
    fn a_set_made_at_once_is_the_one_made_key_by_key() {
        let keys: Vec<EventKey> = (0..50_000).map(|index| spread(index / 2)).chain([EventKey::from([0; 16])]).collect();
        let mut gathering = Gathering::with_capacity(1_000);
        let mut expected = Keys::new();
        for key in &keys {
            gathering.push(key);
            expected.insert(key);
        }
        let mut made = gathering.finish(3);
        assert_eq!(made.len(), expected.len());
        assert!(keys.iter().all(|key| made.contains(key)));
        assert!((25_000..50_000).all(|index| made.insert(&spread(index)) && made.contains(&spread(index))));
        assert!(keys.iter().all(|key| made.contains(key)));
        assert!(made.memory() < 50_000 * 24, "{} bytes", made.memory());
        assert!(Gathering::with_capacity(0).finish(2).is_empty());
    }

    proptest! {
        // Keys from a tiny alphabet collide in every bit that matters: same shard, same home, neighbours, zero.
        #[test]
        fn agrees_with_a_tree(keys in prop::collection::vec((0..4_u8, 0..4_u8, 0..3_u8), 0..400)) {
            let mut tree = BTreeSet::new();
            let mut set = Keys::new();
            for (first, middle, last) in keys {
                let mut key = [0; 16];
                (key[0], key[6], key[15]) = (first * 85, middle, last);
                let key = EventKey::from(key);
                prop_assert_eq!(set.contains(&key), tree.contains(&key));
                prop_assert_eq!(set.insert(&key), tree.insert(key));
                prop_assert_eq!(set.len(), tree.len());
                prop_assert!(tree.iter().all(|key| set.contains(key)));
            }
        }
    }
}
