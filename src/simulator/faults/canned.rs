//! IBKR's words for its codes, so that a scenario need not write them. Clients must decide by
//! the codes; a few codes have several meanings, which only their words tell apart.

/// A code, one of its meanings, and its words. `{id}` stands for the order or request.
type Canned = (i32, &'static str, &'static str);

const HISTORY: &str = "Historical Market Data Service error message:";

/// The first meaning of a code is the one that is meant where none is named.
const CANNED: &[Canned] = &[
    (100, "", "Max rate of messages per second has been exceeded:max=50 rec=51 (1)"),
    (101, "", "Max number of tickers has been reached."),
    (103, "", "Duplicate order id"),
    (104, "", "Can't modify a filled order."),
    (105, "", "Order being modified does not match original order"),
    (110, "", "The price does not conform to the minimum price variation for this contract."),
    (135, "", "Can't find order with id ={id}"),
    (154, "", "Orders cannot be transmitted for a halted security."),
    (161, "", "Cancel attempted when order is not in a cancellable state. Order permId ="),
    (162, "no-data", "HMDS query returned no data: {id}"),
    (162, "pacing", "Historical data request pacing violation"),
    (162, "cancelled", "API historical data query cancelled: {id}"),
    (162, "permissions", "No market data permissions for ISLAND STK"),
    (162, "invalid-step", "invalid step"),
    (162, "other-address", "Trading TWS session is connected from a different IP address"),
    (162, "farm", "HMDS server connection was lost"),
    (165, "connected", "HMDS server connection was successful"),
    (165, "reconnecting", "HMDS server disconnect occurred.  Attempting reconnection..."),
    (165, "failed", "HMDS connection attempt failed.  Connection will be re-attempted..."),
    (166, "", "HMDS Expired Contract Violation"),
    (200, "unknown", "No security definition has been found for the request"),
    (200, "ambiguous", "The contract description specified for {id} is ambiguous"),
    (
        201,
        "margin",
        "Order rejected - reason:YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY WITH LOAN VALUE [1.00 USD] MUST EXCEED THE INITIAL MARGIN [2.00 USD]",
    ),
    (201, "permission", "Order rejected - reason:No Trading Permission"),
    (201, "short", "Order rejected - reason:The contract is not available for short sale."),
    (201, "filled", "Order rejected - reason:Cannot cancel the filled order"),
    (202, "", "Order Canceled - reason:"),
    (321, "invalid", "Error validating request.-'bN' : cause - Invalid request"),
    (321, "read-only", "Error validating request.-'bN' : cause - The API interface is currently in Read-Only mode."),
    (
        322,
        "",
        "Error processing request.-'Q' : cause - Maximum number of account summary requests exceeded; desubscribe to previous request first",
    ),
    (326, "", "Unable to connect as the client id is already in use. Retry with a unique client id."),
    (354, "", "Requested market data is not subscribed."),
    (366, "", "No historical data query found for ticker id:{id}"),
    (399, "", "Order Message:\nWarning: Your order will not be placed at the exchange until the next session opens."),
    (404, "", "Order held while securities are located."),
    (420, "pacing", "Invalid Real-time Query:Historical data request pacing violation"),
    (420, "permissions", "Invalid Real-time Query:No market data permissions for ISLAND STK"),
    (420, "other-address", "Invalid Real-time Query:Trading TWS session is connected from a different IP address"),
    (1100, "", "Connectivity between IBKR and Trader Workstation has been lost."),
    (1101, "", "Connectivity between IBKR and Trader Workstation has been restored - data lost."),
    (
        1102,
        "",
        "Connectivity between IBKR and Trader Workstation has been restored - data maintained. All data farms are connected: usfarm; ushmds; secdefnj.",
    ),
    (
        1300,
        "",
        "TWS socket port has been reset and this connection is being dropped. Please reconnect on the new port -",
    ),
    (2102, "", "Unable to modify this order as it is still being processed."),
    (2103, "", "Market data farm connection is broken:usfarm"),
    (2104, "", "Market data farm connection is OK:usfarm"),
    (2105, "", "HMDS data farm connection is broken:ushmds"),
    (2106, "", "HMDS data farm connection is OK:ushmds"),
    (2107, "", "HMDS data farm connection is inactive but should be available upon demand.ushmds"),
    (2108, "", "Market data farm connection is inactive but should be available upon demand.usfarm"),
    (
        2109,
        "",
        "Order Event Warning:Attribute 'Outside Regular Trading Hours' is ignored based on the order type and destination. PlaceOrder is now being processed.",
    ),
    (2110, "", "Connectivity between Trader Workstation and server is broken. It will be restored automatically."),
    (2119, "", "Market data farm is connecting:usfarm"),
    (2157, "", "Sec-def data farm connection is broken:secdefnj"),
    (2158, "", "Sec-def data farm connection is OK:secdefnj"),
    (10_089, "", "Requested market data requires additional subscription for API. Delayed market data is available."),
    (10_090, "", "Part of requested market data is not subscribed. Subscription-independent ticks are still active."),
    (10_091, "", "Part of requested market data requires additional subscription for API."),
    (10_147, "", "OrderId {id} that needs to be cancelled is not found."),
    (10_148, "", "OrderId {id} that needs to be cancelled cannot be cancelled, state: Filled."),
    (10_149, "", "Invalid order id: {id}"),
    (10_167, "", "Requested market data is not subscribed. Displaying delayed market data."),
    (10_168, "", "Requested market data is not subscribed. Delayed market data is not enabled."),
    (10_186, "", "Requested market data is not subscribed. Delayed market data is not enabled."),
    (10_187, "", "Failed to request historical ticks:No market data permissions"),
    (10_189, "", "Failed to request tick-by-tick data."),
    (10_197, "", "No market data during competing live session"),
    (10_349, "", "Order TIF was set to DAY based on order preset."),
];

/// A code's words; nothing where the code, or that meaning of it, is not known.
pub fn text(code: i32, meaning: Option<&str>, id: i32) -> Option<String> {
    let meant = |(known, name, _): &&Canned| *known == code && meaning.is_none_or(|meaning| meaning == *name);
    let (_, _, words) = CANNED.iter().find(meant)?;
    let prefix = if code == 162 { HISTORY } else { "" };
    Some(format!("{prefix}{}", words.replace("{id}", &id.to_string())))
}

/// The names of a code's meanings; nothing where it has only one, or is not known.
pub fn meanings(code: i32) -> Vec<&'static str> {
    let of = |(known, name, _): &&Canned| *known == code && !name.is_empty();
    CANNED.iter().filter(of).map(|(_, name, _)| *name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_speaks_ibkrs_words_and_a_meaning_is_one_of_its_own() {
        assert_eq!(text(10_147, None, 5).unwrap(), "OrderId 5 that needs to be cancelled is not found.");
        assert!(text(162, Some("pacing"), 1).unwrap().ends_with("pacing violation"));
        assert_eq!(text(162, Some("margin"), 1), None);
        assert_eq!(text(999, None, 1), None);
        assert_eq!(meanings(165).len(), 3);
        assert!(meanings(110).is_empty());
    }
}
