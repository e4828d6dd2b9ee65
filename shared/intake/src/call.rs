//! What somebody is answered who calls a function URL that anybody can call.

use serde::Serialize;

/// A status, and not a word more: whoever calls learns whether to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CallAnswer {
    status_code: u16,
}

impl CallAnswer {
    /// It was looked at.
    pub const TAKEN: Self = Self { status_code: 200 };
    /// It is from whom it has to be from, and nothing that is wanted here.
    pub const UNWANTED: Self = Self { status_code: 400 };
    /// It does not prove from whom it is.
    pub const UNPROVED: Self = Self { status_code: 401 };
    /// There is no such thing here, whatever was wrong.
    pub const NOT_FOUND: Self = Self { status_code: 404 };
    /// Not now.
    pub const LATER: Self = Self { status_code: 503 };
}
