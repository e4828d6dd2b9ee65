//! Against a GitHub on this machine, with the limits, defaults and errors of the real one.

use std::time::Duration;

use engine::follow::Untold;
use engine::publish::{Deployments as _, Status, Wanted};
use forge::{Settings, State};
use messenger::GitHub;
use serde_json::json;
use workshop::{Manners, Options, Workshop};

const COMMIT: &str = "1a2b3c4d5e6f";

async fn workshop() -> Workshop {
    let options = Options {
        port: 0,
        token: "github_pat_local".to_owned(),
        owner: "acme".to_owned(),
    };
    Workshop::open(options).await.unwrap()
}

fn settings(workshop: &Workshop, token: &str) -> Settings {
    let settings = json!({
        "api": workshop.api(),
        "token": token,
        "repositories": ["*"],
    });
    Settings::read(&settings.to_string()).unwrap()
}

fn connected(workshop: &Workshop) -> (GitHub, Settings) {
    let settings = settings(workshop, "github_pat_local");
    (GitHub::new(&settings), settings)
}

fn wanted(settings: &Settings, repository: &str, entry: u64) -> Wanted {
    let repository = format!("https://github.com/{repository}.git");
    Wanted {
        repository: settings.repository(&repository).unwrap(),
        commit: COMMIT.to_owned(),
        environment: "web & more/production".to_owned(),
        production: true,
        mark: format!("web/{entry}").parse().unwrap(),
        description: "web release 17".to_owned(),
    }
}

fn status(state: State) -> Status {
    Status {
        state,
        description: "web production release 17: is good".to_owned(),
        log_url: Some("https://wiki.example/web#42".to_owned()),
    }
}

#[tokio::test]
async fn a_deployment_is_made_once_and_found_again_by_its_mark() {
    let workshop = workshop().await;
    let (github, settings) = connected(&workshop);
    let wanted = wanted(&settings, "acme/shop", 42);
    let first = github.show(&wanted).await.unwrap();
    assert_eq!(github.show(&wanted).await.unwrap(), first);
    let another = self::wanted(&settings, "acme/shop", 43);
    assert_ne!(github.show(&another).await.unwrap(), first);

    let made = workshop.site().deployments();
    let [made, _] = made.as_slice() else {
        panic!("{made:?}");
    };
    assert_eq!(made.payload, json!({ "lastgood": "web/42" }));
    assert_eq!(made.environment, "web & more/production");
    assert!(made.production);
}

#[tokio::test]
async fn how_it_stands_is_said_of_this_one_alone() {
    let workshop = workshop().await;
    let (github, settings) = connected(&workshop);
    let old = github.show(&wanted(&settings, "acme/shop", 41)).await;
    let new = github.show(&wanted(&settings, "acme/shop", 42)).await;
    for spot in [old.unwrap(), new.unwrap()] {
        github.stand(&spot, &status(State::Success)).await.unwrap();
    }
    let made = workshop.site().deployments();
    assert!(made.iter().all(|it| it.state() == "success"), "{made:?}");
    let said = made[0].statuses.last().unwrap();
    assert_eq!(said.description, "web production release 17: is good");
    assert_eq!(said.log_url, "https://wiki.example/web#42");
}

#[tokio::test]
async fn what_fails_says_when_to_come_again_and_in_the_end_is_there_once() {
    let workshop = workshop().await;
    let (github, settings) = connected(&workshop);
    workshop.site().behave(Manners::Moody);
    let wanted = wanted(&settings, "acme/shop", 42);
    let (mut shown, mut limited) = (0, 0);
    while shown < 20 {
        match github.show(&wanted).await {
            Ok(_) => shown += 1,
            Err(Untold::Later { after, .. }) => {
                limited += u32::from(after == Some(Duration::from_secs(1)));
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert!(limited > 0, "GitHub said how long to wait");
    assert_eq!(workshop.site().deployments().len(), 1);
}

#[tokio::test]
async fn what_github_does_not_take_is_told_apart_from_what_it_takes_later() {
    let workshop = workshop().await;
    let (github, settings) = connected(&workshop);
    let mut unknown = wanted(&settings, "acme/shop", 42);
    unknown.commit = "a build that names a branch".to_owned();
    let refused = github.show(&unknown).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "refused: HTTP 422: No ref found for: a build that names a branch"
    );
    let hidden = wanted(&settings, "elsewhere/shop", 42);
    let later = github.show(&hidden).await.unwrap_err();
    assert_eq!(later.to_string(), "not now: HTTP 404: Not Found");

    let spot = github.show(&wanted(&settings, "acme/shop", 42)).await;
    let spot = spot.unwrap();
    workshop.site().delete(spot.id);
    let gone = github.stand(&spot, &status(State::Success)).await;
    assert!(matches!(gone, Err(Untold::Gone)), "{gone:?}");

    let old = GitHub::new(&self::settings(&workshop, "github_pat_old"));
    let later = old.show(&wanted(&settings, "acme/shop", 42)).await;
    let later = later.unwrap_err();
    assert_eq!(later.to_string(), "not now: HTTP 401: Bad credentials");
}
