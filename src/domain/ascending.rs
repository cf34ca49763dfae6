//! A map for keys that come in ascending order, or nearly so (numbers that are counted up), or of which
//! hardly ever a new one comes (contracts).
//!
//! It is a sorted list: the highest key is found at once, any other by halving, and one that is higher
//! than all is put at the end, where nothing has to be moved for it. Others are put in their places.
//! Where a key was found when its value was to be changed is remembered, and looked at before anything is halved.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A key of such a map.
pub trait Key: Ord + Copy {
    /// A number that differs between keys, mostly.
    fn spread(self) -> u32;
}

impl Key for u64 {
    #[inline]
    fn spread(self) -> u32 {
        // Neighbours differ in their lowest digits.
        self as u32
    }
}

impl Key for i64 {
    #[inline]
    fn spread(self) -> u32 {
        self as u32
    }
}

impl Key for i32 {
    #[inline]
    fn spread(self) -> u32 {
        self as u32
    }
}

/// How many keys can be remembered, and how many bits that takes.
const REMEMBERED: usize = 256;
const BITS: u32 = 8;

/// Up to so many keys halving is as fast as remembering.
const FEW: usize = 8;

/// See the module.
#[derive(Clone)]
pub struct Ascending<K, V> {
    list: Vec<(K, V)>,
    /// Where keys were found, by their spread, once there are more than a few. No more than a guess: whoever asks looks
    /// whether the key is there.
    found: Option<Box<[u8; REMEMBERED]>>,
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Ascending<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.list.iter().map(|(key, value)| (key, value))).finish()
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for Ascending<K, V> {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl<K, V> Default for Ascending<K, V> {
    fn default() -> Self {
        Self { list: Vec::new(), found: None }
    }
}

/// Where a key's place is remembered.
#[inline]
fn memory<K: Key>(key: K) -> usize {
    // The upper bits of the product depend on all bits of the key.
    (key.spread().wrapping_mul(0x9e37_79b1) >> (u32::BITS - BITS)) as usize
}

impl<K: Key, V> Ascending<K, V> {
    /// Where the key is, or where it would have to be.
    #[inline]
    fn place(&self, key: K) -> Result<usize, usize> {
        match self.list.last() {
            None => Err(0),
            Some((last, _)) if *last == key => Ok(self.list.len() - 1),
            Some((last, _)) if *last < key => Err(self.list.len()),
            Some(_) => self.place_before(key),
        }
    }

    /// As [`Self::place`], and remembers it.
    #[inline]
    fn remembered(&mut self, key: K) -> Result<usize, usize> {
        match self.list.last() {
            None => Err(0),
            Some((last, _)) if *last == key => Ok(self.list.len() - 1),
            Some((last, _)) if *last < key => Err(self.list.len()),
            Some(_) if self.list.len() <= FEW => self.halve(key),
            Some(_) => self.remembered_before(key),
        }
    }

    /// The same for a key that is not beyond the last one.
    #[inline]
    fn place_before(&self, key: K) -> Result<usize, usize> {
        match &self.found {
            Some(found) if self.is_at(found[memory(key)], key) => Ok(usize::from(found[memory(key)])),
            Some(_) | None => self.halve(key),
        }
    }

    fn remembered_before(&mut self, key: K) -> Result<usize, usize> {
        let place = self.place_before(key);
        // Beyond what a guess can say nothing is remembered.
        if let Ok(place) = place
            && let Ok(place) = u8::try_from(place)
        {
            self.found.get_or_insert_with(|| Box::new([0; REMEMBERED]))[memory(key)] = place;
        }
        place
    }

    #[inline]
    fn is_at(&self, place: u8, key: K) -> bool {
        self.list.get(usize::from(place)).is_some_and(|(known, _)| *known == key)
    }

    #[inline]
    fn halve(&self, key: K) -> Result<usize, usize> {
        self.list.binary_search_by(|(known, _)| known.cmp(&key))
    }

    /// The value of a key.
    #[inline]
    pub fn get(&self, key: &K) -> Option<&V> {
        // As `place` finds it, but without an index: every bar passes here.
        match self.list.last()? {
            (last, value) if last == key => Some(value),
            (last, _) if last < key => None,
            _ => self.place_before(*key).ok().map(|place| &self.list[place].1),
        }
    }

    /// The value of a key, to be changed.
    #[inline]
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        // Likewise.
        if self.list.last().is_some_and(|(last, _)| last == key) {
            return self.list.last_mut().map(|(_, value)| value);
        }
        self.remembered(*key).ok().map(|place| &mut self.list[place].1)
    }

    /// Whether the key has a value.
    #[inline]
    pub fn contains_key(&self, key: &K) -> bool {
        self.place(*key).is_ok()
    }

    /// Sets a key's value; the one that it had before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.remembered(key) {
            Ok(place) => Some(std::mem::replace(&mut self.list[place].1, value)),
            Err(place) => {
                self.list.insert(place, (key, value));
                None
            }
        }
    }

    /// Takes a key out; the value that it had.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.place(*key).ok().map(|place| self.list.remove(place).1)
    }

    /// The value of a key, which has one from now on.
    #[inline(always)]
    pub fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        // As in `get`: every bar passes here.
        let last = self.list.len().wrapping_sub(1);
        if self.list.get(last).is_some_and(|(known, _)| *known == key) {
            return &mut self.list[last].1;
        }
        self.other_or_default(key)
    }

    #[inline(never)]
    fn other_or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let place = match self.remembered(key) {
            Ok(place) => place,
            Err(place) => {
                self.add(place, key);
                place
            }
        };
        &mut self.list[place].1
    }

    #[cold]
    fn add(&mut self, place: usize, key: K)
    where
        V: Default,
    {
        self.list.insert(place, (key, V::default()));
    }

    /// All keys with their values, by key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.list.iter().map(|(key, value)| (key, value))
    }

    /// Those whose keys are higher than this one; all of them for `None`.
    pub fn beyond(&self, key: Option<K>) -> impl Iterator<Item = (&K, &V)> {
        let from = key.map_or(0, |key| self.place(key).map_or_else(|place| place, |place| place + 1));
        self.list[from..].iter().map(|(key, value)| (key, value))
    }

    /// All keys with their values, which may be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.list.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// All values, by key.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.list.iter().map(|(_, value)| value)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Keeps the keys of which that is true.
    pub fn retain(&mut self, mut stays: impl FnMut(&K, &V) -> bool) {
        self.list.retain(|(key, value)| stays(key, value));
    }

    /// Takes the values out of which that is true, by key.
    pub fn take_if(&mut self, mut goes: impl FnMut(&V) -> bool) -> Vec<V> {
        self.list.extract_if(.., |(_, value)| goes(value)).map(|(_, value)| value).collect()
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Ascending<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(items: I) -> Self {
        // Of one key the last value counts.
        let list = items.into_iter().collect::<BTreeMap<K, V>>().into_iter().collect();
        Self { list, ..Self::default() }
    }
}

impl<K: Serialize, V: Serialize> Serialize for Ascending<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.list.iter().map(|(key, value)| (key, value)))
    }
}

impl<'de, K: Ord + Deserialize<'de>, V: Deserialize<'de>> Deserialize<'de> for Ascending<K, V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(|map| map.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::Ascending;

    proptest! {
        #[test]
        fn it_is_a_map_whatever_the_order_of_its_keys(
            // More than can be remembered, sometimes.
            begun in prop_oneof![Just(0_u64), Just(300)],
            steps in prop::collection::vec((prop_oneof![0_u64..40, 100_u64..400], 0_u8..7, any::<u16>()), 0..80),
        ) {
            let mut model: BTreeMap<u64, u16> = (100..100 + begun).map(|key| (key, 0)).collect();
            let mut map: Ascending<u64, u16> = model.iter().map(|(key, value)| (*key, *value)).collect();
            for (key, step, value) in steps {
                match step {
                    0 | 1 => prop_assert_eq!(map.insert(key, value), model.insert(key, value)),
                    2 | 6 => prop_assert_eq!(
                        map.get_mut(&key).map(|known| std::mem::replace(known, value)),
                        model.get_mut(&key).map(|known| std::mem::replace(known, value)),
                    ),
                    4 => prop_assert_eq!(map.remove(&key), model.remove(&key)),
                    3 => prop_assert_eq!(map.or_default(key), model.entry(key).or_default()),
                    _ => {
                        let goes = |known: &u16| known.is_multiple_of(3);
                        let gone: Vec<u16> = model.values().copied().filter(goes).collect();
                        model.retain(|_, known| !goes(known));
                        prop_assert_eq!(map.take_if(goes), gone);
                    }
                }
                prop_assert_eq!(map.get(&key), model.get(&key));
                prop_assert_eq!(map.contains_key(&key), model.contains_key(&key));
                prop_assert!(map.values().eq(model.values()) && map.len() == model.len());
                prop_assert!(map.beyond(None).eq(&model));
                prop_assert!(map.beyond(Some(key)).eq(model.range(key + 1..)));
            }
            let text = serde_json::to_string(&map).unwrap();
            prop_assert_eq!(&text, &serde_json::to_string(&model).unwrap());
            prop_assert_eq!(serde_json::from_str::<Ascending<u64, u16>>(&text).unwrap(), map);
        }
    }
}
