//! The hello with which a client offers its versions, and the reply to it.

use crate::domain::MarketTime;
use crate::simulator::words;

/// Versions that this server speaks: from the first that is protobuf throughout to the newest
/// that IBKR's own client (10.51) knows.
pub const OLDEST: i32 = 213;
/// See [`OLDEST`].
pub const NEWEST: i32 = 226;

/// The first bytes of every session.
pub const MARK: [u8; 4] = *b"API\0";

/// The longest version text accepted.
pub const MAX_TEXT: usize = 100;

/// What a client says first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// The version to speak.
    pub version: i32,
    /// Whether it asks to be slowed down rather than refused when it sends too fast
    /// (`+PACEAPI`).
    pub paced: bool,
}

/// Why there is no common language.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HelloError {
    /// Not an API client.
    #[error("it does not begin with an API hello")]
    NotApi,
    /// The versions are unreadable.
    #[error("its versions are unreadable: {0:?}")]
    Unreadable(String),
    /// No version in common.
    #[error("it speaks versions {oldest} to {newest}; this server speaks {OLDEST} to {NEWEST} (protobuf only)")]
    NoCommonVersion {
        /// The client's oldest.
        oldest: i32,
        /// The client's newest.
        newest: i32,
    },
}

/// Reads the version text (`v213..226`, perhaps with options after a space).
pub fn parse(text: &[u8]) -> Result<Hello, HelloError> {
    let text = String::from_utf8_lossy(text);
    let unreadable = || HelloError::Unreadable(text.clone().into_owned());
    let trimmed = text.trim_end_matches('\0');
    let (range, options) = trimmed.split_once(' ').unwrap_or((trimmed, ""));
    let range = range.strip_prefix('v').ok_or_else(unreadable)?;
    let (oldest, newest) = range.split_once("..").unwrap_or((range, range));
    let oldest: i32 = oldest.parse().map_err(|_| unreadable())?;
    let newest: i32 = newest.parse().map_err(|_| unreadable())?;
    if oldest > NEWEST || newest < OLDEST || oldest > newest {
        return Err(HelloError::NoCommonVersion { oldest, newest });
    }
    Ok(Hello { version: newest.min(NEWEST), paced: options.split_whitespace().any(|word| word == "+PACEAPI") })
}

/// The reply: the version chosen and the server's time, as text without a message id.
pub fn reply(version: i32, now: MarketTime) -> Vec<u8> {
    let text = format!("{version}\0{}\0", words::date_time_zone(now));
    let mut bytes = u32::try_from(text.len()).unwrap_or(u32::MAX).to_be_bytes().to_vec();
    bytes.extend(text.into_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_common_version_is_spoken() {
        let version = |text: &str| parse(text.as_bytes()).map(|hello| hello.version);
        assert_eq!(version("v213..226"), Ok(226));
        assert_eq!(version("v213..225"), Ok(225));
        assert_eq!(version("v100..226"), Ok(226));
        assert_eq!(version("v213..999"), Ok(226));
        assert_eq!(version("v220"), Ok(220));
        assert_eq!(version("v157..178"), Err(HelloError::NoCommonVersion { oldest: 157, newest: 178 }));
        assert_eq!(version("v227..300"), Err(HelloError::NoCommonVersion { oldest: 227, newest: 300 }));
        for bad in ["", "213", "v", "v2..x", "\u{fffd}"] {
            assert!(matches!(version(bad), Err(HelloError::Unreadable(_))), "{bad:?}");
        }
        assert_eq!(parse(b"v100..226 +PACEAPI"), Ok(Hello { version: 226, paced: true }));
    }
}
