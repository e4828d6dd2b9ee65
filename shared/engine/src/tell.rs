//! Telling people what one commit's entries say.

use domain::announce::announcement;
use domain::{Entry, ServiceName};

use crate::ports::{AnnounceError, Announcer};

/// Announces what is to be told of some entries, in order; how many were.
///
/// # Errors
/// At the first that does not go through; it and those after it have to come again.
pub async fn tell<'a>(
    announcer: &impl Announcer,
    service: &ServiceName,
    entries: impl IntoIterator<Item = &'a Entry>,
) -> Result<usize, AnnounceError> {
    let mut told = 0;
    for announcement in entries
        .into_iter()
        .filter_map(|entry| announcement(service, entry))
    {
        announcer.announce(&announcement).await?;
        told += 1;
    }
    Ok(told)
}
