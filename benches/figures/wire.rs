//! The few messages that the bench reads and writes itself.

use prost::Message;

/// Ids of messages, without the protobuf offset.
pub const PLACE_ORDER: i32 = 3;
pub const HISTORICAL_DATA_REQUEST: i32 = 20;
pub const START_API: i32 = 71;
pub const BAR_UPDATE: i32 = 90;

/// A field of a message, as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The first field with this number. What was cut off at the end is not missed.
pub fn field(mut bytes: &[u8], number: u64) -> Option<Field<'_>> {
    loop {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Field::Number(varint(&mut bytes)?),
            1 => Field::Bytes(take(&mut bytes, 8)?),
            2 => {
                let length = varint(&mut bytes)? as usize;
                Field::Bytes(take(&mut bytes, length)?)
            }
            5 => Field::Bytes(take(&mut bytes, 4)?),
            _ => return None,
        };
        if key >> 3 == number {
            return Some(value);
        }
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length.min(bytes.len()))?;
    *bytes = rest;
    Some(taken)
}

/// A text, or a message, within a message.
pub fn bytes(bytes: &[u8], at: u64) -> Option<&[u8]> {
    match field(bytes, at)? {
        Field::Bytes(bytes) => Some(bytes),
        Field::Number(_) => None,
    }
}

/// A contract.
#[derive(Clone, PartialEq, Message)]
pub struct Contract {
    #[prost(string, tag = "2")]
    pub symbol: String,
    #[prost(string, tag = "3")]
    pub sec_type: String,
    #[prost(string, tag = "8")]
    pub exchange: String,
    #[prost(string, tag = "10")]
    pub currency: String,
}

impl Contract {
    pub fn stock(symbol: &str) -> Self {
        let word = str::to_owned;
        Self { symbol: word(symbol), sec_type: word("STK"), exchange: word("SMART"), currency: word("USD") }
    }
}

/// A request for bars that are kept up to date.
#[derive(Clone, PartialEq, Message)]
pub struct BarsRequest {
    #[prost(int32, tag = "1")]
    pub req_id: i32,
    #[prost(message, optional, tag = "2")]
    pub contract: Option<Contract>,
    #[prost(string, tag = "4")]
    pub size: String,
    #[prost(string, tag = "5")]
    pub duration: String,
    #[prost(string, tag = "7")]
    pub show: String,
    #[prost(int32, tag = "8")]
    pub format_date: i32,
    #[prost(bool, tag = "9")]
    pub keep_up_to_date: bool,
}

/// The terms of an order.
#[derive(Clone, PartialEq, Message)]
pub struct Terms {
    #[prost(string, tag = "5")]
    pub action: String,
    #[prost(string, tag = "6")]
    pub quantity: String,
    #[prost(string, tag = "8")]
    pub kind: String,
    #[prost(string, tag = "11")]
    pub tif: String,
    #[prost(string, tag = "12")]
    pub account: String,
    #[prost(bool, tag = "66")]
    pub transmit: bool,
}

/// An order to be placed.
#[derive(Clone, PartialEq, Message)]
pub struct Place {
    #[prost(int32, tag = "1")]
    pub order_id: i32,
    #[prost(message, optional, tag = "2")]
    pub contract: Option<Contract>,
    #[prost(message, optional, tag = "3")]
    pub order: Option<Terms>,
}

/// A message of one number.
#[derive(Clone, PartialEq, Message)]
pub struct Number {
    #[prost(int32, tag = "1")]
    pub number: i32,
}

/// A message as a frame.
pub fn frame(id: i32, message: &impl Message) -> Vec<u8> {
    let mut bytes = u32::try_from(message.encoded_len() + 4).unwrap().to_be_bytes().to_vec();
    bytes.extend((id + 200).to_be_bytes());
    message.encode_raw(&mut bytes);
    bytes
}
