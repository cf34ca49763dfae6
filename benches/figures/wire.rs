//! The few messages that the bench reads and writes itself.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use prost::Message;

/// Ids of messages, without the protobuf offset.
pub const PLACE_ORDER: i32 = 3;
pub const HISTORICAL_DATA_REQUEST: i32 = 20;
const START_API: i32 = 71;
pub const BAR_UPDATE: i32 = 90;

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

/// A client that is nothing but a socket, greeted and begun.
pub fn connected(address: SocketAddr, client: i32) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.write_all(b"API\0\0\0\0\x09v213..226").unwrap();
    let mut length = [0; 4];
    stream.read_exact(&mut length).unwrap();
    stream.read_exact(&mut vec![0; u32::from_be_bytes(length) as usize]).unwrap();
    stream.write_all(&frame(START_API, &Number { number: client })).unwrap();
    stream
}
