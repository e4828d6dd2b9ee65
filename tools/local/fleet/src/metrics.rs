//! Reports what balancers count to CloudWatch, as Elastic Load Balancing does: real requests,
//! real errors, every second or so.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use crate::{envelope::Place, plane::Counts, remote::CLOUDWATCH, world::World};

/// The namespace that Elastic Load Balancing reports under.
const NAMESPACE: &str = "AWS/ApplicationELB";

/// What was reported already, by place and balancer.
type Reported = BTreeMap<(Place, String), Counts>;

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
        let total = balancer.counts().into_values().fold(Counts::default(), sum);
        let key = (place.clone(), balancer.name().to_owned());
        let before = reported.insert(key, total).unwrap_or_default();
        // A balancer that was replaced by another of its name begins to count anew.
        let before = if before.requests > total.requests {
            Counts::default()
        } else {
            before
        };
        if total.requests > before.requests {
            let data = due.entry(place).or_default();
            let requests = total.requests - before.requests;
            data.push(datum(balancer.name(), "RequestCount", requests));
            let errors = total.target_5xx.saturating_sub(before.target_5xx);
            data.push(datum(balancer.name(), "HTTPCode_Target_5XX_Count", errors));
        }
    }
    due
}

fn sum(a: Counts, b: Counts) -> Counts {
    Counts {
        requests: a.requests + b.requests,
        target_5xx: a.target_5xx + b.target_5xx,
    }
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
