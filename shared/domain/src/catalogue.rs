//! Catalogues: what was there when an image source was last looked through, so that the next look
//! finds what is new although nobody said so. Looking is not here.
//!
//! What is found is a hint like any other. The first look makes the catalogue and finds nothing
//! new: a service that is taken over does not release what lies in its repository already.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};

use crate::config::Source;
use crate::hint::Hint;
use crate::name::glob;

/// How often an image source is looked through. Events of pushes may be lost (ECR sends them on a
/// best-effort basis), and most registries send none.
pub const LOOK_THROUGH_EVERY: SignedDuration = SignedDuration::from_mins(5);
/// When to look again at a source that could not be looked through, or had more news than one look
/// takes up.
pub const LOOK_THROUGH_AGAIN: SignedDuration = SignedDuration::from_mins(1);
/// Most news that one look takes up.
pub const NEWS_MAX: usize = 20;
/// Most tags of a repository that can be looked through: with eight bytes each they fit into one
/// item of the ledger's table (DynamoDB: 400 KB). Of one with more nothing is listed, because a tag
/// that was merely cut off before would look new.
pub const TAGS_MAX: usize = 40_000;

/// One tag as a registry lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The tag.
    pub tag: String,
    /// What it points to, when the registry tells.
    pub digest: Option<String>,
    /// When that was pushed, when the registry tells.
    pub pushed_at: Option<Timestamp>,
}

/// A tag with what it points to, as the first eight bytes of a hash. A clash hides one image from
/// the look, and from nobody else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(pub u64);

impl Mark {
    fn of(listed: &Listed) -> Self {
        let digest = listed.digest.as_deref().unwrap_or_default();
        let hash = Sha256::digest(format!("{}@{digest}", listed.tag));
        let first = hash.first_chunk().copied().unwrap_or_default();
        Self(u64::from_be_bytes(first))
    }
}

/// What was there when a source was last looked through.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    /// Which source, by [`key`]: another one has another catalogue.
    pub of: String,
    /// What was there; none before the first look.
    pub seen: Option<BTreeSet<Mark>>,
}

/// What tells one source from another, its tags included: tags that are wanted only now are not
/// new because of that. None for a source that need not be looked through, because its events are
/// durable (S3).
#[must_use]
pub fn key(source: &Source) -> Option<String> {
    match source {
        Source::S3 { .. } => None,
        Source::Ecr { tags, .. } | Source::Oci { tags, .. } => {
            Some(format!("{}#{}", source.subject().key(), tags.join(",")))
        }
    }
}

/// What one look found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    /// What was known before and is still there.
    pub known: BTreeSet<Mark>,
    /// What is new, the oldest first as far as the registry tells, [`NEWS_MAX`] at most.
    pub new: Vec<(Mark, Hint)>,
    /// Whether there is more.
    pub more: bool,
}

/// Compares what is listed now with what was there before.
#[must_use]
pub fn news(source: &Source, catalogue: &Catalogue, listed: &[Listed]) -> News {
    let wanted = listed
        .iter()
        .filter(|listed| is_wanted(source, &listed.tag))
        .map(|listed| (Mark::of(listed), listed));
    let is_known = |mark: &Mark| {
        catalogue
            .seen
            .as_ref()
            .is_none_or(|seen| seen.contains(mark))
    };
    let (known, mut new): (Vec<_>, Vec<_>) = wanted.partition(|(mark, _)| is_known(mark));
    new.sort_by_cached_key(|(_, listed)| (listed.pushed_at, natural(&listed.tag)));
    let more = new.len() > NEWS_MAX;
    let new = new.into_iter().take(NEWS_MAX);
    News {
        known: known.into_iter().map(|(mark, _)| mark).collect(),
        new: new
            .filter_map(|(mark, listed)| Some((mark, hint(source, listed)?)))
            .collect(),
        more,
    }
}

/// Whether a tag makes a release of a source's images.
#[must_use]
pub fn is_wanted(source: &Source, tag: &str) -> bool {
    match source {
        Source::S3 { .. } => false,
        Source::Ecr { tags, .. } | Source::Oci { tags, .. } => {
            tags.iter().any(|pattern| glob(pattern, tag))
        }
    }
}

fn hint(source: &Source, listed: &Listed) -> Option<Hint> {
    match source {
        Source::S3 { .. } => None,
        Source::Ecr {
            account,
            region,
            repository,
            ..
        } => Some(Hint::Image {
            account: account.clone(),
            region: region.clone(),
            repository: repository.clone(),
            digest: listed.digest.clone()?,
            tag: Some(listed.tag.clone()),
        }),
        Source::Oci {
            registry,
            repository,
            ..
        } => Some(Hint::Tag {
            registry: registry.clone(),
            repository: repository.clone(),
            tag: listed.tag.clone(),
        }),
    }
}

/// A piece of a tag, so that `main-9` comes before `main-10`.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Piece {
    Number(u64),
    Letter(char),
}

fn natural(tag: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for letter in tag.chars() {
        let digit = letter.to_digit(10).map(u64::from);
        match (digit, pieces.last_mut()) {
            (Some(digit), Some(Piece::Number(number))) => {
                *number = number.saturating_mul(10).saturating_add(digit);
            }
            (Some(digit), _) => pieces.push(Piece::Number(digit)),
            (None, _) => pieces.push(Piece::Letter(letter)),
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Source {
        Source::Oci {
            registry: "docker.io".parse().unwrap(),
            repository: "shop/web".to_owned(),
            tags: vec!["main-*".to_owned(), "stable".to_owned()],
        }
    }

    fn listed(tag: &str, digest: Option<&str>) -> Listed {
        Listed {
            tag: tag.to_owned(),
            digest: digest.map(ToOwned::to_owned),
            pushed_at: None,
        }
    }

    fn after_a_look_at(listed: &[Listed]) -> Catalogue {
        let of = key(&source()).unwrap();
        let empty = Catalogue {
            of: of.clone(),
            seen: None,
        };
        let first = news(&source(), &empty, listed);
        assert_eq!(first.new, [], "the first look finds nothing new");
        let seen = Some(first.known);
        Catalogue { of, seen }
    }

    fn tags(news: &News) -> Vec<&str> {
        let hints = news.new.iter().map(|(_, hint)| hint);
        hints
            .map(|hint| {
                let Hint::Tag { tag, .. } = hint else {
                    panic!("{hint:?}")
                };
                tag.as_str()
            })
            .collect()
    }

    #[test]
    fn what_was_there_at_the_first_look_is_not_new_and_what_comes_later_is() {
        let before = [listed("main-9", None), listed("stable", Some("sha256:a"))];
        let catalogue = after_a_look_at(&before);
        let now = [
            listed("main-11", None),
            listed("main-10", None),
            listed("main-9", None),
            listed("feature-1", None),
            listed("stable", Some("sha256:a")),
        ];
        let found = news(&source(), &catalogue, &now);
        assert_eq!(
            tags(&found),
            ["main-10", "main-11"],
            "in the order people number"
        );
        assert_eq!((found.known.len(), found.more), (2, false));
    }

    #[test]
    fn a_tag_that_points_to_something_else_is_new() {
        let catalogue = after_a_look_at(&[listed("stable", Some("sha256:a"))]);
        let found = news(&source(), &catalogue, &[listed("stable", Some("sha256:b"))]);
        assert_eq!(tags(&found), ["stable"]);
        assert_eq!(found.known.len(), 0);
    }

    #[test]
    fn what_was_pushed_first_comes_first() {
        let catalogue = after_a_look_at(&[]);
        let pushed = |tag, second| Listed {
            pushed_at: Timestamp::from_second(second).ok(),
            ..listed(tag, None)
        };
        let found = news(
            &source(),
            &catalogue,
            &[pushed("main-1", 9), pushed("main-2", 8)],
        );
        assert_eq!(tags(&found), ["main-2", "main-1"]);
    }

    #[test]
    fn one_look_takes_up_a_bounded_number_of_news() {
        let catalogue = after_a_look_at(&[]);
        let many: Vec<Listed> = (0..30)
            .map(|n| listed(&format!("main-{n}"), None))
            .collect();
        let found = news(&source(), &catalogue, &many);
        assert_eq!((found.new.len(), found.more), (NEWS_MAX, true));
        assert_eq!(tags(&found)[..2], ["main-0", "main-1"]);
        let found = news(&source(), &catalogue, &many[..NEWS_MAX]);
        assert_eq!((found.new.len(), found.more), (NEWS_MAX, false));
    }

    #[test]
    fn other_tags_make_another_catalogue_and_objects_need_none() {
        let Source::Oci {
            registry,
            repository,
            ..
        } = source()
        else {
            panic!("an image")
        };
        let wider = Source::Oci {
            registry,
            repository,
            tags: vec!["*".to_owned()],
        };
        assert_ne!(key(&wider), key(&source()));
        let (bucket, prefix) = ("artefacts".to_owned(), "web/".to_owned());
        assert_eq!(key(&Source::S3 { bucket, prefix }), None);
    }
}
