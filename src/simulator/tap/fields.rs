//! Single fields of messages whose end may be cut off.

/// A field's value, as it stands on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Value<'a> {
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

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let length = usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len());
    let (taken, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    Some(taken)
}

/// The first field with this tag.
fn find(mut bytes: &[u8], tag: u64) -> Option<Value<'_>> {
    loop {
        let key = varint(&mut bytes)?;
        let value = match key & 7 {
            0 => Value::Number(varint(&mut bytes)?),
            1 => Value::Bytes(take(&mut bytes, 8)?),
            2 => {
                let length = varint(&mut bytes)?;
                Value::Bytes(take(&mut bytes, length)?)
            }
            5 => Value::Bytes(take(&mut bytes, 4)?),
            _ => return None,
        };
        if key >> 3 == tag {
            return Some(value);
        }
    }
}

/// A number of a message.
pub fn number(bytes: &[u8], tag: u64) -> Option<u64> {
    match find(bytes, tag)? {
        Value::Number(number) => Some(number),
        Value::Bytes(_) => None,
    }
}

/// A text, or a message, within a message.
pub fn bytes(bytes: &[u8], tag: u64) -> Option<&[u8]> {
    match find(bytes, tag)? {
        Value::Bytes(bytes) => Some(bytes),
        Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use prost::Message;

    use super::*;
    use crate::simulator::wire::contracts::Contract;
    use crate::simulator::wire::orders::PlaceOrderRequest;

    #[test]
    fn the_beginning_of_a_message_is_enough() {
        let contract = Contract { con_id: Some(7), symbol: Some("AAPL".into()), ..Contract::default() };
        let place = PlaceOrderRequest { order_id: Some(300), contract: Some(contract), ..Default::default() };
        let whole = place.encode_to_vec();
        assert_eq!((number(&whole, 1), bytes(&whole, 3)), (Some(300), None));
        assert_eq!(bytes(&whole, 2).and_then(|contract| bytes(contract, 2)), Some(&b"AAPL"[..]));
        for end in 0..whole.len() {
            let cut = &whole[..end];
            assert!(number(cut, 1).is_none_or(|id| id == 300), "{end}");
            assert!(bytes(cut, 2).and_then(|contract| number(contract, 1)).is_none_or(|id| id == 7), "{end}");
        }
    }
}
