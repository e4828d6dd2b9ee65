//! The page: what runs where, and how each deployment got there, in the light or the dark, as the
//! reader likes.

use std::collections::BTreeMap;

use crate::site::{Deployment, Site};

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");
/// How many deployments are listed.
const LISTED_MAX: usize = 30;

/// The whole page.
pub(crate) fn whole(site: &Site) -> String {
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><title>Deployments</title>\
         <meta name=viewport content='width=device-width'><style>{STYLE}</style>\
         <header><h1>Deployments</h1></header><main id=site>{}</main>\
         <script>{SCRIPT}</script></html>",
        inside(site)
    )
}

/// What changes.
pub(crate) fn inside(site: &Site) -> String {
    let deployments = site.deployments();
    if deployments.is_empty() {
        return "<p class=empty>Nothing was deployed yet.</p>".to_owned();
    }
    let mut environments: BTreeMap<(&str, &str), Option<&Deployment>> = BTreeMap::new();
    for it in &deployments {
        let place = (it.repository.as_str(), it.environment.as_str());
        let active = environments.entry(place).or_default();
        if it.state() == "success" {
            *active = Some(it);
        }
    }
    let cards: String = environments.into_iter().map(environment).collect();
    let newest = deployments.iter().rev().take(LISTED_MAX);
    let rows: String = newest.map(deployment).collect();
    format!("<section class=places>{cards}</section><section>{rows}</section>")
}

fn environment(((repository, name), active): ((&str, &str), Option<&Deployment>)) -> String {
    let runs = active.map_or_else(
        || "<span class=soft>nothing is active</span>".to_owned(),
        |it| {
            format!(
                "<code>{}</code> {}",
                html(short(&it.commit)),
                html(&it.description)
            )
        },
    );
    format!(
        "<article class=place><h2>{}</h2><p>{runs}</p><p class=soft>{}</p></article>",
        html(name),
        html(repository)
    )
}

fn deployment(it: &Deployment) -> String {
    let steps: String = it
        .statuses
        .iter()
        .map(|status| {
            let link = if status.log_url.is_empty() {
                String::new()
            } else {
                format!(" <a href='{}'>log</a>", html(&status.log_url))
            };
            format!(
                "<li><time>{}</time> <b class='{state}'>{state}</b> {}{link}</li>",
                status.at.strftime("%H:%M:%S"),
                html(&status.description),
                state = html(&status.state),
            )
        })
        .collect();
    let state = match it.state() {
        "success" => "active",
        other => other,
    };
    format!(
        "<article><p><b>{}</b> <code>{}</code> {} <span class='badge {state}'>{state}</span></p>\
         <ol>{steps}</ol></article>",
        html(&it.environment),
        html(short(&it.commit)),
        html(&it.description),
        state = html(state),
    )
}

fn short(commit: &str) -> &str {
    commit.get(..7).unwrap_or(commit)
}

fn html(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\'', "&#39;")
        .replace('"', "&quot;")
}
