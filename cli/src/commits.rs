//! The commits between two builds: where they can be compared, and what git here says of them.

use domain::{BuildFacts, Timestamp};
use serde::Serialize;

use crate::build::git;

/// Most commits that are listed.
const COMMITS_MAX: &str = "100";
/// What stands between the fields of one commit in git's answer; no name or subject holds it.
const FIELD: char = '\u{1f}';
/// How much of a commit's hash people read.
const SHORT: usize = 10;

/// A commit, as git tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Commit {
    pub(crate) hash: String,
    pub(crate) author: String,
    pub(crate) at: Option<Timestamp>,
    pub(crate) subject: String,
}

/// The beginning of a hash.
pub(crate) fn short(hash: &str) -> &str {
    hash.get(..SHORT).unwrap_or(hash)
}

/// The commits that `new` has and `old` has not, the newest first; none where the working folder is
/// no clone that has both.
pub(crate) fn between(old: &BuildFacts, new: &BuildFacts) -> Vec<Commit> {
    let (Some(old), Some(new)) = (hash(old), hash(new)) else {
        return Vec::new();
    };
    let format = format!("--format=%H{FIELD}%an{FIELD}%cI{FIELD}%s");
    let range = format!("{old}..{new}");
    let log = git(&["log", &format, "--max-count", COMMITS_MAX, &range, "--"]);
    log.unwrap_or_default().lines().filter_map(read).collect()
}

/// A commit's hash, when it can be nothing else: what a build says ends up on git's command line.
fn hash(build: &BuildFacts) -> Option<&str> {
    let hash = build.commit.as_deref()?;
    let is_hash = hash.len() >= 7 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash.then_some(hash)
}

fn read(line: &str) -> Option<Commit> {
    let mut fields = line.split(FIELD).map(str::to_owned);
    Some(Commit {
        hash: fields.next()?,
        author: fields.next()?,
        at: fields.next()?.parse().ok(),
        subject: fields.next()?,
    })
}

/// Where two builds' commits can be compared, on the hosts whose addresses are known.
pub(crate) fn compare_url(old: &BuildFacts, new: &BuildFacts) -> Option<String> {
    let repository = new.repository.as_deref()?;
    if old.repository.as_deref() != Some(repository) {
        return None;
    }
    let (old, new) = (hash(old)?, hash(new)?);
    let (host, path) = place(repository)?;
    let url = format!("https://{host}/{path}");
    let is = |name: &str| host.contains(name);
    if is("gitlab") {
        Some(format!("{url}/-/compare/{old}...{new}"))
    } else if is("bitbucket.org") {
        Some(format!("{url}/branches/compare/{new}%0D{old}"))
    } else if is("github") || is("gitea") || is("forgejo") || is("codeberg") {
        Some(format!("{url}/compare/{old}...{new}"))
    } else {
        None
    }
}

/// Host and path of a repository, however git writes it: `https://host/path.git`,
/// `ssh://git@host/path`, or `git@host:path`.
fn place(repository: &str) -> Option<(&str, &str)> {
    let (host, path) = match repository.split_once("://") {
        Some((_, rest)) => rest.split_once('/')?,
        None => repository.split_once(':')?,
    };
    let host = host.rsplit('@').next()?;
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    (!host.is_empty() && !path.is_empty()).then_some((host, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(repository: &str, commit: &str) -> BuildFacts {
        BuildFacts {
            repository: Some(repository.to_owned()),
            commit: Some(commit.to_owned()),
            ..BuildFacts::default()
        }
    }

    fn url(repository: &str) -> Option<String> {
        compare_url(
            &build(repository, "aaaaaaa1"),
            &build(repository, "bbbbbbb2"),
        )
    }

    #[test]
    fn the_link_is_the_hosts_own_however_the_repository_is_written() {
        let github = Some("https://github.com/shop/web/compare/aaaaaaa1...bbbbbbb2".to_owned());
        assert_eq!(url("https://github.com/shop/web.git"), github);
        assert_eq!(url("git@github.com:shop/web.git"), github);
        assert_eq!(url("ssh://git@github.com/shop/web"), github);
        let gitlab = "https://gitlab.shop.example/a/b/web/-/compare/aaaaaaa1...bbbbbbb2";
        assert_eq!(
            url("https://gitlab.shop.example/a/b/web"),
            Some(gitlab.to_owned())
        );
        let bitbucket = "https://bitbucket.org/shop/web/branches/compare/bbbbbbb2%0Daaaaaaa1";
        assert_eq!(
            url("https://bitbucket.org/shop/web.git"),
            Some(bitbucket.to_owned())
        );
    }

    #[test]
    fn where_the_address_is_not_known_there_is_no_link() {
        assert_eq!(url("https://git.shop.example/web"), None);
        assert_eq!(url("web"), None);
        let here = build("https://github.com/shop/web", "aaaaaaa1");
        assert_eq!(
            compare_url(&here, &build("https://github.com/shop/api", "bbbbbbb2")),
            None
        );
    }

    #[test]
    fn what_is_no_hash_is_not_given_to_git() {
        let odd = build("https://github.com/shop/web", "--output=/tmp/x");
        assert_eq!(between(&odd, &build("", "bbbbbbb2")), []);
        assert_eq!(compare_url(&odd, &odd), None);
    }

    #[test]
    fn a_commit_is_read_with_whatever_its_subject_says() {
        let line =
            format!("abc{FIELD}Mira{FIELD}2026-11-23T12:00:00+05:30{FIELD}cart: Say \"why\"");
        let commit = read(&line).unwrap();
        assert_eq!(
            (&*commit.author, &*commit.subject),
            ("Mira", "cart: Say \"why\"")
        );
        assert_eq!(commit.at, Some("2026-11-23T06:30:00Z".parse().unwrap()));
    }
}
