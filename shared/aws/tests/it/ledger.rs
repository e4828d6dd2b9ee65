//! The ledger against MiniStack: the contract that the ledger in memory keeps, and what only a
//! table can do.

use std::collections::BTreeSet;

use aws::DynamoLedger;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, GlobalSecondaryIndex, KeySchemaElement,
    KeyType, Projection, ProjectionType, ScalarAttributeType,
};
use chat::talk::Talk;
use domain::config::{ServiceConfig, Source};
use domain::hint::Subject;
use domain::{AlarmArn, Commit, Fact, ServiceName, decide};
use engine::follow::{Desk as _, Notes, Seat};
use engine::memory::contract::{
    arrived, catalogues_keep_their_contract, config, configure, ledger_keeps_its_contract, noon,
};
use engine::{Ledger, LedgerError, Mention};

use crate::support::{self, ministack::MiniStack};

const TABLE: &str = "ledger";

async fn table(client: &Client) {
    let attribute = |name: &str, kind| {
        AttributeDefinition::builder()
            .attribute_name(name)
            .attribute_type(kind)
            .build()
            .unwrap()
    };
    let key = |name: &str, kind| {
        KeySchemaElement::builder()
            .attribute_name(name)
            .key_type(kind)
            .build()
            .unwrap()
    };
    let index = |name: &str, hash: &str, range: &str, kind| {
        GlobalSecondaryIndex::builder()
            .index_name(name)
            .key_schema(key(hash, KeyType::Hash))
            .key_schema(key(range, KeyType::Range))
            .projection(Projection::builder().projection_type(kind).build())
            .build()
            .unwrap()
    };
    client
        .create_table()
        .table_name(TABLE)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("PK", ScalarAttributeType::S))
        .attribute_definitions(attribute("SK", ScalarAttributeType::S))
        .attribute_definitions(attribute("due_shard", ScalarAttributeType::S))
        .attribute_definitions(attribute("due_at", ScalarAttributeType::N))
        .attribute_definitions(attribute("feed_day", ScalarAttributeType::S))
        .attribute_definitions(attribute("feed_at", ScalarAttributeType::S))
        .key_schema(key("PK", KeyType::Hash))
        .key_schema(key("SK", KeyType::Range))
        .global_secondary_indexes(index(
            "due",
            "due_shard",
            "due_at",
            ProjectionType::KeysOnly,
        ))
        .global_secondary_indexes(index("feed", "feed_day", "feed_at", ProjectionType::All))
        .send()
        .await
        .unwrap();
}

fn service(name: &str) -> ServiceName {
    name.parse().unwrap()
}

async fn commit_of(ledger: &DynamoLedger, name: &ServiceName, fact: &Fact) -> Commit {
    let loaded = ledger.load(name, &Mention::Nothing).await.unwrap();
    let decision = decide(&loaded.pipeline, &loaded.recalled, fact, noon()).unwrap();
    Commit::of(&loaded.pipeline, decision).unwrap()
}

async fn write(ledger: &DynamoLedger, name: &ServiceName, fact: &Fact) -> Commit {
    let commit = commit_of(ledger, name, fact).await;
    ledger.commit(&commit).await.unwrap();
    commit
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_on_a_table() {
    let Some(stack) = MiniStack::start().await else {
        return;
    };
    let sdk = support::config(&stack.endpoint);
    let client = Client::new(&sdk);
    table(&client).await;
    let ledger = DynamoLedger::new(&sdk, TABLE);
    ledger.warm().await;
    ledger_keeps_its_contract(&ledger, "it").await;
    catalogues_keep_their_contract(&ledger, "it").await;
    services_are_listed_and_read_together(&ledger).await;
    a_commit_is_recognised_after_its_token(&ledger, &client).await;
    an_entry_in_the_middle_of_a_commit_is_found(&ledger).await;
    a_changed_entry_is_corrupt(&ledger, &client).await;
    a_newer_snapshot_is_left_alone(&ledger, &client).await;
    a_snapshot_that_does_not_fit_is_corrupt(&ledger).await;
    more_watches_than_a_transaction_takes(&ledger).await;
    a_new_prefix_replaces_the_watch(&ledger).await;
    what_a_channel_was_told_is_kept_by_whoever_is_faster(&ledger).await;
    a_missing_table_is_unavailable(&sdk).await;
}

async fn what_a_channel_was_told_is_kept_by_whoever_is_faster(ledger: &DynamoLedger) {
    let web = service("desk");
    assert_eq!(told(ledger, &web, &C1).await, None);
    let mut talk = Notes::<Talk>::after(41);
    ledger.keep(&web, &C1, &talk, 0).await.unwrap();
    let again = ledger.keep(&web, &C1, &talk, 0).await;
    assert!(matches!(again, Err(LedgerError::Stale)), "{again:?}");
    talk.told = 42;
    talk.held_until = Some(noon());
    ledger.keep(&web, &C1, &talk, 1).await.unwrap();
    let late = ledger.keep(&web, &C1, &Notes::<Talk>::after(1), 1).await;
    assert!(matches!(late, Err(LedgerError::Stale)), "{late:?}");
    assert_eq!(told(ledger, &web, &C1).await, Some((talk, 2)));
    let another = Seat { name: "C2", ..C1 };
    assert_eq!(told(ledger, &web, &another).await, None);
}

/// A channel in Slack.
const C1: Seat<'_> = Seat {
    function: "slack",
    kind: "channel",
    name: "C1",
};

async fn told(
    ledger: &DynamoLedger,
    service: &ServiceName,
    seat: &Seat<'_>,
) -> Option<(Notes<Talk>, u64)> {
    ledger.notes(service, seat).await.unwrap()
}

async fn services_are_listed_and_read_together(ledger: &DynamoLedger) {
    for name in ["list-b", "list-a"] {
        let name = service(name);
        write(ledger, &name, &configure(config(&name, "a"), "request-1")).await;
    }
    let listed = ledger.services().await.unwrap();
    let ours: Vec<&str> = listed
        .iter()
        .map(ServiceName::as_str)
        .filter(|name| name.starts_with("list-"))
        .collect();
    assert_eq!(ours, ["list-a", "list-b"]);
    let asked = [
        service("list-b"),
        service("nobody"),
        service("list-a"),
        service("list-b"),
    ];
    let read = ledger.pipelines(&asked).await.unwrap();
    let read: Vec<&str> = read
        .iter()
        .map(|pipeline| pipeline.service.as_str())
        .collect();
    assert_eq!(read, ["list-b", "list-a"]);
    assert_eq!(
        ledger.newest_releases(&service("list-a"), 5).await.unwrap(),
        []
    );
}

/// DynamoDB forgets a token after ten minutes; the stored snapshot never forgets. Its item is put
/// there past the ledger, so that no token is known.
async fn a_commit_is_recognised_after_its_token(ledger: &DynamoLedger, client: &Client) {
    let name = service("forgotten");
    let commit = commit_of(ledger, &name, &configure(config(&name, "f"), "request-1")).await;
    let put = |version: u64, head: &str| {
        client
            .put_item()
            .table_name(TABLE)
            .item("PK", AttributeValue::S("service#forgotten".into()))
            .item("SK", AttributeValue::S("pipeline".into()))
            .item("version", AttributeValue::N(version.to_string()))
            .item("head", AttributeValue::S(head.to_owned()))
            .send()
    };
    put(commit.after.seq, commit.after.head.as_str())
        .await
        .unwrap();
    assert!(ledger.commit(&commit).await.is_ok(), "it is there already");
    put(commit.after.seq, "another head").await.unwrap();
    assert!(matches!(
        ledger.commit(&commit).await,
        Err(LedgerError::Stale)
    ));
}

async fn an_entry_in_the_middle_of_a_commit_is_found(ledger: &DynamoLedger) {
    let name = service("middle");
    write(ledger, &name, &configure(config(&name, "m"), "request-1")).await;
    let commit = write(ledger, &name, &arrived(&name, "v1")).await;
    assert!(
        commit.entries.len() > 1,
        "the suite's arrival writes several entries"
    );
    let second = commit.entries[1].entry.seq;
    let read = ledger.entries(&name, second, 1).await.unwrap();
    assert_eq!(read.first().map(|sealed| sealed.entry.seq), Some(second));
    let past = ledger.entries(&name, 10_000, 10).await.unwrap();
    assert!(past.is_empty());
}

async fn a_changed_entry_is_corrupt(ledger: &DynamoLedger, client: &Client) {
    let name = service("changed");
    let commit = write(ledger, &name, &configure(config(&name, "c"), "request-1")).await;
    let mut entries: Vec<AttributeValue> = commit
        .entries
        .iter()
        .map(|sealed| AttributeValue::S(sealed.stored.clone()))
        .collect();
    entries[0] = AttributeValue::S(commit.entries[0].stored.replace("alice", "mallory"));
    client
        .update_item()
        .table_name(TABLE)
        .key("PK", AttributeValue::S("service#changed".into()))
        .key("SK", AttributeValue::S("commit#0000000001".into()))
        .update_expression("SET entries = :entries")
        .expression_attribute_values(":entries", AttributeValue::L(entries))
        .send()
        .await
        .unwrap();
    let read = ledger.entries(&name, 1, 10).await;
    assert!(matches!(read, Err(LedgerError::Corrupt(_))), "{read:?}");
}

async fn a_newer_snapshot_is_left_alone(ledger: &DynamoLedger, client: &Client) {
    let name = service("newer");
    write(ledger, &name, &configure(config(&name, "n"), "request-1")).await;
    client
        .update_item()
        .table_name(TABLE)
        .key("PK", AttributeValue::S("service#newer".into()))
        .key("SK", AttributeValue::S("pipeline".into()))
        .update_expression("SET #format = :format, #snapshot = :snapshot")
        .expression_attribute_names("#format", "format")
        .expression_attribute_names("#snapshot", "snapshot")
        .expression_attribute_values(":format", AttributeValue::N("99".into()))
        .expression_attribute_values(
            ":snapshot",
            AttributeValue::S("{\"unheard\":\"of\"}".into()),
        )
        .send()
        .await
        .unwrap();
    let loaded = ledger.load(&name, &Mention::Nothing).await;
    assert!(
        matches!(loaded, Err(LedgerError::Newer { found: 99, .. })),
        "{loaded:?}"
    );
}

async fn a_snapshot_that_does_not_fit_is_corrupt(ledger: &DynamoLedger) {
    let name = service("large");
    let mut config = config(&name, "l");
    config.source = Source::S3 {
        bucket: "b".into(),
        prefix: "x".repeat(500_000),
    };
    let commit = commit_of(ledger, &name, &configure(config, "request-1")).await;
    let refused = ledger.commit(&commit).await;
    assert!(
        matches!(refused, Err(LedgerError::Corrupt(_))),
        "{refused:?}"
    );
    assert_eq!(
        ledger
            .load(&name, &Mention::Nothing)
            .await
            .unwrap()
            .pipeline
            .seq,
        0
    );
}

fn many_alarms(name: &ServiceName, stages: usize, prefix: &str) -> ServiceConfig {
    let mut wide = config(name, "first");
    let stage = wide.stages[0].clone();
    wide.stages = (0..stages)
        .map(|number| {
            let mut stage = stage.clone();
            stage.name = format!("stage-{number}").parse().unwrap();
            let alarm = |n| {
                let (region, account) = (&stage.place.region, &stage.place.account);
                AlarmArn::of(region, account, &format!("{prefix}-{number}-{n}")).unwrap()
            };
            stage.alarms = (0..10).map(alarm).collect();
            stage
        })
        .collect();
    wide
}

async fn more_watches_than_a_transaction_takes(ledger: &DynamoLedger) {
    let name = service("wide");
    let before = many_alarms(&name, 12, "before");
    write(ledger, &name, &configure(before.clone(), "request-1")).await;
    let after = many_alarms(&name, 12, "after");
    write(ledger, &name, &configure(after.clone(), "request-2")).await;
    let alarms = |config: &ServiceConfig| -> BTreeSet<AlarmArn> {
        config
            .stages
            .iter()
            .flat_map(|stage| stage.alarms.clone())
            .collect()
    };
    for alarm in alarms(&after) {
        assert_eq!(
            ledger.watchers(&Subject::Alarm(alarm)).await.unwrap().len(),
            1
        );
    }
    for alarm in alarms(&before) {
        assert_eq!(ledger.watchers(&Subject::Alarm(alarm)).await.unwrap(), []);
    }
}

async fn a_new_prefix_replaces_the_watch(ledger: &DynamoLedger) {
    let name = service("prefix");
    let with = |prefix: &str| ServiceConfig {
        source: Source::S3 {
            bucket: "prefixes".into(),
            prefix: prefix.into(),
        },
        ..config(&name, "p")
    };
    write(ledger, &name, &configure(with("old/"), "request-1")).await;
    write(ledger, &name, &configure(with("new/"), "request-2")).await;
    let watchers = ledger
        .watchers(&Subject::Bucket("prefixes".into()))
        .await
        .unwrap();
    let narrow = domain::commit::Watcher::Source {
        service: name,
        narrow: "new/".into(),
    };
    assert_eq!(watchers, [narrow]);
}

async fn a_missing_table_is_unavailable(sdk: &aws_types::SdkConfig) {
    let ledger = DynamoLedger::new(sdk, "nowhere");
    let loaded = ledger.load(&service("web"), &Mention::Nothing).await;
    assert!(
        matches!(loaded, Err(LedgerError::Unavailable(_))),
        "{loaded:?}"
    );
}
