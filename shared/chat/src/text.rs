//! Words of others in a chat: escaped, so that they cannot mention anybody or pretend to be a link,
//! and cut to what the chat takes.

/// Escapes what Slack would act on: `&`, `<` and `>` (docs.slack.dev, "Formatting message text").
/// An author called `<!channel>` calls nobody.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            c if c.is_control() && c != '\n' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}

/// The same within a code span, which a backtick or a new line would end.
#[must_use]
pub fn code(text: &str) -> String {
    format!("`{}`", escaped(text).replace(['`', '\n'], "'"))
}

/// Cuts an escaped text to a number of characters. What is cut ends in an ellipsis, and never
/// within an escape: half of one would be shown as it is.
#[must_use]
pub fn cut(text: &str, length_max: usize) -> String {
    if text.chars().count() <= length_max {
        return text.to_owned();
    }
    let kept: String = text.chars().take(length_max.saturating_sub(1)).collect();
    let whole = match kept.rfind('&') {
        Some(at) if !kept.get(at..).is_some_and(|tail| tail.contains(';')) => kept.get(..at),
        Some(_) | None => Some(kept.as_str()),
    };
    format!("{}…", whole.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobodys_words_mention_anybody() {
        assert_eq!(
            escaped("<!channel> & <@U1>\u{7}"),
            "&lt;!channel&gt; &amp; &lt;@U1&gt; "
        );
        assert_eq!(code("a`b\n<c>"), "`a'b'&lt;c&gt;`");
    }

    #[test]
    fn a_cut_text_has_its_length_and_no_half_of_an_escape() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "long…");
        assert_eq!(cut("ab&amp;cd", 6), "ab…");
        assert_eq!(cut("ab&amp;cdef", 9), "ab&amp;c…");
        assert_eq!(cut("üüü", 2), "ü…");
    }
}
