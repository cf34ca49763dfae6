//! The book's targets of one contract, by strategy.

use std::collections::BTreeMap;

use compact_str::CompactString;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::TargetState;

/// A map by name, of very few names.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Targets(Vec<(CompactString, TargetState)>);

impl Targets {
    #[inline]
    fn place(&self, strategy: &str) -> Option<usize> {
        self.0.iter().position(|(name, _)| name == strategy)
    }

    #[inline]
    pub(super) fn get(&self, strategy: &str) -> Option<&TargetState> {
        self.place(strategy).map(|place| &self.0[place].1)
    }

    pub(super) fn get_mut(&mut self, strategy: &str) -> Option<&mut TargetState> {
        self.place(strategy).map(|place| &mut self.0[place].1)
    }

    pub(super) fn insert(&mut self, strategy: &CompactString, target: TargetState) {
        match self.get_mut(strategy) {
            Some(known) => *known = target,
            None => {
                let place = self.0.partition_point(|(name, _)| name < strategy);
                self.0.insert(place, (strategy.clone(), target));
            }
        }
    }

    /// By name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &TargetState)> {
        self.0.iter().map(|(name, target)| (&**name, target))
    }

    pub(super) fn values_mut(&mut self) -> impl Iterator<Item = &mut TargetState> {
        self.0.iter_mut().map(|(_, target)| target)
    }
}

impl Serialize for Targets {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Targets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::deserialize(deserializer).map(|map| Self(map.into_iter().collect()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{MarketTime, Shares};

    fn target(shares: i64) -> TargetState {
        let (size, at) = (Shares(shares), MarketTime::from_secs(shares));
        TargetState { value: 1.0, size, at, stale: false, disarmed: None, deferred: false }
    }

    proptest! {
        #[test]
        fn they_are_a_map_by_name(steps in prop::collection::vec(("[a-c]{1,2}", 0_i64..100), 0..30)) {
            let (mut targets, mut model) = (Targets::default(), BTreeMap::new());
            for (name, shares) in steps {
                let name: CompactString = name.into();
                targets.insert(&name, target(shares));
                model.insert(name.clone(), target(shares));
                prop_assert_eq!(targets.get(&name), model.get(&name));
                prop_assert!(targets.iter().eq(model.iter().map(|(name, target)| (&**name, target))));
            }
            prop_assert_eq!(targets.get("z"), None);
            let text = serde_json::to_string(&targets).unwrap();
            prop_assert_eq!(&text, &serde_json::to_string(&model).unwrap());
            prop_assert_eq!(serde_json::from_str::<Targets>(&text).unwrap(), targets);
        }
    }
}
