//! What the fuzz tests share: how many cases, and values that are almost right.
#![allow(dead_code, reason = "every test binary uses a part of it")]

use proptest::prelude::*;
use proptest::test_runner::Config;

/// So many cases, or as many as `PROPTEST_CASES` says.
pub fn cases(otherwise: u32) -> Config {
    // The smallest failing input is printed whole: nothing has to be kept beside it.
    let config = Config { failure_persistence: None, max_shrink_iters: 400, ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() { config } else { Config { cases: otherwise, ..config } }
}

/// A payload that protobuf can read as far as its shape goes: fields of every wire type, with values
/// at the edges of their types.
pub fn payload() -> impl Strategy<Value = Vec<u8>> {
    let leaf = prop::collection::vec(field(prop::collection::vec(any::<u8>(), 0..12).boxed()), 0..6);
    let nested = prop::collection::vec(field(leaf.prop_map(|fields| fields.concat()).boxed()), 0..12);
    nested.prop_map(|fields| fields.concat())
}

fn field(inner: BoxedStrategy<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![
        any::<u64>(),
        0_u64..5,
        Just(u64::MAX),
        Just(i64::MAX as u64),
        Just(i64::MIN as u64),
        Just(i32::MAX as u64),
        Just(i32::MIN as i64 as u64),
    ];
    let float = prop_oneof![
        any::<f64>(),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::MAX),
        Just(-1.0),
        Just(0.0),
        Just(1e300),
        Just(f64::MIN_POSITIVE),
    ];
    let text = prop_oneof![
        Just("AAPL".to_owned()),
        Just("BUY".to_owned()),
        Just("SELL".to_owned()),
        Just("MKT".to_owned()),
        Just("DU1234567".to_owned()),
        Just("20240101 00:00:00 US/Eastern".to_owned()),
        Just("1 D".to_owned()),
        Just("999999999 Y".to_owned()),
        Just("1 min".to_owned()),
        ".{0,20}",
        "-?[0-9]{1,30}(\\.[0-9]{0,30})?",
    ];
    prop_oneof![
        (1_u64..130, number).prop_map(|(tag, value)| [varint(tag << 3), varint(value)].concat()),
        (1_u64..130, float).prop_map(|(tag, value)| [varint(tag << 3 | 1), value.to_le_bytes().to_vec()].concat()),
        (1_u64..130, text).prop_map(|(tag, value)| {
            [varint(tag << 3 | 2), varint(value.len() as u64), value.into_bytes()].concat()
        }),
        (1_u64..130, inner)
            .prop_map(|(tag, value)| { [varint(tag << 3 | 2), varint(value.len() as u64), value].concat() }),
    ]
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push((value as u8) | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// How something right is made wrong.
#[derive(Debug, Clone)]
pub enum Scratch {
    /// It stays right.
    None,
    /// A byte becomes another.
    Byte(usize, u8),
    /// A bit flips.
    Bit(usize, u8),
    /// It ends early.
    Cut(usize),
    /// A part is said twice.
    Twice(usize, usize),
    /// A part is missing.
    Without(usize, usize),
    /// Something is put in.
    Into(usize, Vec<u8>),
    /// Something is added.
    Behind(Vec<u8>),
}

pub fn scratched() -> impl Strategy<Value = Scratch> {
    let place = any::<prop::sample::Index>().prop_map(|index| index.index(1 << 20));
    prop_oneof![
        1 => Just(Scratch::None),
        4 => (place.clone(), any::<u8>()).prop_map(|(at, byte)| Scratch::Byte(at, byte)),
        4 => (place.clone(), 0_u8..8).prop_map(|(at, bit)| Scratch::Bit(at, bit)),
        2 => place.clone().prop_map(Scratch::Cut),
        1 => (place.clone(), 1_usize..30).prop_map(|(at, length)| Scratch::Twice(at, length)),
        1 => (place.clone(), 1_usize..30).prop_map(|(at, length)| Scratch::Without(at, length)),
        2 => (place, prop::collection::vec(any::<u8>(), 1..12)).prop_map(|(at, bytes)| Scratch::Into(at, bytes)),
        2 => payload().prop_map(Scratch::Behind),
    ]
}

impl Scratch {
    pub fn of(&self, right: &[u8]) -> Vec<u8> {
        let mut bytes = right.to_vec();
        let length = bytes.len();
        if length == 0 && !matches!(self, Self::Behind(_)) {
            return bytes;
        }
        match self {
            Self::None => {}
            Self::Byte(at, byte) => bytes[at % length] = *byte,
            Self::Bit(at, bit) => bytes[at % length] ^= 1 << bit,
            Self::Cut(at) => bytes.truncate(at % length),
            Self::Twice(at, count) => {
                let from = at % length;
                let part = bytes[from..(from + count).min(length)].to_vec();
                bytes.splice(from..from, part);
            }
            Self::Without(at, count) => {
                let from = at % length;
                bytes.drain(from..(from + count).min(length));
            }
            Self::Into(at, more) => {
                let at = at % length;
                bytes.splice(at..at, more.iter().copied());
            }
            Self::Behind(more) => bytes.extend(more),
        }
        bytes
    }
}
