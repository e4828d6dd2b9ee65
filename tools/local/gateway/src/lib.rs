//! The one address that people and functions of the local system know.
