//! Where a build says that its code is. Builds say it in their own way: as an address for people,
//! as git is given it, with somebody's name before the host.

use std::fmt;

use http::Uri;
use serde::{Deserialize, Serialize};

/// Longest name of an owner or a repository, in characters (GitHub: 39 and 100).
const NAME_LENGTH_MAX: usize = 100;

/// A repository of the host that the settings name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Repository {
    owner: String,
    name: String,
}

/// What is no repository's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no owner/name")]
pub struct NoRepository(String);

impl Repository {
    /// What a build means by its repository; none when it is on another host than `site`, or is
    /// nothing that a repository can be called by.
    #[must_use]
    pub fn find(said: &str, site: &str) -> Option<Self> {
        let (host, path) = host_and_path(said)?;
        if !host.eq_ignore_ascii_case(site) {
            return None;
        }
        let mut parts = path.split('/').filter(|part| !part.is_empty());
        let (owner, name) = (parts.next()?, parts.next()?);
        Self::new(owner, name.strip_suffix(".git").unwrap_or(name))
    }

    fn new(owner: &str, name: &str) -> Option<Self> {
        (is_name(owner) && is_name(name)).then(|| Self {
            owner: owner.to_owned(),
            name: name.to_owned(),
        })
    }
}

/// The host without a port, and the path on it.
fn host_and_path(said: &str) -> Option<(String, String)> {
    if !said.contains("://") {
        // As scp has it: `git@github.com:acme/shop.git`.
        let (host, path) = said.split_once(':')?;
        let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
        return Some((host.to_owned(), path.to_owned()));
    }
    let address: Uri = said.parse().ok()?;
    Some((address.host()?.to_owned(), address.path().to_owned()))
}

/// What may stand in a name, and so in an address that is asked for.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=NAME_LENGTH_MAX).contains(&text.len())
        && text.chars().all(fits)
        && !matches!(text, "." | "..")
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

impl From<Repository> for String {
    fn from(repository: Repository) -> Self {
        repository.to_string()
    }
}

impl TryFrom<String> for Repository {
    type Error = NoRepository;

    fn try_from(text: String) -> Result<Self, NoRepository> {
        let (owner, name) = text.split_once('/').unwrap_or_default();
        Self::new(owner, name).ok_or(NoRepository(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_found_in_whatever_way_a_build_says_it() {
        for said in [
            "https://github.com/acme/shop",
            "https://github.com/acme/shop.git",
            "https://github.com/acme/shop/",
            "https://github.com/acme/shop/tree/main/web",
            "https://GitHub.com:443/acme/shop.git",
            "https://jenkins:secret@github.com/acme/shop.git",
            "http://github.com/acme/shop",
            "ssh://git@github.com/acme/shop.git",
            "ssh://git@github.com:22/acme/shop.git",
            "git://github.com/acme/shop.git",
            "git@github.com:acme/shop.git",
            "github.com:acme/shop",
        ] {
            let found = Repository::find(said, "github.com");
            assert_eq!(found.unwrap().to_string(), "acme/shop", "{said}");
        }
    }

    #[test]
    fn what_is_elsewhere_or_no_repository_is_none() {
        for said in [
            "",
            "acme/shop",
            "https://github.com",
            "https://github.com/acme",
            "https://gitlab.com/acme/shop",
            "https://github.com.evil.example/acme/shop",
            "https://evil.example/github.com/acme/shop",
            "https://github.com@evil.example/acme/shop",
            "https://github.com/../shop",
            "https://github.com/acme/..",
            "https://github.com/acme/.git",
            "git@github.com:acme/shop?x=1",
            "git@github.com:acme/sh%2fop",
        ] {
            assert_eq!(Repository::find(said, "github.com"), None, "{said}");
        }
    }

    #[test]
    fn one_reads_back_as_it_was_kept() {
        let kept = Repository::find("git@github.com:acme/shop.js.git", "github.com").unwrap();
        let stored = serde_json::to_string(&kept).unwrap();
        assert_eq!(stored, r#""acme/shop.js""#);
        assert_eq!(serde_json::from_str::<Repository>(&stored).unwrap(), kept);
        assert!(serde_json::from_str::<Repository>(r#""acme/../shop""#).is_err());
    }
}
