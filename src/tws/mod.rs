//! tws.
