//! Listing a repository's tags, page by page (OCI distribution specification, "Listing Tags").

use domain::catalogue::TAGS_MAX;
use engine::PlatformError;
use serde::Deserialize;

use super::session::{Question, Session};

/// What the list of tags is called.
const LIST: &str = "tags/list";
/// Tags asked for with one page; a registry may give fewer.
const TAGS_PER_PAGE: u32 = 1000;
/// Most pages that are read.
const PAGES_MAX: usize = 50;
/// Largest page, in bytes.
const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

#[derive(Deserialize)]
struct Page {
    /// Some registries write null for a repository without tags.
    tags: Option<Vec<String>>,
}

/// All tags, or none when they are too many to look through.
pub(super) async fn all(session: &Session<'_>) -> Result<Vec<String>, PlatformError> {
    let mut path = format!("{LIST}?n={TAGS_PER_PAGE}");
    let mut tags = Vec::new();
    for _ in 0..PAGES_MAX {
        let question = Question {
            method: "GET",
            path: &path,
            accept: &["application/json"],
            bytes_max: PAGE_BYTES_MAX,
        };
        let reply = session.ask(question).await?;
        match reply.status {
            200 => {}
            404 => return Ok(tags),
            status => return Err(session.refused(status, LIST)),
        }
        let page: Page = serde_json::from_slice(&reply.body)
            .map_err(|error| session.never(&format!("its list of tags cannot be read: {error}")))?;
        tags.extend(page.tags.unwrap_or_default());
        match reply.headers.get("link").and_then(next) {
            Some(more) if tags.len() < TAGS_MAX => path = more,
            Some(_) => break,
            None => return Ok(tags),
        }
    }
    let count = tags.len();
    Err(session.never(&format!(
        "it has more than {count} tags, too many to look through"
    )))
}

/// The next page, within the same repository (RFC 8288, `rel="next"`).
fn next(link: &str) -> Option<String> {
    let (address, rest) = link.trim_start().strip_prefix('<')?.split_once('>')?;
    let query = rest.contains("next").then_some(address)?.split_once('?')?.1;
    Some(format!("{LIST}?{query}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_one_of_the_same_repository() {
        let next = |link| next(link);
        assert_eq!(
            next("</v2/shop/web/tags/list?n=2&last=main-2>; rel=\"next\"").as_deref(),
            Some("tags/list?n=2&last=main-2")
        );
        let elsewhere = "<https://evil.example/x?n=2>; rel=next";
        assert_eq!(next(elsewhere).as_deref(), Some("tags/list?n=2"));
        assert_eq!(next("</v2/x?n=2>; rel=\"prev\""), None);
        assert_eq!(next("nonsense"), None);
    }
}
