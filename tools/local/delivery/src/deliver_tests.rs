//! Deliveries to a target that nobody answers for.

use serde_json::json;
use tokio::sync::broadcast;

use super::*;
use crate::{Options, Unkind, calls::Calls, client::Client};

/// Deliveries where every call fails at once.
async fn unreachable(retry_base: Duration) -> Arc<Shared> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let place = Place {
        account: "111122223333".to_owned(),
        region: "ap-south-1".to_owned(),
    };
    let calls = Calls::new(Client::new(&endpoint).unwrap());
    let options = Options {
        endpoint,
        accounts: vec![place],
        tick: Duration::from_secs(2),
        unkind: Unkind::kind(),
        retry_base,
    };
    Arc::new(Shared::new(calls, options))
}

fn shipment(shared: &Shared, retries: u32) -> Shipment {
    let place = &shared.places[0];
    let event = json!({ "id": "one", "source": "aws.ecs", "detail-type": "Test" });
    let target = json!({
        "Arn": "arn:aws:sqs:ap-south-1:111122223333:queue",
        "RetryPolicy": { "MaximumRetryAttempts": retries }
    });
    Shipment {
        event: Event::complete(event, place, "default", jiff::Timestamp::UNIX_EPOCH).unwrap(),
        payload: "{}".to_owned(),
        sender: Sender::Rule {
            arn: Arn::parse("arn:aws:events:ap-south-1:111122223333:rule/r").unwrap(),
            name: "r".to_owned(),
        },
        target: Arc::new(Target::read(&target).unwrap()),
    }
}

async fn next(notices: &mut broadcast::Receiver<Notice>) -> Notice {
    tokio::time::timeout(Duration::from_secs(10), notices.recv())
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn what_cannot_be_reached_is_tried_again_and_then_dropped_aloud() {
    let shared = unreachable(Duration::from_millis(60)).await;
    let mut notices = shared.subscribe();
    shared.deliver(shipment(&shared, 2));
    for (attempt, pause) in [(1, 1), (2, 2)] {
        let notice = next(&mut notices).await;
        let Notice::Retried {
            attempt: tried,
            pause: waits,
            ..
        } = notice
        else {
            panic!("{notice:?}")
        };
        assert_eq!((tried, waits), (attempt, Duration::from_millis(pause)));
    }
    let notice = next(&mut notices).await;
    let Notice::Dropped { reason, .. } = notice else {
        panic!("{notice:?}")
    };
    assert!(reason.starts_with("CONNECTION_FAILURE: "), "{reason}");
}

#[tokio::test]
async fn more_than_a_target_can_take_overflows_aloud() {
    let shared = unreachable(Duration::from_hours(1)).await;
    let mut notices = shared.subscribe();
    // Nothing runs between these, so all of them wait.
    for _ in 0..WAITING_MAX {
        shared.deliver(shipment(&shared, 185));
    }
    assert!(notices.is_empty());
    shared.deliver(shipment(&shared, 185));
    let notice = next(&mut notices).await;
    let Notice::Overflowed { queue, limit, .. } = notice else {
        panic!("{notice:?}")
    };
    assert_eq!(
        queue,
        "deliveries to arn:aws:sqs:ap-south-1:111122223333:queue"
    );
    assert_eq!(limit, WAITING_MAX);
}
