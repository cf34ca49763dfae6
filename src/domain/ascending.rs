//! A map for keys that come in ascending order, or nearly so (numbers that are counted up), or of which
//! hardly ever a new one comes (contracts).
//!
//! It is a sorted list: the highest key is found at once, any other by halving, and one that is higher
//! than all is put at the end, where nothing has to be moved for it. Others are put in their places.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// See the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Ascending<K, V>(Vec<(K, V)>);

impl<K, V> Default for Ascending<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord + Copy, V> Ascending<K, V> {
    /// Where the key is, or where it would have to be.
    #[inline]
    fn place(&self, key: K) -> Result<usize, usize> {
        match self.0.last() {
            None => Err(0),
            Some((last, _)) if *last == key => Ok(self.0.len() - 1),
            Some((last, _)) if *last < key => Err(self.0.len()),
            Some(_) => self.0.binary_search_by(|(known, _)| known.cmp(&key)),
        }
    }

    /// The value of a key.
    #[inline]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.place(*key).ok().map(|place| &self.0[place].1)
    }

    /// The value of a key, to be changed.
    #[inline]
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.place(*key).ok().map(|place| &mut self.0[place].1)
    }

    /// Whether the key has a value.
    #[inline]
    pub fn contains_key(&self, key: &K) -> bool {
        self.place(*key).is_ok()
    }

    /// Sets a key's value; the one that it had before.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(key) {
            Ok(place) => Some(std::mem::replace(&mut self.0[place].1, value)),
            Err(place) => {
                self.0.insert(place, (key, value));
                None
            }
        }
    }

    /// Takes a key out; the value that it had.
    pub fn remove(&mut self, key: &K) -> Option<V> {
        self.place(*key).ok().map(|place| self.0.remove(place).1)
    }

    /// The value of a key, which has one from now on.
    #[inline]
    pub fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let place = self.place(key).unwrap_or_else(|place| {
            self.0.insert(place, (key, V::default()));
            place
        });
        &mut self.0[place].1
    }

    /// All keys with their values, by key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// Those whose keys are higher than this one; all of them for `None`.
    pub fn beyond(&self, key: Option<K>) -> impl Iterator<Item = (&K, &V)> {
        let from = key.map_or(0, |key| self.place(key).map_or_else(|place| place, |place| place + 1));
        self.0[from..].iter().map(|(key, value)| (key, value))
    }

    /// All keys with their values, which may be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    /// All values, by key.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Keeps the keys of which that is true.
    pub fn retain(&mut self, mut stays: impl FnMut(&K, &V) -> bool) {
        self.0.retain(|(key, value)| stays(key, value));
    }

    /// Takes the values out of which that is true, by key.
    pub fn take_if(&mut self, mut goes: impl FnMut(&V) -> bool) -> Vec<V> {
        self.0.extract_if(.., |(_, value)| goes(value)).map(|(_, value)| value).collect()
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for Ascending<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(items: I) -> Self {
        // Of one key the last value counts.
        Self(items.into_iter().collect::<BTreeMap<K, V>>().into_iter().collect())
    }
}

impl<K: Serialize, V: Serialize> Serialize for Ascending<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(key, value)| (key, value)))
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
            steps in prop::collection::vec((0_u64..40, 0_u8..6, any::<u16>()), 0..80),
        ) {
            let (mut map, mut model) = (Ascending::default(), BTreeMap::new());
            for (key, step, value) in steps {
                match step {
                    0 | 1 => prop_assert_eq!(map.insert(key, value), model.insert(key, value)),
                    2 => prop_assert_eq!(
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
