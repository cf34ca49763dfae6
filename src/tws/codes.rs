//! What IBKR's message codes mean, by our own table.
//!
//! The crate's categories are not used: they take held orders (404) and informational codes
//! (10349) for errors, and lost connectivity (2110) for a mere warning. Codes decide, never
//! texts, which are reworded and localised; the few exceptions are codes that IBKR uses for
//! several things, and say so. Sources: IBKR's "Message codes" and what gateways were seen to send.

use crate::domain::plain;

/// The maximum rate of messages was exceeded; the message was refused.
pub const TOO_FAST: i32 = 100;

/// TWS's link to IBKR's servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Link {
    /// Broken (1100, 2110): no entries; fills may still arrive.
    Down,
    /// Restored, market data lost (1101): subscribe again, reconcile.
    RestoredDataLost,
    /// Restored, market data kept (1102): reconcile, check the farms.
    RestoredDataKept,
}

/// What a data farm serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FarmKind {
    /// Live market data.
    Market,
    /// History.
    Historical,
    /// Security definitions.
    Definitions,
}

/// How a data farm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FarmState {
    /// Connected.
    Ok,
    /// Broken.
    Broken,
    /// Not connected, but will be on demand: as good as OK.
    Inactive,
    /// Connecting.
    Connecting,
}

/// News of one farm.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Farm {
    /// What it serves.
    pub kind: FarmKind,
    /// Its name (`usfarm`); empty where the message names none.
    pub name: String,
    /// How it is.
    pub state: FarmState,
}

/// A message that belongs to no request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// TWS's link to IBKR.
    Link(Link),
    /// A data farm.
    Farm(Farm),
    /// The gateway's port was reset (1300): the session is about to end, and the port changed.
    PortReset {
        /// IBKR's words, which name the new port.
        text: String,
    },
    /// We sent faster than 50 messages a second (100).
    TooFast {
        /// IBKR's words.
        text: String,
    },
    /// The API is read-only (321 saying so): trading is impossible until a person changes it.
    ReadOnly {
        /// IBKR's words.
        text: String,
    },
    /// A message from the gateway could not be read; repeated ones mean: another session.
    Unreadable {
        /// What the crate says.
        text: String,
    },
    /// Any other.
    Other {
        /// IBKR's code.
        code: i32,
        /// IBKR's words.
        text: String,
        /// Whether it is only information.
        informational: bool,
    },
    /// Notices were lost on the way to us: believe nothing about link and farms; reconcile.
    Lagged,
}

/// What a message that belongs to no request says.
pub fn notice(code: i32, text: &str) -> Notice {
    use FarmKind as K;
    use FarmState as S;
    let text = || plain(text);
    let farm = |kind, state| Notice::Farm(Farm { kind, name: farm_name(&text()), state });
    match code {
        1100 | 2110 => Notice::Link(Link::Down),
        1101 => Notice::Link(Link::RestoredDataLost),
        1102 => Notice::Link(Link::RestoredDataKept),
        2103 => farm(K::Market, S::Broken),
        2104 => farm(K::Market, S::Ok),
        2108 => farm(K::Market, S::Inactive),
        2119 => farm(K::Market, S::Connecting),
        2105 => farm(K::Historical, S::Broken),
        2106 => farm(K::Historical, S::Ok),
        2107 => farm(K::Historical, S::Inactive),
        2157 => farm(K::Definitions, S::Broken),
        2158 => farm(K::Definitions, S::Ok),
        1300 => Notice::PortReset { text: text() },
        TOO_FAST => Notice::TooFast { text: text() },
        321 if is_read_only(&text()) => Notice::ReadOnly { text: text() },
        // Made by the crate: -3 to -5 an unreadable frame, -6 and -7 its own queue overrun.
        -5..=-3 => Notice::Unreadable { text: text() },
        -7..=-6 => Notice::Lagged,
        _ => Notice::Other { code, text: text(), informational: is_informational(code) },
    }
}

/// Whether a code that none of the tables names is only information.
fn is_informational(code: i32) -> bool {
    matches!(code, 0 | 165 | 202 | 317 | 399 | 2100..=2199 | 10_089..=10_091 | 10_167 | 10_349)
}

/// 321 means any failed validation; only its text tells that the API is read-only.
pub fn is_read_only(text: &str) -> bool {
    text.to_ascii_lowercase().contains("read-only")
}

/// The farm's name stands after the last colon.
fn farm_name(text: &str) -> String {
    let name = text.rsplit_once(':').map_or("", |(_, name)| name.trim().trim_end_matches('.'));
    // "…: " followed by a sentence is no name.
    if name.contains(' ') { String::new() } else { name.to_owned() }
}

/// What a message with an order's id means for the order's life.
///
/// `acknowledged` tells whether the broker has shown the order as live in this session: the same
/// refusal then concerns a change, and the order lives on as it was.
///
/// An unknown code is a warning: an order that has died all the same stays unconfirmed and
/// becomes `Unknown`, which is checked before anything is sent again; one wrongly taken for dead
/// would be sent twice.
pub fn order_news(code: i32, text: &str, acknowledged: bool) -> crate::domain::broker::OrderNews {
    use crate::domain::broker::OrderNews as N;
    match code {
        103 => N::DuplicateId,
        // 104 filled already, 105 does not match the original, 136 cannot be cancelled, 329 cannot
        // change to that type, 2102 still being processed, 10326/10327 OCA group may not change.
        104 | 105 | 136 | 329 | 2102 | 10_326 | 10_327 => N::ChangeRefused,
        135 | 161 | 10_147 | 10_148 => N::CancelRace,
        202 => N::Cancelled,
        // 201 is every rejection, a cancel of a filled order among them.
        201 if text.to_ascii_lowercase().contains("cannot cancel") => N::CancelRace,
        // A rejection by margin, permission or short-sale rules comes after the acknowledgement.
        201 | 203 => N::Refused,
        // 165 is a history farm's news; 399 order message, 404 held for locating shares, 10349 TIF
        // set by a preset: the order lives.
        0 | 165 | 399 | 404 | 2100..=2199 | 10_349 => N::Warning,
        // The order (or its change) was never accepted. 100 too many messages; 106..=163 price, type, TIF and
        // halt (110, 154); 200 no such contract; 320..=398 request and order checks (321 invalid,
        // 355 size, 387 type); 400..=449 and 10000..=10052 further order checks; 10149 bad id.
        TOO_FAST
        | 106..=134
        | 137..=160
        | 163
        | 200
        | 320..=398
        | 400..=449
        | 10_000..=10_052
        | 10_149
        | 10_268..=10_269 => {
            if acknowledged {
                N::ChangeRefused
            } else {
                N::Refused
            }
        }
        _ => N::Warning,
    }
}

/// What an error that answers a historical request means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HistoryFault {
    /// There are no such bars: an empty answer, not an error.
    NoData,
    /// Pacing was violated: wait long.
    Pacing,
    /// No permission, no such contract, or an impossible question: asking again cannot help.
    Permanent,
    /// It may pass.
    Passing,
}

/// What an error that answers a historical request means. Codes 162 and 420 are used for
/// everything, so that here the text decides.
pub fn history_fault(code: i32, text: &str) -> HistoryFault {
    let lower = text.to_ascii_lowercase();
    match code {
        162 | 420 if lower.contains("pacing violation") => HistoryFault::Pacing,
        162 if lower.contains("no data") => HistoryFault::NoData,
        162 | 420 if lower.contains("permission") || lower.contains("invalid step") => HistoryFault::Permanent,
        166 | 200 | 320 | 321 | 354 | 10_168 | 10_186 | 10_187 | 10_189 => HistoryFault::Permanent,
        _ => HistoryFault::Passing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::broker::OrderNews as N;

    #[test]
    fn connectivity_and_farms_are_told_apart() {
        let farm = |kind, name: &str, state| Notice::Farm(Farm { kind, name: name.into(), state });
        for (code, text, expected) in [
            (1100, "Connectivity between IBKR and Trader Workstation has been lost.", Notice::Link(Link::Down)),
            (2110, "Connectivity between Trader Workstation and server is broken.", Notice::Link(Link::Down)),
            (1101, "restored - data lost.", Notice::Link(Link::RestoredDataLost)),
            (
                1102,
                "restored - data maintained. All data farms are connected: usfarm; ushmds.",
                Notice::Link(Link::RestoredDataKept),
            ),
            (2104, "Market data farm connection is OK:usfarm", farm(FarmKind::Market, "usfarm", FarmState::Ok)),
            (
                2105,
                "HMDS data farm connection is broken:ushmds",
                farm(FarmKind::Historical, "ushmds", FarmState::Broken),
            ),
            (
                2107,
                "HMDS data farm connection is inactive but should be available upon demand.ushmds",
                farm(FarmKind::Historical, "", FarmState::Inactive),
            ),
            (
                2158,
                "Sec-def data farm connection is OK:secdefil",
                farm(FarmKind::Definitions, "secdefil", FarmState::Ok),
            ),
            (-7, "lag", Notice::Lagged),
        ] {
            assert_eq!(notice(code, text), expected, "{code} {text}");
        }
    }

    #[test]
    fn only_a_text_tells_read_only_from_other_validation() {
        let read_only = "Error validating request.-'bN' : cause - The API interface is currently in Read-Only mode.";
        assert!(matches!(notice(321, read_only), Notice::ReadOnly { .. }));
        assert!(matches!(notice(321, "Error validating request"), Notice::Other { informational: false, .. }));
    }

    #[test]
    fn codes_end_orders_only_where_they_must() {
        for (code, text, fresh, acknowledged) in [
            (201, "Order rejected - reason:YOUR ORDER IS NOT ACCEPTED", N::Refused, N::Refused),
            (201, "Order rejected - reason:Cannot cancel the filled order", N::CancelRace, N::CancelRace),
            (202, "Order Canceled - reason:", N::Cancelled, N::Cancelled),
            (110, "The price does not conform", N::Refused, N::ChangeRefused),
            (100, "Max rate of messages per second has been exceeded", N::Refused, N::ChangeRefused),
            (321, "Error validating request", N::Refused, N::ChangeRefused),
            (200, "No security definition", N::Refused, N::ChangeRefused),
            (103, "Duplicate order id", N::DuplicateId, N::DuplicateId),
            (104, "Can't modify a filled order.", N::ChangeRefused, N::ChangeRefused),
            (2102, "Unable to modify this order", N::ChangeRefused, N::ChangeRefused),
            (10_147, "OrderId 5 that needs to be cancelled is not found.", N::CancelRace, N::CancelRace),
            (10_148, "cannot be cancelled, state: Filled.", N::CancelRace, N::CancelRace),
            (404, "Order held while securities are located.", N::Warning, N::Warning),
            (399, "Order Message: Warning: not before 09:30", N::Warning, N::Warning),
            (10_349, "Order TIF was set to DAY", N::Warning, N::Warning),
            (99_999, "something new", N::Warning, N::Warning),
        ] {
            assert_eq!(order_news(code, text, false), fresh, "{code} fresh");
            assert_eq!(order_news(code, text, true), acknowledged, "{code} acknowledged");
        }
    }

    #[test]
    fn what_162_means_depends_on_its_text() {
        let message = |text: &str| format!("Historical Market Data Service error message:{text}");
        for (text, fault) in [
            ("Historical data request pacing violation", HistoryFault::Pacing),
            ("HMDS query returned no data: AAPL@SMART Trades", HistoryFault::NoData),
            ("No market data permissions for ISLAND STK", HistoryFault::Permanent),
            ("API historical data query cancelled: 5", HistoryFault::Passing),
        ] {
            assert_eq!(history_fault(162, &message(text)), fault, "{text}");
        }
        assert_eq!(history_fault(200, ""), HistoryFault::Permanent);
        assert_eq!(history_fault(165, ""), HistoryFault::Passing);
    }
}
