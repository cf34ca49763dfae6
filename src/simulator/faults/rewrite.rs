//! Messages that are changed on their way out: wrong clocks, wrong positions, damage.

use std::time::Duration;

use prost::Message;
use rust_decimal::Decimal;

use super::book::Faults;
use super::fault::{Damage, Fault, SkewOf};
use crate::domain::{MarketTime, Symbol};
use crate::simulator::wire::accounts::{PortfolioValue, Position};
use crate::simulator::wire::executions::{CommissionAndFeesReport, ExecutionDetails};
use crate::simulator::wire::frame::PROTOBUF_OFFSET;
use crate::simulator::wire::ids::answer;
use crate::simulator::wire::session::{CurrentTime, CurrentTimeInMillis};
use crate::simulator::words;

/// What became of a payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// Nothing.
    Same,
    /// Another one.
    Other(Vec<u8>),
    /// It does not go out.
    Gone,
}

/// What the faults that hold make of a payload.
pub fn rewrite(faults: &Faults, message: i32, payload: &[u8], client: Option<i32>, symbol: Option<&Symbol>) -> Written {
    match message {
        answer::ACCOUNT_VALUE | answer::ACCOUNT_SUMMARY | answer::ACCOUNT_UPDATE_MULTI
            if faults.holds(client, None, |fault| matches!(fault, Fault::HideAccount {})) =>
        {
            Written::Gone
        }
        answer::CURRENT_TIME | answer::CURRENT_TIME_IN_MILLIS | answer::EXECUTION_DETAILS => {
            let minutes = skew(faults, client, message == answer::EXECUTION_DETAILS);
            let liquidates = message == answer::EXECUTION_DETAILS && !faults.liquidations.is_empty();
            if minutes == 0 && !liquidates {
                return Written::Same;
            }
            shifted(faults, message, payload, minutes).map_or(Written::Same, Written::Other)
        }
        answer::POSITION | answer::PORTFOLIO_VALUE => {
            let by: i64 = faults
                .active
                .iter()
                .filter(|active| active.client.is_none_or(|id| Some(id) == client))
                .filter(|active| active.symbol.as_ref().is_none_or(|wanted| Some(wanted) == symbol))
                .filter_map(|active| match active.fault {
                    Fault::Misstate { by } => Some(by.0),
                    _ => None,
                })
                .sum();
            if by == 0 {
                return Written::Same;
            }
            misstated(message, payload, by).map_or(Written::Same, Written::Other)
        }
        _ => Written::Same,
    }
}

/// Minutes that a clock is ahead.
fn skew(faults: &Faults, client: Option<i32>, execution: bool) -> i64 {
    let meant = |of: SkewOf| match of {
        SkewOf::Everything => true,
        SkewOf::Server => !execution,
        SkewOf::Executions => execution,
    };
    let holds = faults.active.iter().filter(|active| active.client.is_none_or(|id| Some(id) == client));
    holds
        .filter_map(|active| match active.fault {
            Fault::Skew { minutes, of } if meant(of) => Some(i64::from(minutes)),
            _ => None,
        })
        .sum()
}

fn shift(at: MarketTime, minutes: i64) -> MarketTime {
    let span = Duration::from_secs(minutes.unsigned_abs() * 60);
    if minutes < 0 { at - span } else { at + span }
}

fn shifted(faults: &Faults, message: i32, payload: &[u8], minutes: i64) -> Option<Vec<u8>> {
    match message {
        answer::CURRENT_TIME => {
            let known = CurrentTime::decode(payload).ok()?.current_time?;
            Some(CurrentTime { current_time: Some(known + minutes * 60) }.encode_to_vec())
        }
        answer::CURRENT_TIME_IN_MILLIS => {
            let known = CurrentTimeInMillis::decode(payload).ok()?.current_time_in_millis?;
            Some(CurrentTimeInMillis { current_time_in_millis: Some(known + minutes * 60_000) }.encode_to_vec())
        }
        _ => {
            let mut details = ExecutionDetails::decode(payload).ok()?;
            let execution = details.execution.as_mut()?;
            if let Some(at) = execution.time.as_deref().and_then(words::parse_date_time) {
                execution.time = Some(words::date_time_zone(shift(at, minutes)));
            }
            if execution.exec_id.as_ref().is_some_and(|id| faults.liquidations.contains(id)) {
                execution.is_liquidation = Some(true);
            }
            Some(details.encode_to_vec())
        }
    }
}

fn plus(text: Option<&String>, by: i64) -> Option<String> {
    let known: Decimal = text?.parse().ok()?;
    Some((known + Decimal::from(by)).to_string())
}

fn misstated(message: i32, payload: &[u8], by: i64) -> Option<Vec<u8>> {
    if message == answer::POSITION {
        let mut position = Position::decode(payload).ok()?;
        position.position = plus(position.position.as_ref(), by);
        return Some(position.encode_to_vec());
    }
    let mut value = PortfolioValue::decode(payload).ok()?;
    value.position = plus(value.position.as_ref(), by);
    Some(value.encode_to_vec())
}

/// The order and the id of an execution.
pub fn execution_of(payload: &[u8]) -> Option<(i32, String)> {
    let execution = ExecutionDetails::decode(payload).ok()?.execution?;
    Some((execution.order_id?, execution.exec_id?))
}

/// The execution that a cost belongs to.
pub fn commission_of(payload: &[u8]) -> Option<String> {
    CommissionAndFeesReport::decode(payload).ok()?.exec_id
}

/// Damages a frame; `bit` is which bit of its payload is turned over where one is.
pub fn corrupt(bytes: &mut Vec<u8>, how: Damage, bit: usize) {
    const HEAD: usize = 8;
    if bytes.len() < HEAD {
        return;
    }
    match how {
        Damage::Undecodable => {
            bytes.truncate(HEAD);
            bytes.extend([0xff; 8]);
        }
        Damage::Truncated => {
            let left = HEAD + (bytes.len() - HEAD) / 2;
            bytes.truncate(left);
        }
        Damage::Bit => {
            if let Some(byte) = bytes.get_mut(HEAD + bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
        Damage::Id => bytes[4..HEAD].copy_from_slice(&(PROTOBUF_OFFSET + 199).to_be_bytes()),
    }
    // The length says what there is: only the content is damaged.
    let length = u32::try_from(bytes.len() - 4).unwrap_or(u32::MAX);
    bytes[..4].copy_from_slice(&length.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::wire::Numbered;
    use crate::simulator::wire::frame::{Deframer, encode};

    #[test]
    fn damage_keeps_the_frame_whole_and_spoils_what_is_in_it() {
        for how in [Damage::Undecodable, Damage::Truncated, Damage::Bit, Damage::Id] {
            let whole = encode(answer::POSITION_END, &Numbered { req_id: Some(7_000) });
            let mut bytes = whole.clone();
            corrupt(&mut bytes, how, 3);
            assert_ne!(bytes, whole, "{how:?}");
            let mut deframer = Deframer::default();
            deframer.push(&bytes);
            let frame = deframer.next_frame().unwrap().expect("still a frame");
            assert_eq!(deframer.next_frame().unwrap(), None);
            let decoded = Numbered::decode(&frame.payload[..]).ok().and_then(|message| message.req_id);
            assert!(decoded != Some(7_000) || frame.id != answer::POSITION_END, "{how:?}");
        }
        let mut short = vec![0; 5];
        corrupt(&mut short, Damage::Bit, 0);
        assert_eq!(short, vec![0; 5]);
    }
}
