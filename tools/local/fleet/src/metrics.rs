//! Reports what balancers count to CloudWatch, as Elastic Load Balancing does: real requests,
//! real errors, every second or so.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use crate::{envelope::Place, plane::Balancer, remote::CLOUDWATCH, world::World};

/// The namespace that Elastic Load Balancing reports under.
const NAMESPACE: &str = "AWS/ApplicationELB";

/// What a balancer has counted since it exists.
#[derive(Debug, Clone, Copy, Default)]
struct Totals {
    requests: u64,
    target_5xx: u64,
    unanswered: u64,
}

/// What was reported already, by place and balancer.
type Reported = BTreeMap<(Place, String), Totals>;

/// Reports for as long as it runs.
pub(crate) async fn report(world: Arc<World>) {
    let mut interval = interval(world.pace.metric_interval);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reported = Reported::new();
    loop {
        interval.tick().await;
        for (place, data) in due(&world, &mut reported) {
            let input = json!({ "Namespace": NAMESPACE, "MetricData": data });
            let sent = world
                .remote
                .json(&place, CLOUDWATCH, "PutMetricData", &input)
                .await;
            if let Err(error) = sent {
                tracing::debug!(%error, "counts could not be reported");
            }
        }
    }
}

/// What has been counted since the last report, by place. A balancer without requests reports
/// nothing, as on AWS.
fn due(world: &World, reported: &mut Reported) -> BTreeMap<Place, Vec<Value>> {
    let mut due: BTreeMap<Place, Vec<Value>> = BTreeMap::new();
    for (place, balancer) in world.balancers() {
        let total = totals(&balancer);
        let key = (place.clone(), balancer.name().to_owned());
        let before = reported.insert(key, total).unwrap_or_default();
        // A balancer that was replaced by another of its name begins to count anew.
        let before = if before.requests > total.requests {
            Totals::default()
        } else {
            before
        };
        let requests = total.requests - before.requests;
        let errors = total.target_5xx.saturating_sub(before.target_5xx);
        let unanswered = total.unanswered.saturating_sub(before.unanswered);
        let data = due.entry(place).or_default();
        if requests > 0 {
            data.push(datum(balancer.name(), "RequestCount", requests));
            data.push(datum(balancer.name(), "HTTPCode_Target_5XX_Count", errors));
        }
        if unanswered > 0 {
            data.push(datum(balancer.name(), "HTTPCode_ELB_5XX_Count", unanswered));
        }
    }
    due.retain(|_, data| !data.is_empty());
    due
}

fn totals(balancer: &Balancer) -> Totals {
    let counts = balancer.counts().into_values();
    let none = Totals {
        unanswered: balancer.unanswered(),
        ..Totals::default()
    };
    counts.fold(none, |sum, group| Totals {
        requests: sum.requests + group.requests,
        target_5xx: sum.target_5xx + group.target_5xx,
        ..sum
    })
}

fn datum(balancer: &str, metric: &str, count: u64) -> Value {
    json!({
        "MetricName": metric,
        "Dimensions": [{ "Name": "LoadBalancer", "Value": balancer }],
        "Value": count,
        "Unit": "Count",
        "StorageResolution": 1,
    })
}
