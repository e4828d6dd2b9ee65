//! Slack's markup as HTML, as far as our messages use it. The text is escaped already, as Slack
//! asks; whatever else could be HTML is escaped here.

/// The signs our messages use, as characters.
const SIGNS: [(&str, &str); 15] = [
    (":fire:", "🔥"),
    (":grey_question:", "❔"),
    (":hourglass:", "⏳"),
    (":inbox_tray:", "📥"),
    (":leftwards_arrow_with_hook:", "↩️"),
    (":no_entry_sign:", "🚫"),
    (":raised_hand:", "✋"),
    (":rewind:", "⏪"),
    (":rocket:", "🚀"),
    (":rotating_light:", "🚨"),
    (":warning:", "⚠️"),
    (":white_check_mark:", "✅"),
    (":x:", "❌"),
    (":zzz:", "💤"),
    (":information_source:", "ℹ️"),
];

/// A text with markup.
pub(crate) fn html(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('<') {
        out.push_str(&plain(before));
        let Some((inside, after)) = after.split_once('>') else {
            out.push_str("&lt;");
            rest = after;
            continue;
        };
        out.push_str(&special(inside));
        rest = after;
    }
    out.push_str(&plain(rest));
    quoted(&out)
}

/// What stands between angle brackets: a mention, a date, a link.
fn special(inside: &str) -> String {
    let (what, words) = inside.split_once('|').unwrap_or((inside, inside));
    if let Some(date) = what.strip_prefix("!date^") {
        let seconds = date.split('^').next().and_then(|text| text.parse().ok());
        let at = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
        let shown = at.map(|at| at.strftime("%b %-d, %H:%M").to_string());
        return format!("<time>{}</time>", shown.unwrap_or_else(|| plain(words)));
    }
    if what.starts_with("https://") {
        return format!("<a href=\"{}\">{}</a>", plain(what), plain(words));
    }
    let who = what.trim_start_matches(['!', '@']);
    format!("<b class=mention>@{}</b>", plain(who))
}

fn plain(text: &str) -> String {
    let text = text.replace('>', "&gt;").replace('"', "&quot;");
    let mut text = pairs(&pairs(&pairs(&text, '`', "code"), '*', "b"), '_', "i");
    for (name, sign) in SIGNS {
        text = text.replace(name, sign);
    }
    text
}

/// Marks around words, where they begin and end words.
fn pairs(text: &str, mark: char, tag: &str) -> String {
    let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != mark);
    let mut out = String::new();
    let mut rest = text;
    loop {
        let Some((before, after)) = rest.split_once(mark) else {
            return out + rest;
        };
        let ends = after.split_once(mark).filter(|(inside, next)| {
            edge(before.chars().next_back())
                && edge(next.chars().next())
                && !inside.is_empty()
                && !inside.contains(['\n', '<'])
        });
        out.push_str(before);
        if let Some((inside, next)) = ends {
            out.push_str(&format!("<{tag}>{inside}</{tag}>"));
            rest = next;
        } else {
            out.push(mark);
            rest = after;
        }
    }
}

/// Lines, of which those that begin with `>` are quoted.
fn quoted(html: &str) -> String {
    let lines = html
        .split('\n')
        .map(|line| match line.strip_prefix("&gt; ") {
            Some(quoted) => format!("<q>{quoted}</q>"),
            None => line.to_owned(),
        });
    lines.collect::<Vec<_>>().join("<br>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_is_drawn_and_html_of_others_is_not() {
        assert_eq!(
            html("*web* :x: `a_b_c` <https://a.example|b> <!here>\n> quoted"),
            "<b>web</b> ❌ <code>a_b_c</code> <a href=\"https://a.example\">b</a> \
             <b class=mention>@here</b><br><q>quoted</q>"
        );
        assert_eq!(
            html("&lt;script&gt; <script>"),
            "&lt;script&gt; <b class=mention>@script</b>"
        );
        assert_eq!(
            html("<a\"onclick=x> < b"),
            "<b class=mention>@a&quot;onclick=x</b> &lt; b"
        );
    }
}
