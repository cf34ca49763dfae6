//! robust_connection.
