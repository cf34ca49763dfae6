//! The token: created at the first start, in a file that only its user can read.

use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use subtle::ConstantTimeEq;

/// The token's file in the state directory.
pub const TOKEN_FILE: &str = "web.token";

/// The shortest token that is accepted, characters.
const SHORTEST: usize = 32;

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be used.
    #[error("{path} cannot be used: {source}; check the directory's permissions")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Others can read it.
    #[error("{path} can be read by others (mode {mode:o}): delete it, a new one is made at the next start")]
    Open {
        /// Which.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// It holds no token.
    #[error(
        "{path} holds no token of {SHORTEST} visible characters or more: delete it, a new one is made at the next start"
    )]
    Short {
        /// Which.
        path: PathBuf,
    },
}

/// The token. It is never shown.
#[derive(Clone)]
pub struct Token(String);

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(********)")
    }
}

impl Token {
    /// Reads the token of a state directory, or makes one.
    ///
    /// # Errors
    /// The file cannot be used, or others can read it.
    pub fn of(state_dir: &Path) -> Result<Self, TokenError> {
        let path = state_dir.join(TOKEN_FILE);
        let file = |source| TokenError::File { path: path.clone(), source };
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let mode = std::fs::metadata(&path).map_err(file)?.permissions().mode() & 0o777;
                if mode & 0o077 != 0 {
                    return Err(TokenError::Open { path, mode });
                }
                let text = text.trim().to_owned();
                if text.len() < SHORTEST || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                    return Err(TokenError::Short { path });
                }
                Ok(Self(text))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let token = Self::drawn();
                crate::private_dir::make(state_dir).map_err(file)?;
                let mut new = std::fs::OpenOptions::new();
                let mut new = new.write(true).create_new(true).mode(0o600).open(&path).map_err(file)?;
                writeln!(new, "{}", token.0).map_err(file)?;
                Ok(token)
            }
            Err(error) => Err(file(error)),
        }
    }

    /// 32 random bytes in hexadecimal.
    fn drawn() -> Self {
        let bytes: [u8; 32] = rand::random();
        Self(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// Whether a text is the token; takes as long for a near miss as for any other text of its length.
    pub fn is(&self, text: &str) -> bool {
        self.0.as_bytes().ct_eq(text.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_and_nobody_else_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let made = Token::of(dir.path()).unwrap();
        let path = dir.path().join(TOKEN_FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let again = Token::of(dir.path()).unwrap();
        assert!(again.is(&made.0) && !again.is("") && !again.is(&made.0[1..]));
        assert!(!format!("{again:?}").contains(&made.0));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Token::of(dir.path()).unwrap_err().to_string().contains("mode 644"));
        std::fs::remove_file(&path).unwrap();
        std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        assert!(matches!(Token::of(dir.path()), Err(TokenError::Short { .. })));
    }
}
