//! Reading single values out of the XML that IAM and STS answer with. Not a parser: these answers
//! are flat and come from a program whose version we pin.

/// The text of the first element of this name, unescaped.
#[must_use]
pub fn text(document: &str, element: &str) -> Option<String> {
    let start = document.find(&format!("<{element}>"))? + element.len() + 2;
    let rest = document.get(start..)?;
    let end = rest.find(&format!("</{element}>"))?;
    Some(unescape(rest.get(..end)?))
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_element_of_that_name_counts() {
        let document = "<R><Arn>a&amp;b</Arn><Arn>c</Arn><Empty></Empty></R>";
        assert_eq!(text(document, "Arn").as_deref(), Some("a&b"));
        assert_eq!(text(document, "Empty").as_deref(), Some(""));
        assert_eq!(text(document, "UserId"), None);
        assert_eq!(text("<Arn>never closed", "Arn"), None);
    }
}
