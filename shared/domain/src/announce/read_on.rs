//! Where people read on: the address of a team's own page about a release, when it has one.

use super::Announcement;

/// Longest address that is linked to, in characters: Slack takes no longer one.
pub const ADDRESS_LENGTH_MAX: usize = 2000;

/// An address with `{service}`, `{stage}`, `{release}` and `{entry}` in it, such as
/// `https://wiki.example/releases/{service}/{release}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadOn(String);

/// An address that cannot be linked to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address to read on at: it must begin with https:// and hold no <, > or |")]
pub struct NoAddress(String);

impl ReadOn {
    /// Takes a pattern.
    ///
    /// # Errors
    /// When it is no HTTPS address, or would break out of a chat's link.
    pub fn new(pattern: &str) -> Result<Self, NoAddress> {
        let fits = pattern.len() <= ADDRESS_LENGTH_MAX / 2
            && pattern.starts_with("https://")
            && !pattern.contains(['<', '>', '|', ' ', '\n']);
        fits.then(|| Self(pattern.to_owned()))
            .ok_or_else(|| NoAddress(pattern.to_owned()))
    }

    /// Where to read on about what was announced.
    #[must_use]
    pub fn address(&self, about: &Announcement) -> String {
        let stage = about.stage.as_ref().map(ToString::to_string);
        let release = about.release.map(|release| release.to_string());
        self.0
            .replace("{service}", about.service.as_str())
            .replace("{stage}", &stage.unwrap_or_default())
            .replace("{release}", &release.unwrap_or_default())
            .replace("{entry}", &about.id.seq.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::announce::tests::failed;

    #[test]
    fn an_address_is_about_what_was_announced() {
        let read_on = ReadOn::new("https://wiki.example/{service}/{stage}/{release}#{entry}");
        let address = read_on.unwrap().address(&failed("x"));
        assert_eq!(address, "https://wiki.example/web/production/17#42");
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for wrong in ["", "http://wiki.example/", "https://a|b", "https://a<b"] {
            assert!(ReadOn::new(wrong).is_err(), "{wrong}");
        }
    }
}
