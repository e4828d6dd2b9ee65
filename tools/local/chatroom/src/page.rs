//! The page: the channel as Slack would draw it, in the light or the dark, as the reader likes.

use serde_json::Value;

use crate::markup::html;
use crate::room::{Posted, Room};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The whole page.
pub(crate) fn whole(room: &Room, people: &[String]) -> String {
    let options: String = people
        .iter()
        .map(|name| format!("<option>{}</option>", html(name)))
        .collect();
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>#releases</title>\
         <meta name=viewport content='width=device-width'><style>{STYLE}</style>\
         <header><h1># releases</h1><label>you are <select id=who>{options}</select></label>\
         </header><main id=room>{}</main><script>{SCRIPT}</script></html>",
        inside(room)
    )
}

/// What changes.
pub(crate) fn inside(room: &Room) -> String {
    let messages = room.messages();
    let mut out = String::new();
    if messages.is_empty() {
        out.push_str("<p class=empty>Nothing needs you.</p>");
    }
    for posted in messages
        .iter()
        .filter(|posted| posted.thread.is_none() || posted.broadcast)
    {
        let replies: Vec<&Posted> = messages
            .iter()
            .filter(|reply| reply.thread.as_deref() == Some(&posted.ts))
            .collect();
        out.push_str(&message(posted, &replies));
    }
    for aside in room.asides().iter().rev().take(1) {
        out.push_str(&format!(
            "<aside>Only visible to you<br>{}</aside>",
            html(aside)
        ));
    }
    out
}

fn message(posted: &Posted, replies: &[&Posted]) -> String {
    let at = posted
        .ts
        .split('.')
        .next()
        .and_then(|text| text.parse().ok());
    let at = at.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let at = at
        .map(|at| at.strftime("%H:%M").to_string())
        .unwrap_or_default();
    let edited = if posted.updates > 0 {
        " <small>(edited)</small>"
    } else {
        ""
    };
    let from = if posted.broadcast {
        "<p class=from>replied to a thread</p>"
    } else {
        ""
    };
    let thread: String = replies
        .iter()
        .map(|reply| format!("<div class=reply>{}</div>", body(&reply.body)))
        .collect();
    let thread = match replies.len() {
        0 => String::new(),
        1 => format!(
            "<details data-id='{}'><summary>1 reply</summary>{thread}</details>",
            posted.ts
        ),
        count => format!(
            "<details data-id='{}'><summary>{count} replies</summary>{thread}</details>",
            posted.ts
        ),
    };
    format!(
        "<article><div class=face aria-hidden=true>L</div><div><p class=by><b>Lastgood</b> \
         <span class=app>APP</span> <time>{at}</time></p>{from}{}{edited}{thread}</div></article>",
        body(&posted.body)
    )
}

fn body(body: &Value) -> String {
    let blocks = body.get("blocks").and_then(Value::as_array);
    match blocks {
        Some(blocks) => blocks.iter().map(block).collect(),
        None => format!("<p>{}</p>", text(body)),
    }
}

fn text(of: &Value) -> String {
    html(of.get("text").and_then(Value::as_str).unwrap_or_default())
}

fn each(block: &Value, name: &str, draw: impl Fn(&Value) -> String) -> String {
    let parts = block.get(name).and_then(Value::as_array);
    parts.into_iter().flatten().map(draw).collect()
}

fn block(block: &Value) -> String {
    match block.get("type").and_then(Value::as_str) {
        Some("section") => {
            let main = block.get("text").map(text).unwrap_or_default();
            let fields = each(block, "fields", |field| {
                format!("<div>{}</div>", text(field))
            });
            format!("<p>{main}</p><div class=fields>{fields}</div>")
        }
        Some("context") => {
            let parts = each(block, "elements", |part| {
                format!("<span>{}</span>", text(part))
            });
            format!("<p class=context>{parts}</p>")
        }
        Some("actions") => {
            let buttons = each(block, "elements", button);
            format!("<p class=actions>{buttons}</p>")
        }
        _ => String::new(),
    }
}

fn button(button: &Value) -> String {
    let of = |name: &str| html(button.get(name).and_then(Value::as_str).unwrap_or_default());
    let says = button.get("text").map(text).unwrap_or_default();
    format!(
        "<button class='{}' data-action='{}' data-value='{}'>{says}</button>",
        of("style"),
        button
            .get("action_id")
            .and_then(Value::as_str)
            .unwrap_or_default(),
        of("value"),
    )
}
