//! What stands in the channel, and what Slack refuses.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value, json};

/// Slack's limits that are checked (docs.slack.dev, "Blocks").
const BLOCKS_MAX: usize = 50;
const SECTION_LENGTH_MAX: usize = 3000;
const FIELDS_MAX: usize = 10;
const FIELD_LENGTH_MAX: usize = 2000;

/// A message as it stands now.
#[derive(Debug, Clone)]
pub struct Posted {
    /// Its id.
    pub ts: String,
    /// Its channel.
    pub channel: String,
    /// The message it stands under.
    pub thread: Option<String>,
    /// Whether the channel sees it too.
    pub broadcast: bool,
    /// The whole of it, as it was sent last.
    pub body: Value,
    /// How often it was updated.
    pub updates: u32,
}

impl Posted {
    /// What stands in it now, as it would be read aloud.
    #[must_use]
    pub fn text(&self) -> &str {
        let text = self.body.get("text").and_then(Value::as_str);
        text.unwrap_or_default()
    }

    /// What the button with this id sends; none when there is no such button.
    #[must_use]
    pub fn button(&self, action: &str) -> Option<&str> {
        let blocks = self.body.get("blocks").and_then(Value::as_array)?;
        let elements = blocks.iter().filter_map(|block| block.get("elements"));
        let mut all = elements.filter_map(Value::as_array).flatten();
        let is = |it: &&Value| it.get("action_id").and_then(Value::as_str) == Some(action);
        all.find(is)?.get("value").and_then(Value::as_str)
    }
}

/// How well the room answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// Always.
    Kind,
    /// Half of all calls fail: too many requests, trouble within, or done and the answer lost.
    Moody,
    /// Never.
    Down,
}

#[derive(Debug)]
struct State {
    messages: Vec<Posted>,
    asides: Vec<String>,
    manners: Manners,
    next: u64,
    chance: fastrand::Rng,
}

/// The channel.
#[derive(Debug)]
pub struct Room(Mutex<State>);

/// An answer: status, `Retry-After`, body.
pub(crate) type Answer = (u16, Option<u32>, Value);

impl Default for Room {
    fn default() -> Self {
        Self(Mutex::new(State {
            messages: Vec::new(),
            asides: Vec::new(),
            manners: Manners::Kind,
            next: 1,
            chance: fastrand::Rng::with_seed(7),
        }))
    }
}

fn refused(error: &str) -> Answer {
    (200, None, json!({ "ok": false, "error": error }))
}

impl Room {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that stands there, oldest first.
    #[must_use]
    pub fn messages(&self) -> Vec<Posted> {
        self.lock().messages.clone()
    }

    /// What only who pressed a button saw, oldest first.
    #[must_use]
    pub fn asides(&self) -> Vec<String> {
        self.lock().asides.clone()
    }

    /// Changes how well it answers.
    pub fn behave(&self, manners: Manners) {
        self.lock().manners = manners;
    }

    pub(crate) fn aside(&self, text: &str) {
        self.lock().asides.push(text.to_owned());
    }

    /// Whether a call goes wrong before anything is done; `Err(true)` when only after it.
    fn mood(state: &mut State) -> Result<bool, Answer> {
        let busy = || (429, Some(1), json!({ "ok": false, "error": "ratelimited" }));
        match (state.manners, state.chance.u8(0..8)) {
            (Manners::Kind, _) | (Manners::Moody, 0..4) => Ok(true),
            (Manners::Moody, 4) => Ok(false),
            (Manners::Moody, 5) => Err(busy()),
            (Manners::Moody | Manners::Down, _) => Err((503, None, json!({}))),
        }
    }

    pub(crate) fn post(&self, body: Value) -> Answer {
        let mut state = self.lock();
        let answered = match Self::mood(&mut state) {
            Ok(answered) => answered,
            Err(answer) => return answer,
        };
        if let Some(error) = wrong(&body) {
            return refused(error);
        }
        let text = |name: &str| {
            body.get(name)
                .and_then(Value::as_str)
                .map(ToOwned::to_owned)
        };
        let Some(channel) = text("channel") else {
            return refused("channel_not_found");
        };
        let thread = text("thread_ts");
        let ts = format!("{}.{:06}", jiff::Timestamp::now().as_second(), state.next);
        state.next += 1;
        let posted = Posted {
            ts: ts.clone(),
            channel: channel.clone(),
            thread,
            broadcast: body.get("reply_broadcast") == Some(&Value::Bool(true)),
            body,
            updates: 0,
        };
        state.messages.push(posted);
        if !answered {
            return (502, None, json!({}));
        }
        (
            200,
            None,
            json!({ "ok": true, "channel": channel, "ts": ts }),
        )
    }

    pub(crate) fn update(&self, body: Value) -> Answer {
        let mut state = self.lock();
        let answered = match Self::mood(&mut state) {
            Ok(answered) => answered,
            Err(answer) => return answer,
        };
        if let Some(error) = wrong(&body) {
            return refused(error);
        }
        let ts = body.get("ts").and_then(Value::as_str).unwrap_or_default();
        let Some(found) = state.messages.iter_mut().find(|posted| posted.ts == ts) else {
            return refused("message_not_found");
        };
        let ts = ts.to_owned();
        found.body = body;
        found.updates += 1;
        if !answered {
            return (502, None, json!({}));
        }
        (200, None, json!({ "ok": true, "ts": ts }))
    }
}

/// What Slack says of a message that is too large.
fn wrong(body: &Value) -> Option<&'static str> {
    let none = Vec::new();
    let blocks = body.get("blocks").and_then(Value::as_array);
    let blocks = blocks.unwrap_or(&none);
    let text = body.get("text").and_then(Value::as_str).unwrap_or_default();
    if text.is_empty() && blocks.is_empty() {
        return Some("no_text");
    }
    let length = |text: &Value| {
        let text = text.get("text").and_then(Value::as_str);
        text.unwrap_or_default().chars().count()
    };
    let fits = |block: &Value| {
        let fields = block.get("fields").and_then(Value::as_array);
        let fields = fields.unwrap_or(&none);
        block
            .get("text")
            .is_none_or(|text| length(text) <= SECTION_LENGTH_MAX)
            && fields.len() <= FIELDS_MAX
            && fields.iter().all(|field| length(field) <= FIELD_LENGTH_MAX)
    };
    (blocks.len() > BLOCKS_MAX || !blocks.iter().all(fits)).then_some("invalid_blocks")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_slack_refuses_is_refused() {
        let room = Room::default();
        let section =
            |length: usize| json!({ "type": "section", "text": { "text": "x".repeat(length) } });
        let post = |blocks: Vec<Value>| {
            let body = json!({ "channel": "C1", "text": "x", "blocks": blocks });
            room.post(body).2["ok"].as_bool().unwrap()
        };
        assert!(post(vec![section(SECTION_LENGTH_MAX); BLOCKS_MAX]));
        assert!(!post(vec![section(SECTION_LENGTH_MAX + 1)]));
        assert!(!post(vec![section(1); BLOCKS_MAX + 1]));
        assert_eq!(room.messages().len(), 1);
    }

    #[test]
    fn an_update_takes_the_place_of_what_stands_there() {
        let room = Room::default();
        let posted = room.post(json!({ "channel": "C1", "text": "before" })).2;
        let ts = posted["ts"].clone();
        let answer = room.update(json!({ "channel": "C1", "ts": ts, "text": "after" }));
        assert_eq!(answer.2["ok"], true);
        assert_eq!(room.messages()[0].body["text"], "after");
        let gone = room.update(json!({ "channel": "C1", "ts": "1.2", "text": "after" }));
        assert_eq!(gone.2["error"], "message_not_found");
    }
}
