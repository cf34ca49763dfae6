//! Frames: a length, a message id, a protobuf payload.

use prost::Message;

/// What the wire adds to a message id to say that its payload is protobuf.
pub const PROTOBUF_OFFSET: i32 = 200;

/// The longest frame that either side accepts (the length field's limit in IBKR's clients).
const MAX_LENGTH: usize = 0x00FF_FFFF;

/// One message as it came: its base id and its payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// Message id without the protobuf offset.
    pub id: i32,
    /// The protobuf message.
    pub payload: Vec<u8>,
}

/// Why bytes cannot be frames. Only closing the connection helps: the next boundary is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// The length is impossible.
    #[error("a frame of {0} bytes; between 4 and {MAX_LENGTH} are possible")]
    Length(usize),
    /// The id belongs to the older text protocol.
    #[error("message id {0} is no protobuf message; this server speaks protobuf only (server version 213 and later)")]
    NotProtobuf(i32),
}

/// Writes one message as a whole frame.
pub fn encode(id: i32, message: &impl Message) -> Vec<u8> {
    let length = message.encoded_len() + 4;
    let mut bytes = Vec::with_capacity(length + 4);
    // Nothing we send comes near 4 GB; a saturated length would be refused by the other side.
    bytes.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend((id + PROTOBUF_OFFSET).to_be_bytes());
    message.encode_raw(&mut bytes);
    bytes
}

/// Collects bytes as TCP brings them and cuts them into frames.
#[derive(Debug, Default)]
pub struct Deframer {
    bytes: Vec<u8>,
    start: usize,
}

impl Deframer {
    /// Adds what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Whether nothing of a frame is left in it.
    pub fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// Takes the next whole frame, if there is one.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let rest = &self.bytes[self.start..];
        let Some((head, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_be_bytes(*head) as usize;
        if !(4..=MAX_LENGTH).contains(&length) {
            return Err(FrameError::Length(length));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let Some((id, payload)) = body.split_first_chunk::<4>() else { return Ok(None) };
        let id = i32::from_be_bytes(*id);
        let base = id.checked_sub(PROTOBUF_OFFSET).filter(|base| *base > 0).ok_or(FrameError::NotProtobuf(id))?;
        let frame = Frame { id: base, payload: payload.to_vec() };
        self.start += 4 + length;
        Ok(Some(frame))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::simulator::wire::Numbered;

    #[test]
    fn impossible_lengths_and_text_messages_are_refused() {
        for (bytes, error) in [
            (&[0, 0, 0, 3, 0][..], FrameError::Length(3)),
            (&[1, 0, 0, 0, 0][..], FrameError::Length(0x0100_0000)),
            (&[0, 0, 0, 4, 0, 0, 0, 71][..], FrameError::NotProtobuf(71)),
            (&[0, 0, 0, 4, 0x80, 0, 0, 0][..], FrameError::NotProtobuf(i32::MIN)),
        ] {
            let mut deframer = Deframer::default();
            deframer.push(bytes);
            assert_eq!(deframer.next_frame(), Err(error));
        }
    }

    proptest! {
        #[test]
        fn frames_survive_any_split(
            numbers in prop::collection::vec(prop::option::of(any::<i32>()), 1..20),
            cuts in prop::collection::vec(1_usize..9, 1..200),
        ) {
            let whole: Vec<u8> = numbers.iter().flat_map(|n| encode(25, &Numbered { req_id: *n })).collect();
            let mut deframer = Deframer::default();
            let mut seen = Vec::new();
            let (mut rest, mut cut) = (&whole[..], cuts.iter().cycle());
            while !rest.is_empty() {
                let (piece, tail) = rest.split_at((*cut.next().unwrap()).min(rest.len()));
                deframer.push(piece);
                rest = tail;
                while let Some(frame) = deframer.next_frame().unwrap() {
                    prop_assert_eq!(frame.id, 25);
                    seen.push(Numbered::decode(&frame.payload[..]).unwrap().req_id);
                }
            }
            prop_assert_eq!(seen, numbers);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut deframer = Deframer::default();
            for piece in bytes.chunks(7) {
                deframer.push(piece);
                while let Ok(Some(_)) = deframer.next_frame() {}
            }
        }
    }
}
