//! GitHub is told where releases run, once, in order, whatever arrives and whatever fails.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

use domain::announce::ReadOn;
use domain::entry::What;
use domain::{ReleaseNumber, SignedDuration};
use engine::follow::{FollowError, Ports, Told, Untold, follow};
use engine::memory::MemoryClock;
use engine::memory::contract::noon;
use engine::publish::{Deployments, Publication, Status, Wanted};
use forge::{Board, Settings, Spot, State};

use crate::chatroom::{Book, Fate, Luck, Shelf};
use crate::conversing::{book, id, one_release, order, release, stage};

/// Deployments, and what was said of each, in a place that fails when told to.
#[derive(Debug, Default)]
struct Hub {
    deployments: RefCell<Vec<(Wanted, Vec<Status>)>>,
    luck: Luck,
}

impl Hub {
    fn call<T>(&self, run: impl FnOnce() -> T) -> Result<T, Untold> {
        match self.luck.fate() {
            Fate::Well => Ok(run()),
            Fate::Lost => Err(Luck::later()),
            Fate::AnswerLost => {
                run();
                Err(Luck::later())
            }
        }
    }
}

impl Deployments for Hub {
    async fn show(&self, wanted: &Wanted) -> Result<Spot, Untold> {
        if wanted.commit == "unknown" {
            return Err(Untold::Refused("No ref found".to_owned()));
        }
        self.call(|| {
            let mut all = self.deployments.borrow_mut();
            let found = all.iter().position(|(it, _)| it == wanted);
            let id = found.unwrap_or(all.len());
            if found.is_none() {
                all.push((wanted.clone(), Vec::new()));
            }
            Spot {
                repository: wanted.repository.clone(),
                id: id as u64,
            }
        })
    }

    async fn stand(&self, spot: &Spot, status: &Status) -> Result<(), Untold> {
        self.call(|| {
            let id = usize::try_from(spot.id).unwrap();
            self.deployments.borrow_mut()[id].1.push(status.clone());
        })
    }
}

struct Scene {
    book: Book,
    hub: Hub,
    shelf: Shelf<Board>,
    clock: MemoryClock,
    settings: Settings,
}

impl Scene {
    fn new(book: Book) -> Self {
        let settings = r#"{"token":"t","repositories":["shop/*"]}"#;
        Self {
            book,
            hub: Hub::default(),
            shelf: Shelf::default(),
            clock: MemoryClock::new(noon()),
            settings: Settings::read(settings).unwrap(),
        }
    }

    /// An announcement arrives.
    async fn hint(&self, seq: u64) -> Result<Told, FollowError> {
        let ports = Ports {
            ledger: &self.book,
            desk: &self.shelf,
            clock: &self.clock,
        };
        let read_on = ReadOn::new("https://wiki.example/{service}/{release}").unwrap();
        let publication = Publication {
            deployments: &self.hub,
            settings: &self.settings,
            read_on: Some(&read_on),
        };
        follow(&ports, &publication, &id(seq)).await
    }

    /// What is shown, a line for each deployment and status.
    fn shown(&self) -> String {
        let mut lines = Vec::new();
        for (wanted, statuses) in self.hub.deployments.borrow().iter() {
            let Wanted {
                repository,
                commit,
                environment,
                production,
                mark,
                description,
            } = wanted;
            let users = if *production { ", for users" } else { "" };
            lines.push(format!(
                "{repository} {commit} on {environment}{users} [{mark}]: {description}"
            ));
            for status in statuses {
                let page = status.log_url.as_deref().unwrap_or("no page");
                let (state, words) = (status.state.as_str(), &status.description);
                lines.push(format!("  {state}: {words} ({page})"));
            }
        }
        lines.join("\n")
    }
}

fn started(deployment: u64, number: u64) -> What {
    What::StartAsked {
        deployment: id(deployment),
        order: order("production", number),
    }
}

fn succeeded(deployment: u64, number: u64) -> What {
    What::Succeeded {
        stage: stage("production"),
        deployment: id(deployment),
        release: ReleaseNumber(number),
    }
}

#[tokio::test]
async fn one_release_from_push_to_rollback_is_one_deployment_on_each_stage() {
    let scene = Scene::new(book(one_release()));
    for seq in 1..=7 {
        assert_eq!(scene.hint(seq).await.unwrap(), Told::All);
    }
    insta::assert_snapshot!(scene.shown());
}

#[tokio::test]
async fn a_commit_that_is_unknown_there_and_a_build_that_names_none_hold_up_nobody() {
    let whats = vec![started(1, 16), succeeded(1, 16), started(3, 17)];
    let mut scene = Scene::new(book([whats, vec![succeeded(3, 17)]].concat()));
    let mut unknown = release(16);
    unknown.build.commit = Some("unknown".to_owned());
    let mut bare = release(17);
    bare.build.repository = None;
    for release in [unknown, bare] {
        let releases = &mut scene.book.pipeline.releases;
        releases.insert(release.number, release.into());
    }
    for seq in 1..=4 {
        assert_eq!(scene.hint(seq).await.unwrap(), Told::All);
    }
    assert_eq!(scene.shown(), "");
}

#[tokio::test]
async fn a_release_that_the_snapshot_forgot_is_shown_too() {
    let mut scene = Scene::new(book(vec![started(1, 3), succeeded(1, 3)]));
    scene.book.forgotten = BTreeMap::from([(ReleaseNumber(3), release(3))]);
    for seq in 1..=2 {
        assert_eq!(scene.hint(seq).await.unwrap(), Told::All);
    }
    assert!(scene.shown().contains("success: web production release 3"));
}

#[tokio::test]
async fn of_five_hundred_deployments_each_is_there_once_though_half_of_all_calls_fail() {
    const DEPLOYMENTS: u64 = 500;
    let whats = (0..DEPLOYMENTS).flat_map(|index| {
        let number = 16 + index % 2;
        [started(index + 1, number), succeeded(index + 1, number)]
    });
    let scene = Scene::new(book(whats.collect()));
    scene.hub.luck.one_fails_of.set(2);
    let announcements = DEPLOYMENTS * 2;
    // They arrive in no order, and again while they were not told.
    let shuffled = (0..announcements).map(|n| n * 7919 % announcements + 1);
    let mut queue: VecDeque<u64> = std::iter::once(1).chain(shuffled).collect();
    let mut failed = 0;
    while let Some(seq) = queue.pop_front() {
        match scene.hint(seq).await {
            Ok(Told::All) => {}
            Ok(Told::NotYet) | Err(_) => {
                failed += 1;
                scene.clock.jump(SignedDuration::from_secs(2));
                queue.push_back(seq);
            }
        }
    }
    assert!(failed > 500, "half of all calls failed: {failed}");
    let deployments = scene.hub.deployments.borrow();
    assert_eq!(deployments.len() as u64, DEPLOYMENTS);
    for (index, (wanted, statuses)) in (1..).zip(deployments.iter()) {
        assert_eq!(wanted.mark, id(index));
        let mut states: Vec<State> = statuses.iter().map(|status| status.state).collect();
        // What was said and its answer lost is said again.
        states.dedup();
        let ended = (index < DEPLOYMENTS).then_some(State::Inactive);
        let wanted = [State::InProgress, State::Success].into_iter().chain(ended);
        assert_eq!(states, wanted.collect::<Vec<_>>(), "{index}");
    }
}
